"""queuelib: the size of a LIFO queue is only written by `close`."""

import os
import struct

from defect import Ack, Defect, main
from queuelib import LifoDiskQueue


def workload(directory: str, ack: Ack) -> None:
    """Close a queue of two requests, then add a third and be killed."""
    queue = LifoDiskQueue(f"{directory}/queue")
    queue.push(b"one")
    queue.push(b"two")
    queue.close()
    ack("one")
    ack("two")
    queue = LifoDiskQueue(f"{directory}/queue")
    queue.push(b"three")
    queue.close()
    ack("three")


def check(directory: str, acked: list[object]) -> str | None:
    """Pop all that the queue says it has."""
    if not os.path.exists(f"{directory}/queue"):
        return f"no queue, though {acked} were acknowledged" if acked else None
    queue = LifoDiskQueue(f"{directory}/queue")
    found = [queue.pop().decode() for _ in range(len(queue))]
    missing = [each for each in acked if each not in found]
    return f"missing: {missing}" if missing else None


def cure() -> None:
    """Count the requests from the end of the file, where each has its length behind it."""

    def opened(self: LifoDiskQueue, path: str) -> None:
        self.path, self.size = path, 0
        if not os.path.exists(path) or os.path.getsize(path) < self.SIZE_SIZE:
            with open(f"{path}.new", "wb") as new:
                new.write(struct.pack(self.SIZE_FORMAT, 0))
            os.replace(f"{path}.new", path)
        self.f = open(path, "rb+")  # noqa: SIM115 - the queue keeps it open
        end = self.f.seek(0, os.SEEK_END)
        while end > self.SIZE_SIZE:
            self.f.seek(end - self.SIZE_SIZE)
            (length,) = struct.unpack(self.SIZE_FORMAT, self.f.read(self.SIZE_SIZE))
            end -= length + self.SIZE_SIZE
            self.size += 1
        self.f.seek(0, os.SEEK_END)

    LifoDiskQueue.__init__ = opened


if __name__ == "__main__":
    main(
        Defect(
            package="queuelib",
            version="1.10.0",
            lost="after a kill the oldest requests of a LIFO queue are never given out",
            seen="missing: ['one'",
            workload=workload,
            check=check,
            cure=cure,
            killed_in=("queuelib/queue.py",),
        )
    )
