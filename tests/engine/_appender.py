"""The process that test_sigkill.py kills: it works on a store without end and says what it does.

Run as ``_appender.py DIRECTORY SEED``; with the seed ``look`` it only opens, looks and closes. It
writes one JSON value a line to its standard output, past all buffers:

- ``["start"]`` before the store is opened;
- ``["seen", ...]`` what the store showed right after opening;
- ``["try", ...]`` an operation about to be called, and ``["ack"]`` once it has returned.

Commands and snapshots appear by their digest.
"""

import hashlib
import json
import os
import sys
from random import Random

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    NoSnapshotError,
    PersistentState,
    SnapshotMetadata,
    StorageConfig,
)

OPTIONS = FileStorageOptions(retained_log_size=8)


def say(*words: object) -> None:
    line = json.dumps(words).encode() + b"\n"
    while line:
        line = line[os.write(1, line) :]


def digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


class Worker:
    """One opened store, and a stream of operations that are all valid on it."""

    def __init__(self, directory: str, random: Random) -> None:
        self.random = random
        self.store = FileStorage(StorageConfig(directory=directory), OPTIONS)
        self.state = self.store.load_state()
        self.snapshot_index = 0
        self.say_what_is_seen()

    def say_what_is_seen(self) -> None:
        snapshot = None
        try:
            metadata, data = self.store.load_snapshot()
        except NoSnapshotError:
            pass
        else:
            self.snapshot_index = metadata.last_included_index
            snapshot = [self.snapshot_index, metadata.last_included_term, digest(data)]
        bounds = self.store.log_bounds()
        entries = (
            self.store.get_log_entries(bounds.first_index, bounds.last_index + 1)
            if bounds.entry_count
            else []
        )
        say(
            "seen",
            {
                "state": [self.state.current_term, self.state.voted_for],
                "first": bounds.first_index,
                "last_term": bounds.last_term,
                "entries": [[entry.index, entry.term, digest(entry.command)] for entry in entries],
                "snapshot": snapshot,
            },
        )

    def work(self) -> None:
        operations = [self.append, self.save_state, self.truncate_suffix, self.truncate_prefix]
        operations += [self.snapshot, self.install]
        weights = [60, 15, 10, 4, 8, 3]
        self.save_state()
        for operation in self.random.choices(operations, weights, k=self.random.randrange(1, 200)):
            operation()

    def append(self) -> None:
        last, term = self.store.last_log_index, self.state.current_term
        size = self.random.choice([0, 1, 100, 300, 5000])
        entries = [
            LogEntry(last + 1 + offset, term, self.random.randbytes(size))
            for offset in range(self.random.randrange(1, 9))
        ]
        say("try", "append", [[entry.index, term, digest(entry.command)] for entry in entries])
        self.store.append_log_entries(entries)
        say("ack")

    def save_state(self) -> None:
        term = self.state.current_term + 1
        self.state = PersistentState(term, self.random.choice(["", "node-a", "node-b"]))
        say("try", "state", [term, self.state.voted_for])
        self.store.save_state(self.state)
        say("ack")

    def truncate_suffix(self) -> None:
        bounds = self.store.log_bounds()
        least = max(bounds.first_index, self.snapshot_index + 1)
        if least > bounds.last_index:
            return
        index = self.random.randint(max(least, bounds.last_index - 20), bounds.last_index)
        say("try", "suffix", index)
        self.store.truncate_log_suffix(index)
        say("ack")

    def truncate_prefix(self) -> None:
        say("try", "prefix", self.snapshot_index)
        self.store.truncate_log_prefix(self.snapshot_index)
        say("ack")

    def snapshot(self) -> None:
        last = self.store.last_log_index
        if last == self.snapshot_index:
            return
        index = self.random.randint(self.snapshot_index + 1, last)
        self.save_snapshot(SnapshotMetadata(index, self.store.get_log_entry(index).term))

    def install(self) -> None:
        """What a leader sends to a follower that has fallen behind the leader's log."""
        index = self.store.last_log_index + self.random.randrange(1, 6)
        self.save_snapshot(SnapshotMetadata(index, self.state.current_term))

    def save_snapshot(self, metadata: SnapshotMetadata) -> None:
        data = self.random.randbytes(self.random.choice([0, 1000, 50_000]))
        index, term = metadata.last_included_index, metadata.last_included_term
        say("try", "snapshot", [index, term, digest(data)])
        self.store.save_snapshot(metadata, data)
        self.snapshot_index = index
        say("ack")


def main(directory: str, seed: str) -> None:
    say("start")
    random = Random(seed)
    while True:
        worker = Worker(directory, random)
        if seed != "look":
            worker.work()
        # A clean close, for the next opening trusts more behind one.
        worker.store.close()
        if seed == "look":
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
