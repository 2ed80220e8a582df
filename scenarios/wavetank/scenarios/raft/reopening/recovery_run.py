"""A store is opened on an image and asked everything; what comes of it is remembered.

`RecoveryCache` opens stores for all explorations of one recording, whatever their profiles: what a
store does on an image depends on the image alone, and on where the faults of the workload stand.
Stores are deterministic, so even images that differ need only one recovery if they are equal
wherever the store read. Judged here: O7 (it opens) and O10 (no litter).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from attrs import evolve, frozen

from wavetank.engine import Storage, StorageError
from wavetank.faults import InjectorState
from wavetank.scenarios.exploration.causes import Breach, BrokenPromise, PromiseKind
from wavetank.scenarios.exploration.subject import Problem, RecoveryRun, Refusal
from wavetank.scenarios.raft.driving.fault_timeline import FaultTimeline
from wavetank.scenarios.raft.driving.live_checks import descriptor_problems
from wavetank.scenarios.raft.judging.observation import Observation
from wavetank.scenarios.raft.judging.tolerated_losses import NOTHING_TOLERATED
from wavetank.scenarios.raft.reopening.recovery_attempt import Attempt
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.sim import (
    DiskImage,
    ReadMemory,
    ReadTrace,
    Record,
    SimDisk,
    SimFileSystem,
)

__all__ = ["LiveStore", "RecoveryCache"]

_MOST_REMEMBERED: Final = 20_000
"""Recoveries after which all of them are forgotten: about 12 MB, and more than most runs have.

