"""A profile of one's own, in the words of a TOML file.

The file has one table, ``profile``: a name, and what differs from the profile that it extends, with
the field names of `Profile`. docs/disk-model.md shows one. Whoever writes a profile says with
``control = false`` that stores are to be safe on it; unless they do, it is a control.

Left out: reading files, and whether the promises make sense together. Any combination has its legal
images.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs

from wavetank.sim.profiles.profile import DirentCover, Profile
from wavetank.sim.profiles.shipped import PROFILES
from wavetank.sim.toml_places import Place, nearest

__all__ = [
    "ProfileFileError",
    "profile_from_table",
    "profile_from_toml",
    "profile_table",
]

_TABLE: Final = "profile"
_SUMMARY: Final = "a profile of one's own"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_SHIPPED: Final[Mapping[str, Profile]] = MappingProxyType({each.name: each for each in PROFILES})
_RESERVED: Final = (*_SHIPPED, "all")
_RENAMED: Final[Mapping[str, str]] = MappingProxyType(
    {"truncate_forgets": "truncate_discards", "dirents_at_once": "synchronous_dirents"}
)
"""Keys of earlier versions. The nearest match of an unknown key could be one that means another."""

_Promise: TypeAlias = bool | DirentCover
_PROMISES: Final[Mapping[str, object]] = MappingProxyType(
    {each.name: each.default for each in attrs.fields(Profile) if each.default is not attrs.NOTHING}
)
_KEYS: Final = ("name", "summary", "extends", *_PROMISES)


class ProfileFileError(ValueError):
    """A profile file is not as expected; the message says what was, and what came.

    Attributes:
        file: which file.
        key: path of the key in it; "" for the file as a whole.
    """

    def __init__(self, message: str, *, file: str = "", key: str = "") -> None:
        super().__init__(message)
        self.file = file
        self.key = key


def profile_from_toml(text: str, *, file: str = "(text)") -> Profile:
    """Return the profile in the text of a file.

    Args:
        text: TOML.
        file: what errors call it.

    Raises:
        ProfileFileError: it is not TOML, or no profile.

    >>> profile = profile_from_toml('''
    ... [profile]
    ... name = "split-renames"
    ... extends = "ext4"
    ... rename_atomic = false
    ... ''')
    >>> (profile.rename_atomic, profile.dirents_ordered, profile.control)
    (False, True, True)
    """
    whole = Place(file=file, failure=_failure)
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise whole.error("TOML", str(error)) from error
    for key in document:
        if key != _TABLE:
            raise whole.at(key).error(f"one table, {_TABLE}", f"{key!r}{nearest(key, [_TABLE])}")
    place = whole.at(_TABLE)
    if _TABLE not in document:
        raise place.error("a table", "none")
    table = document[_TABLE]
    if not isinstance(table, dict):
        raise place.unexpected("a table", table)
    return profile_from_table(table, file=file, path=_TABLE)


def profile_from_table(table: Mapping[str, object], *, file: str, path: str) -> Profile:
    """Return the profile that a table of keys and values describes.

    Args:
        table: as in a profile file.
        file: what errors call the file.
        path: what they call the place of the table in it.

    Raises:
        ProfileFileError: a key or a value is not as expected.
    """
    place = Place(file=file, failure=_failure, key=path)
    for key in table:
        if key not in _KEYS:
            new = _RENAMED.get(key)
            came = f"{key!r}{nearest(key, _KEYS) if new is None else f', now called {new}'}"
            raise place.at(key).error(f"one of the keys {', '.join(_KEYS)}", came)
    promised = _inherited(table, place)
    for key, default in _PROMISES.items():
        if key in table:
            promised[key] = _promise(table[key], default, place.at(key))
    name = _name(table, place.at("name"))
    summary = _summary(table, place.at("summary"))
    return Profile(name=name, summary=summary, **promised)  # type: ignore[arg-type]  # all checked


def profile_table(profile: Profile) -> dict[str, str | bool]:
    """Return the table that describes a profile, whole.

    >>> from wavetank.sim import POSIX
    >>> profile_table(POSIX)["fsync_dir_covers"]
    'own'
    """
    table: dict[str, str | bool] = {}
    for field in attrs.fields(Profile):
        value = getattr(profile, field.name)
        table[field.name] = value.value if isinstance(value, Enum) else value
    return table


def _failure(message: str, file: str, key: str) -> ProfileFileError:
    return ProfileFileError(message, file=file, key=key)


def _inherited(table: Mapping[str, object], place: Place) -> dict[str, object]:
    promised = dict(_PROMISES)
    if "extends" in table:
        here, base = place.at("extends"), table["extends"]
        if not isinstance(base, str):
            raise here.unexpected("the name of a profile", base)
        if base not in _SHIPPED:
            expected = f"one of {', '.join(_SHIPPED)}"
            raise here.error(expected, f"{base!r}{nearest(base, _SHIPPED)}")
        promised = {key: getattr(_SHIPPED[base], key) for key in _PROMISES}
    # Nobody has said yet that stores are to be safe on it.
    promised["control"] = True
    return promised


def _promise(value: object, default: object, place: Place) -> _Promise:
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise place.unexpected("true or false", value)
        return value
    covers = {each.value: each for each in DirentCover}
    expected = f"one of {', '.join(covers)}"
    if not isinstance(value, str):
        raise place.unexpected(expected, value)
    if value not in covers:
        raise place.error(expected, f"{value!r}{nearest(value, covers)}")
    return covers[value]


def _name(table: Mapping[str, object], place: Place) -> str:
    if "name" not in table:
        raise place.error("a name", "none")
    name = table["name"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise place.unexpected("a name of letters, digits, - and _", name)
    if name in _RESERVED:
        raise place.error(f"another name than {', '.join(_RESERVED)}", repr(name))
    return name


def _summary(table: Mapping[str, object], place: Place) -> str:
    summary = table.get("summary", _SUMMARY)
    if not isinstance(summary, str) or not summary.strip() or not summary.isprintable():
        raise place.unexpected("a line of text", summary)
    return summary
