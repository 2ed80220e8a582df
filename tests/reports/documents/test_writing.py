"""Values become JSON by the members that their shapes name, and by no others."""

import json
from enum import Enum

import pytest
from attrs import frozen

from wavetank.reports.documents.writing import shape, writer


class Colour(Enum):
    RED = "red"


@frozen
class Inner:
    colours: tuple[Colour, ...]
    hidden: object = None


@frozen
class Outer:
    name: str
    parts: tuple[Inner, ...]
    best: Inner | None = None

    @property
    def count(self) -> int:
        return len(self.parts)


def test_named_computed_and_inner_members_come_in_the_order_of_the_shape() -> None:
    write = writer(
        shape(Outer, "count", title="name", shout=lambda outer: outer.name.upper(), of="parts"),
        shape(Inner, "colours"),
    )
    value = Outer("a", (Inner((Colour.RED,), hidden=object()),), best=Inner(()))
    expected = {"count": 1, "title": "a", "shout": "A", "of": [{"colours": ["red"]}]}
    assert write([value]) == [expected]
    assert list(write(value)) == list(expected)
    assert json.loads(json.dumps(write({"x": (value, None)}))) == {"x": [expected, None]}


def test_an_optional_member_is_null_or_an_object() -> None:
    write = writer(shape(Outer, "best"), shape(Inner, "colours"))
    assert write(Outer("a", ())) == {"best": None}
    assert write(Outer("a", (), best=Inner(()))) == {"best": {"colours": []}}


def test_a_member_that_the_class_no_longer_has_is_an_error() -> None:
    with pytest.raises(AttributeError, match="renamed"):
        writer(shape(Outer, "renamed"))(Outer("a", ()))


def test_two_writers_do_not_share_shapes() -> None:
    names = writer(shape(Outer, "name"))
    counts = writer(shape(Outer, "count"))
    assert (names(Outer("a", ())), counts(Outer("a", ()))) == ({"name": "a"}, {"count": 0})
