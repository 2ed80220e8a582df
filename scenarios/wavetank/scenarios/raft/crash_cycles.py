"""Crash cycle after crash cycle without any work: the disk must not fill up (O10)."""

from __future__ import annotations

from typing import Final

from wavetank.scenarios.exploration.crash_point import pending_at
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.recording import LiveProblem, Recording
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.sim import DiskImage, PendingOps, Profile, SerialRuntime, SimDisk, SimFileSystem

__all__ = ["crash_cycle_problems"]

_CYCLES: Final = 6
_SETTLING: Final = 1
"""Cycles that only tidy up: the first may make a log anew, and the second prepare it for work."""


def crash_cycle_problems(recording: Recording, profile: Profile) -> tuple[LiveProblem, ...]:
    """Power-cut the finished run, reopen and cut again; tell if the files grow all the time."""
    if not recording.workload.checks("O10"):
        return ()
    with recording.runnable() as runnable:
        return _crash_cycle_problems(runnable, profile)


def _crash_cycle_problems(recording: Recording, profile: Profile) -> tuple[LiveProblem, ...]:
    if not recording.steps_run:
        return ()
    image = pending_at(recording, profile, len(recording.log)).durable
    sizes: list[int] = []
    for _ in range(_CYCLES):
        try:
            image = _cycle(image, recording.backend, recording.workload, profile)
        except Exception:  # noqa: BLE001 - a store that does not open is the sweep's finding
            return ()
        sizes.append(sum(len(content) for content in image.files().values()))
    first, last = sizes[_SETTLING], sizes[-1]
    if last <= first:
        return ()
    cycles = _CYCLES - 1 - _SETTLING
    summary = f"files grew from {first} to {last} bytes over {cycles} idle crash cycles"
    return (LiveProblem(recording.steps_run - 1, Problem("O10", "growth when idle", summary)),)


def _cycle(
    image: DiskImage, backend: StoreAdapter, workload: Workload, profile: Profile
) -> DiskImage:
    disk = SimDisk(image)
    runtime = SerialRuntime()
    site = Site(
        fs=SimFileSystem(disk),
        runtime=runtime,
        directory=workload.directory,
        options=workload.options,
    )
    backend.open(site)
    pending = PendingOps(image, profile)
    pending.take_all(disk.log)
    return pending.full
