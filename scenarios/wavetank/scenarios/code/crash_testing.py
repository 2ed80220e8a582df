"""`crash_test`: crash any Python code that writes files, and see what it makes of what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wavetank.scenarios.code.errors import CrashFinding
from wavetank.scenarios.code.report import CrashReport, Outcome, ProfileVerdict
from wavetank.sim import PROFILES, Profile, Tearing

if TYPE_CHECKING:
    from wavetank.scenarios.code._judging import Check, Judging
    from wavetank.scenarios.code._recording import CodeRecording, Workload

__all__ = ["crash_test"]


def crash_test(
    workload: Workload,
    check: Check,
    *,
    profiles: Sequence[str | Profile] = ("process-kill", "lazyfs", "ext4", "posix"),
    max_images: int | None = None,
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
            wrong. Raising is as good as a sentence.
        profiles: what the filesystem promises: names (`wavetank list profiles`) or values.
        max_images: distinct images checked per profile at most; None for all.
        raise_on_finding: whether findings are raised, and not only returned.
        tearing: what the device does below a block. By default writes tear at sectors, each of
            which is old or new, and what was never written shows zeros; ``Tearing()`` adds garbage
            and foreign bytes.

    Raises:
        CrashFinding: there are findings.
        WorkloadError: the workload raised, or left a thread running.
        UnroutedCallError: the code did what no simulated disk sees, such as starting a process.
        ValueError: no such profile, or `max_images` below 1.
        TypeError: `check` returned neither None nor a sentence.

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
    if max_images is not None and (not isinstance(max_images, int) or max_images < 1):
        raise ValueError(f"max_images: expected None or images >= 1 but got {max_images!r}")
    report = _report(workload, check, chosen, max_images, tearing)
    if raise_on_finding and report.findings:
        raise CrashFinding(report)
    return report


def _report(
    workload: Workload,
    check: Check,
    profiles: Sequence[Profile],
    max_images: int | None,
    tearing: Tearing | None,
) -> CrashReport:
    # The machinery replaces names all over the interpreter: nobody who does not ask loads it.
    from wavetank.scenarios.code._judging import Judging  # noqa: PLC0415 - see above
    from wavetank.scenarios.code._recording import record_code  # noqa: PLC0415 - see above
    from wavetank.sim.python_files import PythonFiles  # noqa: PLC0415 - see above

    with PythonFiles() as files:
        recording = record_code(files, workload)
        judging = Judging(files, check, recording.tokens)
        verdicts = {
            profile.name: _verdict(judging, recording, profile, max_images, tearing)
            for profile in profiles
        }
    return CrashReport(
        verdicts=verdicts,
        checks=judging.checks,
        acked=len(recording.tokens),
        operations=len(recording.sites),
    )


def _verdict(
    judging: Judging,
    recording: CodeRecording,
    profile: Profile,
    max_images: int | None,
    tearing: Tearing | None,
) -> ProfileVerdict:
    from wavetank.scenarios.code._cure import Cures  # noqa: PLC0415 - as above
    from wavetank.scenarios.code._explaining import explain_code  # noqa: PLC0415 - as above
    from wavetank.scenarios.code._sweep import PLAIN, sweep_code  # noqa: PLC0415 - as above

    device = tearing or PLAIN
    sweep = sweep_code(
        judging, recording.image, recording.log, profile, tearing=device, max_images=max_images
    )
    cures = Cures(judging, recording, profile, device)
    findings = tuple(
        explain_code(judging, recording, profile, found, cure=cures.find(key, found))
        for key, found in sweep.found.items()
    )
    outcome: Outcome = "inconclusive" if sweep.unjudged else "pass"
    return ProfileVerdict(
        profile=profile.name,
        outcome="fail" if findings else outcome,
        findings=findings,
        crash_points=sweep.crash_points,
        images=sweep.images,
        unjudged=sweep.unjudged,
        complete=sweep.complete,
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
