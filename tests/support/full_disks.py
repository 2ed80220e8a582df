"""Work on a store until the disk is full, and what must hold then and once there is room again.

A `Roomy` is a filesystem whose room a test decides: a file in it takes all of it but some blocks,
until that is removed. `work_until_full` does the steps of `WORK` one after another, takes the room
before one of them, and stops at the first that finds none.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import evolve, field, frozen
from engine_site import EngineSite, entries

from wavetank.engine import (
    FileStorage,
    FileSystem,
    LogEntry,
    OpenFlag,
    OsFileSystem,
    PersistentState,
    SnapshotMetadata,
    StorageError,
    StorageIOError,
    StoragePoisonedError,
    ThreadRuntime,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

__all__ = [
    "BLOCK",
    "LITTER",
    "WORK",
    "Content",
    "Full",
    "Roomy",
    "Step",
    "content",
    "finish",
    "require_want_of_room",
    "work_until_full",
]

BLOCK: Final = 4096
LITTER: Final = (".tmp", "snapshot.marker")
"""How the names end that no store has while nothing is being written."""


@frozen
class Roomy:
    """A filesystem of limited size with a store's place in it.

    Attributes:
        site: the store's place.
        free_bytes: tells how much room is left.
        filler: path of the file that takes room.
        disk: what is simulated, or None.
    """

    site: EngineSite
    free_bytes: Callable[[], int]
    filler: str
    disk: SimDisk | None = None

    @classmethod
    def simulated(cls, blocks: int) -> Roomy:
        """Return a simulated filesystem with a directory for the store."""
        disk = SimDisk(capacity_bytes=blocks * BLOCK)
        filesystem = SimFileSystem(disk)
        filesystem.mkdir("/store")

        def free_bytes() -> int:
            assert disk.free_bytes is not None
            return disk.free_bytes

        site = EngineSite(filesystem, SerialRuntime, "/store")
        return cls(site, free_bytes, "/filler", disk)

    @classmethod
    def real(cls, mount_point: Path) -> Roomy:
        """Return a real filesystem that was mounted there."""
        (mount_point / "store").mkdir()

        def free_bytes() -> int:
            status = os.statvfs(mount_point)
            return status.f_bavail * status.f_frsize

        site = EngineSite(OsFileSystem(), ThreadRuntime, f"{mount_point}/store")
        return cls(site, free_bytes, f"{mount_point}/filler")

    @property
    def filesystem(self) -> FileSystem:
        return self.site.filesystem

    def leave(self, blocks: int) -> None:
        """Take all the room but so many blocks."""
        file = self.filesystem.open(self.filler, OpenFlag.WRITE | OpenFlag.CREATE)
        length = self.free_bytes() - blocks * BLOCK
        file.preallocate(0, length)
        file.close()
        assert self.free_bytes() == blocks * BLOCK

    def make_room(self) -> None:
        """Give it back."""
        self.filesystem.unlink(self.filler)

    def litter(self) -> list[str]:
        return [name for name in self.site.names() if name.endswith(LITTER)]


@frozen
class Content:
    """What a store holds, or is to hold; entries before `first_index` are there or not."""

    state: PersistentState = field(factory=lambda: PersistentState(0))
    log: tuple[LogEntry, ...] = ()
    snapshot: tuple[SnapshotMetadata, bytes] | None = None

    @property
    def last_index(self) -> int:
        base = self.snapshot[0].last_included_index if self.snapshot else 0
        return self.log[-1].index if self.log else base


Step = tuple[str, Callable[[FileStorage], None], Callable[[Content], Content]]


def _append(first: int, last: int, *, term: int, size: int) -> Step:
    batch = entries(first, last, term, size)
    return (
        f"append {first}..{last}",
        lambda store: store.append_log_entries(batch),
        lambda held: evolve(held, log=(*held.log, *batch)),
    )


def _state(term: int, node: str) -> Step:
    state = PersistentState(term, node)
    return (
        f"state {term}",
        lambda store: store.save_state(state),
        lambda held: evolve(held, state=state),
    )


def _cut(index: int) -> Step:
    return (
        f"cut {index}",
        lambda store: store.truncate_log_suffix(index),
        lambda held: evolve(held, log=tuple(e for e in held.log if e.index < index)),
    )


def _snapshot(index: int, term: int, length: int) -> Step:
    metadata, data = SnapshotMetadata(index, term), bytes([index]) * length

    def after(held: Content) -> Content:
        kept = held.log if index <= held.last_index else ()
        return evolve(held, log=kept, snapshot=(metadata, data))

    return f"snapshot {index}", lambda store: store.save_snapshot(metadata, data), after


WORK: Final[tuple[Step, ...]] = (
    _state(1, "node-a"),
    _append(1, 3, term=1, size=20),
    _append(4, 4, term=1, size=5000),
    _append(5, 8, term=1, size=1500),
    _cut(8),
    _append(8, 9, term=2, size=2500),
    _state(2, "node-b" * 700),
    _snapshot(5, 1, 9000),
    _append(10, 12, term=2, size=1400),
    _snapshot(11, 2, 12000),
    _snapshot(20, 3, 300),
    _append(21, 23, term=3, size=2000),
)


@frozen
class Full:
    """A store that has met the end of the room.

    Attributes:
        store: still open.
        step: number of the step that failed; None if there was room for all.
        held: what was acknowledged.
        begun: length of the op log before that step; 0 where nothing is simulated.
    """

    store: FileStorage
    step: int | None
    held: Content
    begun: int = 0


def work_until_full(place: Roomy, store: FileStorage, step: int, blocks: int) -> Full:
    """Do one step after another; hold what is read to what was acknowledged.

    Args:
        place: where the store lies.
        store: newly made.
        step: before this one the room is taken.
        blocks: how many are left.
    """
    held = Content()
    for number, (_, act, after) in enumerate(WORK):
        if number == step:
            place.leave(blocks)
        begun = len(place.disk.log) if place.disk else 0
        try:
            act(store)
        except StorageError as error:
            require_want_of_room(error)
            _holds_live(store, held, after(held))
            return Full(store, number, held, begun)
        held = after(held)
        assert agrees(content(store), held)
    return Full(store, None, held)


def finish(store: FileStorage, full: Full) -> None:
    """Do the step that failed, unless it is there by now, and all that follow."""
    assert full.step is not None
    held = full.held
    for number, (name, act, after) in enumerate(WORK):
        if number < full.step:
            continue
        if number > full.step or not agrees(content(store), after(held)):
            assert agrees(content(store), held), name
            act(store)
        held = after(held)
        assert agrees(content(store), held), name


def require_want_of_room(error: StorageError) -> None:
    """Hold a typed error to ENOSPC, in itself or among its causes."""
    assert isinstance(error, (StorageIOError, StoragePoisonedError))
    numbers = []
    cause: BaseException | None = error
    while cause is not None:
        numbers.append(getattr(cause, "errno", None))
        cause = cause.__cause__
    assert errno.ENOSPC in numbers


def content(store: FileStorage) -> Content:
    """Return all that a store shows."""
    extent = store.log_bounds()
    found = (
        store.get_log_entries(extent.first_index, extent.last_index + 1)
        if extent.entry_count
        else []
    )
    try:
        snapshot = store.load_snapshot()
    except StorageError:
        snapshot = None
    return Content(store.load_state(), tuple(found), snapshot)


def agrees(found: Content, held: Content) -> bool:
    """Whether a store shows what it holds; a snapshot covers what may be gone of the log."""
    if (found.state, found.snapshot) != (held.state, held.snapshot):
        return False
    covered = held.snapshot[0].last_included_index if held.snapshot else 0
    first = found.log[0].index if found.log else held.last_index + 1
    return (
        first <= covered + 1
        and found.last_index == held.last_index
        and found.log == tuple(entry for entry in held.log if entry.index >= first)
    )


def _holds_live(store: FileStorage, held: Content, attempted: Content) -> None:
    """What failed is not visible, but for a snapshot that was durable before the room ended."""
    allowed = [held]
    if attempted.snapshot != held.snapshot:
        allowed += [attempted, evolve(held, snapshot=attempted.snapshot)]
    found = content(store)
    assert any(agrees(found, each) for each in allowed)
