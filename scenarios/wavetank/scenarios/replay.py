"""One stored finding again: is it still there?

A `ReplayCase` names a finding so that it can be looked for again in another process and after the
code has changed. While the workload leaves the same op log, exactly the same image is judged; once
the op log differs, the whole scenario is swept for a finding of the same fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

from attrs import frozen

from wavetank.faults import FaultSyntaxError
from wavetank.scenarios.events import OwnProfile, RunPlan, ScenarioResult
from wavetank.scenarios.exploration.crash_point import CrashPoint
from wavetank.scenarios.exploration.explain import Violation
from wavetank.scenarios.exploration.explorer import judge_image
from wavetank.scenarios.raft.crash_cycles import crash_cycle_problems
from wavetank.scenarios.raft.observation import Problem
from wavetank.scenarios.raft.option_choices import OptionError
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.runner import (
    UnknownNameError,
    backend_named,
    log_digest,
    profile_named,
    run,
    workload_of,
)
from wavetank.sim import Profile

__all__ = ["ReplayCase", "ReplayResult", "ReplayVerdict", "replay", "replay_cases"]


class ReplayVerdict(Enum):
    """The answer of a replay."""

    FIXED = "fixed"
    FAILED = "failed"
    ERROR = "error"
    DIVERGED = "diverged"


@frozen(kw_only=True)
class ReplayCase:
    """What a finding is made of.

    Attributes:
        scenario: name of the scenario.
        seed: what its workload was drawn from.
        backend: name of the store.
        profile: name of the profile that allowed the image.
        invariant: id of the broken invariant.
        kind: what is wrong, without particulars.
        crash: the image; None if no crash is needed.
        log_digest: `log_digest` of the recording in which it was found.
        own_profile: the profile itself, if it does not ship.
        options: engine options that were turned.
        faults: lines of the faults that struck the run.
    """

    scenario: str
    seed: int
    backend: str
    profile: str
    invariant: str
    kind: str
    crash: CrashPoint | None
    log_digest: str
    own_profile: OwnProfile | None = None
    options: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def own_profiles(self) -> tuple[OwnProfile, ...]:
        """The profiles that do not ship and are needed to replay this: one or none."""
        return () if self.own_profile is None else (self.own_profile,)

    @property
    def fingerprint(self) -> str:
        """What makes two findings one, whatever image showed them."""
        run_of = "/".join(
            (self.backend, self.scenario, str(self.seed), self.profile, *self.options, *self.faults)
        )
        return f"{run_of}/{self.invariant}/{self.kind}"


@frozen(kw_only=True)
class ReplayResult:
    """What a replay found.

    Attributes:
        verdict: the answer.
        explanation: one sentence on what was done and seen.
        violation: the finding as it shows today, if a new search found it; None if the image
            itself was judged again (its story has not changed) or nothing was found.
    """

    verdict: ReplayVerdict
    explanation: str
    violation: Violation | None = None


def replay_cases(
    results: Iterable[ScenarioResult], own_profiles: Iterable[OwnProfile] = ()
) -> Iterator[tuple[ReplayCase, Violation]]:
    """Yield each violation of a run with the case that brings it back.

    Each workload that failed is recorded once more, since a result does not hold its op log.

    Args:
        results: of the run.
        own_profiles: those of its plan.
    """
    own = {each.profile.name: each for each in own_profiles}
    digests: dict[tuple[str, int, str, tuple[str, ...], tuple[str, ...]], str] = {}
    for result in results:
        if not result.violations:
            continue
        faults = tuple(line for line, _ in result.faults_fired)
        key = (result.name, result.seed, result.backend, result.options, faults)
        if key not in digests:
            digests[key] = log_digest(_record(*key))
        for violation in result.violations:
            case = ReplayCase(
                scenario=result.name,
                seed=result.seed,
                backend=result.backend,
                profile=result.profile,
                invariant=violation.invariant,
                kind=violation.kind,
                crash=violation.crash,
                log_digest=digests[key],
                own_profile=own.get(result.profile),
                options=result.options,
                faults=faults,
            )
            yield case, violation


def replay(case: ReplayCase) -> ReplayResult:
    """Look for a finding again.

    Returns:
        FAILED or FIXED; ERROR if the case names something that is no longer there; DIVERGED if two
        recordings of the same workload differ, so that no answer can be trusted.
    """
    try:
        profile = profile_named(case.profile, case.own_profiles)
        recording = _record_again(case)
    except (UnknownNameError, OptionError, FaultSyntaxError) as error:
        return ReplayResult(verdict=ReplayVerdict.ERROR, explanation=str(error))
    digest = log_digest(recording)
    if digest == case.log_digest:
        return _judge_again(case, recording, profile)
    again = log_digest(_record_again(case))
    if again != digest:
        return ReplayResult(
            verdict=ReplayVerdict.DIVERGED,
            explanation=f"two recordings of the same workload differ: op log {digest} and {again}",
        )
    return _search(case, "the op log is another one than when this was found")


def _record_again(case: ReplayCase) -> Recording:
    return _record(case.scenario, case.seed, case.backend, case.options, case.faults)


def _record(
    scenario: str, seed: int, backend: str, options: tuple[str, ...], faults: tuple[str, ...]
) -> Recording:
    return record(workload_of(scenario, seed, options, faults), backend_named(backend))


def _judge_again(case: ReplayCase, recording: Recording, profile: Profile) -> ReplayResult:
    what = "the image" if case.crash is not None else "the run without a crash"
    try:
        problems = _problems(case, recording, profile)
    except ValueError:
        return _search(case, f"{profile.name} no longer allows the image in which this was found")
    if any(_is_same(case, problem.invariant, problem.kind) for problem in problems):
        return ReplayResult(
            verdict=ReplayVerdict.FAILED,
            explanation=f"the op log is the same, and {what} breaks {case.invariant} again",
        )
    return ReplayResult(
        verdict=ReplayVerdict.FIXED,
        explanation=f"the op log is the same, and {what} no longer breaks {case.invariant}",
    )


def _problems(case: ReplayCase, recording: Recording, profile: Profile) -> tuple[Problem, ...]:
    if case.crash is not None:
        return judge_image(recording, profile, case.crash)
    live = (*recording.problems, *crash_cycle_problems(recording, profile))
    return tuple(each.problem for each in live)


def _search(case: ReplayCase, reason: str) -> ReplayResult:
    """Sweep the whole scenario for a finding of the same fingerprint."""
    plan = RunPlan(
        scenarios=(case.scenario,),
        seeds=(case.seed,),
        profiles=(case.profile,),
        backend=case.backend,
        own_profiles=case.own_profiles,
        option_sets=(case.options,),
        faults=case.faults,
    )
    for result in run(plan).results:
        for violation in result.violations:
            if _is_same(case, violation.invariant, violation.kind):
                return ReplayResult(
                    verdict=ReplayVerdict.FAILED,
                    explanation=f"{reason}; a sweep of {case.scenario} found the same kind again",
                    violation=violation,
                )
    return ReplayResult(
        verdict=ReplayVerdict.FIXED,
        explanation=f"{reason}; a sweep of {case.scenario} no longer finds this kind",
    )


def _is_same(case: ReplayCase, invariant: str, kind: str) -> bool:
    return (invariant, kind) == (case.invariant, case.kind)
