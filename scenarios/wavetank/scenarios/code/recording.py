"""A workload run once on a simulated disk: the op log, and what was acknowledged when."""

from __future__ import annotations

import asyncio
import pickle
import re
import sys
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import zip_longest
from types import FrameType
from typing import Final

from attrs import evolve, field, frozen

from wavetank.scenarios.code.errors import CheckError, EmptyWorkloadError, WorkloadError
from wavetank.scenarios.code.faulty_calls import Circumstances, FaultyCalls
from wavetank.scenarios.code.user_code import Workload, code_of, user_traceback
from wavetank.scenarios.exploration.op_words import names_in
from wavetank.sim import (
    PROCESS_KILL,
    CallSite,
    DeadlockError,
    DiskImage,
    Mark,
    PendingOps,
    Record,
    SimDisk,
    Sync,
    call_site,
)
from wavetank.sim.python_files import (
    Died,
    Hung,
    Processes,
    PythonFiles,
    PythonFilesError,
    quietly,
)
from wavetank.sim.scheduling.schedule import Grain, Schedule
from wavetank.sim.scheduling.shrinking import ReplaySwitches, Switches
from wavetank.sim.scheduling.statements import StatementPauses
from wavetank.sim.scheduling.strategies import Strategy

__all__ = [
    "CodeRecording",
    "Course",
    "FailedCourseError",
    "absent_threads",
    "finished_result",
    "record_code",
]

_DRIVER: Final = f"{__name__.rpartition('.')[0]}."


@frozen(kw_only=True)
class CodeRecording:
    """What a workload did.

    Attributes:
        directory: the simulated directory.
        image: the disk before it.
        log: everything it did to the disk, with a mark for each acknowledgement.
        sites: the calls that did it, in order.
        tokens: what it acknowledged, in order.
        moments: lengths of the log between two steps: at the beginning, at each acknowledgement,
            when a call that stands in the workload itself returned, and at the end; ascending.
        end_ns: the time at its end, in nanoseconds since 1970.
        difference: where a second run differed, in words; "" if it did not.
        fault: what went wrong on purpose, in words; "" for nothing.
        has_fired: whether it did.
        ended_by: the error that the workload raised then; "" if it ended without one.
        schedule: of its threads, as text; "" if each ran until it waited.
        departures: from which thread to which each departure of that leads, and where.
        steps: pauses and waits of its threads.
        switches: what its threads' strategy did and could do, if that is `ReplaySwitches`.
    """

    directory: str
    image: DiskImage
    log: tuple[Record, ...]
    sites: tuple[CallSite, ...]
    tokens: tuple[object, ...]
    moments: tuple[int, ...]
    end_ns: int
    difference: str = ""
    fault: str = ""
    has_fired: bool = False
    ended_by: str = ""
    schedule: str = ""
    departures: tuple[str, ...] = ()
    steps: int = 0
    switches: Switches = field(factory=Switches, repr=False)
    _ends: tuple[int, ...] = field(init=False, repr=False)
    _names: tuple[str, ...] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_ends", tuple(site.position for site in self.sites))
        object.__setattr__(self, "_names", tuple(names_in(self.log)))

    @property
    def idle_acks(self) -> tuple[object, ...]:
        """The tokens before whose acknowledgement nothing had changed since the one before."""
        found, changed = [], False
        tokens = iter(self.tokens)
        for record in self.log:
            if isinstance(record, Mark):
                token = next(tokens)
                found += [] if changed else [token]
                changed = False
            else:
                changed = changed or not isinstance(record, Sync)
        return tuple(found)

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


@frozen(kw_only=True)
class Course:
    """How the threads of one run of a workload take turns.

    Attributes:
        grain: where they pause.
        strategy: chooses which runs.
        pauses: at the statements of the workload's modules.
    """

    grain: Grain
    strategy: Strategy
    pauses: StatementPauses

    @property
    def switches(self) -> Switches:
        """What the strategy did and could do, if it notes that."""
        strategy = self.strategy
        return strategy.switches if isinstance(strategy, ReplaySwitches) else Switches()


class FailedCourseError(RuntimeError):
    """A workload that fails by itself if its threads follow a course.

    Attributes:
        schedule: the course so far, as text.
        departures: see `CodeRecording`.
        switches: the same.
    """

    def __init__(
        self, message: str, schedule: str, departures: tuple[str, ...], switches: Switches
    ) -> None:
        super().__init__(message, schedule, departures, switches)
        self.schedule = schedule
        self.departures = departures
        self.switches = switches

    def __str__(self) -> str:
        return str(self.args[0])

    @property
    def kind(self) -> frozenset[str]:
        """The lines of the message without the numbers of locks and threads, which may change."""
        return frozenset(re.sub(r"(?<!:)\b\d+", "N", line) for line in str(self).splitlines())


