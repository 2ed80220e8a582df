"""Every state that an object may be in while several tasks use it, and a crash may leave.

The search is just-in-time linearization (Wing and Gong 1993; Lowe 2017). A *configuration* is a
state together with the calls in flight that have happened already. A call is made to happen only
when it returns, and before it, in every order, any other calls in flight. Configurations that are
equal are visited once.

A power cut ends all calls in flight. `Possibilities.crash()` gives durable linearizability
(Izraelevitz et al. 2016): what was acknowledged survives, what was in flight has happened or never
will. `Buffered` weakens that to a prefix since the last durable point.

Start reading at `Possibilities`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from attrs import frozen

from wavetank.scenarios.concurrency.history import Call, HistoryError

__all__ = [
    "CONFIGURATION_LIMIT",
    "Buffered",
    "Possibilities",
    "Specification",
    "Survivors",
    "TooManyConfigurationsError",
]

State = TypeVar("State", bound=Hashable)

CONFIGURATION_LIMIT: Final = 100_000
"""Configurations that are kept at one moment, unless a caller says otherwise."""

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
