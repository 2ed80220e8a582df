"""pickledb: the new database is renamed without a sync, and an empty one is taken for none."""

from defect import Ack, Defect, main, sync_every_rename
from pickledb import PickleDB


def workload(directory: str, ack: Ack) -> None:
    """Save two values."""
    database = PickleDB(f"{directory}/db").load()
    for text in ("one", "two"):
        database.set(text, text)
        database.save()
        ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Load the database."""
    found = PickleDB(f"{directory}/db").load().all()
    missing = [each for each in acked if each not in found]
    return f"missing: {missing}" if missing else None


def cure() -> None:
    """Sync the new file before it is renamed, and the directory after."""
    sync_every_rename()


if __name__ == "__main__":
    main(
        Defect(
            package="pickledb",
            version="1.6",
            lost="the whole database is unreadable, or taken for an empty one, after a power cut",
            seen="missing: ['one'",
            workload=workload,
            check=check,
            cure=cure,
        )
    )
