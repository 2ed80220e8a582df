"""What a problem is called, and one crash judged from nothing but its name.

`problems_of` alone puts names to problems: the exploration uses it for the images that it meets,
and so does `judge_crash`, in which each finding of an exploration is judged again.

Named here: O9 (crashing inside a recovery and opening again loses nothing), O12 (right after a
clean close a crash changes nothing that programs saw on the disk), and O15 (what a finished
recovery has shown survives).
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from wavetank.scenarios.exploration.crash_point import (
    Cause,
    CrashPoint,
    CrashTrail,
    follow,
    pending_at,
)
from wavetank.scenarios.exploration.recovery_graph import Limits, RecoveryGraph, name_of
from wavetank.scenarios.exploration.subject import Known, Problem, RecordedRun, Shown, Subject
from wavetank.sim import DiskImage, FileContent, LinkContent, Profile

__all__ = ["LOST_AFTER_CLOSE", "Finding", "is_changed", "judge_crash", "judge_trail", "problems_of"]

LOST_AFTER_CLOSE: Final = Problem(
    "O12",
    "work pending after a clean close",
    "after a clean close a crash can still change what is on disk",
)


@frozen(kw_only=True)
class Finding:
    """An invariant broken by an image.

    Attributes:
        problem: which, and how.
        crash: the image.
        lost: numbers of the ops that the first power cut lost, ascending; torn ones among them.
        step: the step of the workload at which the power went, or the process was killed.
        judged: how many images had been judged when this kind of problem first came.
        is_reproduced: whether the crash shows the problem again when it is judged by itself; if
            not, the subject is not deterministic.
    """

    problem: Problem
    crash: CrashPoint
    lost: tuple[int, ...]
    step: int
    judged: int = 0
    is_reproduced: bool = True


def judge_crash(
    run: RecordedRun[Shown, Known],
    profile: Profile,
    crash: CrashPoint,
    *,
    subject: Subject[Shown, Known] | None = None,
) -> tuple[Problem, ...]:
    """Return what is wrong after one crash alone, judged from nothing but its name.

    Raises:
        ValueError: the crash point names an image that is not legal there.
    """
    with run.runnable() as runnable:
        return _judge_crash(runnable, profile, crash, subject or runnable.subject())


def _judge_crash(
    run: RecordedRun[Shown, Known],
    profile: Profile,
    crash: CrashPoint,
    subject: Subject[Shown, Known],
) -> tuple[Problem, ...]:
    return judge_trail(run, profile, crash, follow(run, subject, profile, crash), subject)


def judge_trail(
    run: RecordedRun[Shown, Known],
    profile: Profile,
    crash: CrashPoint,
    trail: CrashTrail[Shown],
    subject: Subject[Shown, Known],
) -> tuple[Problem, ...]:
    """Return what is wrong with the image at the end of a trail.

    Args:
        run: the recorded run, runnable.
        profile: what a crash may lose.
        crash: where the power went; what it kept does not matter here.
        trail: how the image came about.
        subject: of the run.
    """
    graph = RecoveryGraph(subject, profile, Limits(), lambda _: None)
    name = name_of(trail.image, trail.since)
    graph.meet(name, trail.image, trail.since)
    interval = run.interval_at(crash.position if crash.killed_at is None else crash.killed_at)
    outcome = graph[name]
    verdict = () if outcome.observation is None else subject.judge(outcome.observation, interval)
    problems = problems_of((*verdict, *outcome.problems), trail.cause)
    if trail.shown_before is not None and outcome.observation is not None:
        lost = subject.judge_kept(trail.shown_before, outcome.observation)
        problems += problems_of((), trail.cause, lost)
    if trail.cause is Cause.WORK and subject.is_settled(interval):
        full = pending_at(run, profile, crash.position).full
        problems += (LOST_AFTER_CLOSE,) if is_changed(full, trail.image) else ()
    return problems


def problems_of(
    problems: tuple[Problem, ...], cause: Cause, lost: tuple[Problem, ...] = ()
) -> tuple[Problem, ...]:
    """Return the problems of an image under the names that its cause gives them.

    Args:
        problems: of the image, whatever it comes from.
        cause: what the last power cut interrupted.
        lost: what a recovery had shown that had ended before that power cut, and is gone.
    """
    how = cause.value
    if cause is not Cause.WORK:
        problems = tuple(
            Problem(
                "O9",
                f"{how}: {each.invariant} {each.kind}",
                f"after {how}, {each.summary}",
                each.broken,
            )
            for each in problems
        )
    return problems + tuple(
        Problem(
            "O15",
            f"after an opening: {each.invariant} {each.kind}",
            f"what the opened store had shown did not survive: {each.summary}",
            each.broken,
        )
        for each in lost
    )


def is_changed(before: DiskImage, after: DiskImage) -> bool:
    """Whether a crash changed what programs saw on the disk."""
    return before.digest() != after.digest() and _visible(before) != _visible(after)


def _visible(image: DiskImage) -> dict[str, bytes | str]:
    """Return what programs see by path; stale bytes beyond a file's size are not seen."""
    visible: dict[str, bytes | str] = {}
    for path, _, node in image.walk():
        if isinstance(node, FileContent):
            visible[path] = node.read(0, node.size)
        else:
            visible[path] = node.target if isinstance(node, LinkContent) else "a directory"
    return visible
