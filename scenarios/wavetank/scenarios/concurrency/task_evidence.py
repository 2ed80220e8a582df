"""What the run of tasks beside one another shows: their calls in lanes over one disk."""

from __future__ import annotations

from wavetank.scenarios.concurrency.concurrent_run import (
    ConcurrentRun,
    require_schedulable,
    start_of,
)
from wavetank.scenarios.concurrency.crashes import recording_of
from wavetank.scenarios.concurrency.schedules import Player
from wavetank.scenarios.evidence import Evidence, Span
from wavetank.scenarios.exploration.crash_point import CrashPoint, Stretch
from wavetank.scenarios.exploration.explaining.disk_evidence import files_seen, stretch_seen
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.run_evidence import WORKLOAD, crash_evidence, uncut_stretch
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import Kept, Profile
from wavetank.sim.scheduling.schedule import Schedule

__all__ = ["task_evidence"]


def task_evidence(  # noqa: PLR0917 - the parts of a case
    workload: Workload,
    store: StoreAdapter,
    profile: Profile,
    schedule: Schedule | None,
    crash: CrashPoint | None,
    problem: Problem,
) -> Evidence:
    """Return what the tasks of a workload show under one schedule.

    What its steps did before the tasks ran is durable by then, and is not told.

    Args:
        workload: with tasks.
        store: on which they run.
        profile: the filesystem's promises.
        schedule: of the tasks.
        crash: where the power went; None if the finding needs no crash.
        problem: what was found.

    Raises:
        UnschedulableStoreError: the store does not take its threads from its site.
        ValueError: `profile` does not allow the crash.
    """
    require_schedulable(store)
    with Player(start_of(workload, store)) as player:
        run = player.replay(schedule or Schedule())
    if crash is None:
        return _uncut(run, profile, problem)
    calls = _call_spans(run, len(run.log))
    return crash_evidence(
        recording_of(run),
        profile,
        crash,
        problem,
        spans=lambda end: _call_spans(run, end),
        step_at=lambda position: _call_alone(calls, position),
    )


def _uncut(run: ConcurrentRun, profile: Profile, problem: Problem) -> Evidence:
    stretch = uncut_stretch(
        Stretch(image=run.start.image, log=tuple(run.log), kept=Kept(())), profile
    )
    calls = _call_spans(run, len(stretch.log))
    seen = stretch_seen(
        stretch,
        profile,
        title=WORKLOAD,
        spans=calls,
        step_at=lambda position: _call_alone(calls, position),
        is_cut=False,
    )
    found = (run.problem, *run.start.problems)
    return Evidence(
        stretches=(seen,),
        after=files_seen(stretch.pending(profile).full),
        shown=tuple(
            each.summary
            for each in found
            if each is not None and (each.invariant, each.kind) == (problem.invariant, problem.kind)
        ),
    )


def _call_spans(run: ConcurrentRun, end: int) -> tuple[Span, ...]:
    """Return the calls that began before a position of the log, each in the lane of its task."""
    spans: list[Span] = []
    for call in sorted(run.history.calls, key=lambda call: call.invoked_at):
        start = run.moments[call.invoked_at - 1].log
        stop = end if call.returned_at is None else run.moments[call.returned_at - 1].log
        if start <= end:
            spans.append(
                Span(
                    label=f"{call.number}: {call.operation}",
                    start=start,
                    end=min(stop, end),
                    acknowledged=call.returned_at is not None and stop <= end,
                    lane=call.task,
                )
            )
    return tuple(spans)


def _call_alone(calls: tuple[Span, ...], position: int) -> int | None:
    """Return which call wrote a record; None if several were under way, or none."""
    under_way = [each for each in calls if each.start <= position < each.end]
    return int(under_way[0].label.partition(":")[0]) if len(under_way) == 1 else None
