"""Smaller crashes of one recording: fewer power cuts, fewer lost micro-ops, an earlier cut."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from wavetank.scenarios.exploration.crash_point import (
    CrashPoint,
    CrashTrail,
    Stretch,
    follow,
    loses_the_same,
    pending_at,
)
from wavetank.scenarios.exploration.explaining.second_crash import second_crash
from wavetank.scenarios.exploration.op_words import describe_ops
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.judging.observation import Observation
from wavetank.scenarios.raft.recording import Recording
from wavetank.sim import Kept, PendingOps, Profile

__all__ = ["count_lost", "smaller_crashes"]


def count_lost(recording: Recording, profile: Profile, crash: CrashPoint, problem: Problem) -> int:
    """Return how many micro-ops all power cuts of a finding lost or tore, as stories tell them.

    The names that one rename changes count as one, and so do the blocks of one write.

    Args:
        recording: of the run.
        profile: the filesystem's promises.
        crash: the crash that is named.
        problem: what was found; one of new work takes a power cut after the recovery, too.

    Raises:
        ValueError: `profile` does not allow the crash.
    """
    with recording.runnable() as runnable:
        subject = runnable.subject()
        trail = follow(runnable, subject, profile, crash)
        second = second_crash(subject, trail, profile, problem)
    stretches = (*trail.stretches, second) if second is not None else trail.stretches
    return sum(len(set(_told(each, profile))) for each in stretches)


def _told(stretch: Stretch, profile: Profile) -> Iterator[str]:
    texts = describe_ops(stretch.log)
    return (texts[op.number] for op in stretch.lost(profile))


def smaller_crashes(
    recording: Recording, profile: Profile, crash: CrashPoint
) -> Iterator[CrashPoint]:
    """Yield crashes that lose less, or sooner; the boldest first.

    Not each is one that the profile allows: what a recovery does depends on what it finds.

    Raises:
        ValueError: `profile` does not allow the crash.
    """
    for count in range(len(crash.then)):
        yield evolve(crash, then=crash.then[:count])
    if crash.killed_at is not None:
        yield from _killed_no_more(recording, profile, crash)
    cuts = (crash, *crash.then)
    stretches = _follow(recording, profile, crash).stretches
    for number, (cut, stretch) in enumerate(zip(cuts, stretches, strict=True)):
        for kept in _keeping_more(stretch.pending(profile), cut.kept):
            yield _with_kept(crash, number, kept)
    if crash.killed_at is None:
        yield from _sooner(recording, profile, crash)


def _follow(recording: Recording, profile: Profile, crash: CrashPoint) -> CrashTrail[Observation]:
    with recording.runnable() as runnable:
        return follow(runnable, runnable.subject(), profile, crash)


def _killed_no_more(
    recording: Recording, profile: Profile, crash: CrashPoint
) -> Iterator[CrashPoint]:
    """Yield power cuts where the process was killed: all pending ops are lost, or one by one."""
    assert crash.killed_at is not None
    pending = pending_at(recording, profile, crash.killed_at)
    for kept in (*_losing_one(pending), Kept(())):
        yield CrashPoint(position=crash.killed_at, kept=kept)


def _keeping_more(pending: PendingOps, kept: Kept) -> Iterator[Kept]:
    """Yield sets that keep more than another: all but one op, untorn, then one op more."""
    fewest = len([*pending.ops]) - len(kept.numbers) + len(kept.tears)
    for each in _losing_one(pending):
        if len([*pending.ops]) - len(each.numbers) < fewest:
            yield each
    if kept.tears or kept.stale or kept.forgotten:
        yield Kept(kept.numbers)
    for op in pending.ops:
        if op.number not in kept.numbers:
            numbers = {*kept.numbers, *pending.kept(pending.needs(op.number)).numbers}
            yield evolve(kept, numbers=tuple(sorted(numbers)))


def _losing_one(pending: PendingOps) -> Iterator[Kept]:
    """Yield for each op the set that lacks it and what cannot be without it."""
    numbers = [op.number for op in pending.ops]
    for number in numbers:
        lost = pending.kept(pending.dependents(number)).numbers
        yield Kept(tuple(each for each in numbers if each not in lost and each != number))


def _with_kept(crash: CrashPoint, number: int, kept: Kept) -> CrashPoint:
    if number == 0:
        return evolve(crash, kept=kept)
    again = list(crash.then)
    again[number - 1] = evolve(again[number - 1], kept=kept)
    return evolve(crash, then=tuple(again))


def _sooner(recording: Recording, profile: Profile, crash: CrashPoint) -> Iterator[CrashPoint]:
    """Yield the same loss right after earlier steps."""
    mine = pending_at(recording, profile, crash.position)
    for interval in recording.history:
        if interval.position < crash.position:
            theirs = pending_at(recording, profile, interval.position)
            kept = loses_the_same(mine, theirs, crash.kept)
            if kept is not None:
                yield evolve(crash, position=interval.position, kept=kept)
