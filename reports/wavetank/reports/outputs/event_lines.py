"""An event as one line for people; docs/cli.md has the legend."""

from __future__ import annotations

from functools import singledispatch
from typing import Final

from wavetank.scenarios import (
    ClusterRunEvent,
    DamageEvent,
    Event,
    FindingEvent,
    Happening,
    OpEvent,
    PointOutcome,
    RunFinishedEvent,
    RunStartedEvent,
    ScenarioFinishedEvent,
    ScenarioStartedEvent,
    ScheduleRun,
    StepEvent,
    SyncEvent,
)

__all__ = ["short_line"]

_NUMBER: Final = 6
_WORD: Final = 5


def short_line(event: Event) -> str:
    """Return the event in one line: number, word, where, what.

    >>> what = SyncEvent(position=9, call=4, sync="fsync", path="/store/log.dat", failed=False)
    >>> short_line(Event(number=12, scenario="mixed", seed=0, what=what))
    '    12 sync  mixed/0 @9 fsync /store/log.dat'
    """
    word, told = _told(event.what)
    place = _place(event)
    parts = (f"{event.number:>{_NUMBER}} {word:<{_WORD}}", place, told)
    return " ".join(part for part in parts if part)


def _place(event: Event) -> str:
    if not event.scenario:
        return ""
    options = f"[{','.join(event.options)}]" if event.options else ""
    profile = f"/{event.profile}" if event.profile else ""
    return f"{event.scenario}{options}/{event.seed}{profile}"


@singledispatch
def _told(what: Happening) -> tuple[str, str]:
    """Return the word for what happened, and the rest."""
    raise AssertionError(what)


@_told.register
def _run(what: RunStartedEvent) -> tuple[str, str]:
    plan = what.plan
    return "run", (
        f"{len(plan.scenarios)} scenarios, seeds {','.join(map(str, plan.seeds))}, "
        f"{','.join(plan.profiles)}, {plan.backend}"
    )


@_told.register
def _scenario(what: ScenarioStartedEvent) -> tuple[str, str]:
    return "begin", f"{what.backend} under {','.join(what.profiles)}"


@_told.register
def _step(what: StepEvent) -> tuple[str, str]:
    number = f"{what.workload}.{what.step}" if what.workload else f"{what.step}"
    return "back" if what.returned else "call", f"@{what.position} {number}: {what.text}"


@_told.register
def _op(what: OpEvent) -> tuple[str, str]:
    word = {"attribute": "attr", "name": "gone" if what.removes else "name"}.get(what.op, what.op)
    size = "" if what.size is None else f" {what.size} B"
    return word, f"@{what.position} {what.path}{size} #{what.digest}"


@_told.register
def _sync(what: SyncEvent) -> tuple[str, str]:
    return "sync!" if what.failed else "sync", f"@{what.position} {what.sync} {what.path}".rstrip()


@_told.register
def _schedule(what: ScheduleRun) -> tuple[str, str]:
    broken = f" {what.broken}" if what.broken else ""
    return "tasks", f"{what.run} {what.schedule} #{what.digest[:8]}{broken}"


@_told.register
def _cluster(what: ClusterRunEvent) -> tuple[str, str]:
    broken = f" {what.broken}" if what.broken else ""
    cuts = f"{what.power_cuts} power cuts"
    seconds = f"{what.simulated_ns / 1e9:.3f} s"
    return "nodes", f"{what.run} {seconds}, {cuts} #{what.digest[:8]}{broken}"


@_told.register
def _damage(what: DamageEvent) -> tuple[str, str]:
    ends = "closed" if what.closed else "killed"
    problem = f": {what.problem}" if what.problem else ""
    return "rot", f"{ends}, {what.damage}, {what.mode}: {what.outcome}{problem}"


@_told.register
def _point(what: PointOutcome) -> tuple[str, str]:
    broken = f" {','.join(what.broken)}" if what.broken else ""
    return "crash", f"@{what.position} step {what.step}, {what.images} images{broken}"


@_told.register
def _finding(what: FindingEvent) -> tuple[str, str]:
    return "FOUND", f"{what.id} {what.invariant}: {what.summary}"


@_told.register
def _finished(what: ScenarioFinishedEvent) -> tuple[str, str]:
    return "end", f"{what.verdict}, {what.judged} images, {what.findings} findings #{what.digest}"


@_told.register
def _ended(what: RunFinishedEvent) -> tuple[str, str]:
    remain = f", {what.remaining} units remain" if what.remaining else ""
    digest = f" #{what.digest}" if what.digest else ""
    return "done", (
        f"{what.verdict}, {what.sweeps} sweeps, {what.findings} findings{remain}{digest}"
    )
