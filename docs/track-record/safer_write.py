"""safer: the new file is renamed without a sync."""

import os

import safer
from defect import Ack, Defect, main, sync_every_rename

TEXTS = ("one", "two")


def workload(directory: str, ack: Ack) -> None:
    """Write a file twice."""
    for text in TEXTS:
        with safer.open(f"{directory}/file", "w") as file:
            file.write(text)
        ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Read the file."""
    if not os.path.exists(f"{directory}/file"):
        return "nothing is there" if acked else None
    with open(f"{directory}/file") as file:
        found = file.read()
    return None if found in TEXTS else f"damaged: {found!r}"


def cure() -> None:
    """Sync the new file before it is renamed, and the directory after."""
    sync_every_rename()


if __name__ == "__main__":
    main(
        Defect(
            package="safer",
            version="6.1.0",
            lost="a file is empty after a power cut, and its old content is gone",
            seen="damaged: ''",
            workload=workload,
            check=check,
            cure=cure,
        )
    )
