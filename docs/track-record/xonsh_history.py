"""xonsh: the history is renamed without a sync."""

import os

from defect import Ack, Defect, main, sync_every_rename
from xonsh.built_ins import XSH
from xonsh.history.json import JsonHistory


def history(directory: str, session: str) -> JsonHistory:
    """Return the history of a session."""
    XSH.env = {"XONSH_DATA_DIR": directory}
    os.makedirs(f"{directory}/history_json", exist_ok=True)
    path = f"{directory}/history_json/xonsh-{session}.json"
    return JsonHistory(path, session, gc=False, save_cwd=False)


def workload(directory: str, ack: Ack) -> None:
    """Run two commands."""
    session = history(directory, "first")
    for text in ("one", "two"):
        session.append({"inp": text, "rtn": 0, "ts": [0.0, 0.0]})
        session.flush().join()
        ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Look for the commands in the next session."""
    if not os.path.exists(f"{directory}/history_json"):
        return "no history is left" if acked else None
    found = [each["inp"] for each in history(directory, "next").all_items()]
    missing = [each for each in acked if each not in found]
    return f"missing commands: {missing}" if missing else None


def cure() -> None:
    """Sync each history before it is renamed, and its directories after."""
    sync_every_rename()
    plain = os.makedirs

    def makedirs(path: str, **options: bool) -> None:
        plain(path, **options)
        descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    os.makedirs = makedirs


if __name__ == "__main__":
    main(
        Defect(
            package="xonsh",
            version="0.25.0",
            lost="the commands of a session are gone after a power cut",
            seen="missing commands: ['one'",
            workload=workload,
            check=check,
            cure=cure,
            max_images=600,
        )
    )
