"""optuna: an append goes on where another one was cut off."""

import contextlib
import json
import os

from defect import Ack, Defect, main, sync_directory
from optuna.storages.journal import JournalFileBackend


def workload(directory: str, ack: Ack) -> None:
    """Append two records, each larger than Python's buffer, as a study does."""
    backend = JournalFileBackend(f"{directory}/journal")
    for text in ("one", "two"):
        backend.append_logs([{"value": text, "attribute": "x" * 5000}])
        ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Resume the study: append a record, and read all of them."""
    if os.path.islink(f"{directory}/journal.lock"):  # as optuna does after half a minute
        os.remove(f"{directory}/journal.lock")
    JournalFileBackend(f"{directory}/journal").append_logs([{"value": "resumed"}])
    backend = JournalFileBackend(f"{directory}/journal")
    found = [entry["value"] for entry in backend.read_logs(0)]
    missing = [each for each in (*acked, "resumed") if each not in found]
    return f"missing: {missing}" if missing else None


def cure() -> None:
    """Cut off what stands behind the last whole line before an append, and sync the name."""
    plain = JournalFileBackend.append_logs

    def append_logs(self: JournalFileBackend, logs: list[dict[str, object]]) -> None:
        end = 0
        with open(self._file_path, "rb+") as file, contextlib.suppress(ValueError):
            for line in file:
                json.loads(line.removesuffix(b"\n") if line.endswith(b"\n") else b"")
                end += len(line)
        os.truncate(self._file_path, end)
        plain(self, logs)
        sync_directory(self._file_path)

    JournalFileBackend.append_logs = append_logs


if __name__ == "__main__":
    main(
        Defect(
            package="optuna",
            version="5.0.0",
            lost="a study cannot be resumed after a crash in the middle of an append",
            seen="UnicodeDecodeError: 'utf",
            workload=workload,
            check=check,
            cure=cure,
        )
    )
