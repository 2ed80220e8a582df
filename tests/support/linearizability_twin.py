"""A slow checker of concurrent histories, for comparison: every order of the calls is tried.

Nothing of `wavetank.scenarios.concurrency.linearizability` is used.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from itertools import combinations, pairwise, permutations
from typing import Protocol, TypeVar

from wavetank.scenarios.concurrency.history import Call, History

State = TypeVar("State", bound=Hashable)


class Sequential(Protocol[State]):
    @property
    def initial(self) -> State: ...

    def apply(self, state: State, operation: Hashable, /) -> Iterable[tuple[State, Hashable]]: ...


def states_after(
    history: History,
    specification: Sequential[State],
    survivors: Callable[[State], Iterable[State]] = lambda state: (state,),
    optional: Collection[int] = (),
) -> set[State]:
    """Return every state at the end of a history; none if it is not linearizable."""
    states = {specification.initial}
    for calls, ends_in_crash in eras(history):
        states = {
            after
            for order in orders(calls, optional)
            for state in states
            for after in executed(order, specification, state, optional)
        }
        if ends_in_crash:
            states = {after for state in states for after in survivors(state)}
    return states


def eras(history: History) -> Iterator[tuple[list[Call], bool]]:
    borders = [float("-inf"), *history.crashes, float("inf")]
    for begin, end in pairwise(borders):
        yield [call for call in history.calls if begin < call.invoked_at < end], end != borders[-1]


def orders(calls: list[Call], optional: Collection[int]) -> Iterator[tuple[Call, ...]]:
    """Yield each order of all calls that must happen and any others, as time allows."""
    must = [call for call in calls if not call.is_pending and call.number not in optional]
    may = [call for call in calls if call not in must]
    for size in range(len(may) + 1):
        for chosen in combinations(may, size):
            yield from (order for order in permutations([*must, *chosen]) if is_timely(order))


def is_timely(order: tuple[Call, ...]) -> bool:
    return not any(
        later.returned_at is not None and later.returned_at < earlier.invoked_at
        for earlier, later in combinations(order, 2)
    )


def executed(
    order: tuple[Call, ...],
    specification: Sequential[State],
    start: State,
    optional: Collection[int],
) -> set[State]:
    states = {start}
    for call in order:
        any_result = call.is_pending or call.number in optional
        states = {
            after
            for state in states
            for after, result in specification.apply(state, call.operation)
            if any_result or result == call.result
        }
    return states


def first_impossible(
    history: History,
    specification: Sequential[State],
    survivors: Callable[[State], Iterable[State]] = lambda state: (state,),
) -> int | None:
    """Return the position of the first event up to which there is no order."""
    for event in history.events():
        if not states_after(history.before(event.position + 1), specification, survivors):
            return event.position
    return None