def _call_number(record: Record) -> int:
    return -1 if isinstance(record, Mark) else record.call


_LAZY: Final = (
    (Generator, "a generator, which runs nothing until it is iterated; leave out `yield`"),
    (AsyncGenerator, "an async generator, which runs nothing until it is iterated"),
    ((map, filter, zip), "an iterator, which runs nothing until it is iterated"),
)


def finished_result(name: str, value: object) -> object:
    """Return what a function has come to; a coroutine is run to its end.

    Args:
        name: the function, "workload" for the workload.
        value: what it returned.

    Raises:
        WorkloadError, CheckError: it returned what nobody has run.
    """
    if isinstance(value, Coroutine):
        return asyncio.run(value)
    for kinds, words in _LAZY:
        if isinstance(value, kinds):
            error = WorkloadError if name == "workload" else CheckError
            raise error(
                f"{name}: expected a function that runs when it is called but it returned {words}"
            )
    return value


def record_code(  # noqa: PLR0917 - what runs, where, on what, and how
    files: PythonFiles,
    workload: Workload,
    processes: Processes,
    image: DiskImage,
    circumstances: Circumstances | None = None,
    course: Course | None = None,
) -> CodeRecording:
    """Run a workload as a process on a simulated disk, to its end.

    At a normal end the interpreter flushes the files that are still open, and so does this. Where
    processes keep no memory it runs twice, to see whether two runs are equal. Where something goes
    wrong on purpose it may end in an error.

    Args:
        files: the simulation.
        workload: what to run.
        processes: where.
        image: the disk before it.
        circumstances: what goes wrong; None for nothing.
        course: which of its threads run when; by default each runs until it waits.

    Raises:
        FailedCourseError: what is raised else, if a course was given.
        WorkloadError: it raised, exited with an error, did not end, or returned what nobody ran.
        EmptyWorkloadError: it changed nothing on the disk.
        UnroutedCallError: it made a call that no simulated disk sees.
    """
    about = circumstances or Circumstances()
    keeps_memory = processes.keeps_memory
    if course is None:
        first = partial(_record, files, workload, image, about, keeps_memory=keeps_memory)
    else:
        record = partial(_record, files, workload, image, about, keeps_memory=keeps_memory)
        first = partial(_follow, files, course, record)
    once = keeps_memory or about.is_faulty or course is not None
    tasks = [first] if once else [first, partial(quietly, first)]
    recordings: list[CodeRecording] = []
    waits = f"workload: expected an end but it waits for ever{absent_threads(processes.absent)}"
    try:
        for each in processes.run(tasks, None):
            if isinstance(each, Died):
                raise WorkloadError(f"workload: expected a normal end but its process {each.how}")
            if isinstance(each, Hung):
                raise WorkloadError(waits)
            recordings.append(each)
    except DeadlockError as error:
        raise WorkloadError(f"{waits}\n{error}") from None
    recording = recordings[0]
    difference = _difference(recording, recordings[-1])
    return evolve(recording, difference=difference)


def absent_threads(names: Sequence[str]) -> str:
    """Return which threads a process that waits for ever may be waiting for; "" for none."""
    if not names:
        return ""
    return (
        f"; a process after a crash has none of the threads that were there before crash_test "
        f"({', '.join(names)}): start what is needed inside the function"
    )


def _follow(
    files: PythonFiles, course: Course, record: Callable[..., CodeRecording]
) -> CodeRecording:
    """Be the process of the workload, whose threads follow a course."""
    threads = files.threads
    course.pauses.call(threads.pause if course.grain is Grain.STATEMENTS else _go_on)
    try:
        recording = record(strategy=course.strategy)
    except (WorkloadError, DeadlockError) as error:
        schedule = Schedule(course.grain, threads.departures)
        if not schedule.departures:
            raise
        raise FailedCourseError(
            str(error), str(schedule), threads.places, course.switches
        ) from None
    finally:
        course.pauses.call(_go_on)
    schedule = Schedule(course.grain, threads.departures)
    return evolve(
        recording,
        schedule=str(schedule) if schedule.departures else "",
        departures=threads.places,
        steps=threads.steps,
        switches=course.switches,
    )


