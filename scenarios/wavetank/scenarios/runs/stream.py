"""All events of a run, in the order of its plan.

Recordings and results hold what happened; here it is put in order and numbered. Units may end in
any order: a stream takes each when those before it have been told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import count, groupby
from typing import Final

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.raft.recording import Recording
from wavetank.scenarios.runs.events import (
    ClusterRunEvent,
    Event,
    FindingEvent,
    Happening,
    OpEvent,
    RunFinishedEvent,
    RunStartedEvent,
    ScenarioFinishedEvent,
    ScenarioStartedEvent,
    StepEvent,
    SyncEvent,
    WorkEvent,
)
from wavetank.scenarios.runs.plan import RunPlan
from wavetank.scenarios.runs.results import RunResult, ScenarioResult
from wavetank.sim import Attribute, Data, Dirent, Mark, MicroOp, Size, Sync

__all__ = ["EventStream", "events_of", "recorded_events"]

_DIGEST_BYTES: Final = 4
_OF_ALL_PROFILES: Final = (StepEvent, OpEvent, SyncEvent)
"""What is recorded once, and judged under each profile."""


class EventStream:
    """Numbers what happened.

    >>> plan = RunPlan(scenarios=(), seeds=(0,), profiles=("posix",), backend="builtin")
    >>> stream = EventStream()
    >>> [stream.begin(plan).kind, stream.begin(plan).number]
    ['run_started', 1]
    """

    def __init__(self) -> None:
        self._numbers = count()

    def begin(self, plan: RunPlan) -> Event:
        """Return the first event."""
        return Event(number=next(self._numbers), what=RunStartedEvent(plan))

    def unit(self, results: Sequence[ScenarioResult]) -> Iterator[Event]:
        """Yield the events of a scenario with a seed.

        Args:
            results: one a profile, in their order.
        """
        first = results[0]
        profiles = tuple(each.profile for each in results)
        started = ScenarioStartedEvent(
            backend=first.backend, profiles=profiles, workloads=first.workloads
        )
        yield self._event(first, started, profile="")
        for result in results:
            for what in _happenings(result):
                for_all = isinstance(what, _OF_ALL_PROFILES)
                yield self._event(result, what, profile="" if for_all else result.profile)

    def end(self, result: RunResult, *, remaining: int = 0) -> Event:
        """Return the last event.

        Args:
            result: what was finished.
            remaining: units that were not.
        """
        what = RunFinishedEvent(
            verdict=result.verdict.value,
            digest=result.digest,
            sweeps=len(result.results),
            findings=sum(len(each.violations) for each in result.results),
            remaining=remaining,
        )
        return Event(number=next(self._numbers), what=what)

    def _event(self, result: ScenarioResult, what: Happening, *, profile: str) -> Event:
        return Event(
            number=next(self._numbers),
            time_ns=what.simulated_ns if isinstance(what, ClusterRunEvent) else None,
            scenario=result.name,
            seed=result.seed,
            profile=profile,
            options=result.options,
            what=what,
        )


def events_of(result: RunResult, *, remaining: int = 0) -> Iterator[Event]:
    """Yield all events of a run.

    Args:
        result: of the run, or of the units that were finished.
        remaining: units that were not.
    """
    stream = EventStream()
    yield stream.begin(result.plan)
    for _, results in groupby(result.results, lambda each: (each.name, each.seed, each.options)):
        yield from stream.unit(tuple(results))
    yield stream.end(result, remaining=remaining)


def recorded_events(recording: Recording, number: int = 0) -> tuple[WorkEvent, ...]:
    """Return the steps of a recorded run, with the ops and syncs between them.

    Args:
        recording: the run.
        number: of its workload in a family.
    """
    return tuple(_merged(_steps(recording, number), recording))


def _merged(steps: Iterator[StepEvent], recording: Recording) -> Iterator[WorkEvent]:
    step = next(steps, None)
    for position, record in enumerate(recording.log):
        while step is not None and step.position <= position:
            yield step
            step = next(steps, None)
        if not isinstance(record, Mark):
            yield _record_event(position, record)
    if step is not None:
        yield step
    yield from steps


def _steps(recording: Recording, number: int) -> Iterator[StepEvent]:
    """Yield where each step was called and where it returned."""
    told: set[tuple[int, bool]] = set()
    for interval in recording.history:
        key = interval.step, interval.acknowledged
        if key not in told:
            told.add(key)
            yield StepEvent(
                workload=number,
                step=interval.step,
                text=recording.tell_step(interval.step),
                returned=interval.acknowledged,
                position=interval.position,
            )


def _record_event(position: int, record: MicroOp | Sync) -> WorkEvent:
    if isinstance(record, Sync):
        return SyncEvent(
            position=position,
            call=record.call,
            sync=record.kind.value,
            path=record.path,
            failed=record.failed,
        )
    op, size = _told_op(record)
    return OpEvent(
        position=position,
        call=record.call,
        op=op,
        path=record.path,
        size=size,
        removes=isinstance(record, Dirent) and record.inode is None,
        digest=blake2b(repr(record).encode(), digest_size=_DIGEST_BYTES).hexdigest(),
    )


def _told_op(op: MicroOp) -> tuple[str, int | None]:
    if isinstance(op, Data):
        return "data", len(op.content)
    if isinstance(op, Size):
        return "size", op.size
    return ("attribute" if isinstance(op, Attribute) else "name"), None


def _happenings(result: ScenarioResult) -> Iterator[Happening]:
    yield from result.events
    yield from result.points
    for case, violation in zip(result.cases, result.violations, strict=True):
        yield _finding(case, violation)
    yield ScenarioFinishedEvent(
        verdict=result.verdict.value,
        steps=result.steps,
        crash_points=result.crash_points,
        legal=result.legal,
        distinct=result.distinct,
        judged=result.judged,
        unjudged=result.unjudged,
        cache_hits=result.cache_hits,
        recoveries=result.recoveries,
        depth=result.depth,
        schedules=result.schedules,
        complete=result.complete,
        findings=len(result.violations),
        digest=result.digest,
    )


def _finding(case: Case, violation: Violation) -> FindingEvent:
    crash = case.crash
    return FindingEvent(
        id=violation.id,
        invariant=violation.invariant,
        problem=violation.kind,
        summary=violation.summary,
        position=None if crash is None else crash.position,
        killed_at=None if crash is None else crash.killed_at,
        nested=0 if crash is None else len(crash.then),
        lost=len(violation.lost),
    )
