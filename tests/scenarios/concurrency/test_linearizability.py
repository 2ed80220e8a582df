"""Verdicts, possible states and reductions, held against a checker that tries every order."""

from collections.abc import Hashable, Iterator
from random import Random

import pytest
from concurrent_objects import OBJECTS, SmallObject, random_history
from linearizability_twin import first_impossible, states_after

from wavetank.scenarios.concurrency.history import (
    Call,
    Event,
    EventKind,
    History,
    HistoryError,
    partitioned,
)
from wavetank.scenarios.concurrency.linearizability import check
from wavetank.scenarios.concurrency.possibilities import (
    Buffered,
    Possibilities,
    TooManyConfigurationsError,
)

HISTORIES = 600
"""For each object and each test that compares with the twin."""

REGISTER = OBJECTS["register"]


def each_object() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("thing", OBJECTS.values(), ids=OBJECTS)


def histories(thing: SmallObject, *, calls: int, crashes: int = 1) -> Iterator[History]:
    random = Random(f"{type(thing).__name__} {calls} {crashes}")
    for _ in range(HISTORIES):
        yield random_history(thing, random, calls=random.randint(1, calls), crashes=crashes)


def feed(possible: Possibilities[Hashable], event: Event) -> bool:
    if event.call is None:
        return possible.crash()
    if event.kind is EventKind.INVOKE:
        possible.invoke(event.call)
        return True
    return possible.return_(event.call.number, event.call.result)


def calls(*rows: tuple[str, Hashable, int, int | None, Hashable]) -> tuple[Call, ...]:
    return tuple(
        Call(
            number=number,
            task=task,
            operation=operation,
            invoked_at=begin,
            returned_at=end,
            result=result,
        )
        for number, (task, operation, begin, end, result) in enumerate(rows, start=1)
    )


@each_object()
@pytest.mark.parametrize("crashes", [0, 2])
def test_the_verdict_and_the_last_states_are_those_of_trying_every_order(
    thing: SmallObject, crashes: int
) -> None:
    seen = {True: 0, False: 0}
    for history in histories(thing, calls=6, crashes=crashes):
        verdict = check(history, thing)
        expected = states_after(history, thing)
        assert set(verdict.states) == expected, history
        assert len(verdict.states) == len(expected)
        assert verdict.linearizable == bool(expected)
        seen[verdict.linearizable] += 1
    assert min(seen.values()) > HISTORIES // 50, seen


@each_object()
@pytest.mark.parametrize("look_ahead", [False, True])
def test_the_states_at_each_moment_are_those_of_trying_every_order(
    thing: SmallObject, *, look_ahead: bool
) -> None:
    """Fed with what is known by then, as a crash at that moment would find it."""
    for history in histories(thing, calls=5):
        online: Possibilities[Hashable] = Possibilities(thing)
        for event in history.events():
            known = history.before(event.position + 1)
            if look_ahead:
                online = Possibilities(thing, look_ahead=True)
                for past in known.events():
                    goes_on = feed(online, past)
                    if not goes_on:
                        break
            else:
                goes_on = feed(online, event)
            expected = states_after(known, thing)
            assert set(online.states()) == expected, (history, event)
            assert len(online.states()) == len(expected)
            if not expected:
                assert not goes_on
                break


@each_object()
def test_a_failure_names_the_first_impossible_event_and_the_states_before_it(
    thing: SmallObject,
) -> None:
    failures = 0
    for history in histories(thing, calls=5):
        failure = check(history, thing).failure
        expected = first_impossible(history, thing)
        assert (failure and failure.position) == expected
        if failure is not None:
            failures += 1
            assert set(failure.states) == states_after(history.before(failure.position), thing)
    assert failures > HISTORIES // 50


@each_object()
def test_a_part_is_impossible_whatever_else_happened_and_no_call_of_it_can_be_spared(
    thing: SmallObject,
) -> None:
    smaller = 0
    for history in histories(thing, calls=6):
        failure = check(history, thing).failure
        if failure is None:
            continue
        cut = history.before(failure.position + 1)
        kept = {call.number for call in failure.part.calls}
        assert kept.isdisjoint(failure.optional)
        assert kept.union(failure.optional) == {call.number for call in cut.calls}
        assert failure.is_minimal
        assert not states_after(cut, thing, optional=failure.optional)
        assert not states_after(failure.part, thing)
        assert not check(failure.part, thing).linearizable
        for number in kept:
            assert states_after(cut, thing, optional=[*failure.optional, number]), history
            assert check(cut, thing, optional=[*failure.optional, number]).linearizable
        smaller += len(kept) < len(cut.calls)
    assert smaller > HISTORIES // 50


