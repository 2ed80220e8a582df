"""Keep the faults of a run, or of what follows a crash in it.

A `FaultTimeline` gives a store its filesystem, lifts faults for those who only look, and writes
down where the faults stood at each position of the op log. Each crash begins a timeline of its own,
which counts on from there: a fault that has struck before the crash does not strike again after it.
"""

from __future__ import annotations

import errno
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from wavetank.engine import (
    CorruptedError,
    FileSystem,
    StorageError,
    StorageIOError,
    StoragePoisonedError,
    UnsupportedFormatError,
)
from wavetank.faults import (
    Fault,
    FaultInjector,
    FaultPlan,
    FaultyFileSystem,
    InjectorState,
    OperationKind,
    Stale,
)
from wavetank.scenarios.exploration.subject import NO_FAULTS, FaultCourse
from wavetank.scenarios.raft.judging.tolerated_losses import ToleratedLosses
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

__all__ = ["FaultTimeline"]

_CHANGES: Final = (
    OperationKind.WRITE,
    OperationKind.FSYNC,
    OperationKind.DATASYNC,
    OperationKind.FSYNC_DIR,
    OperationKind.RENAME,
)
"""After whose failure nobody knows what is on the disk."""
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
_IN_ADVANCE: Final = ("state.json.tmp", "snapshot.dat.tmp", "snapshot_meta.json.tmp")
"""Files that the engine writes as a whole before anything counts."""


