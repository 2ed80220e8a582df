"""Smaller workloads with tasks: fewer tasks, fewer calls, fewer steps before and after them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from attrs import evolve

from wavetank.scenarios.case import Case
from wavetank.scenarios.raft.steps import TaskPlan, TaskStep, Workload
from wavetank.scenarios.shrinking.attempt import Candidate
from wavetank.scenarios.shrinking.smaller import plainer_workloads, simpler_step, smaller_starts

__all__ = ["smaller_task_runs"]

_Item = TypeVar("_Item")


def smaller_task_runs(case: Case) -> Iterator[Candidate]:
    """Yield cases of smaller workloads, whose schedules and crashes are still to be explored.

    Args:
        case: of a finding of a workload with tasks.
    """
    whole = case.without_finding()
    seen = {case.workload}
    for workload in _workloads(case.workload):
        if workload not in seen:
            seen.add(workload)
            yield Candidate(evolve(whole, workload=workload), schedule=case.schedule)


def _workloads(workload: Workload) -> Iterator[Workload]:
    yield from _fewer_calls(workload)
    yield from smaller_starts(workload)
    yield from _simpler_calls(workload)
    for calls in _without_one(workload.slow_calls):
        yield evolve(workload, slow_calls=calls)
    yield from plainer_workloads(workload)


def _fewer_calls(workload: Workload) -> Iterator[Workload]:
    for tasks in _without_one(workload.tasks):
        if tasks:
            yield evolve(workload, tasks=tasks)
    for after in _fewer(workload.after):
        yield evolve(workload, after=after)
    for place, task in enumerate(workload.tasks):
        for steps in _fewer(task.steps):
            if steps:
                yield _with_task(workload, place, evolve(task, steps=steps))


def _simpler_calls(workload: Workload) -> Iterator[Workload]:
    for place, task in enumerate(workload.tasks):
        for number, step in enumerate(task.steps):
            for simpler in _simpler_call(step):
                steps = (*task.steps[:number], simpler, *task.steps[number + 1 :])
                yield _with_task(workload, place, evolve(task, steps=steps))


def _without_one(items: Sequence[_Item]) -> Iterator[tuple[_Item, ...]]:
    for place in range(len(items)):
        yield (*items[:place], *items[place + 1 :])


def _fewer(items: Sequence[_Item]) -> Iterator[tuple[_Item, ...]]:
    """Yield the items without some of them: all, half, and so on, the last first."""
    size = len(items)
    while size:
        for end in range(len(items), 0, -size):
            yield (*items[: max(0, end - size)], *items[end:])
        size //= 2


def _simpler_call(step: TaskStep) -> Iterator[TaskStep]:
    if step.timeout_s is not None or step.token:
        yield TaskStep(call=step.call)
    for call in simpler_step(step.call):
        yield evolve(step, call=call)


def _with_task(workload: Workload, place: int, task: TaskPlan) -> Workload:
    tasks = list(workload.tasks)
    tasks[place] = task
    return evolve(workload, tasks=tuple(tasks))
