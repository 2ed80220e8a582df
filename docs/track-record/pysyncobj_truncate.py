"""pysyncobj: to drop the first entries, it empties the journal and adds the others again."""

import os

from defect import Ack, Defect, main
from pysyncobj.journal import FileJournal


def workload(directory: str, ack: Ack) -> None:
    """Add four entries, and delete the first two."""
    journal = FileJournal(f"{directory}/journal")
    for number in range(4):
        journal.add(f"command {number}".encode(), number, 1)
        if number >= 2:
            ack(number)
    journal.deleteEntriesTo(2)
    ack("deleted")


def check(directory: str, acked: list[object]) -> str | None:
    """Look for entries 2 and 3, which were never deleted."""
    if not acked:
        return None
    journal = FileJournal(f"{directory}/journal")
    found = [journal[at][1] for at in range(len(journal))]
    missing = [each for each in (2, 3) if each in acked and each not in found]
    return f"missing entries: {missing}" if missing else None


def cure() -> None:
    """Write the entries that stay to a new journal, and rename it over the old one."""

    def delete_entries_to(self: FileJournal, count: int) -> None:
        path = self._ResizableFile__path
        kept = [self[at] for at in range(count, len(self))]
        beside = FileJournal(f"{path}.new")
        for entry in kept:
            beside.add(*entry)
        beside._destroy()
        os.replace(f"{path}.new", path)
        os.remove(f"{path}.new.meta") if os.path.exists(f"{path}.new.meta") else None
        opened(self, path)

    opened = FileJournal.__init__

    def keep_path(self: FileJournal, path: str) -> None:
        self._ResizableFile__path = path
        opened(self, path)

    FileJournal.__init__ = keep_path
    FileJournal.deleteEntriesTo = delete_entries_to


if __name__ == "__main__":
    main(
        Defect(
            package="pysyncobj",
            version="0.3.17",
            lost="entries that were acknowledged are gone after a kill in deleteEntriesTo",
            seen="missing entries: [2, 3]",
            workload=workload,
            check=check,
            cure=cure,
            killed_in=("pysyncobj/journal.py",),
        )
    )
