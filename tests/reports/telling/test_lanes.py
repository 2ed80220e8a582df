"""Concurrent histories drawn as lanes of text."""

import re
from collections.abc import Iterator
from random import Random

import pytest
from attrs import evolve
from concurrent_objects import OBJECTS, random_history

from wavetank.reports.telling.lanes import draw_lanes
from wavetank.scenarios.concurrency.history import Call, Event, EventKind, History

APPEND = Call(
    number=1, task="writer", operation="append 3..4", invoked_at=1, returned_at=3, result="ok"
)
LAST = Call(number=2, task="reader", operation="last", invoked_at=4, returned_at=6, result=2)
OPEN = Call(number=3, task="writer", operation="append 5", invoked_at=5)


def test_calls_overlap_as_they_did_and_an_open_call_ends_in_dots() -> None:
    assert draw_lanes(History(calls=(APPEND, LAST, OPEN)), mark=6).split("\n") == [
        "writer  |-#1 append 3..4 -> ok-| |-#3 append 5-...",
        "reader                          |-#2 last -> 2-!  <- impossible here",
    ]


def test_a_crash_is_a_bar_across_all_lanes() -> None:
    again = Call(number=4, task="writer", operation="open", invoked_at=8, returned_at=9, result=3)
    history = History(calls=(APPEND, LAST, OPEN, again), crashes=(7,))
    assert draw_lanes(history).split("\n") == [
        "writer     |-#1 append 3..4 -> ok-| |-#3 append 5-...X|-#4 open -> 3-|",
        "reader                             |-#2 last -> 2-|  X",
        "power cut                                            X",
    ]


def test_the_longest_labels_move_below_until_the_row_fits() -> None:
    history = History(calls=(APPEND, LAST, OPEN), crashes=(7,))
    assert draw_lanes(history, width=50).split("\n") == [
        "writer     |-#1-| |-#3 append 5-...X",
        "reader           |-#2 last -> 2-|  X",
        "power cut                          X",
        "",
        "#1 append 3..4 -> ok",
    ]
    assert draw_lanes(history, width=60).split("\n")[-1].startswith("power cut")


def test_a_history_too_long_for_one_row_goes_on_in_the_next() -> None:
    gets = [
        Call(
            number=number,
            task="a",
            operation="get",
            invoked_at=2 * number,
            returned_at=2 * number + 1,
            result=number,
        )
        for number in range(1, 8)
    ]
    sync = Call(number=0, task="b", operation="sync", invoked_at=1, returned_at=18, result="ok")
    lost = Call(number=8, task="c", operation="lost", invoked_at=16)
    history = History(calls=(sync, *gets, lost), crashes=(19,))
    assert draw_lanes(history, width=40).split("\n")[:9] == [
        "b          |-----------#0-----------",
        "a           |-#1-||-#2-||-#3-||-#4-|",
        "c",
        "power cut",
        "",
        "b          -------------------|      X",
        "a          |-#5-||-#6-||-#7-|        X",
        "c                            |-#8-...X",
        "power cut                            X",
    ]


def test_long_names_stand_below() -> None:
    call = evolve(OPEN, task="a task with a very long name indeed")
    assert draw_lanes(History(calls=(call,)), width=30).split("\n") == [
        "(1)  |-#3 append 5-...",
        "",
        "(1) a task with a very long",
        "    name indeed",
    ]


def test_an_impossible_crash_is_marked_in_its_own_lane() -> None:
    assert draw_lanes(History(calls=(APPEND,), crashes=(4,)), mark=4).split("\n") == [
        "writer     |-#1 append 3..4 -> ok-|X",
        "power cut                          !  <- impossible here",
    ]


def test_an_operation_cannot_break_the_lines() -> None:
    call = evolve(OPEN, operation="append\n\x1b[2J  x")
    assert draw_lanes(History(calls=(call,))) == "writer  |-#3 append ?[2J x-..."


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw_lanes(History(calls=())) == ""


def test_a_width_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match=r"width: expected at least 17 columns, .* got 16"):
        draw_lanes(History(calls=(OPEN,)), width=16)
    assert draw_lanes(History(calls=(OPEN,)), width=17) == "writer  |-#3-...\n\n#3 append 5"


@pytest.mark.parametrize("mark", [1, 7])
def test_a_mark_is_where_something_ends(mark: int) -> None:
    with pytest.raises(ValueError, match=f"mark: expected the position .* got {mark}"):
        draw_lanes(History(calls=(APPEND,)), mark=mark)


def test_every_drawing_fits_names_each_call_once_and_keeps_the_order_of_events() -> None:
    random = Random("lanes")
    rows_seen = set()
    for _ in range(500):
        thing = random.choice(list(OBJECTS.values()))
        history = random_history(
            thing, random, calls=random.randint(1, 30), tasks=random.randint(1, 5), crashes=2
        )
        ends = [e.position for e in history.events() if e.kind is not EventKind.INVOKE]
        mark = random.choice([None, *ends])
        width = random.randint(50, 150)
        drawing = draw_lanes(history, width=width, mark=mark)
        assert max(len(line) for line in drawing.split("\n")) <= width
        rows = [block for block in drawing.split("\n\n") if not block.startswith("#")]
        lanes = "\n".join(rows)
        numbers = sorted(int(number) for number in re.findall(r"#(\d+)", lanes))
        assert numbers == [call.number for call in history.calls]
        assert lanes.count("<- impossible here") == (mark is not None)
        drawn = [event for row in rows for event in drawn_events(row)]
        assert drawn == [lane_of(event) for event in history.events()]
        rows_seen.add(len(rows))
    assert {1, 2, 3} <= rows_seen


def lane_of(event: Event) -> str:
    return "power cut" if event.call is None else event.call.task


def drawn_events(row: str) -> Iterator[str]:
    """Yield the lane of each bar, from left to right; no two stand in one column."""
    found = {}
    for line in row.split("\n"):
        name = re.split(r"  +", line)[0]
        crosses = "X!" if name == "power cut" else "|!"
        for column, cell in enumerate(line.removesuffix("<- impossible here")):
            if column > len(name) and cell in crosses:
                assert column not in found
                found[column] = name
    for _, name in sorted(found.items()):
        yield name
