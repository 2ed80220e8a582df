"""A kept run judged again by the code of today.

The plan is run again, as it was kept. Either the store did the same to its disk, and only what is
thought of it can have changed; or it did something else, which is told by the first step, op or
sync in which it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from attrs import frozen

from wavetank.reports.runs.differences import Difference, first_difference
from wavetank.reports.runs.session import Session
from wavetank.scenarios import (
    ClusterRunEvent,
    Event,
    FindingEvent,
    OpEvent,
    RunPlan,
    RunStartedEvent,
    ScheduleRun,
    StepEvent,
    SyncEvent,
    Verdict,
    events_of,
)

__all__ = ["FoundEvent", "NoPlanError", "Recheck", "plan_of_events", "recheck"]

FoundEvent: TypeAlias = tuple[Event, FindingEvent]
"""An event, and the finding that it tells."""

_WORK = (StepEvent, OpEvent, SyncEvent, ScheduleRun, ClusterRunEvent)
_Unit: TypeAlias = tuple[str, int | None, tuple[str, ...]]
_Key: TypeAlias = tuple[_Unit, str, str, str, bool]


class NoPlanError(ValueError):
    """Events that do not begin with the plan of a run."""


@frozen(kw_only=True)
class Recheck:
    """What a kept run comes to today.

    Attributes:
        session: the run of today.
        work: the first step, op, sync, schedule or cluster run that differs; None if none does.
        new: what was not found then.
        gone: what is not found now.
        unchanged: what is found as it was then.
    """

    session: Session
    work: Difference | None
    new: tuple[FoundEvent, ...]
    gone: tuple[FoundEvent, ...]
    unchanged: tuple[FoundEvent, ...]

    @property
    def verdict(self) -> Verdict:
        """Of the run of today."""
        return self.session.verdict


def plan_of_events(events: Sequence[Event]) -> RunPlan:
    """Return the plan of a kept run.

    Raises:
        NoPlanError: its events do not begin with it.
    """
    if not events or not isinstance(events[0].what, RunStartedEvent):
        raise NoPlanError("events: expected the event run_started first")
    return events[0].what.plan


def recheck(events: Sequence[Event], run: Callable[[RunPlan], Session]) -> Recheck:
    """Run the plan of a kept run, and compare what comes of it with what came then.

    Where one of the two runs was not finished, what both finished is compared.

    Args:
        events: of the kept run.
        run: runs a plan.

    Raises:
        NoPlanError: the events do not begin with a plan.
    """
    session = run(plan_of_events(events))
    today = list(events_of(session.result, remaining=len(session.remaining)))
    both = _finished(events) & _finished(today)
    before, now = _findings(events, both), _findings(today, both)
    return Recheck(
        session=session,
        work=first_difference(_work(events, both), _work(today, both)),
        new=tuple(now[key] for key in now if key not in before),
        gone=tuple(before[key] for key in before if key not in now),
        unchanged=tuple(now[key] for key in now if key in before),
    )


def _finished(events: Iterable[Event]) -> set[_Unit]:
    return {_unit(event) for event in events if event.kind == "scenario_finished"}


def _unit(event: Event) -> _Unit:
    return event.scenario, event.seed, event.options


def _work(events: Iterable[Event], units: set[_Unit]) -> Iterable[Event]:
    return (event for event in events if isinstance(event.what, _WORK) and _unit(event) in units)


def _findings(events: Iterable[Event], units: set[_Unit]) -> dict[_Key, FoundEvent]:
    """Return what was found, by what stays the same when a story changes."""
    found: dict[_Key, FoundEvent] = {}
    for event in events:
        what = event.what
        if isinstance(what, FindingEvent) and _unit(event) in units:
            needs_crash = what.position is not None
            found[_unit(event), event.profile, what.invariant, what.problem, needs_crash] = (
                event,
                what,
            )
    return found
