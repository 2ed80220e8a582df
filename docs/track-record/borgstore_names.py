"""borgstore: with do_fsync=True objects are synced, and their names are not."""

import os

from borgstore.backends.posixfs import PosixFS
from defect import Ack, Defect, main, sync_directory, sync_every_rename


def workload(directory: str, ack: Ack) -> None:
    """Store two chunks."""
    backend = PosixFS(f"{directory}/repo", do_fsync=True)
    backend.create()
    with backend:
        for text in ("one", "two"):
            backend.store(f"data/{text}", text.encode())
            ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Load all chunks."""
    if not os.path.exists(f"{directory}/repo"):
        return "no repository is left" if acked else None
    with PosixFS(f"{directory}/repo") as backend:
        missing = [each for each in acked if not backend.info(f"data/{each}").exists]
    return f"missing chunks: {missing}" if missing else None


def cure() -> None:
    """Sync the directory after each rename, and each directory's parent when it is made."""
    sync_every_rename()
    plain = os.mkdir

    def mkdir(path: str, mode: int = 0o777) -> None:
        plain(path, mode)
        sync_directory(str(path))

    os.mkdir = mkdir


if __name__ == "__main__":
    main(
        Defect(
            package="borgstore",
            version="0.7.0",
            lost="stored chunks are gone after a power cut, though each was synced",
            seen="missing chunks: ['one']",
            workload=workload,
            check=check,
            cure=cure,
        )
    )
