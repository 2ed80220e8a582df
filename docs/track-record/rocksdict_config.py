"""rocksdict: its own file of settings is written in place by each open, and never synced."""

import os

import rocksdict
from defect import Ack, Defect, main, sync_all, write_durably
from rocksdict import WriteOptions

OPEN = rocksdict.Rdict


def workload(directory: str, ack: Ack) -> None:
    """Create a database, put a value with sync=True, close it, and open it again."""
    database = rocksdict.Rdict(f"{directory}/db")
    synced = WriteOptions()
    synced.sync = True
    database.put("one", "1", synced)
    ack("one")
    database.close()
    rocksdict.Rdict(f"{directory}/db").close()


def check(directory: str, acked: list[object]) -> str | None:
    """Open the database."""
    if not acked:
        return None
    database = rocksdict.Rdict(f"{directory}/db")
    missing = [each for each in acked if each not in database]
    database.close()
    return f"missing: {missing}" if missing else None


def cure() -> None:
    """Keep a durable copy of the settings, put it back before each open, and sync all after."""

    def opened(path: str) -> rocksdict.Rdict:
        settings, copy = f"{path}/rocksdict-config.json", f"{path}.settings"
        if os.path.exists(copy):
            with open(copy, "rb") as file:
                write_durably(settings, file.read())
        database = OPEN(path)
        sync_all(path)
        with open(settings, "rb") as file:
            write_durably(copy, file.read())
        return database

    rocksdict.Rdict = opened


if __name__ == "__main__":
    main(
        Defect(
            package="rocksdict",
            version="0.3.29",
            lost="a database with synced values cannot be opened after a kill inside a later open",
            seen="Exception: Invalid argument",
            workload=workload,
            check=check,
            cure=cure,
            profiles=("process-kill",),
        )
    )