@each_object()
def test_optional_calls_happen_in_their_interval_or_not_at_all(thing: SmallObject) -> None:
    random = Random("optional")
    for history in histories(thing, calls=5):
        optional = [call.number for call in history.calls if random.randrange(2)]
        expected = states_after(history, thing, optional=optional)
        assert set(check(history, thing, optional=optional).states) == expected, (history, optional)


def test_a_buffered_crash_falls_back_to_a_state_since_the_last_durable_point() -> None:
    counter = Buffered(
        specification=OBJECTS["counter"], is_durable=lambda operation, _: operation == ("get",)
    )
    random = Random("buffered")
    seen = {True: 0, False: 0}
    for _ in range(HISTORIES):
        history = random_history(
            OBJECTS["counter"],
            random,
            calls=6,
            crashes=2,
            survive=lambda state: max(0, state - random.randrange(3)),  # type: ignore[operator]
        )
        verdict = check(history, counter, survivors=counter.survivors)
        expected = states_after(history, counter, counter.survivors)
        assert set(verdict.states) == expected, history
        seen[verdict.linearizable] += 1
        if verdict.failure is not None:
            assert not check(
                verdict.failure.part, counter, survivors=counter.survivors
            ).linearizable
    assert min(seen.values()) > HISTORIES // 50, seen


def test_nothing_acknowledged_before_the_last_durable_point_is_lost() -> None:
    counter = Buffered(
        specification=OBJECTS["counter"], is_durable=lambda operation, _: operation == ("get",)
    )
    done = calls(
        ("a", ("add",), 1, 2, 1),
        ("a", ("add",), 3, 4, 2),
        ("a", ("get",), 5, 6, 2),
        ("a", ("add",), 7, 8, 3),
        ("b", ("add",), 9, None, None),
    )
    found = {}
    for result in range(5):
        get = Call(
            number=6, task="a", operation=("get",), invoked_at=11, returned_at=12, result=result
        )
        history = History(calls=(*done, get), crashes=(10,))
        found[result] = check(history, counter, survivors=counter.survivors).linearizable
    assert found == {0: False, 1: False, 2: True, 3: True, 4: True}


def test_either_of_two_pending_calls_may_have_led_to_a_state() -> None:
    """The swap must have led to the first 1, since only the write can lead to the second."""
    history = History(
        calls=calls(
            ("a", ("swap", 0, 1), 1, None, None),
            ("b", ("write", 1), 2, None, None),
            ("c", ("read",), 3, 4, 1),
            ("c", ("write", 2), 5, 6, "ok"),
            ("c", ("read",), 7, 8, 1),
        )
    )
    assert check(history, REGISTER).states == (1,)


def test_a_stale_read_is_reduced_to_the_write_it_missed() -> None:
    history = History(
        calls=calls(
            ("a", ("write", 1), 1, 2, "ok"),
            ("b", ("read",), 3, 4, 1),
            ("a", ("write", 2), 5, 6, "ok"),
            ("c", ("read",), 7, 8, 2),
            ("b", ("read",), 9, 10, 1),
            ("a", ("read",), 11, 12, 2),
        )
    )
    failure = check(history, REGISTER).failure
    assert failure is not None
    # The read of 2 proves the same as the write; what stays is what comes last.
    assert [call.number for call in failure.part.calls] == [4, 5]
    assert failure.optional == (1, 2, 3)
    assert (failure.position, failure.states) == (10, (2,))


def test_a_crash_loses_no_acknowledged_write_and_ends_those_in_flight() -> None:
    write = calls(("a", ("write", 1), 1, 2, "ok"), ("b", ("write", 2), 3, None, None))
    lost = Call(number=3, task="a", operation=("read",), invoked_at=5, returned_at=6, result=0)
    late = Call(number=4, task="c", operation=("read",), invoked_at=7, returned_at=8, result=2)

    failure = check(History(calls=(*write, lost), crashes=(4,)), REGISTER).failure
    assert failure is not None
    assert [call.number for call in failure.part.calls] == [1, 3]
    assert failure.part.crashes == (4,)
    assert failure.states == (1, 2)

    kept = Call(number=3, task="a", operation=("read",), invoked_at=5, returned_at=6, result=1)
    assert not check(History(calls=(*write, kept, late), crashes=(4,)), REGISTER).linearizable
    assert check(History(calls=(*write, kept, late)), REGISTER).linearizable


