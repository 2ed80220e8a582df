"""What happens during a run, as values, and the door for those who listen.

A run tells its listeners only; nothing below `reports` prints. Events carry no wall time: equal
runs have equal events.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol, TypeAlias

from attrs import field, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.explain import Violation
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.scenario_files.scenario import Scenario
from wavetank.sim import Choice, Profile

__all__ = [
    "ClusterCounts",
    "Event",
    "FindingFound",
    "Listener",
    "OwnProfile",
    "OwnScenario",
    "PointOutcome",
    "RunPlan",
    "RunResult",
    "RunningEvent",
    "ScenarioFinished",
    "ScenarioProgress",
    "ScenarioResult",
    "Verdict",
]


class Verdict(Enum):
    """The answer of a run."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@frozen
class OwnProfile:
    """A profile that does not ship.

    Attributes:
        profile: what it promises; its name is none of those that ship.
        file: where it was read from, as a person would type it again.
    """

    profile: Profile
    file: str


@frozen
class OwnScenario:
    """A scenario that does not ship.

    Attributes:
        scenario: what runs; of the settings that it has for itself each one wins over the plan's.
        file: where it was read from, as a person would type it again; "" if from none.
    """

    scenario: Scenario
    file: str = ""


@frozen(kw_only=True)
class RunPlan:
    """What to run; plain values, so that it can travel to another process.

    Attributes:
        scenarios: names from the catalogue or among one's own, in order.
        seeds: each scenario runs once per seed.
        profiles: names of profiles.
        backend: name of the backend.
        max_images: distinct images recovered per scenario and profile at most; None: all.
        depth: crashes inside recoveries, one inside the other; None: until nothing new comes.
        max_after_first: once a scenario and profile has failed, as many images are judged as
            before, and at least this many; None: all.
        own_profiles: those among the profiles that do not ship.
        own_scenarios: those among the scenarios that do not ship; of two of one name these win.
        option_sets: sets of engine options that differ from their defaults; each scenario runs once
            with each set, instead of with the workload's own options.
        faults: lines of the fault language; they strike each scenario while its steps run, and the
            recoveries from crashes in it.
        schedules: runs of each scenario whose tasks run beside one another, each under another
            schedule, shared among the profiles.
        cluster_runs: runs of each cluster scenario, shared among the profiles.
        keep_events: whether results hold their events, so that two runs can be compared.
    """

    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]
    profiles: tuple[str, ...]
    backend: str
    max_images: int | None = None
    depth: int | None = 0
    max_after_first: int | None = None
    own_profiles: tuple[OwnProfile, ...] = ()
    own_scenarios: tuple[OwnScenario, ...] = ()
    option_sets: tuple[tuple[str, ...], ...] = ((),)
    faults: tuple[str, ...] = ()
    schedules: int = 516
    cluster_runs: int = 36
    keep_events: bool = False


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
class PointOutcome:
    """What the images of one crash point came to.

    Attributes:
        position: records of the op log before the power cut.
        step: the step of the workload at which it went.
        images: distinct images judged there for the first time.
        broken: invariants that they broke, sorted; () if none.
    """

    position: int
    step: int
    images: int
    broken: tuple[str, ...]


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
        points: what each crash point came to, in order; () for clusters and tasks.
        events: one line for each op on the disk, each schedule or cluster run, and each finding,
            in their order; () unless the plan keeps them.
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
    points: tuple[PointOutcome, ...] = ()
    events: tuple[str, ...] = ()

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


@frozen(kw_only=True)
class ScenarioProgress:
    """A scenario has judged so many images by now, and run so many schedules."""

    name: str
    seed: int
    profile: str
    judged: int
    options: tuple[str, ...] = ()
    schedules: int = 0


@frozen
class FindingFound:
    """A problem of a new kind, told when it is found; its story comes with the result.

    Attributes:
        case: what brings it back.
        problem: what was wrong.
        judged: how many images had been judged.
    """

    case: Case
    problem: Problem
    judged: int


@frozen
class ScenarioFinished:
    """A scenario has ended under one profile."""

    result: ScenarioResult


RunningEvent: TypeAlias = ScenarioProgress | FindingFound
"""What a unit tells while it runs."""

Event: TypeAlias = RunningEvent | ScenarioFinished


class Listener(Protocol):
    """Something that wants to know: a console, a report, a file of failures."""

    def start(self, plan: RunPlan) -> None:
        """Called once, before anything runs."""
        ...

    def handle(self, event: Event) -> None:
        """Called for each event; results come in the order of their completion."""
        ...

    def finish(self, result: RunResult) -> None:
        """Called once, when all has run."""
        ...


def _verdict(failed: bool, unfinished: bool) -> Verdict:  # noqa: FBT001 - two facts, one answer
    if failed:
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE if unfinished else Verdict.PASS
