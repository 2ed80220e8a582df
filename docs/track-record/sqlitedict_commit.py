"""sqlitedict: it runs SQLite with synchronous=OFF."""

import os
import sqlite3

from defect import Ack, Defect, main
from sqlitedict import SqliteDict


def workload(directory: str, ack: Ack) -> None:
    """Commit two values."""
    with SqliteDict(f"{directory}/db") as values:
        for text in ("one", "two"):
            values[text] = text
            values.commit()
            ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Read what was committed."""
    if not os.path.exists(f"{directory}/db"):
        return "nothing is there" if acked else None
    with SqliteDict(f"{directory}/db") as values:
        missing = [each for each in acked if each not in values]
    return f"missing: {missing}" if missing else None


def cure() -> None:
    """Leave synchronous at EXTRA, which also syncs the directory after each commit."""
    connect = sqlite3.connect

    class Synced(sqlite3.Connection):
        def cursor(self) -> sqlite3.Cursor:
            return super().cursor(SyncedCursor)

    class SyncedCursor(sqlite3.Cursor):
        def execute(self, words: str, *arguments: object) -> sqlite3.Cursor:
            return super().execute(
                words.replace("synchronous=OFF", "synchronous=EXTRA"), *arguments
            )

    sqlite3.connect = lambda *arguments, **options: connect(*arguments, factory=Synced, **options)


if __name__ == "__main__":
    main(
        Defect(
            package="sqlitedict",
            version="2.1.0",
            lost="committed values are lost in a power cut",
            seen="missing: ['one'",
            workload=workload,
            check=check,
            cure=cure,
            profiles=("lazyfs",),
        )
    )