class FaultTimeline:
    """The faults over one disk, or over the disks that kills make of it.

    Args:
        plan: what goes wrong.
        since: the injector's state to continue from; None for a new run.
        seed: of the run, for faults that fire by chance.

    Attributes:
        plan: what goes wrong.
    """

    def __init__(
        self, plan: FaultPlan, since: InjectorState | None = None, *, seed: int = 0
    ) -> None:
        self.plan = plan
        self._seed = seed
        self._injector = FaultInjector(plan, seed=seed, since=since, on_count=self._note)
        self._disk: SimDisk | None = None
        self._positions: list[int] = []
        self._states = [self._injector.state] if plan.faults else []
        self._opened_with = 0
        self._fired_at_open: Mapping[str, int] = {}

    def filesystem(self, disk: SimDisk, runtime: SerialRuntime) -> FileSystem:
        """Return the filesystem for a store that opens now on a disk."""
        self._disk = disk
        self._opened_with = self.failures
        self._fired_at_open = dict(self._injector.fired())
        fs = SimFileSystem(disk)
        if not self.plan.faults:
            return fs
        return FaultyFileSystem(fs, self._injector, disk, runtime)

    @property
    def state(self) -> InjectorState | None:
        """The injector's state now; None if there are no faults."""
        return self._injector.state if self.plan.faults else None

    def course(self, length: int | None = None) -> FaultCourse:
        """Return the states so far, or while the log had at most `length` records."""
        if not self.plan.faults:
            return NO_FAULTS
        count = len(self._positions)
        if length is not None:
            count = bisect_right(self._positions, length)
        return FaultCourse(tuple(self._positions[:count]), tuple(self._states[: count + 1]))

    def fired(self) -> Mapping[str, int]:
        """Return how often each fault has fired here, by its line."""
        return self._injector.fired()

    @property
    def has_failed(self) -> bool:
        """Whether an operation has failed since a store was last opened, or may fail yet."""
        is_late = any(fault.fails_late for fault in self._fired_faults())
        return is_late or self.failures > self._opened_with

    @property
    def is_damaged(self) -> bool:
        """Whether content has ever been damaged, before the crash that began this included."""
        return any(fault.damages_content for fault in self._fired_faults())

    @property
    def is_damaged_for_good(self) -> bool:
        """Whether damage has fired that stays on the disk when the faults are lifted."""
        return any(fault.damages_for_good for fault in self._fired_faults())

    @property
    def is_truth_there(self) -> bool:
        """Whether the disk holds what was written, once the faults are lifted."""
        return not (self.is_damaged_for_good or self.has_lied)

    @property
    def has_lied(self) -> bool:
        """Whether a sync has ever reported success and done nothing."""
        return any(fault.is_lying_sync for fault in self._fired_faults())

    @property
    def tolerated_by_disk(self) -> ToleratedLosses:
        """What a store may have lost to the faults that have fired."""
        stale = [
            block
            for block in self._injector.state.at_rest.blocks
            if isinstance(self.plan.faults[block.fault].what, Stale)
        ]
        return ToleratedLosses(
            is_damaged=self.is_damaged, has_lied=self.has_lied, is_older=len(stale) > 1
        )

    def explains(self, error: Exception) -> bool:
        """Whether a store may refuse with this error after the faults that have fired."""
        if self.has_failed and isinstance(error, StorageError):
            return True
        return self.explains_by_damage(error)

    def poisons(self, error: Exception) -> bool:
        """Whether what has struck since a store was opened, and failed with this, is a change."""
        if not (isinstance(error, StorageIOError) and error.errno == errno.EIO):
            return False
        fired = self._injector.fired()
        struck = [
            fault
            for fault in self.plan.faults
            if fired[str(fault)] > self._fired_at_open.get(str(fault), 0)
        ]
        return bool(struck) and all(each.matcher.kind in _CHANGES for each in struck)

    def leaves_room_to_go_on(self, error: Exception) -> bool:
        """Whether what has struck since a store was opened, with this, found no room in advance.

        A temporary file that cannot be written counts for nothing, and only has to go away.
        """
        if not (isinstance(error, StorageIOError) and error.errno in _NO_ROOM):
            return False
        fired = self._injector.fired()
        struck = [
            fault
            for fault in self.plan.faults
            if fired[str(fault)] > self._fired_at_open.get(str(fault), 0)
        ]
        return bool(struck) and all(each.matcher.path in _IN_ADVANCE for each in struck)

    def explains_by_damage(self, error: Exception) -> bool:
        """Whether a store may refuse with this error, since the disk has lied to it."""
        if isinstance(error, StoragePoisonedError) and isinstance(error.__cause__, Exception):
            # Background work met the damage first.
            error = error.__cause__
        if isinstance(error, StorageIOError):
            return any(fault.hides_content for fault in self._fired_faults())
        is_at_fault = self.is_damaged or self.has_lied
        return is_at_fault and isinstance(error, (CorruptedError, UnsupportedFormatError))

    @contextmanager
    def healthy(self) -> Iterator[None]:
        """Lift all faults for a while, damage included; nothing is counted meanwhile."""
        was_lifted, self._injector.lifted = self._injector.lifted, True
        try:
            yield
        finally:
            self._injector.lifted = was_lifted

    @contextmanager
    def only_damage(self) -> Iterator[None]:
        """Lift all faults but damage for a while."""
        before, self._injector.damage_only = self._injector.damage_only, True
        try:
            yield
        finally:
            self._injector.damage_only = before

    def uncounted(self, disk: SimDisk) -> FileSystem:
        """Return a filesystem to look at a disk with its damage; nothing is counted."""
        reader = FaultTimeline(self.plan, self.state, seed=self._seed)
        reader.lift_failures()
        return reader.filesystem(disk, SerialRuntime())

    def lift(self) -> None:
        """Lift all faults, from now on."""
        self._injector.lifted = True

    def lift_failures(self) -> None:
        """Lift all faults but damage, from now on."""
        self._injector.damage_only = True

    def _fired_faults(self) -> Iterator[Fault]:
        for fault, has_fired in zip(self.plan.faults, self._injector.state.has_fired, strict=True):
            if has_fired:
                yield fault

    @property
    def failures(self) -> int:
        """How many operations have failed."""
        fired = self._injector.fired()
        return sum(fired[str(fault)] for fault in self.plan.faults if fault.fails)

    def _note(self) -> None:
        assert self._disk is not None, "nothing fires before filesystem() is called"
        state = self._injector.state
        if state == self._states[-1]:
            return
        position = len(self._disk.log)
        if self._positions and self._positions[-1] == position:
            self._states[-1] = state
            return
        self._positions.append(position)
        self._states.append(state)
