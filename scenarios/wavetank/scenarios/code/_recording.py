"""A workload run once on a simulated disk: the op log, and what was acknowledged when."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import TypeAlias

from attrs import field, frozen

from wavetank.scenarios.code.errors import WorkloadError
from wavetank.sim import DiskImage, Mark, Record, SimDisk
from wavetank.sim.python_files import CallSite, PythonFiles, PythonFilesError, SimulatedDirectory

__all__ = ["Acknowledge", "CodeRecording", "Workload", "record_code"]

Acknowledge: TypeAlias = Callable[[object], None]
Workload: TypeAlias = Callable[[SimulatedDirectory, Acknowledge], object]


@frozen(kw_only=True)
class CodeRecording:
    """What a workload did.

    Attributes:
        image: the disk before it.
        log: everything it did to the disk, with a mark for each acknowledgement.
        sites: the calls that did it, in order.
        tokens: what it acknowledged, in order.
    """

    image: DiskImage
    log: tuple[Record, ...]
    sites: tuple[CallSite, ...]
    tokens: tuple[object, ...]
    _ends: tuple[int, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_ends", tuple(site.position for site in self.sites))

    def acked_at(self, position: int) -> int:
        """Return how much had been acknowledged after so many records."""
        return sum(isinstance(record, Mark) for record in self.log[:position])

    def site_of(self, index: int) -> CallSite | None:
        """Return the call that a record of the log belongs to."""
        at = bisect_right(self._ends, index)
        return self.sites[at] if at < len(self.sites) else None


def record_code(files: PythonFiles, workload: Workload) -> CodeRecording:
    """Run a workload as a process on an empty simulated disk.

    Raises:
        WorkloadError: it raised, or left a thread behind.
        UnroutedCallError: it made a call that no simulated disk sees.
    """
    disk = SimDisk(files.empty_image())
    tokens: list[object] = []

    def acknowledge(token: object) -> None:
        tokens.append(token)
        files.mark(f"ack {len(tokens)}")

    try:
        with files.process(disk, tracing=True):
            workload(files.directory, acknowledge)
            files.join_threads()
    except PythonFilesError:
        raise
    except Exception as error:
        if files.refusal is not None:
            raise files.refusal from error
        raise WorkloadError(
            f"workload: expected a run without an error before any crash but it raised "
            f"{type(error).__name__}: {error}"
        ) from error
    if files.refusal is not None:
        raise files.refusal
    return CodeRecording(
        image=disk.image, log=tuple(disk.log), sites=files.sites, tokens=tuple(tokens)
    )
