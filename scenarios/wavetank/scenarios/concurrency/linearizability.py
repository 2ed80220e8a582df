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

from attrs import field, frozen

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

Survivors: TypeAlias = Callable[[State], Iterable[State]]
"""From a state at a crash, the states that a recovery may come back with."""

_Done: TypeAlias = frozenset[tuple[int, Hashable]]
_Configuration: TypeAlias = tuple[State, _Done]


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
        self.visited = 1
        self._specification = specification
        self._look_ahead = look_ahead
        self._limit = limit
        self._in_flight: dict[int, _InFlight] = {}
        # Invariant: every configuration reached by linearizing calls only when a return forced it.
        # A dict for its order: what apply yields decides the order of all that follows.
        self._configurations: dict[_Configuration[State], None] = {
            (specification.initial, frozenset()): None
        }

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
        wanted = (result,) if flight.keeps_result else flight.wanted
        kept: dict[_Configuration[State], None] = {}
        undecided: list[_Configuration[State]] = []
        for configuration in self._configurations:
            state, done = configuration
            entry = next((each for each in done if each[0] == number), None)
            if entry is None:
                undecided.append(configuration)
            elif not flight.keeps_result or entry[1] == result:
                kept[state, done - {entry}] = None
            if entry is None and flight.optional:
                kept[configuration] = None
        for state, done in self._reachable(undecided):
            for after, told in self._specification.apply(state, flight.operation):
                if wanted is None or wanted[0] == told:
                    kept[after, done] = None
        self._replace(kept)
        return bool(kept)

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
        self._replace(dict.fromkeys((state, frozenset[tuple[int, Hashable]]()) for state in states))
        return bool(self._configurations)

    def states(self) -> tuple[State, ...]:
        """Return each state the object may be in now, once, in a deterministic order.

        Any of the calls in flight may have happened or not, in any order that the results so far
        allow. This is what a crash at this moment may leave.
        """
        return tuple(dict.fromkeys(state for state, _ in self._reachable(self._configurations)))

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

    def _reachable(self, start: Iterable[_Configuration[State]]) -> list[_Configuration[State]]:
        """Return what linearizing any calls in flight leads to, beginning with `start` itself."""
        found = dict.fromkeys(start)
        waiting = list(found)
        while waiting:
            for configuration in self._steps(waiting.pop()):
                if configuration not in found:
                    found[configuration] = None
                    waiting.append(configuration)
                    self._count(len(found))
        return list(found)

    def _steps(self, configuration: _Configuration[State]) -> Iterator[_Configuration[State]]:
        state, done = configuration
        taken = {number for number, _ in done}
        for number, flight in self._in_flight.items():
            if number in taken:
                continue
            for after, result in self._specification.apply(state, flight.operation):
                if flight.wanted is not None and flight.wanted[0] != result:
                    continue
                # Without effect, it might as well not have happened.
                if flight.may_be_skipped and after == state:
                    continue
                yield after, done | {(number, result if flight.keeps_result else None)}

    def _replace(self, configurations: dict[_Configuration[State], None]) -> None:
        self.visited += len(configurations)
        self._configurations = configurations
        if len(configurations) > self._limit:
            raise TooManyConfigurationsError(len(configurations), self._limit)

    def _count(self, found: int) -> None:
        self.visited += 1
        if found > self._limit:
            raise TooManyConfigurationsError(found, self._limit)


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
    possible, ran_out_at = search.run(history)
    if ran_out_at is None:
        return Verdict(failure=None, states=possible.states(), visited=possible.visited)
    position = search.first_impossible(history, ran_out_at)
    before, _ = search.run(history.before(position))
    failure = _reduced(search, history.before(position + 1), position, before.states())
    return Verdict(failure=failure, states=(), visited=possible.visited)


@frozen(kw_only=True)
class _Search(Generic[State]):
    """What histories are held against."""

    specification: Specification[State]
    survivors: Survivors[State] | None
    optional: frozenset[int]
    limit: int

    def run(self, history: History) -> tuple[Possibilities[State], int | None]:
        """Feed a history; return also the position at which possibilities ran out, if they did."""
        possible = Possibilities(self.specification, look_ahead=True, limit=self.limit)
        for event in history.events():
            if event.call is None:
                goes_on = possible.crash(self.survivors)
            elif event.kind is EventKind.INVOKE:
                possible.invoke(event.call, optional=event.call.number in self.optional)
                goes_on = True
            else:
                goes_on = possible.return_(event.call.number, event.call.result)
            if not goes_on:
                return possible, event.position
        return possible, None

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
            bisect_left(
                positions, 1, key=lambda at: self.run(history.before(at + 1))[1] is not None
            )
        ]

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
    reduction = _Reduction(search=search, history=history)
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


@frozen(kw_only=True)
class _Reduction(Generic[State]):
    """Which calls of an impossible history cannot be made optional.

    Attributes:
        dropped: calls that are optional by now.
        undecided: calls that were kept because the search grew too large.
    """

    search: _Search[State]
    history: History
    dropped: set[int] = field(factory=set, init=False)
    undecided: set[int] = field(factory=set, init=False)

    def needed(self, numbers: Sequence[int]) -> list[int]:
        """Return those of the numbers that must stay; halves first, since most can go together."""
        if not numbers:
            return []
        impossible = self._impossible_without(numbers)
        if impossible:
            self.dropped.update(numbers)
            return []
        if len(numbers) == 1:
            if impossible is None:
                self.undecided.update(numbers)
            return list(numbers)
        middle = len(numbers) // 2
        return self.needed(numbers[:middle]) + self.needed(numbers[middle:])

    def _impossible_without(self, numbers: Sequence[int]) -> bool | None:
        search = self.search.with_optional([*self.dropped, *numbers])
        try:
            return search.run(self.history)[1] is not None
        except TooManyConfigurationsError:
            return None


def _without_leading_crashes(history: History, survivors: Survivors[State] | None) -> History:
    """Leave out crashes before all calls; with survivors they may change the initial state."""
    if survivors is not None or not history.calls:
        return history
    first = history.calls[0].invoked_at
    return History(
        calls=history.calls, crashes=tuple(crash for crash in history.crashes if crash > first)
    )
