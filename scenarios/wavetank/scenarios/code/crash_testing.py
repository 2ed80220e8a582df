"""`crash_test`: crash any Python code that writes files, and see what it makes of what is left."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from wavetank.scenarios.code.errors import (
    CheckError,
    CrashFinding,
    CrashTestWarning,
    WorkloadError,
)
from wavetank.scenarios.code.faulty_calls import Circumstances, Fault, fault_circumstances
from wavetank.scenarios.code.report import CrashReport
from wavetank.scenarios.code.user_code import Check, Isolation, Observe, RecorderName, Workload
from wavetank.sim import PROFILES, Profile, Tearing
from wavetank.sim.scheduling.schedule import Schedule

if TYPE_CHECKING:
    from wavetank.scenarios.code.initial import Initial

__all__ = ["CrashTestOptions", "crash_test"]


class CrashTestOptions(TypedDict, total=False):
    """Arguments of `crash_test` that others pass on."""

    observe: Observe | None
    initial: Initial | None
    faults: Sequence[Fault]
    capacity_bytes: int | None
    separate_filesystems: Sequence[str]
    exhaustive: bool
    max_seconds: float | None
    check_limit_s: float
    isolation: Isolation | None
    directory: str | None
    tearing: Tearing | None
    schedules: int
    schedule: str | None
    recorder: RecorderName | None
    raise_on_finding: bool


def crash_test(
    workload: Workload,
    check: Check | None = None,
    *,
    observe: Observe | None = None,
    initial: Initial | None = None,
    faults: Sequence[Fault] = (),
    capacity_bytes: int | None = None,
    separate_filesystems: Sequence[str] = (),
    profiles: Sequence[str | Profile] = ("process-kill", "lazyfs", "ext4", "posix"),
    exhaustive: bool = False,
    max_images: int | None = None,
    max_seconds: float | None = None,
    check_limit_s: float = 60.0,
    isolation: Isolation | None = None,
    directory: str | None = None,
    tearing: Tearing | None = None,
    schedules: int = 1,
    schedule: str | None = None,
    recorder: RecorderName | None = None,
    raise_on_finding: bool = True,
) -> CrashReport:
    """Run code once on a simulated disk, crash it everywhere, and judge all that may be left.

    The code needs no change: `open`, `os`, `pathlib`, `shutil`, `tempfile`, `mmap` and `fcntl` use
    the simulated disk meanwhile. The workload and each look at what a crash left run in forked
    processes, so that nothing in memory outlives the crash.

    What is right is said in one of three ways. `check` complains of what is wrong. `observe` shows
    what the program makes of the files: after a crash that must be something that was shown without
    a crash, at a moment between the last acknowledgement before the crash and the end of the step
    that it interrupted; a step ends with each `ack`, and when a call that stands in the workload
    itself returns. With neither, the same is asked of the content of each file.

    Args:
        workload: called once as ``workload(directory, ack)``; it calls ``ack(token)`` after each
            thing that must survive a crash from then on. May be a coroutine function, as `check`
            and `observe` may.
        check: called as ``check(directory, acked)`` with what a crash left and the tokens that had
            been acknowledged; it opens what is there and returns None, or a sentence about what is
            wrong. Raising is as good as a sentence. It must be content with what the workload
            leaves without a crash, and with the beginning and no tokens.
        observe: called as ``observe(directory)``; returns any value that can be compared and
            pickled. An error that it raises is what it shows.
        initial: what is there, durable, from the beginning: a mapping of paths to contents, a real
            directory to copy, or a pyfakefs filesystem. By default an empty directory.
        faults: lines of the fault language (docs/faults.md), each for one more run of the workload,
            such as ``"fsync #2: fail EIO"``; ``every("write: fail ENOSPC")`` lets each operation
            fail in turn. An error that the workload then raises is its right; what it leaves is
            judged at once, after a restart, and after each crash.
        capacity_bytes: what the disk holds in one more run; None for none.
        separate_filesystems: directories such as ``"/tmp"`` that are on filesystems of their own,
            so that no rename leads out of them (EXDEV).
        profiles: what the filesystem promises: names (`wavetank list profiles`) or values.
        exhaustive: whether every image is judged. Otherwise a few of every crash point come first,
            and then at most 3,000; under a profile that has failed, as many as before the first
            finding, and at least 500. `ProfileVerdict.complete` says whether that was all.
        max_images: distinct images judged per profile at most.
        max_seconds: real seconds after which no further image is judged, from the first one on;
            None for no limit.
        check_limit_s: real seconds after which one run of `check` or `observe` is stopped as too
            slow; the outcome is `inconclusive` then.
        isolation: "fork": a process for the workload and for each look; the default where the
            machine has fork. "none": all in this process, faster and fit for a debugger; it cannot
            see what depends on memory: caches, pools, threads, modules' variables.
        directory: the simulated directory, an absolute path that the machine does not have.
        tearing: what the device does below a block. By default writes tear at sectors, each of
            which is old or new, and what was never written shows zeros; ``Tearing()`` adds garbage
            and foreign bytes.
        schedules: how many schedules of the workload's threads are run, each of which is crashed
            everywhere if it does something new to the disk. By default one, in which each thread
            runs until it waits. In every second of the others threads pause before each statement
            of the workload's module, and of the modules of its names that are not installed.
        schedule: runs this one alone, as a finding tells it.
        recorder: "strace" or "fuse": the workload runs on the real machine, in a process of its
            own on a real directory, and so does each look; what it did is recorded. For code that
            uses sqlite3, lmdb, processes or other extensions in C (docs/trace.md). It goes with
            neither faults nor schedules. None: the simulated disk.
        raise_on_finding: whether findings are raised, and not only returned.

    Raises:
        CrashFinding: there are findings.
        InterleavingFinding: under a schedule other than the first the workload fails, or what it
            leaves is wrong, without any crash.
        ScheduleError: `schedule` is none.
        CheckError: the check is wrong without any crash, or accepts everything.
        WorkloadError: the workload raised, left a thread running, or changed nothing.
        UnroutedCallError: the code did what no simulated disk sees, such as starting a process.
        RecorderMissingError: the machine lacks what `recorder` needs.
        TraceError: what a recorder saw cannot be trusted.
        ValueError: no such profile, both `check` and `observe`, a limit that is none, or a fault
            that Python code cannot have.
        FaultSyntaxError: a line is no fault.
        TypeError: something cannot be called, or `check` returned neither None nor a sentence.

    Warns:
        CrashTestWarning: the result says less than it seems to; `CrashReport.notes` says why.

    >>> def workload(directory, ack):
    ...     for colour in ("blue", "green"):
    ...         (directory / "new").write_text(colour)
    ...         (directory / "new").replace(directory / "config")
    >>> def load(directory):
    ...     path = directory / "config"
    ...     return path.read_text() if path.exists() else "white"
    >>> report = crash_test(workload, observe=load, profiles=["process-kill", "posix"],
    ...                     raise_on_finding=False)
    >>> {name: verdict.outcome for name, verdict in report.verdicts.items()}
    {'process-kill': 'pass', 'posix': 'fail'}
    >>> report.findings[0].sentence
    "'' came back, expected 'white' or 'blue'"
    """
    __tracebackhide__ = True
    chosen = tuple(_profile(each) for each in _listed(profiles))
    _must_be_usable(workload, check, observe)
    _must_be_limits(max_images, max_seconds, check_limit_s)
    if schedules < 1:
        raise ValueError(f"schedules: expected a number >= 1 but got {schedules}")
    if recorder is not None:
        _must_be_left_out(
            recorder,
            faults=bool(faults),
            capacity_bytes=capacity_bytes is not None,
            separate_filesystems=bool(separate_filesystems),
            isolation=isolation == "none",
            directory=directory is not None,
            schedules=schedules > 1,
            schedule=schedule is not None,
        )
    plain = Circumstances(filesystems=tuple(separate_filesystems))
    runs = fault_circumstances(faults, capacity_bytes, plain)
    # The machinery replaces names all over the interpreter: nobody who does not ask loads it.
    from wavetank.scenarios.code.crash_run import CrashRun, Settings  # noqa: PLC0415 - see above
    from wavetank.scenarios.code.crashing.verdicts import Extent  # noqa: PLC0415 - see above
    from wavetank.sim.python_files import (  # noqa: PLC0415 - see above
        Deadline,
        PythonFiles,
        PythonFilesError,
        unused_directory,
    )

    extent = Extent(
        profiles=chosen,
        exhaustive=exhaustive,
        max_images=max_images,
        tearing=tearing,
        is_over=bool if max_seconds is None else Deadline(max_seconds).is_over,
    )
    settings = Settings(
        extent=extent,
        check_limit_s=check_limit_s,
        isolation=isolation,
        schedules=schedules,
        schedule=None if schedule is None else Schedule.from_text(schedule),
    )
    try:
        if recorder is not None:
            from wavetank.scenarios.traced.crash_functions import (  # noqa: PLC0415 - see above
                CodeUnderTrace,
                crash_functions,
                recorder_named,
            )

            code = CodeUnderTrace(
                workload=workload,
                check=check,
                observe=observe,
                initial=initial,
                check_limit_s=check_limit_s,
            )
            report = crash_functions(code, recorder_named(recorder), extent)
        else:
            processes = settings.processes()
            with PythonFiles(unused_directory() if directory is None else directory) as files:
                run = CrashRun(
                    files=files,
                    processes=processes,
                    workload=workload,
                    check=check,
                    observe=observe,
                    settings=settings,
                )
                report = run.report(initial, plain, runs)
    except (CheckError, WorkloadError, PythonFilesError) as error:
        # It has the user's own lines in its text; ours below this one help nobody.
        raise error.with_traceback(None) from error.__cause__
    if raise_on_finding and report.findings:
        raise CrashFinding(report)
    for note in report.warnings():
        warnings.warn(f"crash_test: {note}", CrashTestWarning, stacklevel=2)
    return report


def _must_be_usable(workload: Workload, check: Check | None, observe: Observe | None) -> None:
    functions: dict[str, object] = {"workload": workload, "check": check, "observe": observe}
    for name, function in functions.items():
        if not callable(function) and (function is not None or name == "workload"):
            raise TypeError(f"{name}: expected a function but got {function!r}")
    if check is not None and observe is not None:
        raise ValueError("expected a check or an observe function but got both; leave one out")


def _must_be_left_out(recorder: str, **given: bool) -> None:
    """Refuse arguments that only the simulated disk knows."""
    for name, is_given in given.items():
        if is_given:
            raise ValueError(
                f"{name}: expected nothing beside recorder={recorder!r}, under which the code runs "
                f"on the real machine; leave one of the two out"
            )


def _must_be_limits(
    max_images: int | None, max_seconds: float | None, check_limit_s: float
) -> None:
    if max_images is not None and (not isinstance(max_images, int) or max_images < 1):
        raise ValueError(f"max_images: expected None or images >= 1 but got {max_images!r}")
    limits = {"max_seconds": max_seconds, "check_limit_s": check_limit_s}
    for name, limit in limits.items():
        if name == "max_seconds" and limit is None:
            continue
        if not isinstance(limit, (int, float)) or not 0 < limit < math.inf:
            raise ValueError(f"{name}: expected seconds > 0 but got {limit!r}")


def _listed(profiles: Sequence[str | Profile]) -> Sequence[str | Profile]:
    if isinstance(profiles, str) or not profiles:
        raise ValueError(f"profiles: expected a sequence of names but got {profiles!r}")
    return profiles


def _profile(each: str | Profile) -> Profile:
    if isinstance(each, Profile):
        return each
    for profile in PROFILES:
        if profile.name == each:
            return profile
    names = ", ".join(profile.name for profile in PROFILES)
    raise ValueError(f"profiles: expected one of {names} but got {each!r}")
