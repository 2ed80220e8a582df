"""One case again: is what it found still there?

While the workload and the recoveries on the way leave the same op logs, exactly the same image is
judged. Once they differ, that crash means nothing, and all crashes of the case are explored for a
problem of the same kind. `judge_again` does the same for generated tests.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.cluster.replaying import (
    judge_cluster_again,
    replay_cluster,
    tell_cluster,
)
from wavetank.scenarios.concurrency.replaying import judge_tasks_again, replay_tasks, tell_tasks
from wavetank.scenarios.corruption.damaged_cases import (
    judge_damage_again,
    replay_damage,
    tell_damage,
)
from wavetank.scenarios.exploration.explaining.explain import explain, explain_live
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.explorer import Exploration, Finding, explore
from wavetank.scenarios.exploration.judging import judge_crash
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.crash_cycles import crash_cycle_problems
from wavetank.scenarios.raft.recording import LiveProblem, Recording, record
from wavetank.scenarios.reproduction import (
    ReplayResult,
    ReplayVerdict,
    diverged,
    fixed,
    limits_of,
    log_digest,
    trace_digest,
)
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.scenarios.stores.registry import StoreNotFoundError, find_store
from wavetank.sim import Profile

__all__ = ["explain_case", "judge_again", "live_problems", "replay", "tell"]

MAX_IMAGES: Final = 20_000
"""How many images a replay judges at most where the op log is another one."""


@frozen(kw_only=True)
class _Answer:
    """What judging a case again came to.

    Attributes:
        problems: all that was wrong, of whatever kind.
        how: what was done, in words.
        complete: whether all images were judged that the case asks for.
        violation: the story of the case's problem, if a new search found it.
    """

    problems: tuple[Problem, ...]
    how: str
    complete: bool = True
    violation: Violation | None = None


def replay(case: Case, *, max_images: int | None = MAX_IMAGES) -> ReplayResult:
    """Look for the finding of a case again.

    Args:
        case: of a finding.
        max_images: images judged at most where the op log is another one; None: all.
    """
    try:
        find_store(case.store)
    except StoreNotFoundError as error:
        return ReplayResult(verdict=ReplayVerdict.ERROR, explanation=str(error))
    return _replay_for(case, max_images)(case)


def _replay_for(case: Case, max_images: int | None) -> Callable[[Case], ReplayResult]:
    if case.at_rest is not None:
        return replay_damage
    if case.workload.cluster is not None:
        return replay_cluster
    return replay_tasks if case.workload.tasks else partial(_replay_steps, max_images=max_images)


def _replay_steps(case: Case, max_images: int | None) -> ReplayResult:
    recording = _record(case)
    if log_digest(recording) != log_digest(_record(case)):
        return diverged("two recordings of the same workload differ")
    answer = _judge(case, recording, max_images)
    if any(case.is_shown_by(each.invariant, each.kind) for each in answer.problems):
        return ReplayResult(
            verdict=ReplayVerdict.FAILED,
            explanation=f"{answer.how}: it breaks {case.invariant} again",
            violation=answer.violation,
        )
    return _not_shown(case, answer)


def _not_shown(case: Case, answer: _Answer) -> ReplayResult:
    if not case.is_reproduced:
        return diverged("the finding did not show again even when it was found")
    if not answer.complete:
        return ReplayResult(
            verdict=ReplayVerdict.INCONCLUSIVE,
            explanation=f"{answer.how}: this kind was not found again, but not all images were "
            f"judged",
        )
    return fixed(case, answer.how)


def judge_again(
    case: Case, *, max_images: int | None = MAX_IMAGES, store: StoreAdapter | None = None
) -> tuple[Problem, ...]:
    """Return the problem of a case as it shows today; () if it is gone. For regression tests.

    Args:
        case: of a finding.
        max_images: images judged at most where the op log is another one; None: all.
        store: on which it shows; None for the one that the case names.

    Raises:
        StoreNotFoundError: the case names a store that is not there.

    >>> from wavetank.engine import FileStorageOptions
    >>> from wavetank.scenarios import OpenStore, Workload
    >>> from wavetank.scenarios.exploration.crash_point import CrashPoint
    >>> from wavetank.sim import POSIX, Kept
    >>> case = Case(
    ...     workload=Workload(
    ...         name="open", seed=0, steps=(OpenStore(),), options=FileStorageOptions()
    ...     ),
    ...     store="builtin",
    ...     profile=POSIX,
    ...     crash=CrashPoint(position=1, kept=Kept(())),
    ...     invariant="O7",
    ...     kind="does not open: CorruptedError",
    ...     trace="of an older store",
    ... )
    >>> judge_again(case)
    ()
    """
    if case.at_rest is not None:
        return judge_damage_again(case)
    if case.workload.cluster is not None:
        return judge_cluster_again(case)
    if case.workload.tasks:
        return judge_tasks_again(case, store)
    answer = _judge(case, _record(case, store), max_images)
    return tuple(each for each in answer.problems if case.is_shown_by(each.invariant, each.kind))


def tell(
    case: Case, problem: Problem, *, store: StoreAdapter | None = None, thorough: bool = False
) -> Violation:
    """Return the story of a finding that was told when it was found.

    Args:
        case: of the finding.
        problem: what was wrong.
        store: on which it shows; None for the one that the case names.
        thorough: see `explain`.
    """
    if case.at_rest is not None:
        return tell_damage(case, problem)
    if case.workload.cluster is not None:
        return tell_cluster(case)
    if case.workload.tasks:
        return evolve(tell_tasks(case, problem, store, thorough=thorough), id=case.id)
    recording = _record(case, store)
    if case.crash is None:
        step = max(recording.steps_run - 1, 0)
        return evolve(explain_live(recording, case.profile, step, problem), id=case.id)
    crash = case.crash
    position = crash.position if crash.killed_at is None else crash.killed_at
    finding = Finding(
        problem=problem,
        crash=crash,
        lost=(),
        step=recording.interval_at(position).step,
        is_reproduced=case.is_reproduced,
    )
    return evolve(explain(recording, case.profile, finding, thorough=thorough), id=case.id)


def explain_case(case: Case, *, store: StoreAdapter | None = None) -> Violation:
    """Judge the finding of a case again, and return its story with the cheapest cure.

    Args:
        case: of a finding.
        store: on which it shows; None for the one that the case names.

    Raises:
        StoreNotFoundError: the case names a store that is not there.
        ValueError: the crash of the case does not show the finding any more.
    """
    told = "the store no longer does this there, so that nothing is left to explain"
    is_of_steps = case.at_rest is None and case.workload.cluster is None and not case.workload.tasks
    if is_of_steps and case.crash is not None:
        recording = _record(case, store)
        if trace_digest(recording, case.profile, case.crash) != case.trace:
            raise ValueError(f"{case.id}: {told}")
    again = judge_again(case, store=store)
    if not again:
        raise ValueError(f"{case.id}: {told}")
    return tell(case, again[0], store=store, thorough=True)


def live_problems(recording: Recording, profile: Profile) -> tuple[LiveProblem, ...]:
    """Return what is wrong with a run without any chosen crash, each kind once."""
    found: dict[tuple[str, str], LiveProblem] = {}
    for live in (*recording.problems, *crash_cycle_problems(recording, profile)):
        found.setdefault((live.problem.invariant, live.problem.kind), live)
    return tuple(found.values())


def _record(case: Case, store: StoreAdapter | None = None) -> Recording:
    return record(case.workload, store or find_store(case.store))


def _judge(case: Case, recording: Recording, max_images: int | None) -> _Answer:
    if case.crash is None:
        live = live_problems(recording, case.profile)
        return _Answer(
            problems=tuple(each.problem for each in live), how="the run without a crash ran again"
        )
    try:
        is_same = trace_digest(recording, case.profile, case.crash) == case.trace
    except ValueError:
        reason = f"{case.profile.name} no longer allows the image in which this was found"
        return _search(case, recording, max_images, reason)
    if is_same:
        return _Answer(
            problems=judge_crash(recording, case.profile, case.crash),
            how="the op log is the same, and the same image was judged",
        )
    reason = "the op log is another one than when this was found"
    return _search(case, recording, max_images, reason)


class _FoundAgainError(Exception):
    """Ends a search early."""

    def __init__(self, finding: Finding) -> None:
        super().__init__()
        self.finding = finding


def _search(case: Case, recording: Recording, max_images: int | None, reason: str) -> _Answer:
    """Explore all crashes of a case for a problem of its kind."""

    def stop_if_same(finding: Finding) -> None:
        if case.is_shown_by(finding.problem.invariant, finding.problem.kind):
            raise _FoundAgainError(finding)

    for live in live_problems(recording, case.profile):
        if case.is_shown_by(live.problem.invariant, live.problem.kind):
            violation = explain_live(recording, case.profile, live.step, live.problem)
            return _Answer(problems=(live.problem,), how=reason, violation=violation)
    limits = limits_of(case, max_images=max_images)
    try:
        seen = explore(recording, case.profile, limits=limits, on_finding=stop_if_same)
    except _FoundAgainError as again:
        violation = explain(recording, case.profile, again.finding)
        return _Answer(
            problems=(again.finding.problem,),
            how=f"{reason}; all crashes were explored for the same kind",
            violation=violation,
        )
    return _Answer(
        problems=tuple(each.problem for each in seen.findings),
        how=f"{reason}; {seen.judged} images were judged",
        complete=_is_complete(seen),
    )


def _is_complete(seen: Exploration) -> bool:
    return not seen.unjudged