def test_crashes_before_the_first_call_of_the_part_are_left_out() -> None:
    read = Call(number=1, task="a", operation=("read",), invoked_at=3, returned_at=4, result=2)
    failure = check(History(calls=(read,), crashes=(1, 2)), REGISTER).failure
    assert failure is not None
    assert failure.part == History(calls=(read,))


def test_a_crash_that_nothing_survives_is_the_impossible_event() -> None:
    write = calls(("a", ("write", 1), 1, 2, "ok"))
    failure = check(History(calls=write, crashes=(3,)), REGISTER, survivors=lambda _: ()).failure
    assert failure is not None
    assert (failure.position, failure.states, failure.part.calls) == (3, (1,), ())


def test_a_thousand_calls_of_eight_tasks_visit_few_configurations() -> None:
    visited = {}
    for name in ("register", "counter"):
        history = random_history(
            OBJECTS[name], Random(name), calls=1000, tasks=8, crashes=0, lies=False
        )
        verdict = check(history, OBJECTS[name])
        assert verdict.linearizable
        visited[name] = verdict.visited
    assert visited == {"register": 46359, "counter": 3901}


def test_too_many_configurations_are_an_error_that_tells_the_number() -> None:
    rows = [(f"t{n}", ("put", n), n, None, None) for n in range(1, 9)]
    possible: Possibilities[Hashable] = Possibilities(OBJECTS["queue"], limit=1000)
    for call in calls(*rows):
        possible.invoke(call)
    with pytest.raises(TooManyConfigurationsError, match="at most 1000 configurations") as error:
        possible.states()
    assert (error.value.count, error.value.limit) == (1001, 1000)


@pytest.mark.slow
def test_a_reduction_that_grows_too_large_keeps_the_call_and_tells() -> None:
    puts = [(f"t{n}", ("put", n), n, 100 + n, "ok") for n in range(1, 8)]
    history = History(calls=calls(*puts, ("r", ("take",), 200, 201, 9)))
    failure = check(history, OBJECTS["queue"]).failure
    assert failure is not None
    assert not failure.is_minimal
    assert failure.part.calls[-1].number == 8


def test_independent_objects_are_checked_apart() -> None:
    random = Random("apart")
    for _ in range(100):
        whole = random_history(Pair(), random, calls=6, crashes=1)
        parts = partitioned(whole, lambda operation: operation[0])  # type: ignore[index]
        verdicts = [check(part, Pair()).linearizable for part in parts.values()]
        assert check(whole, Pair()).linearizable == all(verdicts)


class Pair:
    """Two registers."""

    initial: Hashable = (0, 0)

    def apply(self, state: Hashable, operation: Hashable, /) -> Iterator[tuple[Hashable, Hashable]]:
        assert isinstance(state, tuple)
        assert isinstance(operation, tuple)
        which = {"left": 0, "right": 1}[operation[0]]
        for after, result in REGISTER.apply(state[which], operation[1:]):
            yield (after, state[1]) if which == 0 else (state[0], after), result

    def any_operation(self, random: Random) -> tuple[str, *tuple[int, ...]]:
        return (random.choice(["left", "right"]), *REGISTER.any_operation(random))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("look_ahead", "number", "result", "message"),
    [
        (False, 9, "ok", "number: expected a call in flight, got 9"),
        (True, 1, "no", "result: expected 'ok', which call 1 holds, got 'no'"),
        (True, 2, 0, "number: expected a call that holds its return, got 2"),
    ],
)
def test_a_return_that_nobody_waits_for_is_refused(
    *, look_ahead: bool, number: int, result: Hashable, message: str
) -> None:
    possible: Possibilities[Hashable] = Possibilities(REGISTER, look_ahead=look_ahead)
    for call in calls(("a", ("write", 1), 1, 3, "ok"), ("b", ("read",), 2, None, None)):
        possible.invoke(call)
    with pytest.raises(HistoryError, match=message):
        possible.return_(number, result)
    assert set(possible.states()) == {0, 1}


def test_a_call_is_invoked_once() -> None:
    possible: Possibilities[Hashable] = Possibilities(REGISTER)
    (call,) = calls(("a", ("read",), 1, None, None))
    possible.invoke(call)
    with pytest.raises(HistoryError, match="call 1: expected a call that is not in flight yet"):
        possible.invoke(call)
