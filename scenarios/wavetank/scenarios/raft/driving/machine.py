"""The simulated machine of a recording run: its disk, its process, and the faults that strike it.

The faults strike what a store does. While the checks look at it, all are lifted but damage, which
lies on the disk for everybody.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from wavetank.engine import FileSystem
from wavetank.faults import FaultPlan
from wavetank.scenarios.exploration.loss import Loss, kept_after
from wavetank.scenarios.raft.driving.fault_timeline import FaultTimeline
from wavetank.sim import (
    POSIX,
    DiskImage,
    PendingOps,
    Profile,
    SerialRuntime,
    SimDisk,
    call_site,
)

__all__ = ["Machine"]

_DRIVER: Final = "wavetank.scenarios.raft."
"""Modules between which and the disk a store's own calls lie."""


class Machine:
    """A machine on which a store runs.

    Args:
        seed: of its runtime.
        faults: what goes wrong.
        image: what is on its disk; nothing by default.

    Attributes:
        image: its disk before the run.
        disk: its disk.
        runtime: of the process that runs now.
        faults: that strike it.
    """

    def __init__(self, seed: int, faults: FaultPlan, image: DiskImage | None = None) -> None:
        self.image = image or DiskImage.empty()
        self.disk = SimDisk(self.image, site=partial(call_site, _DRIVER))
        self.runtime = SerialRuntime(seed)
        self.faults = FaultTimeline(faults, seed=seed)
        self._seed = seed

    def filesystem(self) -> FileSystem:
        """Return the filesystem for a store that opens now."""
        return self.faults.filesystem(self.disk, self.runtime)

    @property
    def surviving(self) -> DiskImage:
        """What a process finds on the disk if this one ends and the page cache survives."""
        pending = PendingOps(self.image, POSIX)
        pending.take_all(self.disk.log)
        return pending.full

    @property
    def when(self) -> str:
        """When something wrong is found now, in words: whether a fault has struck before."""
        is_struck = self.faults.has_failed or self.faults.is_damaged or self.faults.has_lied
        return "after a fault" if is_struck else "without a crash"

    def left_at(self, position: int, profile: Profile, loss: Loss) -> DiskImage:
        """Return what a power cut leaves at a position, or at the next that lies in no group.

        Args:
            position: how many records of the op log were written.
            profile: the filesystem's promises.
            loss: what the cut takes.
        """
        pending = PendingOps(self.image, profile)
        for taken, record in enumerate(self.disk.log):
            if taken >= position and pending.whole:
                break
            pending.take(record)
        return pending.image(kept_after(pending, loss))

    def strike(self, faults: FaultPlan) -> None:
        """Let other faults strike the processes that begin from now on."""
        self.faults = FaultTimeline(faults, seed=self._seed)

    def cut_power(self, image: DiskImage) -> None:
        """End the process and go on with what a power cut has left; the op log begins anew."""
        self.image = image
        self.disk = SimDisk(image, site=partial(call_site, _DRIVER))
        self.runtime = SerialRuntime(self._seed)
        self.faults = FaultTimeline(self.faults.plan, self.faults.state, seed=self._seed)

    def kill(self) -> None:
        """End the process; the page cache survives."""
        self.disk = self.disk.process_kill()
        self.runtime = SerialRuntime(self._seed)
