"""The stores that ship with the suite, and finding a store by its name."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Final

from wavetank.engine import Storage
from wavetank.scenarios.stores.adapter import Plug, StoreFactory, plug_of
from wavetank.scenarios.stores.backend import BACKENDS, Backend, Site
from wavetank.scenarios.stores.capabilities import Capability

__all__ = [
    "BUILTIN",
    "ENTRY_POINT_GROUP",
    "PLUGS",
    "RAFTLOCK_PUBLISHED",
    "PlugNotFoundError",
    "find_plug",
    "shipped_names",
]

ENTRY_POINT_GROUP: Final = "wavetank.backends"
"""The group of entry points under which an installed package names its stores."""


class PlugNotFoundError(LookupError):
    """No store of this name ships, is installed, or can be imported."""


def _shipped(name: str) -> Backend:
    return next(backend for backend in BACKENDS if backend.name == name)


def _opener(name: str) -> StoreFactory:
    backend = _shipped(name)

    def open_store(site: Site) -> Storage:
        return backend.open(site)

    return open_store


BUILTIN: Final = Plug(
    name="builtin",
    summary=_shipped("builtin").summary,
    factory=_opener("builtin"),
    capabilities=frozenset(Capability) - {Capability.ANY_FIRST_INDEX, Capability.LIMITED_READS},
)
"""The engine of this project."""

RAFTLOCK_PUBLISHED: Final = Plug(
    name="raftlock-published",
    summary=_shipped("raftlock-published").summary,
    factory=_opener("raftlock-published"),
    capabilities=frozenset(Capability)
    - {
        Capability.ANY_FIRST_INDEX,
        Capability.LIMITED_READS,
        Capability.REFUSES_SECOND_OPENER,
        Capability.REFUSES_STALE_VOTES,
        Capability.REFUSES_STALE_SNAPSHOTS,
        Capability.INSTALLS_SNAPSHOTS,
        Capability.DETECTS_DAMAGE,
        Capability.NO_LITTER,
    },
)
"""A published Raft store's order of operations."""

_ELSEWHERE: Final[Mapping[str, str]] = MappingProxyType(
    {"pysyncobj": "wavetank.scenarios.stores.pysyncobj.store:PYSYNCOBJ"}
)
"""Stores that ship and need a package that a plain installation does not have."""

_SQLITE: Final = "sqlite:"
"""How the names of SQLite's modes begin, which ship and need the package apsw."""

PLUGS: Final[Mapping[str, Plug]] = MappingProxyType(
    {plug.name: plug for plug in (BUILTIN, RAFTLOCK_PUBLISHED)}
)
"""The stores that ship and need nothing else, by name."""


def shipped_names() -> tuple[str, ...]:
    """Return the names of all stores that ship, those too that need another package.

    Of SQLite's sixteen modes those are named on which its documentation commits itself.
    """
    # These are made of parts of this package, which has to be there first.
    from wavetank.scenarios.stores.sqlite import SQLITE_LISTED  # noqa: PLC0415 - it imports this package

    return (*PLUGS, *_ELSEWHERE, *SQLITE_LISTED)


def find_plug(name: str) -> Plug:
    """Return a store by what a person calls it.

    Args:
        name: of a store that ships; of an entry point in the group ``wavetank.backends``; or
            ``package.module:factory``.

    Raises:
        PlugNotFoundError: there is none, or it cannot be imported; the cause says why.
        TypeError: what was found is no factory.

    >>> find_plug("builtin").name
    'builtin'
    """
    if name in PLUGS:
        return PLUGS[name]
    if name in _ELSEWHERE:
        return plug_of(_adapter(name))
    if name.startswith(_SQLITE):
        return _sqlite(name)
    installed = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name in installed:
        return plug_of(_loaded(installed[name], name), name=name)
    if ":" in name:
        point = EntryPoint(name=name, value=name, group=ENTRY_POINT_GROUP)
        return plug_of(_loaded(point, name), name=name)
    raise _unknown(name, (*shipped_names(), *installed))


def _unknown(name: str, known: tuple[str, ...]) -> PlugNotFoundError:
    near = get_close_matches(name, known, n=1)
    hint = f"; nearest match: {near[0]}" if near else ""
    return PlugNotFoundError(
        f"backend: expected one of {', '.join(known)} or package.module:factory "
        f"but got {name!r}{hint}"
    )


def _sqlite(name: str) -> Plug:
    from wavetank.scenarios.stores import sqlite  # noqa: PLC0415 - it imports this package

    plugs = sqlite.SQLITE_PLUGS
    if name not in plugs:
        raise _unknown(name, tuple(plugs))
    try:
        sqlite.require_apsw()
    except ImportError as error:
        raise PlugNotFoundError(f"backend: {name}: {error}") from error
    return plugs[name]


def _adapter(name: str) -> object:
    try:
        return _found(EntryPoint(name=name, value=_ELSEWHERE[name], group=ENTRY_POINT_GROUP))
    except ModuleNotFoundError as error:
        raise PlugNotFoundError(
            f"backend: {name} needs the package {error.name}; install 'wavetank[backends]'"
        ) from error


def _loaded(point: EntryPoint, name: str) -> object:
    try:
        return _found(point)
    except (ImportError, AttributeError, ValueError) as error:
        raise PlugNotFoundError(
            f"backend: expected package.module:factory that can be imported from "
            f"{sys.path[0] or 'here'} but got {name!r}: {error}"
        ) from error


def _found(point: EntryPoint) -> object:
    found: object = import_module(point.module)
    for part in point.attr.split("."):
        found = getattr(found, part)
    return found
