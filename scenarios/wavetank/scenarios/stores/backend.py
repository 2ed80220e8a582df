"""The door for a store under test: how to open it on a simulated disk, and which ones ship.

A `Backend` opens its store at a `Site`; everything else goes through the engine's `Storage`
Protocol.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

from attrs import frozen

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    FileSystem,
    Runtime,
    Storage,
    StorageConfig,
)
from wavetank.scenarios.stores.raftlock.published import RaftlockOptions, RaftlockPublished

__all__ = ["BACKENDS", "Backend", "Site", "StoreBackend"]


# What a store tells its log under faults is no news to those who look at thousands of runs.
_SILENT: Final = logging.Logger(  # noqa: LOG001 - one that no program's settings reach
    "wavetank.scenarios", level=logging.CRITICAL + 1
)


@frozen(kw_only=True)
class Site:
    """Where and how a store is to live.

    Attributes:
        fs: its filesystem.
        runtime: its threads, locks and clock.
        directory: its directory, not made yet on the first run.
        options: what the scenario asks for, in the engine's terms; a backend takes what it knows.
    """

    fs: FileSystem
    runtime: Runtime
    directory: str
    options: FileStorageOptions


class Backend(Protocol):
    """A kind of store that can be held against the model."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        ...

    @property
    def summary(self) -> str:
        """One sentence for people."""
        ...

    def open(self, site: Site) -> Storage:
        """Open the store at `site`, making it if nothing is there."""
        ...


@frozen(kw_only=True)
class StoreBackend:
    """A backend made of a function.

    >>> BACKENDS[0].name
    'builtin'
    """

    name: str
    summary: str
    opener: Callable[[Site], Storage]

    def open(self, site: Site) -> Storage:
        """See `Backend.open`."""
        return self.opener(site)


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


BACKENDS: Final[tuple[Backend, ...]] = (
    StoreBackend(
        name="builtin",
        summary="the engine of this project",
        opener=_open_builtin,
    ),
    StoreBackend(
        name="raftlock-published",
        summary="a published Raft store's order of operations, its faults included: the canary",
        opener=_open_raftlock_published,
    ),
)
"""Every backend that ships, the default first."""
