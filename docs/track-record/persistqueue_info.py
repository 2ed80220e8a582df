"""persist-queue: the file `info` is replaced by one that was not synced."""

import os

from defect import Ack, Defect, main, sync_directory, sync_every_rename
from persistqueue import Queue


def workload(directory: str, ack: Ack) -> None:
    """Put two items."""
    queue = Queue(f"{directory}/queue", tempdir=directory)
    for text in ("one", "two"):
        queue.put(text)
        ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Get all items."""
    if not os.path.exists(f"{directory}/queue"):
        return "no queue is left" if acked else None
    queue = Queue(f"{directory}/queue", tempdir=directory)
    found = [queue.get(block=False) for _ in range(queue.qsize())]
    missing = [each for each in acked if each not in found]
    return f"missing: {missing}" if missing else None


def cure() -> None:
    """Sync items and their directory after each put, and `info` before it is renamed."""
    sync_every_rename()
    plain = Queue._saveinfo

    def save(self: Queue) -> None:
        os.fsync(self.headf.fileno())
        sync_directory(self.headf.name)
        sync_directory(self.path)
        plain(self)

    Queue._saveinfo = save


if __name__ == "__main__":
    main(
        Defect(
            package="persist-queue",
            version="1.1.0",
            lost="a queue cannot be opened after a power cut",
            seen="EOFError: Ran out of input",
            workload=workload,
            check=check,
            cure=cure,
        )
    )
