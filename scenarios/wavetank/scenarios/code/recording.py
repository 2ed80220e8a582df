"""A workload run once on a simulated disk: the op log, and what was acknowledged when."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from typing import Final, TypeAlias

from attrs import field, frozen

from wavetank.scenarios.code.errors import EmptyWorkloadError, WorkloadError
from wavetank.sim import PROCESS_KILL, Dirent, DiskImage, Mark, PendingOps, Record, SimDisk, Sync
from wavetank.sim.python_files import CallSite, PythonFiles, PythonFilesError, SimulatedDirectory

__all__ = ["Acknowledge", "CodeRecording", "Workload", "lazy_result", "record_code"]

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
    _ends: tuple[int, ...] = field(init=False, repr=False)
    _names: tuple[str, ...] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_ends", tuple(site.position for site in self.sites))
        object.__setattr__(self, "_names", tuple(_names_in(self.log)))

    @property
    def finished(self) -> DiskImage:
        """The disk after the workload, without any crash."""
        pending = PendingOps(self.image, PROCESS_KILL)
        pending.take_all(self.log)
        return pending.full

    def acked_at(self, position: int) -> int:
        """Return how much had been acknowledged after so many records."""
        return sum(isinstance(record, Mark) for record in self.log[:position])

    def name_at(self, index: int) -> str:
        """Return what a record is about by the name that it had then; "" for a mark."""
        return self._names[index]

    def call_of(self, index: int) -> range:
        """Return the records of the call, such as one write or rename, that a record belongs to."""
        call = _call_number(self.log[index])
        first, end = index, index + 1
        while first and _call_number(self.log[first - 1]) == call:
            first -= 1
        while end < len(self.log) and _call_number(self.log[end]) == call:
            end += 1
        return range(first, end)

    def site_of(self, index: int) -> CallSite | None:
        """Return the call that a record of the log belongs to."""
        at = bisect_right(self._ends, index)
        return self.sites[at] if at < len(self.sites) else None


def _names_in(log: tuple[Record, ...]) -> Iterator[str]:
    names: dict[int, str] = {}
    for record in log:
        if isinstance(record, Mark):
            yield ""
            continue
        if isinstance(record, (Dirent, Sync)):
            yield record.path
        else:
            yield names.get(record.inode, record.path)
        if isinstance(record, Dirent) and record.inode is not None:
            names[record.inode] = record.path


def _call_number(record: Record) -> int:
    return -1 if isinstance(record, Mark) else record.call


_LAZY: Final = (
    (Coroutine, "a coroutine, which runs nothing until it is awaited; use asyncio.run inside it"),
    (Generator, "a generator, which runs nothing until it is iterated; leave out `yield`"),
    (AsyncGenerator, "an async generator, which runs nothing until it is iterated"),
    ((map, filter, zip), "an iterator, which runs nothing until it is iterated"),
)


def lazy_result(value: object) -> str:
    """Return why a result means that the function has not run yet; "" if it does not."""
    for kinds, words in _LAZY:
        if isinstance(value, kinds):
            if isinstance(value, Coroutine):
                value.close()  # or it warns that nobody has awaited it
            return f"it returned {words}"
    return ""


def record_code(files: PythonFiles, workload: Workload) -> CodeRecording:
    """Run a workload as a process on an empty simulated disk, to its normal end.

    At a normal end the interpreter flushes the files that are still open, and so does this.

    Raises:
        WorkloadError: it raised, exited with an error, or returned what nobody has run.
        EmptyWorkloadError: it changed nothing on the disk.
        UnroutedCallError: it made a call that no simulated disk sees.
    """
    disk = SimDisk(files.empty_image())
    tokens: list[object] = []

    def acknowledge(token: object) -> None:
        tokens.append(token)
        files.mark(f"ack {len(tokens)}")

    result: object = None
    try:
        with files.process(disk, tracing=True):
            try:
                result = workload(files.directory, acknowledge)
            except SystemExit as exit_:
                if exit_.code:
                    raise
            files.join_threads()
            files.flush_files()
    except PythonFilesError:
        raise
    except (Exception, SystemExit) as error:
        if files.refusal is not None:
            raise files.refusal from error
        raise WorkloadError(
            f"workload: expected a run without an error before any crash but it raised "
            f"{type(error).__name__}: {error}"
        ) from error
    if files.refusal is not None:
        raise files.refusal
    recording = CodeRecording(
        image=disk.image, log=tuple(disk.log), sites=files.sites, tokens=tuple(tokens)
    )
    _must_have_run(recording, result)
    return recording


def _must_have_run(recording: CodeRecording, result: object) -> None:
    what = lazy_result(result)
    if what:
        raise WorkloadError(f"workload: expected a function that runs when it is called but {what}")
    if all(isinstance(record, (Mark, Sync)) for record in recording.log):
        raise EmptyWorkloadError(
            "workload: expected code that changes files but nothing was changed on the simulated "
            "disk; call what writes inside the workload, below the directory that it is given"
        )
