"""The first event in which two runs part."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

from attrs import frozen

from wavetank.reports.documents.events import event_document
from wavetank.scenarios import Event

__all__ = ["Difference", "first_difference"]


@frozen
class Difference:
    """Two events, one of each run, that are not equal; all before them are.

    Attributes:
        first: of the one run; None if it had ended.
        second: of the other one; None likewise.
    """

    first: Event | None
    second: Event | None

    @property
    def events(self) -> tuple[Event | None, Event | None]:
        """Both."""
        return self.first, self.second

    @property
    def number(self) -> int:
        """Their place in the streams."""
        event = self.first or self.second
        assert event is not None
        return event.number

    @property
    def members(self) -> tuple[str, ...]:
        """What differs of the two, by the names in JSON; () if one run had ended."""
        if self.first is None or self.second is None:
            return ()
        one, other = event_document(self.first), event_document(self.second)
        differing = [name for name in one if name != "number" and one[name] != other[name]]
        if differing != ["data"]:
            return tuple(name for name in differing if name != "data") or ("data",)
        return tuple(f"data.{name}" for name in _differing(one["data"], other["data"]))


def first_difference(one: Iterable[Event], other: Iterable[Event]) -> Difference | None:
    """Return the first difference of two streams; None if they are equal."""
    for first, second in zip_longest(one, other):
        if first is None or second is None or _told(first) != _told(second):
            return Difference(first, second)
    return None


def _told(event: Event) -> tuple[object, ...]:
    """Return all of an event but its number: some of the events may be left out of a stream."""
    place = (event.scenario, event.seed, event.profile, event.options)
    return (*place, event.time_ns, event.what)


def _differing(one: object, other: object) -> list[str]:
    assert isinstance(one, dict)
    assert isinstance(other, dict)
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]
