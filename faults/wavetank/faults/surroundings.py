"""What a simulated machine offers to faults beside the filesystem: its disk and its clock.

Left out: the seam itself, which is the engine's.
"""

from __future__ import annotations

from typing import Protocol

from wavetank.sim import FsyncFailure

__all__ = ["ClockHooks", "DiskHooks"]


class DiskHooks(Protocol):
    """A disk whose syncs can be made to fail as a filesystem's do, such as `SimDisk`."""

    def fail_next_sync(self, machine: FsyncFailure, *, path: str | None = None) -> None:
        """Let writing fail at the next sync of a file opened under `path`."""
        ...

    def evict(self) -> None:
        """Drop the clean pages of the page cache."""
        ...


class ClockHooks(Protocol):
    """A clock that is the run's own, such as `SerialRuntime`."""

    def sleep(self, duration_s: float) -> None:
        """Let `duration_s` seconds pass."""
        ...

    def jump_wall_clock(self, jump_s: float) -> None:
        """Set the wall clock `jump_s` seconds forwards, or back if negative."""
        ...
