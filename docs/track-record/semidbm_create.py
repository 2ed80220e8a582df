"""semidbm: a database has its name before it has its header."""

import semidbm
from defect import Ack, Defect, main, write_durably
from semidbm.db import FILE_FORMAT_VERSION, FILE_IDENTIFIER, _SemiDBM, struct


def workload(directory: str, ack: Ack) -> None:
    """Create a database, and sync a value."""
    database = semidbm.open(f"{directory}/db", "c")
    database["key"] = "value"
    database.sync()
    ack("key")
    database.close()


def check(directory: str, acked: list[object]) -> str | None:
    """Open the database again."""
    database = semidbm.open(f"{directory}/db", "c")
    missing = [each for each in acked if str(each).encode() not in database]
    return f"missing: {missing}" if missing else None


def cure() -> None:
    """Write the header to another name, and rename that."""

    def write_headers(_: _SemiDBM, path: str) -> None:
        write_durably(path, FILE_IDENTIFIER + struct.pack("!HH", *FILE_FORMAT_VERSION))

    _SemiDBM._write_headers = write_headers


if __name__ == "__main__":
    main(
        Defect(
            package="semidbm",
            version="0.5.1",
            lost="a database cannot be opened after a kill while it was created",
            seen="DBMLoadError: File is not a semibdm db file",
            workload=workload,
            check=check,
            cure=cure,
            killed_in=("semidbm/db.py",),
        )
    )
