"""pysyncobj: term and vote are renamed without a sync."""

from defect import Ack, Defect, main, sync_every_rename
from pysyncobj.journal import MetaStorer


def workload(directory: str, ack: Ack) -> None:
    """Vote in two terms, as `FileJournal.setCurrentTerm` does before a node answers."""
    storer = MetaStorer(f"{directory}/journal.meta")
    for term in (1, 2):
        storer.storeMeta({"currentTerm": term, "votedForNodeId": "node-a"})
        ack(term)


def check(directory: str, acked: list[object]) -> str | None:
    """Start the node again, as `FileJournal` reads its term."""
    term = MetaStorer(f"{directory}/journal.meta").getMeta().get("currentTerm", 0)
    return f"term {acked[-1]} went back to {term}" if acked and term < acked[-1] else None


def cure() -> None:
    """Sync the new file before it is renamed, and the directory after."""
    sync_every_rename()


if __name__ == "__main__":
    main(
        Defect(
            package="pysyncobj",
            version="0.3.17",
            lost="a node forgets its term and vote in a power cut, and may vote twice",
            seen="term 1 went back to 0",
            workload=workload,
            check=check,
            cure=cure,
        )
    )
