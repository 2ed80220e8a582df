"""Queues and journals: what was put there must come back."""

import os
from contextlib import suppress
from typing import Any, Final

from .case import VERSIONS, Acknowledge, Case, collecting, load

__all__ = ["CASES"]


def journal_add(directory: str, ack: Acknowledge) -> None:
    journal = load("pysyncobj.journal").FileJournal(f"{directory}/journal")
    for number in range(4):
        journal.add(f"command {number}".encode(), number, 1)
        ack(("add", number))
    journal.deleteEntriesTo(2)
    ack(("delete", 2))


def journal_entries(directory: str, acked: list[object]) -> str | None:
    """Entries from 2 on were never deleted; those before may be gone or not."""
    if not os.path.exists(f"{directory}/journal"):
        return "nothing is there" if acked else None
    journal = load("pysyncobj.journal").FileJournal(f"{directory}/journal")
    found = [journal[at][1] for at in range(len(journal))]
    missing = [number for number in (2, 3) if ("add", number) in acked and number not in found]
    return f"missing entries: {missing}" if missing else None


def journal_term(directory: str, ack: Acknowledge) -> None:
    journal = load("pysyncobj.journal").FileJournal(f"{directory}/journal")
    for term in (1, 2):
        journal.setCurrentTerm(term, "node-a")
        ack(term)


def journal_term_kept(directory: str, acked: list[object]) -> str | None:
    if not acked:
        return None
    term = load("pysyncobj.journal").FileJournal(f"{directory}/journal").getCurrentTerm()
    return f"the term went back to {term}" if term < acked[-1] else None


def queue_put(directory: str, ack: Acknowledge) -> None:
    queue = load("persistqueue").Queue(f"{directory}/queue", tempdir=directory)
    for version in VERSIONS:
        queue.put(version)
        ack(version)


def queue_get(directory: str) -> list[str]:
    queue = load("persistqueue").Queue(f"{directory}/queue", tempdir=directory)
    return [queue.get(block=False) for _ in range(queue.qsize())]


def disk_queue_push(directory: str, ack: Acknowledge) -> None:
    """One crawl is closed, so that its two requests must come back; the next one is killed."""
    queue = load("queuelib").LifoDiskQueue(f"{directory}/queue")
    queue.push(b"one")
    queue.push(b"two")
    queue.close()
    ack("one")
    ack("two")
    queue = load("queuelib").LifoDiskQueue(f"{directory}/queue")
    queue.push(b"three")
    queue.close()
    ack("three")


def disk_queue_pop(directory: str) -> list[str]:
    queue = load("queuelib").LifoDiskQueue(f"{directory}/queue")
    return [queue.pop().decode() for _ in range(len(queue))]


def optuna_append(directory: str, ack: Acknowledge) -> None:
    backend = load("optuna.storages.journal").JournalFileBackend(f"{directory}/journal")
    for version in VERSIONS[:2]:
        backend.append_logs([{"value": version, "attribute": "x" * 5000}])
        ack(version)


def optuna_read(directory: str) -> list[str]:
    backend = load("optuna.storages.journal").JournalFileBackend(f"{directory}/journal")
    return [entry["value"] for entry in backend.read_logs(0)]


def optuna_resume(directory: str) -> list[str]:
    """The study goes on after the crash, as a person would have it."""
    journal = load("optuna.storages.journal")
    journal.JournalFileBackend(f"{directory}/journal").append_logs([{"value": "resumed"}])
    found = optuna_read(directory)
    assert "resumed" in found
    return found


def message_queue(directory: str) -> Any:  # noqa: ANN401 - other people's modules have no types
    for name in ("queue", "control", "done"):
        os.makedirs(f"{directory}/{name}", exist_ok=True)
    options = {
        "data_folder_in": f"{directory}/queue",
        "data_folder_out": f"{directory}/queue",
        "control_folder": f"{directory}/control",
        "processed_folder": f"{directory}/done",
        "store_processed": True,
    }
    return load("kombu").Connection("filesystem://", transport_options=options)


def messages_put(directory: str, ack: Acknowledge) -> None:
    with message_queue(directory) as connection:
        queue = connection.SimpleQueue("mail")
        for version in VERSIONS[:2]:
            queue.put(version)
            ack(version)
        queue.close()


def messages_get(directory: str) -> list[str]:
    found = []
    with message_queue(directory) as connection:
        queue = connection.SimpleQueue("mail")
        with suppress(queue.Empty):
            while True:
                message = queue.get_nowait()
                found.append(message.payload)
                message.ack()
        queue.close()
    return found


CASES: Final = {
    "pysyncobj, entries": Case(journal_add, journal_entries, "pysyncobj"),
    "pysyncobj, term": Case(journal_term, journal_term_kept, "pysyncobj"),
    "queuelib, LifoDiskQueue": collecting(
        disk_queue_push, disk_queue_pop, made="queue", package="queuelib"
    ),
    "optuna, read the journal": collecting(
        optuna_append, optuna_read, made="journal", package="optuna"
    ),
    "optuna, resume the study": collecting(
        optuna_append, optuna_resume, made="journal", package="optuna"
    ),
    "kombu, filesystem transport": collecting(
        messages_put, messages_get, made="queue", package="kombu"
    ),
    "persist-queue": collecting(queue_put, queue_get, made="queue", package="persist-queue"),
}
