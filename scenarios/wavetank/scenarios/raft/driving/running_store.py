"""The store that a run drives: opened at the machine, and asked what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from attrs import evolve

from wavetank.engine import FileSystem, Storage
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.driving.live_checks import descriptor_problems, metered
from wavetank.scenarios.raft.driving.machine import Machine
from wavetank.scenarios.raft.judging.observation import (
    Observation,
    check_ahead,
    check_points,
    observe,
    observe_parts,
    points_ahead,
)
from wavetank.scenarios.raft.judging.tolerated_losses import (
    NOTHING_TOLERATED,
    legible_end,
    tolerated_losses_of,
)
from wavetank.scenarios.raft.model import ModelState
from wavetank.scenarios.raft.steps import Append, Read, SaveState, Workload
from wavetank.scenarios.raft.workloads.option_choices import with_overrides
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["PART", "RunningStore"]

PART: Final = 16
"""Entries in each of the two parts of a long log that are read after an append."""


class RunningStore:
    """A store of one backend on one machine, from opening to opening.

    Args:
        workload: whose options it is opened with.
        backend: the store.
        machine: where.

    Attributes:
        store: open; None before the first opening, and where it does not run.
        options: what it is opened with next.
        disk_may_lie: whether it may lose what a damaged disk has lost.
    """

    def __init__(self, workload: Workload, backend: StoreAdapter, machine: Machine) -> None:
        promises = workload.promises
        self.store: Storage | None = None
        self.options = workload.options
        self.disk_may_lie = not (promises.media_sound and promises.syncs_honest)
        self._workload = workload
        self._backend = backend
        self._machine = machine
        self._named = NOTHING_TOLERATED
        self._legible_end: int | None = None
        # Where the next part of a long log begins that is read after an append.
        self._next_part = 1

    def override(self, overrides: tuple[str, ...] = ()) -> None:
        """Open the store with other options than the workload's from now on."""
        self.options = with_overrides(self._workload.options, overrides)

    def open(self, on_failure: Callable[[], None]) -> None:
        """Open the store on what the machine's disk holds now.

        Args:
            on_failure: called if opening fails, before the error goes on, unless a store of the
                process before was still open.
        """
        self.store = None
        if self.disk_may_lie:
            reader = self._machine.faults.uncounted(self._machine.disk)
            self._legible_end = legible_end(reader, self._workload.directory)
        site = self.site(self._machine.filesystem())
        before = self._machine.disk.open_paths
        try:
            self.store = metered(self._backend.open(site), self._machine.runtime)
        except Exception:
            if not before:
                on_failure()
            raise
        if self.disk_may_lie:
            named = tolerated_losses_of(self.store, self._workload.directory, NOTHING_TOLERATED)
            self._named = named.after(self._named)

    def site(self, fs: FileSystem) -> Site:
        """Return where the store lives, seen through a filesystem."""
        return Site(
            fs=fs,
            runtime=self._machine.runtime,
            directory=self._workload.directory,
            options=self.options,
        )

    def open_second(self) -> None:
        """Open the directory once more beside the running store, and close it."""
        self._backend.open(self.site(self._machine.filesystem())).close()

    def left_open(self, when: str) -> Iterator[Problem]:
        """Yield what is open though no store is; one of plain Python has a process of its own."""
        if self._backend.has(Capability.SITE_FILESYSTEM):
            yield from descriptor_problems(self._machine.disk, when)

    def forget_losses(self) -> None:
        """Tolerate no longer what earlier openings have named as gone."""
        self._named = NOTHING_TOLERATED

    def observe(self) -> Observation:
        """Return what the store shows while no operation fails; damage it shows as it is."""
        faults = self._machine.faults
        with faults.only_damage():
            seen = self._look()
        if not (faults.is_damaged or faults.has_lied):
            return seen
        assert self.store is not None
        disk = evolve(faults.tolerated_by_disk, legible_end=self._legible_end)
        tolerated = tolerated_losses_of(self.store, self._workload.directory, disk).after(
            self._named
        )
        # What the last opening made of damage stays, so that the same without damage proves little.
        with faults.healthy():
            sound = None if faults.is_damaged_for_good else self._look()
        return evolve(seen, tolerated=tolerated, sound=None if sound == seen else sound)

    def observe_after(self, number: int, shown: ModelState) -> Observation:
        """Return what the store shows after a step.

        Reading a whole log after each append would make a run quadratic in its steps. Of a log of
        more than two parts the newest entries are read, and others in turn; after the last step,
        and after any that is no append, state, or read, the whole log is.

        Args:
            number: of the step.
            shown: what the store must show.
        """
        steps = self._workload.steps
        is_small = len(shown.entries) <= 2 * PART
        if is_small or number + 1 >= len(steps) or self._workload.faults.faults:
            return self.observe()
        if not isinstance(steps[number], (Append, SaveState, Read)):
            return self.observe()
        assert self.store is not None
        seen = observe_parts(self.store, shown, self._parts(shown))
        return self.observe() if seen is None else seen

    def _parts(self, shown: ModelState) -> tuple[range, range]:
        newest, first = shown.last_index - PART + 1, shown.base_index + 1
        start = max(first, min(self._next_part, newest - PART))
        # Behind the last of the older entries, the turn begins anew.
        self._next_part = start + PART if start + PART < newest else first
        return range(start, start + PART), range(newest, shown.last_index + 1)

    def _look(self) -> Observation:
        assert self.store is not None
        # Single entries first: what a store has kept from earlier reads is what it answers with.
        ahead = points_ahead(self.store)
        seen = observe(self.store)
        found = (*check_ahead(ahead, seen), *check_points(self.store, seen))
        return evolve(seen, problems=(*seen.problems, *found))
