"""happi: the database is moved over the old one without a sync."""

import os

from defect import Ack, Defect, main, sync_every_rename
from happi.backends.json_db import JSONBackend


def workload(directory: str, ack: Ack) -> None:
    """Save two devices."""
    database = JSONBackend(f"{directory}/happi.json", initialize=True)
    for text in ("one", "two"):
        database.save(text, {"name": text})
        ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Load all devices."""
    if not os.path.exists(f"{directory}/happi.json"):
        return "no database is left" if acked else None
    found = JSONBackend(f"{directory}/happi.json").load()
    missing = [each for each in acked if each not in found]
    return f"missing devices: {missing}" if missing else None


def cure() -> None:
    """Sync the new file before it is renamed, and the directory after."""
    sync_every_rename()


if __name__ == "__main__":
    main(
        Defect(
            package="happi",
            version="3.0.1",
            lost="the database of devices is empty after a power cut, without any error",
            seen="missing devices: ['one'",
            workload=workload,
            check=check,
            cure=cure,
            max_images=600,
        )
    )
