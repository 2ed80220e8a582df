"""What happened in a run, as values in one envelope: `wavetank.event/1`.

Events carry no wall time and no process: equal plans have equal events, however many processes ran
them. They hold data; what people read is made of them in `reports`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import frozen

from wavetank.scenarios.concurrency.schedules import ScheduleRun
from wavetank.scenarios.exploration.point_outcomes import PointOutcome
from wavetank.scenarios.runs.plan import RunPlan

__all__ = [
    "EVENT_KINDS",
    "ClusterRunEvent",
    "DamageEvent",
    "Event",
    "FindingEvent",
    "Happening",
    "OpEvent",
    "RunFinishedEvent",
    "RunStartedEvent",
    "ScenarioFinishedEvent",
    "ScenarioStartedEvent",
    "StepEvent",
    "SyncEvent",
    "WorkEvent",
]


@frozen
class RunStartedEvent:
    """A run began, by this plan."""

    plan: RunPlan


@frozen(kw_only=True)
class ScenarioStartedEvent:
    """A scenario with a seed and a set of options began, for all its profiles.

    Attributes:
        backend: the store.
        profiles: under which it is judged, in this order.
        workloads: how many were run; more than one for a family.
    """

    backend: str
    profiles: tuple[str, ...]
    workloads: int


@frozen(kw_only=True)
class StepEvent:
    """A step of the workload was called, or has returned.

    Attributes:
        workload: which one, counted from 0; another than 0 only in a family.
        step: number of the step.
        text: the step in words.
        returned: whether it has returned.
        position: records of the op log before it.
    """

    workload: int
    step: int
    text: str
    returned: bool
    position: int


@frozen(kw_only=True)
class OpEvent:
    """A micro-op reached the page cache.

    Attributes:
        position: of its record in the op log.
        call: which system call issued it; the ops of one call share the number.
        op: ``data``, ``size``, ``name`` or ``attribute``.
        path: the file or name, as it was called by then.
        size: bytes written, or the length of the file from now on; None of others.
        removes: whether the name stands for nothing from now on.
        digest: a hash of all that the op says.
    """

    position: int
    call: int
    op: str
    path: str
    size: int | None
    removes: bool
    digest: str


@frozen(kw_only=True)
class SyncEvent:
    """Durability was asked for.

    Attributes:
        position: of its record in the op log.
        call: which system call it was.
        sync: ``fsync``, ``fdatasync``, ``fsync_dir``, ``sync`` or ``F_FULLFSYNC``.
        path: what it named.
        failed: whether it returned an error.
    """

    position: int
    call: int
    sync: str
    path: str
    failed: bool


@frozen(kw_only=True)
class ClusterRunEvent:
    """A cluster has run, and come to rest.

    Attributes:
        run: its number.
        digest: a hash of everything that happened in it.
        simulated_ns: virtual nanoseconds.
        power_cuts: of single nodes.
        broken: the invariant that did not hold; "" if all held.
    """

    run: int
    digest: str
    simulated_ns: int
    power_cuts: int
    broken: str


@frozen(kw_only=True)
class DamageEvent:
    """A store was damaged at rest, and opened.

    Attributes:
        closed: whether it had been closed; it had been killed otherwise.
        damage: what was done to its files, in words.
        mode: the recovery mode in which it was opened.
        outcome: the word for its answer; "none" if no word fits.
        problem: what is wrong with the answer; "" if nothing is.
    """

    closed: bool
    damage: str
    mode: str
    outcome: str
    problem: str


@frozen(kw_only=True)
class FindingEvent:
    """Something was wrong; of equal kinds the smallest is told.

    Attributes:
        id: of the case that brings it back.
        invariant: the one that is broken.
        problem: what was wrong, without particulars.
        summary: the same with particulars.
        position: records of the op log before the power cut; None if it needs none.
        killed_at: records before the process was killed; None if it was not.
        nested: power cuts inside recoveries.
        lost: micro-ops that the crash lost or tore.
    """

    id: str
    invariant: str
    problem: str
    summary: str
    position: int | None
    killed_at: int | None
    nested: int
    lost: int


@frozen(kw_only=True)
class ScenarioFinishedEvent:
    """A scenario has ended under one profile; what it counts is told in `ScenarioResult`."""

    verdict: str
    steps: int
    crash_points: int
    legal: int | None
    distinct: int
    judged: int
    unjudged: int
    cache_hits: int
    recoveries: int
    depth: int
    schedules: int
    complete: bool
    findings: int
    digest: str


@frozen(kw_only=True)
class RunFinishedEvent:
    """The run has ended.

    Attributes:
        verdict: of all of it.
        digest: a hash of all results' digests; "" if something remains.
        sweeps: results: scenarios by seeds, options and profiles.
        findings: in all of them.
        remaining: units, scenarios by seeds and options, that were not finished.
    """

    verdict: str
    digest: str
    sweeps: int
    findings: int
    remaining: int


WorkEvent: TypeAlias = StepEvent | OpEvent | SyncEvent | ScheduleRun | ClusterRunEvent | DamageEvent
"""What is done to stores and their disks."""

Happening: TypeAlias = (
    RunStartedEvent
    | ScenarioStartedEvent
    | StepEvent
    | OpEvent
    | SyncEvent
    | ScheduleRun
    | ClusterRunEvent
    | DamageEvent
    | PointOutcome
    | FindingEvent
    | ScenarioFinishedEvent
    | RunFinishedEvent
)

EVENT_KINDS: Final[Mapping[str, type[Happening]]] = MappingProxyType(
    {
        "run_started": RunStartedEvent,
        "scenario_started": ScenarioStartedEvent,
        "step": StepEvent,
        "op": OpEvent,
        "sync": SyncEvent,
        "schedule": ScheduleRun,
        "cluster_run": ClusterRunEvent,
        "damage": DamageEvent,
        "crash_point": PointOutcome,
        "finding": FindingEvent,
        "scenario_finished": ScenarioFinishedEvent,
        "run_finished": RunFinishedEvent,
    }
)
"""Every kind of event, by the word for it."""


@frozen(kw_only=True)
class Event:
    """One thing that happened.

    Attributes:
        number: its place in the stream, from 0 on.
        time_ns: virtual time from the beginning of its run, in nanoseconds; None where a run has
            none.
        scenario: where it happened; "" for the run as a whole.
        seed: what the workload was drawn from; None for the run as a whole.
        profile: under which; "" where it holds for all of them.
        options: engine options that differ from their defaults.
        what: what happened.
    """

    number: int
    time_ns: int | None = None
    scenario: str = ""
    seed: int | None = None
    profile: str = ""
    options: tuple[str, ...] = ()
    what: Happening

    @property
    def kind(self) -> str:
        """The word for what happened."""
        return _WORDS[type(self.what)]


_WORDS: Final[Mapping[type, str]] = MappingProxyType(
    {kind: word for word, kind in EVENT_KINDS.items()}
)
