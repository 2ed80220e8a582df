"""Whether the calls of a concurrent history can have happened one at a time, and what explains it.

A history is linearizable if each call can be given a moment between its invocation and its return
such that the calls, executed one at a time in that order, return what they returned (Herlihy and
Wing 1990). The search is just-in-time linearization (Wing and Gong 1993; Lowe 2017): a
*configuration* is a state together with the calls in flight that have happened already; a call is
made to happen only when it returns, and before it, in every order, any other calls in flight.
Configurations that are equal are visited once.

A power cut ends all calls in flight. With `Possibilities.crash()` the history is held to durable
linearizability (Izraelevitz et al. 2016): what was acknowledged survives, what was in flight has
happened or never will. `Buffered` weakens that to a prefix since the last durable point.

Start reading at `Possibilities`; `check` is a loop over it, followed by a reduction if it fails.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from attrs import frozen

from wavetank.scenarios.concurrency.history import Call, EventKind, History, HistoryError

__all__ = [
    "CONFIGURATION_LIMIT",
    "Buffered",
    "Failure",
    "Possibilities",
    "Specification",
    "Survivors",
    "TooManyConfigurationsError",
    "Verdict",
    "check",
]

State = TypeVar("State", bound=Hashable)

CONFIGURATION_LIMIT: Final = 100_000
"""Configurations that are kept at one moment, unless a caller says otherwise."""

REDUCTION_LIMIT: Final = 1_000
"""The same while a failure is reduced, where a call may as well be kept."""

REDUCTION_BUDGET: Final = 200_000
"""Configurations that a reduction visits before it keeps the calls that it has not tried."""

Survivors: TypeAlias = Callable[[State], Iterable[State]]
"""From a state at a crash, the states that a recovery may come back with."""

_Done: TypeAlias = frozenset[tuple[int, Hashable]]
"""Calls in flight that have happened and must return, with their results."""

_Spared: TypeAlias = frozenset[int]
"""Calls in flight that have happened and need not have."""

_Configuration: TypeAlias = tuple[State, _Done, _Spared]

_NONE_DONE: Final[_Done] = frozenset()
_NONE_SPARED: Final[_Spared] = frozenset()


class Specification(Protocol[State]):
    """What an object does when its operations come one at a time.

    `initial` is its state at the beginning. `apply` yields each outcome an operation may have in a
    state, as the state after it and the result; nothing, if the operation cannot happen there. It
    must be deterministic: the same outcomes in the same order each time. States, operations and
    results are hashable values.
    """

    @property
    def initial(self) -> State:
        """Return the state at the beginning."""

    def apply(self, state: State, operation: Hashable, /) -> Iterable[tuple[State, Hashable]]:
        """Return all outcomes of an operation: the state after it, and its result."""


class TooManyConfigurationsError(RuntimeError):
    """More configurations at one moment than the limit: the history was not decided.

    Attributes:
        count: how many there were when the search was given up.
        limit: how many were allowed.
    """

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(
            f"expected at most {limit} configurations at a time, got {count}: raise limit, "
            "or check independent objects apart with partitioned()"
        )
        self.count = count
        self.limit = limit


@frozen(kw_only=True)
class _InFlight:
    """A call that has been invoked and has not returned.

    Attributes:
        wanted: the result that it must have, in a tuple; None if every result is possible so far.
        optional: whether it may return without having happened.
        never_returns: whether it is known that no return comes.
        keeps_result: whether the result must be remembered until the return.
    """

    number: int
    operation: Hashable
    wanted: tuple[Hashable] | None
    optional: bool
    never_returns: bool
    keeps_result: bool

    @classmethod
    def of(cls, call: Call, *, look_ahead: bool, optional: bool) -> _InFlight:
        knows_result = look_ahead and not optional and not call.is_pending
        return cls(
            number=call.number,
            operation=call.operation,
            wanted=(call.result,) if knows_result else None,
            optional=optional,
            never_returns=look_ahead and call.is_pending,
            keeps_result=not optional and not look_ahead,
        )

    @property
    def may_be_skipped(self) -> bool:
        """Whether it need not happen at all, whatever comes."""
        return self.optional or self.never_returns


class _Configurations(Generic[State]):
    """Configurations in the order in which they were found, without those that add nothing.

    One that differs from another only by more calls happened that need not happen adds nothing:
    whatever follows from it follows from the other, where those calls happen never or later.
    """

    def __init__(self, configurations: Iterable[_Configuration[State]], limit: int) -> None:
        self._limit = limit
        self._spared: dict[tuple[State, _Done], list[_Spared]] = {}
        self._count = 0
        for state, done, spared in configurations:
            self.add(state, done, spared)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[_Configuration[State]]:
        for (state, done), choices in self._spared.items():
            for spared in choices:
                yield state, done, spared

    def add(self, state: State, done: _Done, spared: _Spared) -> bool:
        """Add a configuration, and tell whether it says anything new."""
        choices = self._spared.get((state, done))
        if choices is None:
            choices = self._spared[state, done] = []
        elif any(choice <= spared for choice in choices):
            return False
        kept = [choice for choice in choices if not spared < choice]
        self._count += 1 + len(kept) - len(choices)
        choices[:] = [*kept, spared]
        if self._count > self._limit:
            raise TooManyConfigurationsError(self._count, self._limit)
        return True


class Possibilities(Generic[State]):
    """Every state that an object may be in, while events of a history are fed in their order.

    Once an event is impossible, `states` is empty and each further event returns False.

    Args:
        specification: what the object does.
        look_ahead: hold each call from its invocation on to the result that it will return. The
            verdict is the same and comes with fewer configurations; but `states` then leaves out
            what only another continuation could have shown. Without it, `invoke` reads nothing of
            a call but number and operation.
        limit: of configurations at one moment.

    Attributes:
        visited: configurations that were looked at so far.

    Raises:
        TooManyConfigurationsError: by any method, if the limit is exceeded.

    >>> class Register:
    ...     initial = 0
    ...
    ...     def apply(self, state, operation):
    ...         return [(state, state)] if operation == "read" else [(operation, "ok")]
    >>> possible = Possibilities(Register())
    >>> possible.invoke(Call(number=1, task="a", operation=5, invoked_at=1))
    >>> possible.states()
    (0, 5)
    >>> possible.return_(1, "ok"), possible.states()
    (True, (5,))
    >>> possible.invoke(Call(number=2, task="b", operation="read", invoked_at=3))
    >>> possible.return_(2, 0)
    False
    """

    def __init__(
        self,
        specification: Specification[State],
        *,
        look_ahead: bool = False,
        limit: int = CONFIGURATION_LIMIT,
    ) -> None:
        self.visited = 0
        self._specification = specification
        self._look_ahead = look_ahead
        self._limit = limit
        self._in_flight: dict[int, _InFlight] = {}
        # Invariant: every configuration reached by linearizing calls only when a return forced it.
        self._configurations = self._kept([(specification.initial, _NONE_DONE, _NONE_SPARED)])

    def invoke(self, call: Call, *, optional: bool = False) -> None:
        """Put a call in flight.

        Args:
            call: the call.
            optional: it may happen before its return, with any result, or not at all.

        Raises:
            HistoryError: a call of this number is in flight.
        """
        if call.number in self._in_flight:
            raise HistoryError(f"call {call.number}: expected a call that is not in flight yet")
        self._in_flight[call.number] = _InFlight.of(
            call, look_ahead=self._look_ahead, optional=optional
        )

    def return_(self, number: int, result: Hashable) -> bool:
        """Let a call in flight return, and tell whether it can have returned this.

        Args:
            number: of the call.
            result: what it returned; if the call is optional, it is ignored.

        Raises:
            HistoryError: no such call is in flight, or, with `look_ahead`, the call holds another
                result or no return.
        """
        flight = self._landed(number, result)
        self._configurations = self._kept(self._returned(flight, result))
        return len(self._configurations) > 0

    def crash(self, survivors: Survivors[State] | None = None) -> bool:
        """Cut the power: calls in flight have happened or never will.

        Args:
            survivors: the states that a recovery from a state may come back with; None: that state
                alone.

        Returns:
            Whether any state survives.
        """
        states: Iterable[State] = self.states()
        if survivors is not None:
            states = [after for state in states for after in survivors(state)]
        self._in_flight.clear()
        self._configurations = self._kept((state, _NONE_DONE, _NONE_SPARED) for state in states)
        return len(self._configurations) > 0

    def states(self) -> tuple[State, ...]:
        """Return each state the object may be in now, once, in a deterministic order.

        Any of the calls in flight may have happened or not, in any order that the results so far
        allow. This is what a crash at this moment may leave.
        """
        return tuple(dict.fromkeys(state for state, *_ in self._reachable(self._configurations)))

    def _landed(self, number: int, result: Hashable) -> _InFlight:
        flight = self._in_flight.get(number)
        if flight is None:
            raise HistoryError(f"number: expected a call in flight, got {number}")
        if flight.never_returns:
            raise HistoryError(f"number: expected a call that holds its return, got {number}")
        if flight.wanted is not None and flight.wanted[0] != result:
            raise HistoryError(
                f"result: expected {flight.wanted[0]!r}, which call {number} holds, got {result!r}"
            )
        return self._in_flight.pop(number)

    def _returned(self, flight: _InFlight, result: Hashable) -> Iterator[_Configuration[State]]:
        number = flight.number
        undecided: list[_Configuration[State]] = []
        for state, done, spared in self._configurations:
            if flight.optional:
                yield state, done, spared - {number}
            entry = next((each for each in done if each[0] == number), None)
            if entry is None and number not in spared:
                undecided.append((state, done, spared))
            elif entry is not None and (not flight.keeps_result or entry[1] == result):
                yield state, done - {entry}, spared
        wanted = (result,) if flight.keeps_result else flight.wanted
        for state, done, spared in self._reachable(undecided):
            for after, told in self._specification.apply(state, flight.operation):
                if wanted is None or wanted[0] == told:
                    yield after, done, spared

    def _reachable(self, start: Iterable[_Configuration[State]]) -> Iterable[_Configuration[State]]:
        """Return what linearizing any calls in flight leads to, beginning with `start` itself."""
        found = _Configurations(start, self._limit)
        waiting = list(found)
        while waiting:
            for configuration in self._steps(*waiting.pop()):
                if found.add(*configuration):
                    waiting.append(configuration)
                    self.visited += 1
        return found

    def _steps(self, state: State, done: _Done, spared: _Spared) -> Iterator[_Configuration[State]]:
        taken = spared.union(number for number, _ in done)
        # Calls that never return are in flight until the crash: of equal ones, the first will do.
        tried: set[Hashable] = set()
        for number, flight in self._in_flight.items():
            if number in taken or (flight.never_returns and flight.operation in tried):
                continue
            if flight.never_returns:
                tried.add(flight.operation)
            for after, result in self._specification.apply(state, flight.operation):
                if flight.wanted is not None and flight.wanted[0] != result:
                    continue
                if not flight.may_be_skipped:
                    yield after, done | {(number, result if flight.keeps_result else None)}, spared
                elif after != state:
                    yield after, done, spared | {number}

    def _kept(self, configurations: Iterable[_Configuration[State]]) -> _Configurations[State]:
        kept = _Configurations(configurations, self._limit)
        self.visited += len(kept)
        return kept


@frozen(kw_only=True)
class Buffered(Generic[State]):
    """A specification whose crashes fall back to any state since the last durable point.

    Its states are paths: the states of `specification` since that point, the newest last. A crash
    keeps a prefix of them: buffered durable linearizability. Use it with its own `survivors`.

    Attributes:
        specification: what the object does without crashes.
        is_durable: from an operation and its result, whether it made everything durable that had
            happened by then, itself included.

    >>> class Log:
    ...     initial = ()
    ...
    ...     def apply(self, state, operation):
    ...         return [(state if operation == "sync" else (*state, operation), "ok")]
    >>> log = Buffered(specification=Log(), is_durable=lambda operation, _: operation == "sync")
    >>> possible = Possibilities(log)
    >>> for number, operation in enumerate(["a", "sync", "b", "c"]):
    ...     possible.invoke(Call(number=number, task="t", operation=operation, invoked_at=number))
    ...     assert possible.return_(number, "ok")
    >>> possible.crash(log.survivors)
    True
    >>> [path[-1] for path in possible.states()]
    [('a',), ('a', 'b'), ('a', 'b', 'c')]
    """

    specification: Specification[State]
    is_durable: Callable[[Hashable, Hashable], bool]

    @property
    def initial(self) -> tuple[State, ...]:
        """Return the path at the beginning, which is durable."""
        return (self.specification.initial,)

    def apply(
        self, state: tuple[State, ...], operation: Hashable
    ) -> Iterator[tuple[tuple[State, ...], Hashable]]:
        """Yield the outcomes of an operation, with the paths that they lead to."""
        for after, result in self.specification.apply(state[-1], operation):
            if self.is_durable(operation, result):
                yield (after,), result
            else:
                yield state if after == state[-1] else (*state, after), result

    def survivors(self, state: tuple[State, ...]) -> Iterator[tuple[State, ...]]:
        """Yield what a crash may fall back to, the durable point first."""
        return ((each,) for each in state)


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
        return _Search(
            specification=self.specification,
            survivors=self.survivors,
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
