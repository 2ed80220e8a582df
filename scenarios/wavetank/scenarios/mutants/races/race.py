"""A race: a named variant of the engine that is wrong only where tasks meet.

A variant is the engine, opened as ever; some parts of the opened store are then made instances of
altered classes, in each of which one method is an altered copy of the engine's. No other store is
touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

from attrs import evolve, frozen

from wavetank.engine import FileStorage, Storage, StorageConfig
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.scenarios.stores.registry import BUILTIN

__all__ = ["STORE", "Race", "race"]

STORE = ""
"""The store itself, as a part."""


@frozen(kw_only=True)
class Race:
    """One thing that is wrong with a variant of the engine, and needs tasks beside one another.

    Attributes:
        id: short name.
        summary: what is wrong.
        cost: what it costs.
        backend: the variant.
    """

    id: str
    summary: str
    cost: str
    backend: StoreAdapter


def race(name: str, summary: str, cost: str, altered: Mapping[str, type]) -> Race:
    """Return a race.

    Args:
        name: its id.
        summary: what is wrong.
        cost: what it costs.
        altered: for each part, by the attributes that lead to it from the store, the subclass of
            its class that it becomes; all from one module.
    """

    def open_store(site: Site) -> Storage:
        config = StorageConfig(directory=site.directory)
        store = FileStorage(config, site.options, fs=site.fs, runtime=site.runtime)
        for path, kind in altered.items():
            part = attrgetter(path)(store) if path else store
            part.__class__ = kind
        return store

    # The statements of a factory's module are pauses: here, those of the altered copies.
    (open_store.__module__,) = {kind.__module__ for kind in altered.values()}
    backend = evolve(BUILTIN, name=f"builtin-{name}", summary=summary, factory=open_store)
    return Race(id=name, summary=summary, cost=cost, backend=backend)
