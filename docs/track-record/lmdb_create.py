"""lmdb: a new environment has its name before it has both its first pages."""

import lmdb
from defect import Ack, Defect, create_durably, main

OPEN = lmdb.open


def workload(directory: str, ack: Ack) -> None:
    """Create an environment, and commit a value."""
    with lmdb.open(f"{directory}/env", map_size=1 << 20) as environment:
        with environment.begin(write=True) as transaction:
            transaction.put(b"one", b"1")
        ack("one")


def check(directory: str, acked: list[object]) -> str | None:
    """Read what was committed."""
    with OPEN(f"{directory}/env", map_size=1 << 20) as environment, environment.begin() as reading:
        missing = [each for each in acked if reading.get(str(each).encode()) is None]
    return f"missing: {missing}" if missing else None


def cure() -> None:
    """Create the environment under another name, sync its files and directory, and rename it."""

    def opened(path: str, **options: int) -> lmdb.Environment:
        create_durably(path, lambda new: OPEN(new, **options).close())
        return OPEN(path, **options)

    lmdb.open = opened


if __name__ == "__main__":
    main(
        Defect(
            package="lmdb",
            version="3.0.0",
            lost="a new environment cannot be opened after a crash in its first write",
            seen="InvalidError:",
            workload=workload,
            check=check,
            cure=cure,
        )
    )
