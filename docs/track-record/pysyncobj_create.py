"""pysyncobj: a journal has its name before it has its header."""

import os

from defect import Ack, Defect, main, write_durably
from pysyncobj import journal as module
from pysyncobj.journal import FileJournal


def workload(directory: str, ack: Ack) -> None:
    """Create a journal with one entry."""
    FileJournal(f"{directory}/journal").add(b"command", 1, 1)
    ack(1)


def check(directory: str, acked: list[object]) -> str | None:
    """Start the node again."""
    journal = FileJournal(f"{directory}/journal")
    found = [journal[at][1] for at in range(len(journal))]
    missing = [each for each in acked if each not in found]
    return f"missing entries: {missing}" if missing else None


def cure() -> None:
    """Write the header to another name, and rename that."""
    plain = module.ResizableFile.__init__

    def opened(self: module.ResizableFile, name: str, **options: object) -> None:
        if not os.path.exists(name):
            write_durably(name, options["defaultContent"] or b"")
        plain(self, name, **options)

    module.ResizableFile.__init__ = opened


if __name__ == "__main__":
    main(
        Defect(
            package="pysyncobj",
            version="0.3.17",
            lost="a node cannot start again after a kill while its journal was created",
            seen="ValueError: cannot mmap an empty file",
            workload=workload,
            check=check,
            cure=cure,
            killed_in=("pysyncobj/journal.py",),
        )
    )
