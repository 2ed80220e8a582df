"""How many bytes a directory takes over a long life: a multiple of what is live, and no more.

What counts as live stands in docs/engine.md, under "How much room a store takes".
"""

from pathlib import Path
from random import Random

import pytest
from attrs import define, field
from engine_site import INLINE, EngineSite

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    OsFileSystem,
    PersistentState,
    SnapshotMetadata,
    ThreadRuntime,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

PER_ENTRY = 88
PER_TRUNCATION = 88
BESIDES = 4096
RETAINED = 100
OPTIONS = FileStorageOptions(retained_log_size=RETAINED, features=INLINE)


@define
class Ledger:
    """What a directory may take, kept beside the store.

    Attributes:
        sizes: what each entry of the log takes, in order.
        first_index: of the first of them.
        dead: what was removed from the log since it was last made anew.
        snapshot: length of the snapshot's data.
    """

    sizes: list[int] = field(factory=list)
    first_index: int = 1
    dead: int = 0
    snapshot: int = 0

    @property
    def last_index(self) -> int:
        return self.first_index + len(self.sizes) - 1

    @property
    def bytes_at_rest(self) -> int:
        return self.snapshot + sum(self.sizes) + self.dead

    @property
    def free(self) -> int:
        """Space that may be filled ahead of the log: half of it."""
        return (sum(self.sizes) + self.dead) // 2

    def truncate(self, count: int) -> None:
        if count:
            self.dead += sum(self.sizes[-count:]) + PER_TRUNCATION
            del self.sizes[-count:]

    def compact(self, first_index: int) -> None:
        if first_index > self.first_index:
            del self.sizes[: first_index - self.first_index]
            self.first_index, self.dead = first_index, 0


@define
class Life:
    """A store, used and restarted over and over; each directory's size is held to the ledger."""

    site: EngineSite
    random: Random
    ledger: Ledger = field(factory=Ledger)
    appends: int = 0
    largest: int = 0

    def directory_bytes(self) -> int:
        filesystem, directory = self.site.filesystem, self.site.directory
        return sum(
            filesystem.stat(f"{directory}/{name}").size for name in filesystem.listdir(directory)
        )

    def at_rest(self) -> None:
        ledger = self.ledger
        assert self.directory_bytes() <= ledger.bytes_at_rest + ledger.free + BESIDES

    def watch(self) -> None:
        """Remember the largest size at any sync, while something is being replaced."""

        def look(call: object) -> None:
            if getattr(call, "kind", "") in ("fsync", "fsync_dir"):
                self.largest = max(self.largest, self.directory_bytes())

        self.site.watched.refuse = look

    def run(self, store: FileStorage, *, appends: int, snapshot_every: int) -> None:
        """Append, and now and then resolve a conflict or save a snapshot."""
        for _ in range(appends):
            self.append(store)
            if self.random.random() < 0.02:
                self.conflict(store)
            if self.appends % snapshot_every == 0:
                self.snapshot(store)

    def append(self, store: FileStorage) -> None:
        first, ledger = self.ledger.last_index + 1, self.ledger
        batch = [
            LogEntry(first + number, 1, self.random.randbytes(self.random.randint(80, 300)))
            for number in range(self.random.choice((1, 1, 1, 2, 5)))
        ]
        store.append_log_entries(batch)
        ledger.sizes += [len(entry.command) + PER_ENTRY for entry in batch]
        self.appends += 1

    def conflict(self, store: FileStorage) -> None:
        count = min(self.random.randint(0, 20), len(self.ledger.sizes) - RETAINED)
        if count > 0:
            store.truncate_log_suffix(self.ledger.last_index + 1 - count)
            self.ledger.truncate(count)

    def snapshot(self, store: FileStorage) -> None:
        length, ledger = self.random.randint(0, 100_000), self.ledger
        metadata = SnapshotMetadata(ledger.last_index - RETAINED // 2, 1)
        both_snapshots = ledger.bytes_at_rest + length
        most = 2 * (ledger.bytes_at_rest - ledger.snapshot + max(length, ledger.snapshot))
        self.largest, free = 0, ledger.free
        store.save_snapshot(metadata, self.random.randbytes(length))
        assert self.largest > ledger.snapshot + length
        both_logs = ledger.bytes_at_rest - ledger.snapshot + length
        ledger.snapshot = length
        ledger.compact(store.first_log_index)
        both_logs += sum(ledger.sizes)
        assert self.largest <= max(both_snapshots, both_logs) + free + BESIDES
        assert max(both_snapshots, both_logs) <= most
        self.at_rest()


@pytest.mark.parametrize(
    ("kind", "restarts", "appends", "snapshot_every"),
    [
        ("real", 10, 60, 97),
        ("simulated", 10, 60, 97),
        pytest.param("simulated", 100, 1000, 397, marks=pytest.mark.minutes),
    ],
)
def test_a_long_life_takes_no_more_room_than_what_is_live(
    tmp_path: Path, kind: str, restarts: int, appends: int, snapshot_every: int
) -> None:
    site = (
        EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
        if kind == "real"
        else EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
    )
    life = Life(site, Random(restarts))
    for restart in range(restarts):
        store = site.reopen(OPTIONS)
        life.at_rest()
        life.watch()
        store.save_state(PersistentState(restart + 1, f"node-{restart % 3}"))
        life.run(store, appends=appends, snapshot_every=snapshot_every)
        if restart % 2:
            store.close()
        life.at_rest()
    ledger = life.ledger
    assert life.appends == restarts * appends
    assert site.open(OPTIONS).last_log_index == ledger.last_index
    assert ledger.first_index > ledger.last_index - RETAINED - 6 * snapshot_every
