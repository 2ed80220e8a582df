"""A store under test with all that the suite needs to know of it: `Plug`.

A plug is a `Backend`, so that whatever takes a backend takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import field, frozen

from wavetank.engine import Storage
from wavetank.scenarios.stores.backend import Site
from wavetank.scenarios.stores.capabilities import LOG_STORE, Capability
from wavetank.scenarios.stores.completed_store import completed, translating

__all__ = ["Plug", "StoreFactory", "plug_of"]

StoreFactory = Callable[[Site], object]
"""Opens a store at a site, making it if nothing is there."""


def _capabilities(given: Iterable[object]) -> frozenset[Capability]:
    found: set[Capability] = set()
    for each in given:
        if not isinstance(each, Capability):
            kind = type(each).__name__
            raise TypeError(f"capabilities: expected Capability but got {each!r} ({kind})")
        found.add(each)
    return frozenset(found)


@frozen(kw_only=True)
class Plug:
    """A kind of store that the suite can check.

    Attributes:
        name: for people.
        summary: one sentence for people.
        factory: opens it.
        capabilities: what it declares.

    Raises:
        TypeError: a capability that is none.
    """

    name: str
    factory: StoreFactory
    summary: str = ""
    capabilities: frozenset[Capability] = field(default=LOG_STORE, converter=_capabilities)

    def open(self, site: Site) -> Storage:
        """Open the store at `site`, completed to a whole `Storage`.

        Errors are those of the factory: a `BackendError` around each that is no `StorageError`.
        """
        return completed(self._made(site), self.capabilities)

    def has(self, *needs: Capability) -> bool:
        """Whether it declares all of these."""
        return self.capabilities.issuperset(needs)

    def _made(self, site: Site) -> object:
        with translating(typed=self.has(Capability.TYPED_ERRORS)):
            return self.factory(site)


def plug_of(
    factory: object,
    *,
    name: str | None = None,
    capabilities: Iterable[Capability] | None = None,
) -> Plug:
    """Return the plug of a factory.

    Args:
        factory: opens a store at a site: a function, or a class that takes a `Site`; a plug stays
            what it is. It may carry its capabilities as an attribute `capabilities`.
        name: for people; the factory's own name if None.
        capabilities: what the store declares; None for what the factory carries, or `LOG_STORE`.

    Raises:
        TypeError: the factory cannot be called, or a capability is none.
    """
    if isinstance(factory, Plug):
        return factory
    if not callable(factory):
        kind = type(factory).__name__
        raise TypeError(
            f"factory: expected something to call with a Site but got {factory!r} ({kind})"
        )
    declared = getattr(factory, "capabilities", LOG_STORE) if capabilities is None else capabilities
    called = name or str(getattr(factory, "__qualname__", type(factory).__name__))
    return Plug(name=called, factory=factory, capabilities=declared)