What is forgotten is run again if it is met again. Images that can be met again come soon, since a
sync ends what they have in common.
"""

_LITTER: Final = (".tmp", "snapshot.marker")


@frozen
class LiveStore:
    """An open store and the machine's disk, with the log of all that it did so far.

    Attributes:
        store: open.
        disk: below it.
        timeline: the faults that still await it; they are lifted, damage aside.
    """

    store: Storage
    disk: SimDisk
    timeline: FaultTimeline


class RecoveryCache:
    """Opens stores on the images of one workload.

    Args:
        workload: whose options the stores are opened with.
        backend: the store.
        reads: told of everything that the stores look at; nothing is remembered then, since what
            is remembered is not looked at again.

    Attributes:
        count: how many stores were opened.
        most_remembered: recoveries after which all of them are forgotten.
    """

    def __init__(
        self, workload: Workload, backend: StoreAdapter, *, reads: ReadTrace | None = None
    ) -> None:
        backend.require_simulated(faults=bool(workload.faults.faults))
        self.count = 0
        self.most_remembered = _MOST_REMEMBERED
        self._remembered = 0
        self._workload = workload
        self._backend = backend
        self._reads = reads
        self._memories: dict[InjectorState | None, ReadMemory[RecoveryRun[Observation]]] = {}
        # Equal logs and showings are kept once.
        self._logs: dict[tuple[Record, ...], tuple[Record, ...]] = {}
        self._shown: dict[Observation, Observation] = {}

    def open(
        self, image: DiskImage, *, first: int = 0, since: InjectorState | None = None
    ) -> RecoveryRun[Observation]:
        """Return what comes of opening a store on `image`, by trying if it is not known.

        Args:
            image: the disk; after a kill, with all that was in the cache.
            first: calls and micro-ops are counted from here, for a log that continues another.
            since: where the faults of the workload stand; None: nothing goes wrong.
        """
        memory = self._memories.get(since)
        known = None
        if self._reads is None and memory is not None:
            known = memory.recall(image, first=first)
        return known or self.open_anew(image, first=first, since=since)

    def open_anew(
        self, image: DiskImage, *, first: int = 0, since: InjectorState | None = None
    ) -> RecoveryRun[Observation]:
        """Open a store on `image` in any case, so that it can be given work."""
        self.count += 1
        reads = ReadTrace() if self._reads is None else self._reads

        def attempt(since: InjectorState | None) -> Attempt:
            disk = SimDisk(image, first_call=first, first_number=first, reads=reads)
            return Attempt(self._workload, self._backend, disk, since)

        recovered = self._try(attempt(since))
        if recovered.observation is not None and recovered.observation.tolerated.is_damaged:
            recovered = self._without_excuse(recovered, lambda: self._try(attempt(None)))
        if self._reads is None:
            if self._remembered >= self.most_remembered:
                self._forget()
            self._remembered += 1
            memory = self._memories.setdefault(since, ReadMemory())
            memory.remember(image, reads.cells, evolve(recovered, live=None), first=first)
        return recovered

    def _forget(self) -> None:
        self._remembered = 0
        for each in (self._memories, self._logs, self._shown):
            each.clear()

    def _try(self, attempt: Attempt) -> RecoveryRun[Observation]:
        try:
            seen = self._look(attempt)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            relaxed = self._workload.promises.allows_refusal(error)
            allowed = relaxed or (
                attempt.timeline.explains_by_damage(error) and not attempt.timeline.is_truth_there
            )
            return RecoveryRun(
                observation=None,
                refusal=Refusal(type(error).__name__, str(error), allowed),
                problems=(*(() if allowed else (_refused(error),)), *self._left_open(attempt)),
                log=self._shared_log(attempt.disk),
                course=attempt.timeline.course(),
                fired=tuple(attempt.timeline.fired().items()),
            )
        return RecoveryRun(
            observation=self._shown.setdefault(seen, seen),
            refusal=None,
            problems=(*seen.problems, *_litter(attempt.disk, self._workload.directory)),
            log=self._shared_log(attempt.disk, attempt.length),
            course=attempt.timeline.course(),
            fired=tuple(attempt.timeline.fired().items()),
            live=LiveStore(attempt.store, attempt.disk, attempt.timeline),
        )

    def _left_open(self, attempt: Attempt) -> tuple[Problem, ...]:
        if attempt.is_open or not self._backend.has(Capability.SITE_FILESYSTEM):
            return ()
        return descriptor_problems(attempt.disk, "after a failed open")

    @staticmethod
    def _look(attempt: Attempt) -> Observation:
        try:
            return attempt.open_and_look()
        except StorageError as error:
            if (
                not attempt.timeline.explains_by_damage(error)
                or not attempt.timeline.is_truth_there
            ):
                raise
            return attempt.look_at_the_truth()

    def _without_excuse(
        self, recovered: RecoveryRun[Observation], twin: Callable[[], RecoveryRun[Observation]]
    ) -> RecoveryRun[Observation]:
        """Add what the store shows on a sound disk; if it is the same, damage explains nothing."""
        seen = recovered.observation
        assert seen is not None
        if not isinstance(recovered.live, LiveStore) or recovered.live.timeline.is_damaged_for_good:
            return recovered
        sound = twin().observation
        is_same = sound == evolve(seen, tolerated=NOTHING_TOLERATED)
        seen = sound if sound is not None and is_same else evolve(seen, sound=sound)
        return evolve(recovered, observation=self._shown.setdefault(seen, seen))

    def _shared_log(self, disk: SimDisk, length: int | None = None) -> tuple[Record, ...]:
        log = tuple(disk.log)[:length]
        return self._logs.setdefault(log, log)


def _refused(error: Exception) -> Problem:
    kind = type(error).__name__
    typed = "" if isinstance(error, StorageError) else "an untyped error, "
    return Problem(
        "O7",
        f"does not open: {kind}",
        f"the store does not open: {typed}{kind}: {error}",
        BrokenPromise(kind=PromiseKind.STORE, breach=Breach.REFUSED, came=kind),
    )


def _litter(disk: SimDisk, directory: str) -> Iterator[Problem]:
    try:
        names = SimFileSystem(disk).listdir(directory)
    except FileNotFoundError:
        # A store may make its directory as late as at its first append.
        return
    for name in names:
        if name.endswith(_LITTER):
            yield Problem("O10", f"litter: {name}", f"{name} is left behind after a clean open")
