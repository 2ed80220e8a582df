"""The simulated machine of a recording run: its disk, its process, and the faults that strike it.

The faults strike what a store does. They are lifted while the checks look at it, and wherever the
run asks whether a store gets well once nothing goes wrong any more. Left out: the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from wavetank.engine import FileSystem
from wavetank.faults import FaultInjector, FaultPlan, FaultyFileSystem
from wavetank.sim import DiskImage, SerialRuntime, SimDisk, SimFileSystem

__all__ = ["Machine"]


class Machine:
    """A machine on which a store runs.

    Args:
        seed: of its runtime.
        faults: what goes wrong.

    Attributes:
        image: its disk before the run.
        disk: its disk.
        runtime: of the process that runs now.
    """

    def __init__(self, seed: int, faults: FaultPlan) -> None:
        self.image = DiskImage.empty()
        self.disk = SimDisk(self.image)
        self.runtime = SerialRuntime(seed)
        self._seed = seed
        self._injector = FaultInjector(faults)
        self._fired_before = 0

    def filesystem(self) -> FileSystem:
        """Return the filesystem for a store that opens now."""
        self._fired_before = self._fired_in_sum()
        fs = SimFileSystem(self.disk)
        if not self._injector.plan.faults:
            return fs
        return FaultyFileSystem(fs, self._injector, self.disk)

    def kill(self) -> None:
        """End the process; the page cache survives."""
        self.disk = self.disk.process_kill()
        self.runtime = SerialRuntime(self._seed)

    def fired(self) -> Mapping[str, int]:
        """Return how often each fault has fired, by its line."""
        return self._injector.fired()

    @property
    def struck(self) -> bool:
        """Whether a fault has fired since the store was last opened, the opening included."""
        return self._fired_in_sum() > self._fired_before

    @contextmanager
    def healthy(self) -> Iterator[None]:
        """Lift the faults for a while; nothing is counted meanwhile."""
        was_lifted, self._injector.lifted = self._injector.lifted, True
        try:
            yield
        finally:
            self._injector.lifted = was_lifted

    def _fired_in_sum(self) -> int:
        return sum(self._injector.fired().values())
