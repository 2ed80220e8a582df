"""Whether the calls of a concurrent history can have happened one at a time, and which conflict.

A history is linearizable if each call can be given a moment between its invocation and its return
such that the calls, executed one at a time in that order, return what they returned (Herlihy and
Wing 1990). `check` feeds the history to `Possibilities`, which holds power cuts to durable
linearizability; if none remain, `_Reduction` finds the calls that contradict each other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Final, Generic, TypeVar

from attrs import evolve, frozen

from wavetank.scenarios.concurrency.history import EventKind, History
from wavetank.scenarios.concurrency.possibilities import (
    CONFIGURATION_LIMIT,
    Possibilities,
    Specification,
    Survivors,
    TooManyConfigurationsError,
)

__all__ = ["Failure", "Verdict", "check"]

State = TypeVar("State", bound=Hashable)

REDUCTION_LIMIT: Final = 1_000
"""Configurations at one moment while a failure is reduced, where a call may as well be kept."""

REDUCTION_BUDGET: Final = 200_000
"""Configurations that a reduction visits before it keeps the calls that it has not tried."""


@frozen(kw_only=True)
class Failure(Generic[State]):
    """Why a history is impossible.

    Attributes:
        part: the calls that cannot be explained together, cut behind `position`. It is impossible
            by itself, and `check` says so.
        position: of the first event, a return or a crash, that was not possible; the history before
            it was.
        states: the states possible just before `position`.
        optional: numbers of the calls up to `position` that `part` leaves out. The history stays
            impossible if each of them happened at any moment between its invocation and its return,
            with any result, or not at all.
        is_minimal: whether the history becomes possible as soon as any call of `part` is made
            optional too. False only if that was too expensive to find out.
    """

    part: History
    position: int
    states: tuple[State, ...]
    optional: tuple[int, ...]
    is_minimal: bool


@frozen(kw_only=True)
class Verdict(Generic[State]):
    """The answer for one history.

    Attributes:
        failure: why it is impossible; None if it is linearizable.
        states: the states possible at the end; none if it is not linearizable.
        visited: configurations that the search looked at, without the reduction.
    """

    failure: Failure[State] | None
    states: tuple[State, ...]
    visited: int

    @property
    def linearizable(self) -> bool:
        """Whether some order of the calls explains the history."""
        return self.failure is None


def check(
    history: History,
    specification: Specification[State],
    *,
    survivors: Survivors[State] | None = None,
    optional: Collection[int] = (),
    limit: int = CONFIGURATION_LIMIT,
) -> Verdict[State]:
    """Tell whether a history is linearizable, and if not, reduce it to what is impossible.

    The reduction never removes a call outright: a history without an append may be impossible only
    because the append is missing, which explains nothing. Instead a call becomes *optional*: it may
    happen between invocation and return, with any result, or not at all. That only adds
    possibilities, so what remains impossible is a reason for the whole history. Reads that matter
    to nobody go this way, and so do writes that were overwritten before; the ones that stay are
    those whose having happened, or whose result, is part of the contradiction. Since more optional
    calls never make less possible, one pass yields a minimal part.

    Args:
        history: calls and crashes.
        specification: what the object does.
        survivors: what recoveries from a state may come back with; None: that state alone.
        optional: numbers of calls that are optional from the start.
        limit: of configurations at one moment.

    Raises:
        TooManyConfigurationsError: the history could not be decided within the limit.

    >>> from wavetank.scenarios.concurrency.history import Call
    >>> class Counter:
    ...     initial = 0
    ...
    ...     def apply(self, state, operation):
    ...         return [(state + 1, state + 1)] if operation == "add" else [(state, state)]
    >>> one = Call(number=1, task="a", operation="add", invoked_at=1, returned_at=2, result=1)
    >>> two = Call(number=2, task="a", operation="add", invoked_at=3, returned_at=4, result=2)
    >>> get = Call(number=3, task="b", operation="get", invoked_at=5, returned_at=6, result=1)
    >>> check(History(calls=(one, two)), Counter()).states
    (2,)
    >>> failure = check(History(calls=(one, two, get)), Counter()).failure
    >>> failure.position, failure.states
    (6, (2,))
    """
    search = _Search(
        specification=specification, survivors=survivors, optional=frozenset(optional), limit=limit
    )
    possible = search.start()
    ran_out_at = search.ran_out_at(possible, history)
    if ran_out_at is None:
        return Verdict(failure=None, states=possible.states(), visited=possible.visited)
    position = search.first_impossible(history, ran_out_at)
    before = search.start()
    search.ran_out_at(before, history.before(position))
    failure = _reduced(search, history.before(position + 1), position, before.states())
    return Verdict(failure=failure, states=(), visited=possible.visited)


@frozen(kw_only=True)
class _Search(Generic[State]):
    """What histories are held against."""

    specification: Specification[State]
    survivors: Survivors[State] | None
    optional: frozenset[int]
    limit: int

    def start(self) -> Possibilities[State]:
        """Return what is possible before the first event."""
        return Possibilities(self.specification, look_ahead=True, limit=self.limit)

    def ran_out_at(self, possible: Possibilities[State], history: History) -> int | None:
        """Feed a history; return the position at which possibilities ran out, if they did."""
        for event in history.events():
            if event.call is None:
                goes_on = possible.crash(self.survivors)
            elif event.kind is EventKind.INVOKE:
                possible.invoke(event.call, optional=event.call.number in self.optional)
                goes_on = True
            else:
                goes_on = possible.return_(event.call.number, event.call.result)
            if not goes_on:
                return event.position
        return None

    def first_impossible(self, history: History, ran_out_at: int) -> int:
        """Return the first event up to which the history is impossible.

        Looking ahead, possibilities may run out before the return that is to blame. A history
        without its later returns is never less possible, so the event can be searched by halves.
        """
        positions = [
            event.position
            for event in history.events()
            if event.kind is not EventKind.INVOKE and event.position >= ran_out_at
        ]
        return positions[
            bisect_left(positions, 1, key=lambda at: self._is_impossible(history.before(at + 1)))
        ]

    def _is_impossible(self, history: History) -> bool:
        return self.ran_out_at(self.start(), history) is not None

    def with_optional(self, numbers: Iterable[int]) -> _Search[State]:
        return evolve(
            self,
            optional=self.optional.union(numbers),
            limit=min(self.limit, REDUCTION_LIMIT),
        )


def _reduced(
    search: _Search[State], history: History, position: int, states: tuple[State, ...]
) -> Failure[State]:
    reduction = _Reduction(search, history)
    numbers = [call.number for call in history.calls if call.number not in search.optional]
    kept = reduction.needed(numbers)
    optional = [call.number for call in history.calls if call.number not in kept]
    return Failure(
        part=_without_leading_crashes(history.only(kept), search.survivors),
        position=position,
        states=states,
        optional=tuple(optional),
        is_minimal=not reduction.undecided,
    )


class _Reduction(Generic[State]):
    """Finds which calls of an impossible history cannot be made optional.

    Attributes:
        undecided: calls that were kept because the search grew too large.
    """

    def __init__(self, search: _Search[State], history: History) -> None:
        self.undecided: set[int] = set()
        self._search = search
        self._history = history
        self._dropped: set[int] = set()
        self._budget = REDUCTION_BUDGET

    def needed(self, numbers: Sequence[int]) -> list[int]:
        """Return those of the numbers that must stay; halves first, since most can go together."""
        if not numbers:
            return []
        impossible = self._impossible_without(numbers)
        if impossible:
            self._dropped.update(numbers)
            return []
        if len(numbers) == 1:
            if impossible is None:
                self.undecided.update(numbers)
            return list(numbers)
        middle = len(numbers) // 2
        return self.needed(numbers[:middle]) + self.needed(numbers[middle:])

    def _impossible_without(self, numbers: Sequence[int]) -> bool | None:
        if self._budget <= 0:
            return None
        search = self._search.with_optional([*self._dropped, *numbers])
        possible = search.start()
        try:
            return search.ran_out_at(possible, self._history) is not None
        except TooManyConfigurationsError:
            return None
        finally:
            self._budget -= possible.visited


def _without_leading_crashes(history: History, survivors: Survivors[State] | None) -> History:
    """Leave out crashes before all calls; with survivors they may change the initial state."""
    if survivors is not None or not history.calls:
        return history
    first = history.calls[0].invoked_at
    return History(
        calls=history.calls, crashes=tuple(crash for crash in history.crashes if crash > first)
    )
