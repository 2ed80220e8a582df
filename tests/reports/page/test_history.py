"""Calls beside one another as boxes."""

from wavetank.reports.page.history import draw_history
from wavetank.scenarios.concurrency.history import Call, History

APPEND = Call(number=1, task="a", operation="append 3", invoked_at=1, returned_at=4, result="ok")
READ = Call(number=2, task="b", operation="read", invoked_at=2, returned_at=3, result=7)
LATE = Call(number=3, task="b", operation="a long operation", invoked_at=5)


def test_a_box_spans_a_call_and_each_task_has_a_lane() -> None:
    drawn = draw_history(History(calls=(APPEND, READ)), mark=3, schedule="a b a")
    # Four events share 860 pixels, behind the names of the tasks.
    assert [(box.x, box.width, box.y) for box in drawn.boxes] == [(120, 641, 8), (335, 211, 52)]
    assert [box.state for box in drawn.boxes] == ["returned", "impossible"]
    assert drawn.boxes[1].note == "call 2 of b: read, returned 7"
    assert [name for name, _ in drawn.lanes] == ["a", "b"]
    assert (drawn.crashes, drawn.hidden, drawn.schedule) == ((), 0, "a b a")


def test_a_power_cut_ends_what_is_open() -> None:
    drawn = draw_history(History(calls=(APPEND, LATE), crashes=(6,)), mark=None, schedule="")
    late = drawn.boxes[1]
    assert late.state == "open"
    assert drawn.crashes == (late.x + late.width + 4,)
    assert late.note == "call 3 of b: a long operation, never returned"


def test_text_is_cut_to_its_box() -> None:
    many = tuple(
        Call(
            number=number,
            task="a",
            operation="a long operation",
            invoked_at=2 * number,
            returned_at=2 * number + 1,
            result=0,
        )
        for number in range(500)
    )
    drawn = draw_history(History(calls=many), mark=None, schedule="")
    assert (len(drawn.boxes), drawn.hidden) == (400, 100)
    assert {box.text for box in drawn.boxes} == {"a lon…"}
