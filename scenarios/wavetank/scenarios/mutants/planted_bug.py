"""A planted bug: a named variant of the engine with one thing wrong, and where it shows."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, frozen

from wavetank.engine import Storage
from wavetank.scenarios.mutants.mutant_run import Trial
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.scenarios.stores.interposed_filesystem import Deceit, misled
from wavetank.scenarios.stores.registry import BUILTIN

__all__ = ["BUILTIN", "PlantedBug", "by_deceit", "by_variant"]


@frozen(kw_only=True)
class PlantedBug:
    """One thing that is wrong with a variant of the engine.

    Attributes:
        id: short name.
        summary: what is wrong.
        cost: what it costs.
        backend: the variant.
        trial: a few steps on which it shows.
    """

    id: str
    summary: str
    cost: str
    backend: StoreAdapter
    trial: Trial


def by_deceit(
    name: str, summary: str, cost: str, deceive: Callable[[Site], Deceit], trial: Trial
) -> PlantedBug:
    """Return the bug of an engine whose filesystem misleads it."""
    backend = misled(BUILTIN, f"builtin-{name}", summary, deceive)
    return PlantedBug(id=name, summary=summary, cost=cost, backend=backend, trial=trial)


def by_variant(
    name: str, summary: str, cost: str, opener: Callable[[Site], Storage], trial: Trial
) -> PlantedBug:
    """Return the bug of a store that stands in the engine's place."""
    backend = evolve(BUILTIN, name=f"builtin-{name}", summary=summary, factory=opener)
    return PlantedBug(id=name, summary=summary, cost=cost, backend=backend, trial=trial)
