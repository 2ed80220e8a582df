"""Plain values of TOML, each held to what it must be: texts, numbers, arrays, tables of known keys.

Each function takes a value and its place in the file, returns the value, and raises the error of
the place if something else came.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Final, TypeVar

from wavetank.sim.toml_places import Place

__all__ = [
    "array",
    "choice",
    "enum",
    "exactly",
    "flag",
    "line",
    "made",
    "number",
    "text",
    "texts",
    "whole",
    "whole_from",
    "with_keys",
]

_Kind = TypeVar("_Kind")
_Value = TypeVar("_Value")


def exactly(kind: type[_Kind], words: str) -> Callable[[object, Place], _Kind]:
    """Return the reader of values of just one type; true is no number."""

    def read(value: object, place: Place) -> _Kind:
        if type(value) is not kind:
            raise place.unexpected(words, value)
        return value

    return read


flag: Final = exactly(bool, "true or false")
whole: Final = exactly(int, "a whole number")
text: Final = exactly(str, "a text")


def texts(value: object, place: Place) -> tuple[str, ...]:
    """Return the texts of an array."""
    return array(value, place, text)


def number(value: object, place: Place) -> float:
    """Return a number, whole or not."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise place.unexpected("a number", value)
    return float(value)


def array(
    value: object, place: Place, read: Callable[[object, Place], _Value]
) -> tuple[_Value, ...]:
    """Return the items of an array, each read at its own place."""
    if not isinstance(value, list):
        raise place.unexpected("an array", value)
    return tuple(read(each, place.item(at)) for at, each in enumerate(value))


def enum(value: object, kind: type[Enum], place: Place) -> Enum:
    """Return the member of an enumeration whose value came."""
    known = {each.value: each for each in kind}
    return known[choice(value, known, place)]


def choice(value: object, known: Collection[str], place: Place) -> str:
    """Return a word that is one of those known."""
    if not isinstance(value, str):
        raise place.unexpected(f"one of {', '.join(known)}", value)
    if value not in known:
        raise place.unknown("one of", value, known)
    return value


def made(kind: Callable[..., _Value], given: Mapping[str, object], place: Place) -> _Value:
    """Return a value of a class, whose own checks of its attributes may refuse them."""
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        raise place.refused(error) from error


def with_keys(value: object, known: Collection[str], place: Place) -> Mapping[str, object]:
    """Return a table that has no other keys than these."""
    if not isinstance(value, dict):
        raise place.unexpected("a table", value)
    for key in value:
        if key not in known:
            raise place.at(key).unknown("one of the keys", key, known)
    return value


def whole_from(least: int) -> Callable[[object, Place], int]:
    """Return the reader of whole numbers that are no less than this."""

    def read(value: object, place: Place) -> int:
        if type(value) is not int or value < least:
            raise place.unexpected(f"a whole number >= {least}", value)
        return value

    return read


def line(value: object, place: Place) -> str:
    """Return a line of text that is not empty."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise place.unexpected("a line of text", value)
    return value
