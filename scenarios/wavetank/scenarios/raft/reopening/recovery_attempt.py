"""One attempt to open a store on an image, while the faults of its workload go on.

A store that refuses since an operation failed gets a second chance without failures. One that
refuses since the disk shows what was never written is right; it is then held to the truth, where
that is still there: no such refusal may have cost anything.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from wavetank.engine import Storage, StorageError
from wavetank.faults import CrashSignal, FaultPlan, InjectorState
from wavetank.scenarios.raft.contract import Contract
from wavetank.scenarios.raft.driving.fault_timeline import FaultTimeline
from wavetank.scenarios.raft.judging.observation import Observation, observe
from wavetank.scenarios.raft.judging.tolerated_losses import (
    NOTHING_TOLERATED,
    ToleratedLosses,
    legible_end,
    tolerated_losses_of,
)
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.sim import SerialRuntime, SimDisk

__all__ = ["Attempt"]

_TRIES_UNDER_FAULTS: Final = 2


class Attempt:
    """A store that is opened on a disk.

    Args:
        workload: whose options the store is opened with, and whose faults strike it.
        backend: the store.
        disk: where; the log of what is done to it goes on after a kill.
        since: where the faults stand; None: nothing goes wrong.

    Attributes:
        disk: the one that the store was opened on in the end.
        timeline: the faults.
        length: records of the log when the store had opened.
    """

    def __init__(
        self, workload: Workload, backend: StoreAdapter, disk: SimDisk, since: InjectorState | None
    ) -> None:
        self.disk = disk
        self.timeline = FaultTimeline(
            workload.faults if since else FaultPlan(), since, seed=workload.seed
        )
        self.length = 0
        self._workload = workload
        self._backend = backend
        self._contract = Contract.of(workload.options, self.timeline.plan, workload.contract)
        self._store: Storage | None = None
        self._tolerated = NOTHING_TOLERATED

    @property
    def is_open(self) -> bool:
        """Whether a store is open, also one that then refused to be looked at."""
        return self._store is not None

    @property
    def store(self) -> Storage:
        """The opened store."""
        assert self._store is not None, "it has opened"
        return self._store

    def open_and_look(self) -> Observation:
        """Open the store, a second time if need be, and return what it shows.

        Raises:
            Exception: whatever the store refuses with in the end.
        """
        legible = self._legible_end()
        self._open_in_the_end()
        self.timeline.lift_failures()
        if self._contract.media_sound and self._contract.syncs_honest:
            return observe(self.store)
        # A loss that the opening names counts even if the first look is refused.
        self._tolerated = self._losses_with(legible)
        seen = observe(self.store)
        return evolve(seen, tolerated=self._losses_with(legible))

    def look_at_the_truth(self) -> Observation:
        """Lift damage too, open the store in the next process, and return what it shows."""
        self.timeline.lift()
        self._open_again()
        seen = observe(self.store)
        return evolve(seen, tolerated=self._losses_with(None).after(self._tolerated))

    def _losses_with(self, legible: int | None) -> ToleratedLosses:
        disk = evolve(self.timeline.tolerated_by_disk, legible_end=legible)
        return tolerated_losses_of(self.store, self._workload.directory, disk)

    def _open_in_the_end(self) -> None:
        """Open the store, in the next process if a crash or a failed operation ends this one."""
        for _ in range(_TRIES_UNDER_FAULTS):
            try:
                self._open()
            except CrashSignal:
                # Where the power goes instead, a sweep with a depth looks.
                self.disk = self.disk.process_kill()
            except StorageError:
                if not self.timeline.has_failed:
                    raise
                break
            else:
                return
        self.timeline.lift_failures()
        self._open_again()

    def _open_again(self) -> None:
        self.disk = self.disk.process_kill()
        self._open()

    def _open(self) -> None:
        self._store = None
        runtime = SerialRuntime(self._workload.seed)
        site = Site(
            fs=self.timeline.filesystem(self.disk, runtime),
            runtime=runtime,
            directory=self._workload.directory,
            options=self._workload.options,
        )
        self._store = self._backend.open(site)
        self.length = len(self.disk.log)

    def _legible_end(self) -> int | None:
        """Return where the log ends as far as it can be read, by a reader that is not counted."""
        if self._contract.media_sound:
            return None
        return legible_end(self.timeline.uncounted(self.disk), self._workload.directory)
