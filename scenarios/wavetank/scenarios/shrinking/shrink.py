"""A finding made small: whatever can be left out of a case while it still shows the same.

`shrink` tries smaller cases in a fixed order and goes on from each that still breaks the same
invariant in the same way, until a whole round has found none. It counts what it judges and stops
when its budget ends; what it returns is where the next call goes on. Two calls with half of a
budget do what one does with all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.explaining.violation import ShrinkNote, Violation
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.recording import Recording
from wavetank.scenarios.replay import judge_again, tell
from wavetank.scenarios.shrinking.attempt import Attempts, Candidate
from wavetank.scenarios.shrinking.crashes import count_lost, smaller_crashes
from wavetank.scenarios.shrinking.smaller import smaller_runs
from wavetank.scenarios.shrinking.smaller_tasks import smaller_task_runs
from wavetank.scenarios.shrinking.task_attempt import TaskAttempts
from wavetank.scenarios.shrinking.worlds import simpler_worlds
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.scenarios.stores.registry import find_store
from wavetank.sim.scheduling.schedule import Schedule

__all__ = [
    "ClusterCaseError",
    "NotShownError",
    "Shrinking",
    "look_for",
    "note_of",
    "shrink",
    "tell_shrunk",
]

_MOST_LOOKED_AT: Final = 20_000
_MOST_IMAGES: Final = 150
"""Judged for one smaller case at most, twice: a budget goes further if no case takes all of it."""


@frozen(kw_only=True)
class Shrinking:
    """How far the shrinking of a case has come.

    Attributes:
        case: the smallest so far.
        place: of the next smaller case in the order of all.
        fruitless: smaller cases in a row that did not show the finding.
        tried: smaller cases so far.
        judged: images and runs judged so far.
        granted: budgets so far.
        round_size: how many smaller cases there are; None until all have been gone through.
        is_finished: whether no smaller case shows the finding.
    """

    case: Case
    place: int = 0
    fruitless: int = 0
    round_size: int | None = None
    tried: int = 0
    judged: int = 0
    granted: int = 0
    is_finished: bool = False


class ClusterCaseError(ValueError):
    """A finding of a cluster, which is not made small."""


class NotShownError(ValueError):
    """A case that does not show its finding: there is nothing to make small."""


def look_for(
    case: Case, *, schedule: Schedule | None = None, store: StoreAdapter | None = None
) -> Case:
    """Explore a case for its kind of finding, and return it with the first crash that shows it.

    Args:
        case: its invariant and kind are looked for, after whatever crash.
        schedule: of its tasks, tried before all others.
        store: on which it shows; None for the one that the case names.

    Raises:
        NotShownError: no crash shows it.
    """
    attempts = _attempts(case, store, most_images=_MOST_LOOKED_AT, explores=True)
    found = attempts(Candidate(case.without_finding(), schedule=schedule)).case
    if found is None:
        raise _not_shown(case)
    return found


def shrink(start: Case | Shrinking, *, budget: int, store: StoreAdapter | None = None) -> Shrinking:
    """Make a finding smaller.

    Args:
        start: the finding, or where an earlier call has stopped.
        budget: images and runs that may be judged; the last smaller case may take some more, which
            the next call lacks.
        store: on which it shows; None for the one that the case names.

    Raises:
        ClusterCaseError: it is one of a cluster.
        NotShownError: the case does not show its finding.
        StoreNotFoundError: the case names a store that is not there.
    """
    now = start if isinstance(start, Shrinking) else Shrinking(case=start)
    now = evolve(now, granted=now.granted + budget)
    attempts = _attempts(now.case, store)
    if attempts(Candidate(now.case)).case is None:
        raise _not_shown(now.case)
    while not now.is_finished and now.judged < now.granted:
        now = _next(now, attempts)
    return now


def note_of(found: Case, now: Shrinking, *, store: StoreAdapter | None = None) -> ShrinkNote:
    """Return how much smaller a finding was made.

    Args:
        found: the case as it was found.
        now: how far its shrinking has come.
        store: on which it shows; None for the one that the case names.
    """
    attempts = _attempts(found, store)
    return ShrinkNote(
        steps_before=len(found.workload.all_steps),
        steps=len(now.case.workload.all_steps),
        lost_before=_lost(found, attempts),
        lost=_lost(now.case, attempts),
        judged=now.judged,
        is_finished=now.is_finished,
    )


def _attempts(
    case: Case,
    store: StoreAdapter | None,
    *,
    most_images: int = _MOST_IMAGES,
    explores: bool | None = None,
) -> Attempts | TaskAttempts:
    if case.workload.cluster is not None:
        raise ClusterCaseError(f"case: expected one without a cluster, got {case.id}")
    store = store or find_store(case.store)
    explores = case.crash is not None if explores is None else explores
    if case.workload.tasks:
        return TaskAttempts(case, store, explores=explores)
    return Attempts(case, store, most_images=most_images, explores=explores)


def tell_shrunk(found: Case, now: Shrinking, *, store: StoreAdapter | None = None) -> Violation:
    """Return the story of the smallest case, with how much smaller it is.

    Args:
        found: the case as it was found.
        now: how far its shrinking has come.
        store: on which it shows; None for the one that the case names.

    Raises:
        NotShownError: the case does not show its finding.
    """
    problems = judge_again(now.case, store=store)
    if not problems:
        raise _not_shown(now.case)
    story = tell(now.case, problems[0], store=store)
    return evolve(story, shrunk=note_of(found, now, store=store))


def _not_shown(case: Case) -> NotShownError:
    return NotShownError(f"case: expected one that still breaks {case.invariant}, got {case.id}")


def _lost(case: Case, attempts: Attempts | TaskAttempts) -> int:
    if case.crash is None:
        return 0
    problem = Problem(case.invariant, case.kind, "")
    return count_lost(attempts.recording(case), case.profile, case.crash, problem)


def _next(now: Shrinking, attempts: Attempts | TaskAttempts) -> Shrinking:
    """Try smaller cases to the first that shows the finding, or to the end of the budget."""
    for candidate in islice(_smaller(now.case, attempts), now.place, None):
        if now.is_finished or now.judged >= now.granted:
            return now
        outcome = attempts(candidate)
        now = evolve(now, tried=now.tried + 1, judged=now.judged + outcome.judged)
        if outcome.case is not None:
            return evolve(now, case=outcome.case, fruitless=0, round_size=None)
        now = evolve(now, place=now.place + 1, fruitless=now.fruitless + 1)
        now = evolve(now, is_finished=now.fruitless == now.round_size)
    is_finished = now.fruitless >= now.place
    return evolve(now, place=0, round_size=now.place, is_finished=now.is_finished or is_finished)


def _smaller(case: Case, attempts: Attempts | TaskAttempts) -> Iterator[Candidate]:
    if case.workload.tasks:
        yield from smaller_task_runs(case)
        if case.schedule is not None and case.schedule.departures:
            yield Candidate(case, fewer_departures=True)
    else:
        yield from smaller_runs(case, _last_step(case, attempts.recording(case)))
    recording = attempts.recording(case)
    if case.crash is not None:
        for crash in smaller_crashes(recording, case.profile, case.crash):
            yield Candidate(evolve(case, crash=crash))
    yield from map(Candidate, simpler_worlds(case, recording))


def _last_step(case: Case, recording: Recording) -> int:
    """Return the step in or after which the finding shows."""
    crash = case.crash
    if crash is None:
        return max(recording.steps_run - 1, 0)
    return recording.interval_at(
        crash.position if crash.killed_at is None else crash.killed_at
    ).step
