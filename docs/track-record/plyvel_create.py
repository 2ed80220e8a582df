"""plyvel (LevelDB 1.22): CURRENT names a MANIFEST that was not synced."""

import plyvel
from defect import Ack, Defect, create_durably, main

OPEN = plyvel.DB


def workload(directory: str, ack: Ack) -> None:
    """Create a database, and put a value with sync=True."""
    with plyvel.DB(f"{directory}/db", create_if_missing=True) as database:
        database.put(b"one", b"1", sync=True)
        ack("one")


def check(directory: str, acked: list[object]) -> str | None:
    """Open the database, or create it if nobody has."""
    with OPEN(f"{directory}/db", create_if_missing=True) as database:
        missing = [each for each in acked if database.get(str(each).encode()) is None]
    return f"missing: {missing}" if missing else None


def cure() -> None:
    """Create the database under another name, sync its files and directory, and rename it."""

    def opened(path: str, **options: bool) -> plyvel.DB:
        create_durably(path, lambda new: OPEN(new, create_if_missing=True).close())
        return OPEN(path, **options)

    plyvel.DB = opened


if __name__ == "__main__":
    main(
        Defect(
            package="plyvel",
            version="1.5.1",
            lost="a new database cannot be opened after a power cut",
            seen="CorruptionError: b'Corruption: no meta-nextfile entry",
            workload=workload,
            check=check,
            cure=cure,
        )
    )
