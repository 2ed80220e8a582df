"""What was found in a concurrent run, told to a person: the calls as lanes, and who ran when."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from attrs import evolve

from wavetank.engine import LogEntry
from wavetank.scenarios.concurrency.concurrent_run import ConcurrentRun
from wavetank.scenarios.concurrency.history import History
from wavetank.scenarios.exploration.causes import Chain
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.subject import Problem
from wavetank.sim import PROFILES

__all__ = ["crash_story", "live_story"]

_LONGEST: Final = 40
"""Characters of a result."""
_SWITCHES: Final = 4
"""Switches that are told one by one."""


def live_story(run: ConcurrentRun, problem: Problem) -> Violation:
    """Return the story of a run that was wrong without any crash.

    Args:
        run: which one.
        problem: what was wrong.
    """
    history = run.history if run.impossible is None else run.impossible
    calls = sorted(run.history.calls, key=lambda call: call.invoked_at)
    return Violation(
        id="",
        invariant=problem.invariant,
        kind=problem.kind,
        summary=problem.summary,
        why=_why(run),
        steps=tuple(f"{call.number}: {call.task}: {call.operation}" for call in calls),
        lost=(),
        profiles=tuple(profile.name for profile in PROFILES),
        cure="",
        rules=(),
        crash=None,
        history=_in_words(history),
        schedule=str(run.schedule),
    )


def crash_story(run: ConcurrentRun, position: int, story: Violation) -> Violation:
    """Return a story of a crash with the calls that were under way.

    Args:
        run: in which the power went.
        position: records of its op log before that.
        story: what the crash lost, and why.
    """
    before = [moment.event for moment in run.moments if moment.log <= position]
    cut = run.history.before(before[-1] + 1 if before else 0)
    last = max((event.position for event in cut.events()), default=0)
    cut = evolve(cut, crashes=(last + 1,))
    calls = sorted(cut.calls, key=lambda call: call.invoked_at)
    steps = tuple(
        f"{call.number}: {call.task}: {call.operation}{' (under way)' if call.is_pending else ''}"
        for call in calls
    )
    return evolve(
        story,
        why=f"{story.why}; {_why(run)}",
        steps=(*steps, *story.steps[len(story.steps) - _crash_lines(story) :]),
        history=_in_words(cut),
        schedule=str(run.schedule),
        chain=None if story.chain is None else _of_tasks(run, cut, story.chain),
    )


def _of_tasks(run: ConcurrentRun, cut: History, chain: Chain) -> Chain:
    """Return a chain whose steps are calls of tasks, of which several may be under way at once."""
    promised = chain.promised_in
    under_way = {run.steps_of[call.number] for call in cut.calls if call.is_pending}
    is_early = promised is not None and promised[0] in under_way
    lost = tuple(
        evolve(
            each,
            by="a task",
            step=None,
            synced_in=None if each.synced_in is None else chain.step,
        )
        for each in chain.lost
    )
    return evolve(
        chain, promised_in=None if is_early else promised, shown_early=is_early, lost=lost
    )


def _crash_lines(story: Violation) -> int:
    """Return how many of a story's steps are crashes: those without a number."""
    return sum(not step.partition(":")[0].isdigit() for step in story.steps)


def _why(run: ConcurrentRun) -> str:
    if not run.switches:
        return "each task ran until it had to wait; nothing else switched them"
    shown = "; ".join(run.switches[:_SWITCHES])
    more = len(run.switches) - _SWITCHES
    return f"tasks were switched {shown}{f' and {more} times more' if more > 0 else ''}"


def _in_words(history: History) -> History:
    """Return a history whose operations and results are texts, as people and files take them."""
    return evolve(
        history,
        calls=tuple(
            evolve(
                call,
                operation=str(call.operation),
                result=None if call.is_pending else _told(call.result),
            )
            for call in history.calls
        ),
    )


def _told(result: Hashable) -> str:
    """Return a result in few words."""
    text = _entries(result) if isinstance(result, tuple) else str(result)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _entries(result: tuple[object, ...]) -> str:
    told = [
        f"{each.index}:{each.command.decode(errors='replace')}"
        if isinstance(each, LogEntry)
        else str(each)
        for each in result
    ]
    return ", ".join(told) or "nothing"
