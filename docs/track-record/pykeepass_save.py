"""pykeepass: the new database is moved over the old one without a sync."""

import os

import pykeepass
from defect import Ack, Defect, main, sync_every_rename

KEY = b"k" * 32


def workload(directory: str, ack: Ack) -> None:
    """Create a database, and save a password in it."""
    path = f"{directory}/passwords.kdbx"
    database = pykeepass.create_database(path, transformed_key=KEY)
    database.add_entry(database.root_group, "one", "user", "password")
    database.save(transformed_key=KEY)
    ack("one")


def check(directory: str, acked: list[object]) -> str | None:
    """Open the database."""
    path = f"{directory}/passwords.kdbx"
    if not acked:
        return None
    if not os.path.exists(path):
        return "no database is there"
    titles = [each.title for each in pykeepass.PyKeePass(path, transformed_key=KEY).entries]
    return None if "one" in titles else "the password is gone"


def cure() -> None:
    """Sync the new file before it is renamed, and the directory after."""
    sync_every_rename()


if __name__ == "__main__":
    main(
        Defect(
            package="pykeepass",
            version="4.2.0",
            lost="a saved password database is gone, or empty, after a power cut",
            seen="no database is there",
            workload=workload,
            check=check,
            cure=cure,
            max_images=300,
        )
    )
