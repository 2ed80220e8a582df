"""meson: coredata.dat is synced, and its name is not."""

import os

from defect import Ack, Defect, main, sync_directory, sync_every_rename
from mesonbuild import coredata


def workload(directory: str, ack: Ack) -> None:
    """Save the options of a build directory."""
    os.mkdir(f"{directory}/meson-private")
    data = object.__new__(coredata.CoreData)
    data.version, data.test_guid = coredata.version, "one"
    coredata.save(data, directory)
    ack("one")


def check(directory: str, acked: list[object]) -> str | None:
    """Use the build directory again."""
    if not acked:
        return None
    if not os.path.exists(f"{directory}/meson-private/coredata.dat"):
        return "the build directory has no options: set it up again"
    return None if coredata.load(directory).test_guid == "one" else "an old value"


def cure() -> None:
    """Sync the directory after the rename, and its parent after it was made."""
    sync_every_rename()
    plain = os.mkdir

    def mkdir(path: str, mode: int = 0o777) -> None:
        plain(path, mode)
        sync_directory(path)

    os.mkdir = mkdir


if __name__ == "__main__":
    main(
        Defect(
            package="meson",
            version="1.12.1",
            lost="a build directory that was set up has no options after a power cut",
            seen="the build directory has no options",
            workload=workload,
            check=check,
            cure=cure,
        )
    )
