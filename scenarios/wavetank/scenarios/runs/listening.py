"""What a run tells while it goes on, and the door for those who listen.

A run tells its listeners only; nothing below `reports` prints. News comes as it comes, from
whatever process is first; what happened in the order of the plan is told by `stream.py`.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from attrs import frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.runs.plan import RunPlan
from wavetank.scenarios.runs.results import RunResult, ScenarioResult

__all__ = [
    "FindingFound",
    "Listener",
    "News",
    "RunningNews",
    "ScenarioFinished",
    "ScenarioProgress",
]


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


RunningNews: TypeAlias = ScenarioProgress | FindingFound
"""What a unit tells while it runs."""

News: TypeAlias = RunningNews | ScenarioFinished


class Listener(Protocol):
    """Something that wants to know: a console, a report, a file of failures."""

    def start(self, plan: RunPlan) -> None:
        """Called once, before anything runs."""
        ...

    def handle(self, news: News) -> None:
        """Called for each piece of news; results come in the order of their completion."""
        ...

    def finish(self, result: RunResult) -> None:
        """Called once, when all has run."""
        ...
