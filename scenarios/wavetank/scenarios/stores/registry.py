"""The stores that ship, and finding any store by its name.

A name is all that a worker process, a stored failure or a generated test needs to open the same
store again.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Final

from wavetank.engine import FileStorage, Storage, StorageConfig, StorageError
from wavetank.scenarios.stores.adapter import Site, StoreAdapter, adapter_of
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.scenarios.stores.command import COMMAND_PREFIX, command_store
from wavetank.scenarios.stores.raftlock.published import RaftlockOptions, RaftlockPublished
from wavetank.scenarios.stores.sqlite import SQLITE_LISTED, SQLITE_STORES, require_apsw

__all__ = [
    "BUILTIN",
    "BUILTIN_OS",
    "ENTRY_POINT_GROUP",
    "RAFTLOCK_PUBLISHED",
    "SHIPPED_STORES",
    "StoreNotFoundError",
    "find_store",
    "shipped_names",
]

ENTRY_POINT_GROUP: Final = "wavetank.backends"
"""The group of entry points under which an installed package names its stores."""

# The engine logs what it does about faults; in thousands of runs that tells nobody anything.
_SILENT: Final = logging.Logger(  # noqa: LOG001 - one that no program's settings reach
    "wavetank.scenarios", level=logging.CRITICAL + 1
)


class StoreNotFoundError(LookupError):
    """No store of this name ships, is installed, or can be imported."""


def _open_builtin(site: Site) -> Storage:
    config = StorageConfig(directory=site.directory)
    return FileStorage(config, site.options, fs=site.fs, runtime=site.runtime, logger=_SILENT)


def _open_raftlock_published(site: Site) -> Storage:
    options = RaftlockOptions(
        retained_log_size=site.options.retained_log_size,
        auto_truncate_on_snapshot=site.options.auto_truncate_on_snapshot,
        async_truncation=site.options.features.async_truncation,
        sync_on_append=site.options.sync_on_append,
        index_map=site.options.features.index_map,
    )
    return RaftlockPublished(site.directory, fs=site.fs, runtime=site.runtime, options=options)


BUILTIN: Final = StoreAdapter(
    name="builtin",
    summary="the engine of this project",
    factory=_open_builtin,
    capabilities=frozenset(Capability) - {Capability.ANY_FIRST_INDEX, Capability.LIMITED_READS},
)
"""The engine of this project."""

BUILTIN_OS: Final = StoreAdapter(
    name="builtin-os",
    summary="the same through the system calls that it makes on a real machine",
    # Inside a simulated process the filesystem of its site is `OsFileSystem`.
    factory=_open_builtin,
    capabilities=BUILTIN.capabilities - {Capability.SITE_FILESYSTEM},
)
"""The engine with its own `OsFileSystem`, whose calls of `os` land on the simulated disk."""

RAFTLOCK_PUBLISHED: Final = StoreAdapter(
    name="raftlock-published",
    summary="a published Raft store's order of operations, its faults included: the canary",
    factory=_open_raftlock_published,
    capabilities=frozenset(Capability)
    - {
        Capability.ANY_FIRST_INDEX,
        Capability.LIMITED_READS,
        Capability.REFUSES_SECOND_OPENER,
        Capability.REFUSES_STALE_VOTES,
        Capability.REFUSES_STALE_SNAPSHOTS,
        Capability.CHECKS_ARGUMENTS,
        Capability.INSTALLS_SNAPSHOTS,
        Capability.DETECTS_DAMAGE,
        Capability.NO_LITTER,
    },
    # The canary: scenarios must find what it does not keep.
    held_to=frozenset(Capability),
)
"""A published Raft store's order of operations."""

SHIPPED_STORES: Final[Mapping[str, StoreAdapter]] = MappingProxyType(
    {store.name: store for store in (BUILTIN, BUILTIN_OS, RAFTLOCK_PUBLISHED)}
)
"""The stores that ship and need nothing else, by name; the default of the command line first."""

_PYSYNCOBJ: Final = "pysyncobj"
_PYSYNCOBJ_PLACE: Final = "wavetank.scenarios.stores.pysyncobj.store:PYSYNCOBJ"
"""Ships, and needs a package that a plain installation does not have."""

_SQLITE: Final = "sqlite:"
"""How the names of SQLite's modes begin, which ship and need the package apsw."""


def shipped_names() -> tuple[str, ...]:
    """Return the names of all stores that ship, those too that need another package.

    Of SQLite's sixteen modes those are named on which its documentation commits itself.
    """
    return (*SHIPPED_STORES, _PYSYNCOBJ, *SQLITE_LISTED)


def find_store(name: str) -> StoreAdapter:
    """Return the store of a name; its adapter has that name, too.

    Args:
        name: of a store that ships; of an entry point in the group ``wavetank.backends``; or
            ``package.module:factory``, where the factory takes a `Site`; or ``command:`` and the
            command of a driver, such as ``command:./driver {dir}``.

    Raises:
        StoreNotFoundError: there is none, or it cannot be imported; the cause says why.
        TypeError: what was found is no factory.

    >>> find_store("builtin").name
    'builtin'
    """
    if name in SHIPPED_STORES:
        return SHIPPED_STORES[name]
    if name == _PYSYNCOBJ:
        return adapter_of(_pysyncobj())
    if name.startswith(_SQLITE):
        return _sqlite(name)
    if name.startswith(COMMAND_PREFIX):
        return _command(name)
    installed = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name in installed:
        return adapter_of(_loaded(installed[name], name), name=name)
    if ":" in name:
        point = EntryPoint(name=name, value=name, group=ENTRY_POINT_GROUP)
        return adapter_of(_loaded(point, name), name=name)
    raise _unknown(name, (*shipped_names(), *installed))


def _unknown(name: str, known: tuple[str, ...]) -> StoreNotFoundError:
    near = get_close_matches(name, known, n=1)
    hint = f"; nearest match: {near[0]}" if near else ""
    return StoreNotFoundError(
        f"backend: expected one of {', '.join(known)} or package.module:factory "
        f"but got {name!r}{hint}"
    )


def _sqlite(name: str) -> StoreAdapter:
    if name not in SQLITE_STORES:
        raise _unknown(name, tuple(SQLITE_STORES))
    try:
        require_apsw()
    except ImportError as error:
        raise StoreNotFoundError(f"backend: {name}: {error}") from error
    return SQLITE_STORES[name]


def _command(name: str) -> StoreAdapter:
    try:
        return command_store(name.removeprefix(COMMAND_PREFIX))
    except (ValueError, StorageError) as error:
        raise StoreNotFoundError(f"backend: {error}") from error


def _pysyncobj() -> object:
    try:
        return _found(EntryPoint(name=_PYSYNCOBJ, value=_PYSYNCOBJ_PLACE, group=ENTRY_POINT_GROUP))
    except ModuleNotFoundError as error:
        raise StoreNotFoundError(
            f"backend: {_PYSYNCOBJ} needs the package {error.name}; install 'wavetank[backends]'"
        ) from error


def _loaded(point: EntryPoint, name: str) -> object:
    try:
        return _found(point)
    except (ImportError, AttributeError, ValueError) as error:
        raise StoreNotFoundError(
            f"backend: expected package.module:factory that can be imported from "
            f"{sys.path[0] or 'here'} but got {name!r}: {error}"
        ) from error


def _found(point: EntryPoint) -> object:
    found: object = import_module(point.module)
    for part in point.attr.split("."):
        found = getattr(found, part)
    return found
