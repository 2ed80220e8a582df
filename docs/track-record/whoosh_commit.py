"""whoosh: nothing is ever synced."""

import os

from defect import Ack, Defect, main, sync_directory, sync_every_rename
from whoosh.fields import TEXT, Schema
from whoosh.filedb import structfile
from whoosh.index import create_in, open_dir


def workload(directory: str, ack: Ack) -> None:
    """Commit a document."""
    os.mkdir(f"{directory}/index")
    index = create_in(f"{directory}/index", Schema(text=TEXT(stored=True)))
    writer = index.writer()
    writer.add_document(text="one")
    writer.commit()
    ack("one")


def check(directory: str, acked: list[object]) -> str | None:
    """Search for what was committed."""
    if not acked:
        return None
    with open_dir(f"{directory}/index").searcher() as searcher:
        found = [each["text"] for each in searcher.all_stored_fields()]
    missing = [each for each in acked if each not in found]
    return f"missing: {missing}" if missing else None


def cure() -> None:
    """Sync each file that is closed and its directory, and all names after a rename."""
    sync_every_rename()
    plain, make = structfile.StructFile.close, os.mkdir

    def close(self: structfile.StructFile) -> None:
        if not self.is_closed and self.is_real and self.file.writable():
            self.file.flush()
            os.fsync(self.file.fileno())
            sync_directory(self.file.name)
        plain(self)

    def mkdir(path: str, mode: int = 0o777) -> None:
        make(path, mode)
        sync_directory(path)

    structfile.StructFile.close, os.mkdir = close, mkdir


if __name__ == "__main__":
    main(
        Defect(
            package="whoosh",
            version="2.7.4",
            lost="the index cannot be opened after a power cut",
            seen="TypeError: ord() expected a character",
            workload=workload,
            check=check,
            cure=cure,
            profiles=("lazyfs",),
        )
    )
