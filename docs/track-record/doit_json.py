"""doit: the database is cut off before it is written anew."""

from defect import Ack, Defect, main, write_durably
from doit.dependency import JSONCodec, JsonDB

NAMES = ("one", "two", "three")


def workload(directory: str, ack: Ack) -> None:
    """Record three tasks, in a run each."""
    for name in NAMES:
        database = JsonDB(f"{directory}/.doit.json", codec=JSONCodec())
        database.set(name, "result:", name)
        database.dump()
        ack(name)


def check(directory: str, acked: list[object]) -> str | None:
    """Run doit again."""
    database = JsonDB(f"{directory}/.doit.json", codec=JSONCodec())
    missing = [each for each in acked if not database.in_(each)]
    return f"missing tasks: {missing}" if missing else None


def cure() -> None:
    """Write a new file, sync it, rename it over the old database, and sync the directory."""

    def dump(self: JsonDB) -> None:
        write_durably(self.name, self.codec.encode(self._db).encode())

    JsonDB.dump = dump


if __name__ == "__main__":
    main(
        Defect(
            package="doit",
            version="0.37.0",
            lost="doit refuses its database after a kill while it was saved",
            seen="DatabaseException: Expecting value",
            workload=workload,
            check=check,
            cure=cure,
            killed_in=("doit/dependency.py",),
        )
    )