def _go_on() -> None:
    """Pause nowhere."""


def _record(
    files: PythonFiles,
    workload: Workload,
    image: DiskImage,
    about: Circumstances,
    *,
    keeps_memory: bool,
    strategy: Strategy | None = None,
) -> CodeRecording:
    """Be the process of the workload."""
    disk = SimDisk(image, capacity_bytes=about.capacity_bytes, site=partial(call_site, _DRIVER))
    hook = FaultyCalls(about, str(files.directory), disk)
    tokens: list[object] = []
    moments = [0]

    def acknowledge(token: object) -> None:
        tokens.append(token if keeps_memory else _sent(token))
        files.mark(f"ack {len(tokens)}")
        note()

    def note() -> None:
        if moments[-1] != len(disk.log):
            moments.append(len(disk.log))

    def code() -> None:
        try:
            with _each_return(workload, note):
                finished_result("workload", workload(files.directory, acknowledge))
        except SystemExit as exit_:
            if exit_.code:
                raise

    ended_by, end_ns = _run(files, disk, code, hook, isolated=not keeps_memory, strategy=strategy)
    note()
    recording = CodeRecording(
        directory=str(files.directory),
        image=disk.image,
        log=tuple(disk.log),
        sites=files.sites,
        tokens=tuple(tokens),
        moments=tuple(moments),
        end_ns=end_ns,
        fault=str(about),
        has_fired=hook.has_fired(),
        ended_by=ended_by,
    )
    if not about.is_faulty and all(isinstance(record, (Mark, Sync)) for record in recording.log):
        raise EmptyWorkloadError(
            "workload: expected code that changes files but nothing was changed on the simulated "
            "disk; call what writes inside the workload, below the directory that it is given"
        )
    return recording


def _run(
    files: PythonFiles,
    disk: SimDisk,
    code: Callable[[], None],
    hook: FaultyCalls,
    *,
    isolated: bool,
    strategy: Strategy | None,
) -> tuple[str, int]:
    """Run code as a process to its end; return the error it had a right to, and the time then."""
    ended_by = ""
    try:
        with files.process(disk, tracing=True, hook=hook, strategy=strategy):
            try:
                code()
            except Exception as error:
                if not hook.has_fired() or files.refusal is not None:
                    raise
                ended_by = f"{type(error).__name__}: {error}"
            files.join_threads(at_exit=isolated)
            files.flush_files()
            end_ns = files.now_ns
    except (PythonFilesError, WorkloadError, DeadlockError):
        raise
    except (Exception, SystemExit) as error:
        if files.refusal is not None:
            raise files.refusal from error
        raise WorkloadError(
            f"workload: expected a run without an error before any crash but it raised "
            f"{type(error).__name__}: {error}\n{user_traceback(error, 'workload')}"
        ) from error
    if files.refusal is not None:
        raise files.refusal
    return ended_by, end_ns


def _sent(token: object) -> object:
    """Return a token as the process of a check will get it."""
    try:
        return pickle.loads(pickle.dumps(token))  # noqa: S301 - our own words
    except Exception as error:
        raise WorkloadError(
            f"ack: expected a token that can be sent to another process but got {token!r} "
            f"({type(error).__name__}: {error}); acknowledge a plain value such as its name, or "
            f'use isolation="none"'
        ) from error


@contextmanager
def _each_return(workload: Workload, note: Callable[[], None]) -> Iterator[None]:
    """Call `note` when a call that stands in the workload itself returns."""
    code = code_of(workload)
    if code is None or sys.getprofile() is not None:
        yield  # nothing to see, or a profiler has the hook
        return

    def see(frame: FrameType, event: str, _argument: object) -> None:
        if event == "return":
            if frame.f_back is not None and frame.f_back.f_code is code:
                note()
        elif event == "c_return" and frame.f_code is code:
            note()

    sys.setprofile(see)
    try:
        yield
    finally:
        sys.setprofile(None)


def _difference(one: CodeRecording, other: CodeRecording) -> str:
    """Return in words where two runs of one workload differ, "" if they are equal."""
    for index, (mine, theirs) in enumerate(zip_longest(one.log, other.log)):
        if mine != theirs:
            site = one.site_of(index)
            what = f"{site.call} at {site.place}" if site and site.place else f"call {index}"
            name = one.name_at(index) if index < len(one.log) else "the end"
            return f"{what} ({name or 'an acknowledgement'}) was not the same the second time"
    if one.tokens != other.tokens:
        return "other tokens were acknowledged the second time"
    return ""
