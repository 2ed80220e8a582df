"""Two runs part at the first event that is not equal."""

from attrs import evolve

from wavetank.reports.runs.differences import Difference, first_difference
from wavetank.scenarios import Event, SyncEvent

EVENTS = [
    Event(
        number=n,
        scenario="mixed",
        what=SyncEvent(position=n, call=n, sync="fsync", path="/f", failed=False),
    )
    for n in range(4)
]


def test_equal_runs_do_not_part() -> None:
    assert first_difference(EVENTS, list(EVENTS)) is None
    assert first_difference([], []) is None


def test_what_differs_of_two_events_is_named() -> None:
    other = list(EVENTS)
    other[2] = evolve(
        EVENTS[2],
        what=SyncEvent(position=2, call=7, sync="fsync", path="/g", failed=False),
    )
    other[3] = evolve(EVENTS[3], scenario="other")
    difference = first_difference(EVENTS, other)
    assert difference == Difference(EVENTS[2], other[2])
    assert (difference.number, difference.members) == (2, ("data.call", "data.path"))
    last = first_difference(EVENTS[3:], other[3:])
    assert last is not None
    assert last.members == ("scenario",)


def test_one_run_may_end_before_the_other() -> None:
    difference = first_difference(EVENTS[:3], EVENTS)
    assert difference == Difference(None, EVENTS[3])
    assert (difference.number, difference.members) == (3, ())
    assert first_difference(EVENTS, EVENTS[:3]) == Difference(EVENTS[3], None)


def test_numbers_do_not_count() -> None:
    later = [evolve(each, number=each.number + 9) for each in EVENTS]
    assert first_difference(EVENTS, later) is None
