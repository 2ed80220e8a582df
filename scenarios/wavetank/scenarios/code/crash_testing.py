"""`crash_test`: crash any Python code that writes files, and see what it makes of what is left."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from wavetank.scenarios.code.errors import CrashFinding, CrashTestWarning
from wavetank.scenarios.code.report import ComplaintKind, CrashReport, Outcome, ProfileVerdict
from wavetank.sim import PROFILES, Profile, Tearing

if TYPE_CHECKING:
    from wavetank.scenarios.code.judging import Check, Judging
    from wavetank.scenarios.code.recording import CodeRecording, Workload

__all__ = ["crash_test"]

_EXPLAINED: Final = 16
"""Kinds of complaint under one profile that are explained: each cure is looked for by trying."""


def crash_test(
    workload: Workload,
    check: Check,
    *,
    profiles: Sequence[str | Profile] = ("process-kill", "lazyfs", "ext4", "posix"),
    max_images: int | None = None,
    check_limit_s: float = 60.0,
    raise_on_finding: bool = True,
    tearing: Tearing | None = None,
) -> CrashReport:
    """Run code once on a simulated disk, crash it everywhere, and check all that may be left.

    The code needs no change: `open`, `os`, `pathlib`, `shutil`, `tempfile`, `mmap` and `fcntl` use
    the simulated disk meanwhile.

    Args:
        workload: called once as ``workload(directory, ack)`` with an empty directory; it calls
            ``ack(token)`` after each thing that must survive a crash from then on.
        check: called as ``check(directory, acked)`` with what a crash left and the tokens that had
            been acknowledged; it opens what is there and returns None, or a sentence about what is
            wrong. Raising is as good as a sentence. It must be content with what the workload
            leaves without a crash, and with an empty directory and no tokens.
        profiles: what the filesystem promises: names (`wavetank list profiles`) or values.
        max_images: distinct images checked per profile at most; None for all.
        check_limit_s: real seconds after which one run of the check is stopped as too slow; the
            outcome is `inconclusive` then.
        raise_on_finding: whether findings are raised, and not only returned.
        tearing: what the device does below a block. By default writes tear at sectors, each of
            which is old or new, and what was never written shows zeros; ``Tearing()`` adds garbage
            and foreign bytes.

    Raises:
        CrashFinding: there are findings.
        CheckError: the check is wrong without any crash.
        WorkloadError: the workload raised, left a thread running, or changed nothing.
        UnroutedCallError: the code did what no simulated disk sees, such as starting a process.
        ValueError: no such profile, `max_images` below 1, or a limit of no seconds.
        TypeError: something cannot be called, or `check` returned neither None nor a sentence.

    Warns:
        CrashTestWarning: the check was too slow, or it ignores what was acknowledged.

    >>> def workload(directory, ack):
    ...     with open(f"{directory}/config", "w") as file:
    ...         file.write("colour = blue")
    ...     ack("config")
    >>> def check(directory, acked):
    ...     if acked:
    ...         with open(f"{directory}/config") as file:
    ...             if file.read() != "colour = blue":
    ...                 return "the configuration is gone"
    >>> report = crash_test(workload, check, profiles=["process-kill", "posix"],
    ...                     raise_on_finding=False)
    >>> {name: verdict.outcome for name, verdict in report.verdicts.items()}
    {'process-kill': 'pass', 'posix': 'fail'}
    """
    chosen = [_profile(each) for each in _listed(profiles)]
    _must_be_usable(workload, check, max_images, check_limit_s)
    report = _report(workload, check, chosen, max_images, check_limit_s, tearing)
    if raise_on_finding and report.findings:
        raise CrashFinding(report)
    if report.acked or any(verdict.too_slow for verdict in report.verdicts.values()):
        for note in report.notes():
            warnings.warn(f"crash_test: {note}", CrashTestWarning, stacklevel=2)
    return report


def _must_be_usable(
    workload: Workload, check: Check, max_images: int | None, check_limit_s: float
) -> None:
    for name, function in (("workload", workload), ("check", check)):
        if not callable(function):
            raise TypeError(f"{name}: expected a function but got {function!r}")
    if max_images is not None and (not isinstance(max_images, int) or max_images < 1):
        raise ValueError(f"max_images: expected None or images >= 1 but got {max_images!r}")
    if not isinstance(check_limit_s, (int, float)) or not 0 < check_limit_s < math.inf:
        raise ValueError(f"check_limit_s: expected seconds > 0 but got {check_limit_s!r}")


def _report(  # noqa: PLR0917 - the arguments of crash_test, checked
    workload: Workload,
    check: Check,
    profiles: Sequence[Profile],
    max_images: int | None,
    check_limit_s: float,
    tearing: Tearing | None,
) -> CrashReport:
    # The machinery replaces names all over the interpreter: nobody who does not ask loads it.
    from wavetank.scenarios.code.exploration import PLAIN  # noqa: PLC0415 - see above
    from wavetank.scenarios.code.judging import CheckTooSlowError, Judging  # noqa: PLC0415 - as above
    from wavetank.scenarios.code.recording import record_code  # noqa: PLC0415 - as above
    from wavetank.sim.python_files import PythonFiles  # noqa: PLC0415 - as above

    with PythonFiles() as files:
        recording = record_code(files, workload)
        judging = Judging(files, check, recording.tokens, limit_s=check_limit_s)
        refuses = False
        try:
            judging.try_out(recording.finished, recording.image)
            refuses = judging.refuses_something(recording.finished, recording.image)
        except CheckTooSlowError:
            verdicts = {profile.name: _too_slow_at_once(profile) for profile in profiles}
        else:
            verdicts = {
                profile.name: _verdict(judging, recording, profile, max_images, tearing or PLAIN)
                for profile in profiles
            }
    return CrashReport(
        verdicts=verdicts,
        checks=judging.checks,
        check_refuses=refuses or any(verdict.kinds for verdict in verdicts.values()),
        check_limit_s=check_limit_s,
        acked=len(recording.tokens),
        operations=len(recording.sites),
    )


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
        complete=False,
    )


def _verdict(
    judging: Judging,
    recording: CodeRecording,
    profile: Profile,
    max_images: int | None,
    tearing: Tearing,
) -> ProfileVerdict:
    from wavetank.scenarios.code.cure import Cures  # noqa: PLC0415 - as above
    from wavetank.scenarios.code.explain import explain_code  # noqa: PLC0415 - as above
    from wavetank.scenarios.code.exploration import explore_code  # noqa: PLC0415 - as above

    seen = explore_code(
        judging, recording.image, recording.log, profile, tearing=tearing, max_images=max_images
    )
    cures = Cures(judging, recording, profile, tearing)
    findings = tuple(
        explain_code(recording, profile, found, cures.find(key, found))
        for key, found in list(seen.found.items())[:_EXPLAINED]
    )
    open_: Outcome = "inconclusive" if seen.unjudged or seen.too_slow else "pass"
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
        unjudged=seen.unjudged,
        complete=seen.complete,
    )


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
