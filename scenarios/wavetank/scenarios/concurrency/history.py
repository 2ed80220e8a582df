"""A concurrent history as a value: calls that overlap, and power cuts between them.

Events are invocations, returns and crashes. Each has a position, an integer, in one total order;
only the order counts, positions need not be consecutive. A call without a return has an unknown
outcome: it may have happened or not, but after the next crash it cannot happen any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from enum import Enum
from itertools import pairwise
from typing import TypeVar

from attrs import evolve, field, frozen

__all__ = ["Call", "Event", "EventKind", "History", "HistoryError", "partitioned"]

Key = TypeVar("Key", bound=Hashable)


class HistoryError(ValueError):
    """Calls and crashes that no execution could have recorded."""


@frozen(kw_only=True)
class Call:
    """One call of the object by one task.

    Attributes:
        number: unique in its history; calls are numbered in the order of their invocations.
        task: who called; a task makes one call at a time.
        operation: what was called with which arguments, as the specification understands it; its
            `str` is what people read.
        invoked_at: position of the invocation.
        returned_at: position of the return; None if the call never returned.
        result: what it returned, None if it never did. Results are compared with ``==``.

    >>> call = Call(number=1, task="writer", operation="append 3", invoked_at=4, returned_at=7)
    >>> call.is_pending
    False
    """

    number: int
    task: str
    operation: Hashable
    invoked_at: int
    returned_at: int | None = None
    result: Hashable | None = None

    def __attrs_post_init__(self) -> None:
        """Check what can be checked without the other calls.

        Raises:
            HistoryError: a return that is not after the invocation, or a result without a return.
        """
        if self.returned_at is None:
            if self.result is not None:
                raise HistoryError(
                    f"call {self.number}: expected no result of a call that did not return, "
                    f"got {self.result!r}"
                )
        elif self.returned_at <= self.invoked_at:
            raise HistoryError(
                f"call {self.number}: expected returned_at after invoked_at {self.invoked_at}, "
                f"got {self.returned_at}"
            )

    @property
    def is_pending(self) -> bool:
        """Whether the call never returned, so that its outcome is unknown."""
        return self.returned_at is None

    def known_before(self, position: int) -> Call:
        """Return the call as it was known just before a position: perhaps without its return."""
        if self.returned_at is None or self.returned_at < position:
            return self
        return evolve(self, returned_at=None, result=None)


class EventKind(Enum):
    """What happens at a position of a history."""

    INVOKE = "invoke"
    RETURN = "return"
    CRASH = "crash"


@frozen(kw_only=True)
class Event:
    """One event of a history.

    Attributes:
        position: its place in the order of all events.
        kind: what happens.
        call: who is invoked or returns; None for a crash.
    """

    position: int
    kind: EventKind
    call: Call | None = None


def _by_number(calls: Iterable[Call]) -> tuple[Call, ...]:
    return tuple(sorted(calls, key=lambda call: call.number))


@frozen(kw_only=True)
class History:
    """What tasks called and got, and when the power was cut.

    Attributes:
        calls: in any order; kept in the order of their numbers.
        crashes: positions of the power cuts, ascending. A crash ends every call in flight.

    Raises:
        HistoryError: two calls with one number, numbers that do not follow the invocations, two
            events at one position, crashes out of order, a call that returns after a crash that it
            was in flight at, or a task with two calls at a time.

    >>> write = Call(number=1, task="a", operation="write 5", invoked_at=1, returned_at=3)
    >>> read = Call(number=2, task="b", operation="read", invoked_at=2)
    >>> history = History(calls=(write, read), crashes=(4,))
    >>> [event.kind.value for event in history.events()]
    ['invoke', 'invoke', 'return', 'crash']
    """

    calls: tuple[Call, ...] = field(converter=_by_number)
    crashes: tuple[int, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Hold the calls against each other and against the crashes."""
        _check_numbers(self.calls)
        _check_crashes(self.crashes)
        _check_positions(self)
        _check_tasks(self)

    def events(self) -> Iterator[Event]:
        """Yield the events, in their order."""
        events = [Event(position=at, kind=EventKind.CRASH) for at in self.crashes]
        for call in self.calls:
            events.append(Event(position=call.invoked_at, kind=EventKind.INVOKE, call=call))
            if call.returned_at is not None:
                events.append(Event(position=call.returned_at, kind=EventKind.RETURN, call=call))
        yield from sorted(events, key=lambda event: event.position)

    def before(self, position: int) -> History:
        """Return what was known just before a position: later events have not happened yet.

        >>> write = Call(number=1, task="a", operation="write 5", invoked_at=1, returned_at=3)
        >>> History(calls=(write,), crashes=(4,)).before(3).calls[0].is_pending
        True
        """
        return History(
            calls=tuple(
                call.known_before(position) for call in self.calls if call.invoked_at < position
            ),
            crashes=tuple(crash for crash in self.crashes if crash < position),
        )

    def only(self, numbers: Collection[int]) -> History:
        """Return the history with the calls of these numbers and all crashes."""
        return evolve(self, calls=tuple(call for call in self.calls if call.number in numbers))


