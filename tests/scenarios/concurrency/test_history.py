"""What a concurrent history accepts, and how it is cut."""

from collections.abc import Iterable

import pytest

from wavetank.scenarios.concurrency.history import (
    Call,
    EventKind,
    History,
    HistoryError,
    partitioned,
)


def call(number: int, task: str, begin: int, end: int | None = None) -> Call:
    return Call(
        number=number,
        task=task,
        operation=f"op {number}",
        invoked_at=begin,
        returned_at=end,
        result=None if end is None else "ok",
    )


HISTORY = History(calls=(call(1, "a", 1, 4), call(2, "b", 2), call(3, "b", 7)), crashes=(5,))


def numbers(calls: Iterable[Call]) -> list[int]:
    return [each.number for each in calls]


def test_calls_are_kept_in_the_order_of_their_numbers() -> None:
    right = History(calls=(call(2, "b", 2), call(1, "a", 1, 4)))
    assert numbers(right.calls) == [1, 2]


def test_events_come_in_the_order_of_their_positions() -> None:
    assert [
        (event.position, event.kind, event.call and event.call.number) for event in HISTORY.events()
    ] == [
        (1, EventKind.INVOKE, 1),
        (2, EventKind.INVOKE, 2),
        (4, EventKind.RETURN, 1),
        (5, EventKind.CRASH, None),
        (7, EventKind.INVOKE, 3),
    ]


def test_before_a_position_later_returns_and_crashes_are_unknown() -> None:
    assert HISTORY.before(5) == History(calls=(call(1, "a", 1, 4), call(2, "b", 2)))
    assert HISTORY.before(4) == History(calls=(call(1, "a", 1), call(2, "b", 2)))
    assert HISTORY.before(2) == History(calls=(call(1, "a", 1),))
    assert HISTORY.before(8) == HISTORY


def test_some_calls_keep_all_crashes() -> None:
    history = History(calls=(call(1, "a", 1, 4), call(2, "b", 2)), crashes=(5, 6))
    assert history.only([2]) == History(calls=(call(2, "b", 2),), crashes=(5, 6))


def test_each_object_of_a_partition_keeps_its_calls_and_all_crashes() -> None:
    history = History(calls=(call(1, "a", 1, 4), call(2, "b", 2), call(3, "b", 7, 8)), crashes=(5,))
    parts = partitioned(history, lambda operation: operation == "op 2")
    assert {key: numbers(part.calls) for key, part in parts.items()} == {False: [1, 3], True: [2]}
    assert [part.crashes for part in parts.values()] == [(5,), (5,)]


@pytest.mark.parametrize(
    ("calls", "crashes", "message"),
    [
        ([call(1, "a", 1, 2), call(1, "b", 3)], [], "unique numbers, got 1 twice"),
        (
            [call(1, "a", 3), call(2, "b", 1)],
            [],
            "numbers in the order of invocations, got call 1 invoked at 3 and call 2 at 1",
        ),
        (
            [call(1, "a", 1, 4), call(2, "b", 2, 4)],
            [],
            "one event at each position, got return 1 and return 2 at 4",
        ),
        ([call(1, "a", 1)], [1], "one event at each position, got crash and invoke 1 at 1"),
        ([], [3, 3], "one event at each position, got crash and crash at 3"),
        ([], [3, 2], "crashes: expected positions in ascending order, got 3 before 2"),
        (
            [call(1, "a", 1, 4), call(2, "a", 3)],
            [],
            "one call of task 'a' at a time, got call 2 while call 1 was in flight",
        ),
        (
            [call(1, "a", 1), call(2, "a", 3)],
            [],
            "one call of task 'a' at a time, got call 2 while call 1 was in flight",
        ),
        (
            [call(1, "a", 1, 4)],
            [3],
            "call 1: expected no return after the crash at 3, got returned_at 4",
        ),
        (
            [call(1, "a", 1, 6), call(2, "a", 4, 5)],
            [3],
            "call 1: expected no return after the crash at 3, got returned_at 6",
        ),
    ],
)
def test_what_no_execution_could_record_is_refused(
    calls: list[Call], crashes: list[int], message: str
) -> None:
    with pytest.raises(HistoryError, match=message):
        History(calls=tuple(calls), crashes=tuple(crashes))


def test_after_a_crash_a_task_may_call_again() -> None:
    assert History(calls=(call(1, "a", 1), call(2, "a", 3, 4)), crashes=(2,)).crashes == (2,)


def test_a_call_returns_after_its_invocation_and_only_then_with_a_result() -> None:
    with pytest.raises(
        HistoryError, match="call 1: expected returned_at after invoked_at 4, got 4"
    ):
        call(1, "a", 4, 4)
    with pytest.raises(HistoryError, match=r"call 1: expected no result of a call .* got 'ok'"):
        Call(number=1, task="a", operation="read", invoked_at=1, result="ok")
