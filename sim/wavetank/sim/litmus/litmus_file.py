"""Litmus tests read from JSON, each part checked, each error with its place.

A file is a list of tests. A test is an object with ``id``, ``setup``, ``program`` and ``states``,
and for people ``title`` and ``bad``; an operation is a list, such as ``["append", "i1", "b"]``;
``states`` has a list of states for each profile that the author speaks of, and a state is an object
with ``files``, ``marks`` and for people ``bad``. Other keys are not looked at.

Left out: opening files; and judging programs (litmus_run.py), except that each must be able to run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from importlib import resources
from typing import Final, NoReturn, cast

from attrs import frozen

from wavetank.sim.litmus._litmus_disk import record_litmus
from wavetank.sim.litmus.program import (
    LITMUS_OPS,
    UNWRITTEN,
    LitmusArgument,
    LitmusError,
    LitmusOp,
    LitmusState,
    LitmusTest,
)
from wavetank.sim.profiles.profile import Profile
from wavetank.sim.profiles.shipped import PROFILES

__all__ = ["read_litmus", "shipped_litmus"]

_BLOCKS: Final = range(1000)
_SHOWN: Final = 60


def read_litmus(text: str, *, profiles: Iterable[Profile] = PROFILES) -> tuple[LitmusTest, ...]:
    """Return the tests of a litmus file.

    Args:
        text: its content.
        profiles: those for which a test may name states.

    Raises:
        LitmusError: it is no litmus file; the message gives the place, such as ``$[3].program[2]``.

    >>> read_litmus('[{"id": "L1"}]')
    Traceback (most recent call last):
        ...
    wavetank.sim.litmus.program.LitmusError: $[0]: expected the key 'setup', got only 'id'
    """
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LitmusError(f"$: expected JSON, got: {error}") from error
    known = [profile.name for profile in profiles]
    tests: dict[str, LitmusTest] = {}
    for place in _Place(value, "$").items("a list of litmus tests"):
        test = _test(place, known)
        if test.id in tests:
            place.at("id").fail("an id that no test before it has")
        tests[test.id] = test
    return tuple(tests.values())


def shipped_litmus() -> tuple[LitmusTest, ...]:
    """Return the tests that ship with wavetank."""
    file = resources.files("wavetank.sim") / "data" / "litmus.json"
    return read_litmus(file.read_text(encoding="utf-8"))


@frozen
class _Place:
    """A JSON value and where it stands."""

    value: object
    path: str

    def fail(self, expected: str, hint: str = "") -> NoReturn:
        """Raise an error that says what was expected here and what came."""
        shown = json.dumps(self.value, ensure_ascii=False)
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
        raise LitmusError(f"{self.path}: expected {expected}, got {shown}{hint}")

    def items(self, expected: str) -> list[_Place]:
        """Return the values of a list."""
        if not isinstance(self.value, list):
            self.fail(expected)
        return [_Place(item, f"{self.path}[{n}]") for n, item in enumerate(self.value)]

    def members(self, expected: str) -> dict[str, _Place]:
        """Return the values of an object by key."""
        if not isinstance(self.value, dict):
            self.fail(expected)
        members = cast("dict[str, object]", self.value)
        return {key: _Place(member, f"{self.path}.{key}") for key, member in members.items()}

    def at(self, key: str) -> _Place:
        """Return the value of a key that must be there."""
        members = self.members("an object")
        if key not in members:
            keys = ", ".join(repr(each) for each in members)
            raise LitmusError(
                f"{self.path}: expected the key {key!r}, got {f'only {keys}' if keys else 'none'}"
            )
        return members[key]

    def word(self) -> str:
        """Return text that is not empty."""
        if not isinstance(self.value, str) or not self.value:
            self.fail("a word")
        return self.value


def _test(place: _Place, known: Collection[str]) -> LitmusTest:
    title = place.members("a litmus test").get("title")
    test = LitmusTest(
        id=place.at("id").word(),
        title="" if title is None else title.word(),
        setup=_ops(place.at("setup")),
        program=_ops(place.at("program")),
        states={
            _profile(name, states, known): _states(states)
            for name, states in place.at("states").members("states by profile").items()
        },
    )
    record_litmus(test, place.path)
    return test


def _profile(name: str, place: _Place, known: Collection[str]) -> str:
    if name not in known:
        close = get_close_matches(name, known, n=1, cutoff=0.3)
        hint = f"; nearest match: {close[0]}" if close else ""
        raise LitmusError(
            f"{place.path}: expected one of the profiles {', '.join(known)}, got {name!r}{hint}"
        )
    return name


def _ops(place: _Place) -> tuple[LitmusOp, ...]:
    return tuple(_op(each) for each in place.items("a list of operations"))


def _op(place: _Place) -> LitmusOp:
    parts = place.items("an operation, as a list")
    name = parts[0].value if parts else None
    if not isinstance(name, str) or name not in LITMUS_OPS:
        close = get_close_matches(str(name), LITMUS_OPS, n=1, cutoff=0.3)
        hint = f"; nearest match: {close[0]}" if close else ""
        place.fail(f"an operation ({', '.join(LITMUS_OPS)})", hint)
    kinds = LITMUS_OPS[name]
    if len(parts) - 1 != len(kinds):
        place.fail(f"{name} with {len(kinds)} arguments")
    arguments = (_argument(part, kind) for part, kind in zip(parts[1:], kinds, strict=True))
    return LitmusOp(name, tuple(arguments))


def _argument(place: _Place, kind: LitmusArgument) -> str | int:
    value = place.value
    if kind is LitmusArgument.BLOCK:
        if type(value) is not int or value not in _BLOCKS:
            place.fail(kind.value)
        return value
    if not isinstance(value, str) or not _fits(value, kind):
        place.fail(kind.value)
    return value


def _fits(value: str, kind: LitmusArgument) -> bool:
    if kind is LitmusArgument.LETTER:
        return len(value) == 1 and _is_letter(value)
    if kind is LitmusArgument.FOLDER and value == ".":
        return True
    if kind in (LitmusArgument.PATH, LitmusArgument.FOLDER):
        return _is_path(value)
    return bool(value)


def _is_letter(letter: str) -> bool:
    return letter.isascii() and letter.isprintable() and letter != UNWRITTEN


def _is_path(path: str) -> bool:
    return all(name not in ("", ".", "..") and "\0" not in name for name in path.split("/"))


def _states(place: _Place) -> frozenset[LitmusState]:
    return frozenset(_state(each) for each in place.items("a list of states"))


def _state(place: _Place) -> LitmusState:
    files: dict[str, str] = {}
    for path, blocks in place.at("files").members("letters by path").items():
        if not _is_path(path):
            raise LitmusError(
                f"{place.path}.files: expected {LitmusArgument.PATH.value}, got {path!r}"
            )
        letters = blocks.value
        if not isinstance(letters, str) or not all(
            letter == UNWRITTEN or _is_letter(letter) for letter in letters
        ):
            blocks.fail("one letter per block, ? for one that was never written")
        files[path] = letters
    marks = (mark.word() for mark in place.at("marks").items("a list of words"))
    return LitmusState.of(files, *marks)
