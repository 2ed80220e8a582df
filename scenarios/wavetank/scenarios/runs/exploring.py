"""A recorded run explored under one profile, and the result that comes of it."""

from __future__ import annotations

from hashlib import blake2b

from attrs import evolve, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.explaining.explain import explain_all, explain_live
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.explorer import Finding, explore
from wavetank.scenarios.exploration.partial import Exploration
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.raft.recording import LiveProblem, Recording
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.replay import live_problems
from wavetank.scenarios.reproduction import limits_of, log_digest
from wavetank.scenarios.runs.events import WorkEvent
from wavetank.scenarios.runs.listening import FindingFound, ScenarioProgress
from wavetank.scenarios.runs.plan import OwnProfile
from wavetank.scenarios.runs.results import ScenarioResult
from wavetank.scenarios.runs.stream import recorded_events
from wavetank.scenarios.runs.unit import ProgressSink, Unit, case_of, found_case

__all__ = ["RecordedFacts", "explore_profile", "facts_of", "limits_of_unit", "result_of"]


@frozen(kw_only=True)
class RecordedFacts:
    """What a recorded run itself adds to the results of its exploration.

    Attributes:
        name: of the scenario.
        seed: what its workload was drawn from.
        steps: operations run.
        compactions: how often the log was compacted.
        options: engine options that differ from their defaults.
        relaxed: clauses of the store's contract that are given up.
        faults_fired: how often each fault fired while the steps ran, by its line.
        log_digest: a hash of everything done to the disk.
        events: its steps, ops and syncs.
    """

    name: str
    seed: int
    steps: int
    compactions: int
    options: tuple[str, ...]
    relaxed: tuple[str, ...]
    faults_fired: tuple[tuple[str, int], ...]
    log_digest: str
    events: tuple[WorkEvent, ...]


def facts_of(recording: Recording, *, number: int = 0) -> RecordedFacts:
    """Return what a recorded run adds to its results.

    Args:
        recording: the run.
        number: of its workload in a family.
    """
    workload = recording.workload
    return RecordedFacts(
        name=workload.name,
        seed=workload.seed,
        steps=recording.steps_run,
        compactions=recording.compactions,
        options=workload.overrides,
        relaxed=workload.promises.relaxed,
        faults_fired=tuple(recording.faults_fired.items()),
        log_digest=log_digest(recording),
        events=recorded_events(recording, number),
    )


def limits_of_unit(unit: Unit, case: Case) -> Limits:
    """Return how far the exploration of a case of a unit goes."""
    limits = limits_of(case, max_images=unit.max_images)
    return evolve(limits, max_after_first=unit.max_after_first)


def explore_profile(
    unit: Unit,
    recording: Recording,
    facts: RecordedFacts,
    profile: OwnProfile,
    subject: RaftSubject,
    *,
    progress: ProgressSink | None = None,
    live: tuple[LiveProblem, ...] | None = None,
) -> ScenarioResult:
    """Explore one recording under one profile, and tell what comes of it; without its events.

    Args:
        unit: that the recording belongs to.
        recording: the run.
        facts: of the recording.
        profile: what a crash may lose.
        subject: of the run, shared among its profiles.
        progress: told of findings and of images judged.
        live: what is wrong without a chosen crash; None: it is found out here.
    """
    case = case_of(unit, recording.workload, profile)
    tell = progress or (lambda _: None)

    def tell_judged(judged: int) -> None:
        tell(
            ScenarioProgress(
                name=facts.name,
                seed=facts.seed,
                profile=profile.profile.name,
                judged=judged,
                options=facts.options,
            )
        )

    def tell_finding(finding: Finding) -> None:
        tell(FindingFound(found_case(case, recording, finding), finding.problem, finding.judged))

    live = live_problems(recording, profile.profile) if live is None else live
    live_cases = tuple(
        evolve(case, invariant=each.problem.invariant, kind=each.problem.kind) for each in live
    )
    for each, found in zip(live, live_cases, strict=True):
        tell(FindingFound(found, each.problem, 0))
    seen = explore(
        recording,
        profile.profile,
        limits=limits_of_unit(unit, case),
        on_progress=tell_judged,
        on_finding=tell_finding,
        # Who wants no image behind the first problem has it already.
        is_over=lambda: bool(live) and unit.max_after_first == 0,
        subject=subject,
    )
    cases = (*live_cases, *(found_case(case, recording, each) for each in seen.findings))
    stories = (
        *(explain_live(recording, profile.profile, each.step, each.problem) for each in live),
        *explain_all(recording, profile.profile, seen.findings),
    )
    violations = tuple(
        evolve(story, id=found.id) for story, found in zip(stories, cases, strict=True)
    )
    return result_of(unit, facts, seen, cases=cases, violations=violations)


def result_of(
    unit: Unit,
    facts: RecordedFacts,
    seen: Exploration,
    *,
    cases: tuple[Case, ...] = (),
    violations: tuple[Violation, ...] = (),
) -> ScenarioResult:
    """Return the result of an exploration, without its events.

    Args:
        unit: that was explored.
        facts: of its recording.
        seen: under one of its profiles.
        cases: what brings each violation back.
        violations: what was wrong.
    """
    return ScenarioResult(
        name=facts.name,
        seed=facts.seed,
        backend=unit.backend,
        profile=seen.profile.name,
        steps=facts.steps,
        compactions=facts.compactions,
        crash_points=seen.crash_points,
        legal=seen.legal,
        distinct=seen.distinct,
        judged=seen.judged,
        unjudged=seen.unjudged,
        cache_hits=seen.cache_hits,
        recoveries=seen.recoveries,
        depth=seen.depth,
        complete=seen.complete,
        forked_points=seen.forked_points,
        choice=seen.choice,
        stopped_after_first=seen.stopped_after_first,
        violations=violations,
        cases=cases,
        options=facts.options,
        relaxed=facts.relaxed,
        faults_fired=tuple(
            (line, count + seen.faults_fired.get(line, 0)) for line, count in facts.faults_fired
        ),
        digest=blake2b((facts.log_digest + seen.digest).encode(), digest_size=16).hexdigest(),
        points=seen.points,
    )
