"""`crash_test`: crash any Python code that writes files, and see what it makes of what is left."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from attrs import frozen

from wavetank.scenarios.code.errors import CrashFinding, CrashTestWarning
from wavetank.scenarios.code.report import ComplaintKind, CrashReport, Outcome, ProfileVerdict
from wavetank.sim import PROFILES, Profile, Tearing

if TYPE_CHECKING:
    from wavetank.scenarios.code.initial import Initial
    from wavetank.scenarios.code.judging import Judge
    from wavetank.scenarios.code.recording import CodeRecording, Workload
    from wavetank.sim.python_files import Processes, PythonFiles, SimulatedDirectory

__all__ = ["Check", "Isolation", "Observe", "crash_test"]

Check: TypeAlias = "Callable[[SimulatedDirectory, list[object]], object]"
Observe: TypeAlias = "Callable[[SimulatedDirectory], object]"
Isolation: TypeAlias = Literal["fork", "none"]

_EXPLAINED: Final = 16
"""Kinds of complaint under one profile that are explained: each cure is looked for by trying."""
_AFTER_FIRST: Final = 500
"""Images judged at least, once something was found: another kind may come."""
_MOST_IMAGES: Final = 3000
"""Images judged under a profile, unless all are asked for."""
_FOR_A_CURE: Final = 1000
"""Images judged at least for each cure that is tried."""
_RESTART_NS: Final = 10 * 10**9
"""A machine takes so long to come back."""


@frozen(kw_only=True)
class _Settings:
    """The arguments of `crash_test` that shape the exploration.

    Attributes:
        max_images: what was asked for.
        most_images: distinct images judged at most.
    """

    profiles: tuple[Profile, ...]
    max_images: int | None
    most_images: int | None
    max_after_first: int | None
    tearing: Tearing
    is_over: Callable[[], bool]


def crash_test(
    workload: Workload,
    check: Check | None = None,
    *,
    observe: Observe | None = None,
    initial: Initial | None = None,
    profiles: Sequence[str | Profile] = ("process-kill", "lazyfs", "ext4", "posix"),
    exhaustive: bool = False,
    max_images: int | None = None,
    max_seconds: float | None = None,
    check_limit_s: float = 60.0,
    isolation: Isolation | None = None,
    directory: str | None = None,
    tearing: Tearing | None = None,
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
        profiles: what the filesystem promises: names (`wavetank list profiles`) or values.
        exhaustive: whether every image is judged. Otherwise a few of every crash point come first,
            and then at most 3,000; under a profile that has failed, as many as before the first
            finding, and at least 500. `ProfileVerdict.complete` says whether that was all.
        max_images: distinct images judged per profile at most.
        max_seconds: real seconds after which no further image is judged; None for no limit.
        check_limit_s: real seconds after which one run of `check` or `observe` is stopped as too
            slow; the outcome is `inconclusive` then.
        isolation: "fork": a process for the workload and for each look; the default where the
            machine has fork. "none": all in this process, faster and fit for a debugger; it cannot
            see what depends on memory: caches, pools, threads, modules' variables.
        directory: the simulated directory, an absolute path that the machine does not have.
        tearing: what the device does below a block. By default writes tear at sectors, each of
            which is old or new, and what was never written shows zeros; ``Tearing()`` adds garbage
            and foreign bytes.
        raise_on_finding: whether findings are raised, and not only returned.

    Raises:
        CrashFinding: there are findings.
        CheckError: the check is wrong without any crash, or accepts everything.
        WorkloadError: the workload raised, left a thread running, or changed nothing.
        UnroutedCallError: the code did what no simulated disk sees, such as starting a process.
        ValueError: no such profile, both `check` and `observe`, or a limit that is none.
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
    chosen = tuple(_profile(each) for each in _listed(profiles))
    _must_be_usable(workload, check, observe)
    _must_be_limits(max_images, max_seconds, check_limit_s)
    settings = _Settings(
        profiles=chosen,
        max_images=max_images,
        most_images=max_images if exhaustive or max_images else _MOST_IMAGES,
        max_after_first=None if exhaustive else _AFTER_FIRST,
        tearing=tearing or _plain(),
        is_over=_clock(max_seconds),
    )
    with _open_files(directory) as files:
        report = _report(
            files, _processes(isolation), workload, check, observe, initial, settings, check_limit_s
        )
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


def _processes(isolation: Isolation | None) -> Processes:
    # The machinery replaces names all over the interpreter: nobody who does not ask loads it.
    from wavetank.sim.python_files import Forks, OneProcess  # noqa: PLC0415 - see above

    if isolation is None:
        isolation = "fork" if Forks.are_possible() else "none"
    if isolation not in {"fork", "none"}:
        raise ValueError(f'isolation: expected "fork" or "none" but got {isolation!r}')
    return Forks() if isolation == "fork" else OneProcess()


@contextmanager
def _open_files(directory: str | None) -> Iterator[PythonFiles]:
    from wavetank.sim.python_files import PythonFiles, unused_directory  # noqa: PLC0415 - as above

    with PythonFiles(unused_directory() if directory is None else directory) as files:
        yield files


def _report(  # noqa: PLR0917 - the arguments of crash_test, checked
    files: PythonFiles,
    processes: Processes,
    workload: Workload,
    check: Check | None,
    observe: Observe | None,
    initial: Initial | None,
    settings: _Settings,
    check_limit_s: float,
) -> CrashReport:
    from wavetank.scenarios.code.initial import initial_image  # noqa: PLC0415 - as above
    from wavetank.scenarios.code.probing import TooSlowError  # noqa: PLC0415 - as above
    from wavetank.scenarios.code.recording import record_code  # noqa: PLC0415 - as above

    image = initial_image(files.empty_image(), files.directory, initial)
    recording = record_code(files, workload, processes, image)
    judge = _judge(files, processes, check, observe, recording, check_limit_s)
    refuses = False
    try:
        refuses = judge.try_out()
    except TooSlowError:
        verdicts = {profile.name: _too_slow_at_once(profile) for profile in settings.profiles}
    else:
        verdicts = {
            profile.name: _verdict(judge, recording, profile, settings)
            for profile in settings.profiles
        }
    return CrashReport(
        verdicts=verdicts,
        checks=judge.runs,
        check_refuses=refuses or any(verdict.kinds for verdict in verdicts.values()),
        check_limit_s=check_limit_s,
        acked=len(recording.tokens),
        operations=len(recording.sites),
        difference=recording.difference,
        isolated=not processes.keeps_memory,
    )


def _judge(  # noqa: PLR0917 - as above
    files: PythonFiles,
    processes: Processes,
    check: Check | None,
    observe: Observe | None,
    recording: CodeRecording,
    limit_s: float,
) -> Judge:
    from wavetank.scenarios.code.judging import (  # noqa: PLC0415 - as above
        CheckJudge,
        FilesJudge,
        ObserveJudge,
    )
    from wavetank.scenarios.code.probing import Probing  # noqa: PLC0415 - as above

    def probing(name: str, probe: Check) -> Probing:
        return Probing(
            files,
            probe,
            name=name,
            processes=processes,
            start_ns=recording.end_ns + _RESTART_NS,
            tokens=recording.tokens,
            next_inode=recording.finished.next_inode,
            limit_s=limit_s,
        )

    if check is not None:
        return CheckJudge(probing("check", check), recording)
    if observe is None:
        return FilesJudge(recording)
    shows = observe

    @wraps(shows)
    def probe(directory: SimulatedDirectory, _acked: list[object]) -> object:
        return shows(directory)

    return ObserveJudge(probing("observe", probe), recording)


def _too_slow_at_once(profile: Profile) -> ProfileVerdict:
    """Return the verdict where the check is too slow on what no crash has touched."""
    return ProfileVerdict(
        profile=profile.name,
        outcome="inconclusive",
        findings=(),
        kinds=(),
        crash_points=0,
        images=1,
        too_slow=1,
        unjudged=0,
        stopped=False,
        complete=False,
    )


def _verdict(
    judge: Judge, recording: CodeRecording, profile: Profile, settings: _Settings
) -> ProfileVerdict:
    from wavetank.scenarios.code.cure import Cures  # noqa: PLC0415 - as above
    from wavetank.scenarios.code.explain import explain_code  # noqa: PLC0415 - as above
    from wavetank.scenarios.code.exploration import explore_code  # noqa: PLC0415 - as above

    with _progress(profile.name) as on_progress:
        seen = explore_code(
            judge,
            recording,
            profile,
            tearing=settings.tearing,
            max_images=settings.most_images,
            max_after_first=settings.max_after_first,
            is_over=settings.is_over,
            on_progress=on_progress,
        )
        cures = Cures(
            judge,
            recording,
            profile,
            tearing=settings.tearing,
            max_images=max(_FOR_A_CURE, seen.images),
        )
        findings = tuple(
            explain_code(judge, recording, profile, found, cures.find(key, found))
            for key, found in list(seen.found.items())[:_EXPLAINED]
        )
    is_open = seen.not_run or seen.too_slow or seen.stopped
    is_open = is_open or (seen.unjudged and settings.max_images is not None)
    open_: Outcome = "inconclusive" if is_open else "pass"
    return ProfileVerdict(
        profile=profile.name,
        outcome="fail" if findings else open_,
        findings=findings,
        kinds=tuple(
            ComplaintKind(found.complaint.kind, found.complaint.sentence, found.count)
            for found in seen.found.values()
        ),
        crash_points=seen.crash_points,
        images=seen.images,
        too_slow=seen.too_slow,
        unjudged=seen.unjudged + seen.not_run,
        stopped=seen.stopped,
        complete=seen.complete,
    )


@contextmanager
def _progress(profile: str) -> Iterator[Callable[[int], None] | None]:
    """Keep one line on a terminal that says how far it has come; nothing anywhere else."""
    stream = sys.stderr
    if stream is None or not stream.isatty():
        yield None
        return

    def tell(images: int) -> None:
        stream.write(f"\rcrash_test: {profile}, {images} images judged ")
        stream.flush()

    try:
        yield tell
    finally:
        stream.write("\r\x1b[K")
        stream.flush()


def _clock(max_seconds: float | None) -> Callable[[], bool]:
    from wavetank.sim.python_files import Deadline  # noqa: PLC0415 - as above

    if max_seconds is None:
        return bool
    return Deadline(max_seconds).is_over


def _plain() -> Tearing:
    from wavetank.scenarios.code.exploration import PLAIN  # noqa: PLC0415 - as above

    return PLAIN


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
