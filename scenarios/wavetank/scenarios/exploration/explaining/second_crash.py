"""The power cut after a recovery that took new work, run again for the story of a finding.

A finding of O8 names the crash that the store recovered from. What went wrong is what it did next:
so the recovery and the new work are run once more, and of the ops that one more power cut may lose,
as many are kept as the problem allows. What is left is a stretch of work like any other.
"""

from __future__ import annotations

from collections.abc import Callable

from wavetank.scenarios.exploration.crash_point import CrashTrail, Stretch
from wavetank.scenarios.exploration.subject import Known, Problem, Shown, Subject
from wavetank.sim import Kept, PendingOps, Profile

__all__ = ["is_of_new_work", "second_crash"]


def is_of_new_work(problem: Problem) -> bool:
    """Whether a problem came with the work that the recovered subject did next."""
    return problem.invariant == "O8" or ": O8 " in problem.kind


def second_crash(
    subject: Subject[Shown, Known], trail: CrashTrail[Shown], profile: Profile, problem: Problem
) -> Stretch | None:
    """Return the recovery and the new work up to the power cut that shows a problem of them.

    Args:
        subject: recovers and works.
        trail: how the image came about that it recovers from.
        profile: the filesystem's promises.
        problem: what was found.

    Returns:
        The stretch, which loses no more than it takes to show the problem; None if the problem
        needs no second power cut, such as new work that was refused.
    """
    work = subject.new_work(trail.image, trail.since) if is_of_new_work(problem) else None
    if work is None or work.problems_on is None:
        return None
    pending = PendingOps(trail.image, profile)
    pending.take_all(work.log)
    problems_on = work.problems_on

    def shows(mask: int) -> bool:
        found = problems_on(pending.image(pending.kept(mask)))
        return any(problem.kind.endswith(each.kind) for each in found)

    mask = next((each for each in (0, pending.everything) if shows(each)), None)
    if mask is None:
        return None
    return Stretch(
        image=trail.image,
        log=work.log,
        kept=_most_kept(pending, mask, shows) if mask == 0 else pending.kept(mask),
        recovered_from=0,
        has_returned=True,
        works_from=work.recovered,
    )


def _most_kept(pending: PendingOps, mask: int, shows: Callable[[int], bool]) -> Kept:
    """Return a legal set around `mask` that shows the problem as long as no op more is kept."""
    for op in pending.ops:
        more = mask | pending.needs(op.number)
        if more != mask and shows(more):
            mask = more
    return pending.kept(mask)
