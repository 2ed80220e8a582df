"""What came of a run, as values."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.point_outcomes import PointOutcome
from wavetank.scenarios.runs.events import WorkEvent
from wavetank.scenarios.runs.plan import RunPlan
from wavetank.sim import Choice

__all__ = ["ClusterCounts", "RunResult", "ScenarioResult", "Verdict"]


class Verdict(Enum):
    """The answer of a run."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@frozen(kw_only=True)
class ClusterCounts:
    """What the runs of a cluster scenario came to, in sum.

    Attributes:
        runs: how many, each with other random choices.
        simulated_s: virtual seconds, in whole ones.
        power_cuts: of single nodes.
        kills: processes killed or closed.
        restarts: processes started again.
        elections: leaders elected.
        commits: entries committed.
    """

    runs: int
    simulated_s: int
    power_cuts: int
    kills: int
    restarts: int
    elections: int
    commits: int


@frozen(kw_only=True)
class ScenarioResult:
    """One scenario on one backend under one profile.

    Attributes:
        name: the scenario.
        seed: what its workload was drawn from.
        backend: the store.
        profile: the filesystem's promises.
        options: engine options that were that differ from their defaults.
        relaxed: clauses of the store's contract that these options and the faults give up.
        faults_fired: how often each fault fired while the steps ran, and in the recovery of each
            distinct image, in sum, by its line.
        steps: operations run.
        compactions: how often the log was compacted.
        crash_points: positions at which the op log grew.
        legal: how many images the profile allows; None where they were not counted.
        distinct: different images met.
        judged: images on which it is known what recovery does.
        unjudged: images left over when the budget ended.
        cache_hits: images met again.
        recoveries: stores really opened, in sum.
        depth: at which depth of crashes inside recoveries the last new image came.
        complete: whether every legal image was judged, or one that stands for it.
        forked_points: at how many crash points images stand for all that recovery reads alike.
        workloads: how many were run; more than one for a family of them.
        choice: where images were chosen that do not stand for all, how large the choice was.
        stopped_after_first: whether it ended since enough images had been judged after the first
            problem.
        violations: what was wrong.
        cases: what brings each violation back, in the same order.
        digest: a hash of the op log and of every image and verdict.
        schedules: how many schedules of its tasks were run; 0 if it has none.
        every_schedule: for how many of its workloads these are all that can differ.
        cluster: what its cluster runs came to; None if it is no cluster.
        latencies_ms: how long the commands of its clients took in virtual time: upper bounds in
            milliseconds, ascending, and how many took as long but longer than the bound before;
            () if it is no cluster.
        points: what each crash point came to, by position; () for clusters, tasks and families.
        events: what was done, in order: steps, ops and syncs of what was recorded, which the first
            profile of a scenario and seed has for all of them; schedules; cluster runs; damages.
    """

    name: str
    seed: int
    backend: str
    profile: str
    steps: int
    compactions: int
    crash_points: int
    legal: int | None
    distinct: int
    judged: int
    unjudged: int
    cache_hits: int
    recoveries: int
    depth: int
    complete: bool
    forked_points: int
    stopped_after_first: bool
    violations: tuple[Violation, ...]
    cases: tuple[Case, ...]
    digest: str
    options: tuple[str, ...] = ()
    relaxed: tuple[str, ...] = ()
    faults_fired: tuple[tuple[str, int], ...] = ()
    choice: Choice = field(factory=Choice)
    schedules: int = 0
    every_schedule: int = 0
    workloads: int = 1
    cluster: ClusterCounts | None = None
    latencies_ms: tuple[tuple[int, int], ...] = ()
    points: tuple[PointOutcome, ...] = ()
    events: tuple[WorkEvent, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Fail if anything is wrong, inconclusive if images were left unjudged, else pass."""
        return _verdict(bool(self.violations), bool(self.unjudged))


@frozen(kw_only=True)
class RunResult:
    """A whole run.

    Attributes:
        plan: what was asked for.
        results: in the order of the plan: scenario, seed, profile.
        digest: a hash of all results' digests; equal for equal runs.
    """

    plan: RunPlan
    results: tuple[ScenarioResult, ...]
    digest: str

    @property
    def verdict(self) -> Verdict:
        """The worst of the results'."""
        verdicts = [result.verdict for result in self.results]
        return _verdict(Verdict.FAIL in verdicts, Verdict.INCONCLUSIVE in verdicts)


def _verdict(failed: bool, unfinished: bool) -> Verdict:  # noqa: FBT001 - two facts, one answer
    if failed:
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE if unfinished else Verdict.PASS
