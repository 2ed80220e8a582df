"""Write values as JSON: a shape names the members of each class, cattrs does the rest.

cattrs writes tuples as lists, enums as their values, and values inside values. Of a class with a
shape only the named members are written, so a new field never reaches a document unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from attrs import frozen
from cattrs import Converter

__all__ = ["Shape", "Write", "shape", "writer"]

_T = TypeVar("_T")

Write: TypeAlias = Callable[[object], Any]
"""Returns a value as ``json.dumps`` takes it."""


@frozen
class Shape(Generic[_T]):
    """The members that the values of a class have in JSON.

    Attributes:
        kind: the class.
        members: for each member its attribute, or what computes it, in the order of the document.
    """

    kind: type[_T]
    members: dict[str, str | Callable[[_T], object]]


def shape(kind: type[_T], /, *same: str, **others: str | Callable[[_T], object]) -> Shape[_T]:
    """Return the members of a class.

    Args:
        kind: the class.
        same: members that are called as their attributes.
        others: members with another name than their attribute, or that are computed.
    """
    return Shape(kind, {**{name: name for name in same}, **others})


def writer(*shapes: Shape[Any]) -> Write:
    """Return what writes values of these classes, and of builtin types, as JSON.

    >>> from wavetank.sim import LitmusState
    >>> write = writer(shape(LitmusState, "marks", files=lambda state: dict(state.files)))
    >>> write([LitmusState.of({"f": "a?"}, "ok")])
    [{'marks': ['ok'], 'files': {'f': 'a?'}}]
    """
    converter = Converter(unstruct_collection_overrides={tuple: list})
    for each in shapes:
        converter.register_unstructure_hook(each.kind, partial(_members, converter, each))
    return converter.unstructure


def _members(converter: Converter, form: Shape[_T], value: _T) -> dict[str, object]:
    return {
        name: converter.unstructure(
            getattr(value, source) if isinstance(source, str) else source(value)
        )
        for name, source in form.members.items()
    }
