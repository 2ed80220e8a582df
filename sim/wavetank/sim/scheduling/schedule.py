"""`Schedule`: which task runs at each step, as the few steps where that departs from the usual.

Without a departure a task runs until it waits, and then the one runs that has been ready longest.
A step is one pause of the running task, or one wait; `Grain` says where tasks pause.
"""

from __future__ import annotations

import re
from enum import Enum
from itertools import pairwise
from typing import Final, Self

from attrs import field, frozen

__all__ = ["Departure", "Grain", "Schedule", "ScheduleError"]


class Grain(Enum):
    """Where running tasks pause, so that others may run."""

    CALLS = "calls"
    """At each call of a lock, a clock, a task or a file."""
    STATEMENTS = "statements"
    """The same, and before each statement of the code under test."""
    STORES = "stores"
    """At each call, and around each statement that changes what tasks may share."""


class ScheduleError(ValueError):
    """A text that is no schedule."""


@frozen
class Departure:
    """At this step, another task than the usual one runs.

    Attributes:
        step: number of the pause or wait, from 1.
        task: number of the task that runs, in the order of their spawns; 0 is the run itself.
    """

    step: int
    task: int

    def __str__(self) -> str:
        return f"{self.step}>{self.task}"


_DEPARTURE: Final = re.compile(r"([1-9][0-9]*)>(0|[1-9][0-9]*)", re.ASCII)


def _ascending(_: object, __: object, departures: tuple[Departure, ...]) -> None:
    for before, after in pairwise(departures):
        if before.step >= after.step:
            raise ScheduleError(
                f"schedule: expected departures at ascending steps but got {before} before {after}"
            )


@frozen
class Schedule:
    """A schedule of one run; its text round-trips.

    Attributes:
        grain: where tasks pause.
        departures: by step.

    >>> schedule = Schedule.from_text("calls 12>2 30>1")
    >>> schedule.departures
    (Departure(step=12, task=2), Departure(step=30, task=1))
    >>> str(schedule)
    'calls 12>2 30>1'
    """

    grain: Grain = Grain.CALLS
    departures: tuple[Departure, ...] = field(default=(), validator=_ascending)

    def __str__(self) -> str:
        return " ".join((self.grain.value, *map(str, self.departures)))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the schedule that a text tells.

        Raises:
            ScheduleError: the text is no schedule.
        """
        word, *departures = text.split() or [""]
        grains = {grain.value: grain for grain in Grain}
        if word not in grains:
            raise ScheduleError(f"schedule: expected one of {list(grains)} first but got {text!r}")
        return cls(grains[word], tuple(map(_departure, departures)))


def _departure(text: str) -> Departure:
    match = _DEPARTURE.fullmatch(text)
    if match is None:
        raise ScheduleError(f"schedule: expected STEP>TASK, such as 12>2, but got {text!r}")
    return Departure(int(match[1]), int(match[2]))
