"""Small objects that several tasks share, and random histories of them, right and wrong."""

from collections.abc import Callable, Hashable, Iterator
from random import Random
from typing import Final, Protocol, TypeAlias

from attrs import evolve, frozen

from wavetank.scenarios.concurrency.history import Call, History

Operation: TypeAlias = tuple[str, *tuple[int, ...]]
Outcomes: TypeAlias = Iterator[tuple[Hashable, Hashable]]


class SmallObject(Protocol):
    @property
    def initial(self) -> Hashable: ...

    def apply(self, state: Hashable, operation: Hashable, /) -> Outcomes: ...

    def any_operation(self, random: Random) -> Operation: ...


class Register:
    """Reads, writes, compare-and-set."""

    initial: Hashable = 0

    def apply(self, state: Hashable, operation: Hashable, /) -> Outcomes:
        match operation:
            case ("read",):
                yield state, state
            case ("write", value):
                yield value, "ok"
            case ("swap", old, new):
                yield (new, True) if state == old else (state, False)

    def any_operation(self, random: Random) -> Operation:
        kind = random.choice(["read", "read", "write", "swap"])
        return (kind, *(random.randrange(3) for _ in range({"write": 1, "swap": 2}.get(kind, 0))))


class Counter:
    """Adds, and reads."""

    initial: Hashable = 0

    def apply(self, state: Hashable, operation: Hashable, /) -> Outcomes:
        assert isinstance(state, int)
        match operation:
            case ("add",):
                yield state + 1, state + 1
            case ("get",):
                yield state, state

    def any_operation(self, random: Random) -> Operation:
        return (random.choice(["add", "add", "get"]),)


class Queue:
    """First in, first out; what is taken from an empty queue is None."""

    initial: Hashable = ()

    def apply(self, state: Hashable, operation: Hashable, /) -> Outcomes:
        assert isinstance(state, tuple)
        match operation:
            case ("put", value):
                yield (*state, value), "ok"
            case ("take",):
                yield (state[1:], state[0]) if state else (state, None)

    def any_operation(self, random: Random) -> Operation:
        return ("take",) if random.randrange(2) else ("put", random.randrange(3))


class Log:
    """Appends at the end, one entry each; an append that leaves a gap cannot happen."""

    initial: Hashable = ()

    def apply(self, state: Hashable, operation: Hashable, /) -> Outcomes:
        assert isinstance(state, tuple)
        match operation:
            case ("append", index, value) if index == len(state) + 1:
                yield (*state, value), "ok"
            case ("last",):
                yield state, len(state)
            case ("cut", int(index)):
                yield state[:index], "ok"

    def any_operation(self, random: Random) -> Operation:
        match random.randrange(4):
            case 0:
                return ("last",)
            case 1:
                return ("cut", random.randrange(3))
        return ("append", random.randrange(1, 4), random.randrange(2))


class Dice:
    """Not deterministic: a throw moves by one or two, and does not always tell."""

    initial: Hashable = 0

    def apply(self, state: Hashable, operation: Hashable, /) -> Outcomes:
        assert isinstance(state, int)
        match operation:
            case ("throw",):
                for step in (1, 2):
                    yield (state + step) % 5, step
                    yield (state + step) % 5, "hidden"
            case ("look",):
                yield state, state

    def any_operation(self, random: Random) -> Operation:
        return (random.choice(["throw", "look"]),)


OBJECTS: Final[dict[str, SmallObject]] = {
    "register": Register(),
    "counter": Counter(),
    "queue": Queue(),
    "log": Log(),
    "dice": Dice(),
}


@frozen(kw_only=True)
class _Flight:
    call: Call
    has_happened: bool = False
    result: Hashable = None


def random_history(
    thing: SmallObject,
    random: Random,
    *,
    calls: int,
    tasks: int = 3,
    crashes: int = 1,
    lies: bool = True,
    survive: Callable[[Hashable], Hashable] = lambda state: state,
) -> History:
    """Execute random calls that overlap; if `lies`, some histories get a result of another call."""
    state, position, number = thing.initial, 0, 0
    flights: dict[str, _Flight] = {}
    done: list[Call] = []
    cuts: list[int] = []
    while number < calls or (flights and random.randrange(8)):
        position += 1
        task = f"t{random.randrange(tasks)}"
        flight = flights.get(task)
        if len(cuts) < crashes and not random.randrange(12):
            cuts.append(position)
            done += [each.call for each in flights.values()]
            flights.clear()
            state = survive(state)
        elif flight is None:
            if number < calls:
                number += 1
                operation = thing.any_operation(random)
                flights[task] = _Flight(
                    call=Call(number=number, task=task, operation=operation, invoked_at=position)
                )
        elif flight.has_happened:
            done.append(evolve(flight.call, returned_at=position, result=flight.result))
            del flights[task]
        elif outcomes := list(thing.apply(state, flight.call.operation)):
            state, result = random.choice(outcomes)
            flights[task] = evolve(flight, has_happened=True, result=result)
        elif not random.randrange(3):
            # An operation that cannot happen now stays in flight; its task goes on as another.
            done.append(evolve(flight.call, task=f"stuck {flight.call.number}"))
            del flights[task]
    done += [each.call for each in flights.values()]
    returned = [call for call in done if not call.is_pending]
    if lies and returned and random.randrange(2):
        liar, other = random.choice(returned), random.choice(returned)
        done[done.index(liar)] = evolve(liar, result=other.result)
    return History(calls=tuple(done), crashes=tuple(cuts))