def partitioned(history: History, key: Callable[[Hashable], Key]) -> dict[Key, History]:
    """Split the history of several independent objects into one history for each.

    A history is linearizable if and only if the history of each object is (Herlihy and Wing 1990,
    theorem 1); the same holds for durable linearizability, where each keeps all crashes. It does
    not hold for buffered durability: there, one crash must fall back to one cut of all objects.

    Args:
        history: of all objects.
        key: tells from an operation which object it belongs to.

    Returns:
        By key, in the order of the first calls.

    >>> term = Call(number=1, task="a", operation=("state", "set 5"), invoked_at=1)
    >>> append = Call(number=2, task="b", operation=("log", "append 1"), invoked_at=2)
    >>> list(partitioned(History(calls=(term, append)), lambda operation: operation[0]))
    ['state', 'log']
    """
    parts: dict[Key, list[Call]] = {}
    for call in history.calls:
        parts.setdefault(key(call.operation), []).append(call)
    return {
        each: History(calls=tuple(calls), crashes=history.crashes) for each, calls in parts.items()
    }


def _check_numbers(calls: Iterable[Call]) -> None:
    for earlier, later in pairwise(calls):
        if earlier.number == later.number:
            raise HistoryError(f"calls: expected unique numbers, got {later.number} twice")
        if earlier.invoked_at > later.invoked_at:
            raise HistoryError(
                f"calls: expected numbers in the order of invocations, got call {earlier.number} "
                f"invoked at {earlier.invoked_at} and call {later.number} at {later.invoked_at}"
            )


def _check_crashes(crashes: Iterable[int]) -> None:
    for earlier, later in pairwise(crashes):
        if earlier > later:
            raise HistoryError(
                f"crashes: expected positions in ascending order, got {earlier} before {later}"
            )


def _check_positions(history: History) -> None:
    for earlier, later in pairwise(history.events()):
        if earlier.position == later.position:
            raise HistoryError(
                f"history: expected one event at each position, got {_told(earlier)} and "
                f"{_told(later)} at {later.position}"
            )


def _told(event: Event) -> str:
    return event.kind.value if event.call is None else f"{event.kind.value} {event.call.number}"


def _check_tasks(history: History) -> None:
    in_flight: dict[str, Call] = {}
    cut_at: dict[int, int] = {}
    for event in history.events():
        if event.call is None:
            cut_at |= {call.number: event.position for call in in_flight.values()}
            in_flight.clear()
        elif event.kind is EventKind.INVOKE:
            if (other := in_flight.get(event.call.task)) is not None:
                raise HistoryError(
                    f"calls: expected one call of task {event.call.task!r} at a time, got call "
                    f"{event.call.number} while call {other.number} was in flight"
                )
            in_flight[event.call.task] = event.call
        elif event.call.number in cut_at:
            raise HistoryError(
                f"call {event.call.number}: expected no return after the crash at "
                f"{cut_at[event.call.number]}, got returned_at {event.position}"
            )
        else:
            del in_flight[event.call.task]
