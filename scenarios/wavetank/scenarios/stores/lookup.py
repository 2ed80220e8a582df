"""Stores by name."""

from __future__ import annotations

from wavetank.scenarios.stores.backend import BACKENDS, Backend

__all__ = ["StoreNotFoundError", "find_store"]


class StoreNotFoundError(LookupError):
    """No store of this name."""


def find_store(name: str) -> Backend:
    """Return the store of that name.

    Raises:
        StoreNotFoundError: there is none.
    """
    for backend in BACKENDS:
        if backend.name == name:
            return backend
    raise StoreNotFoundError(f"backend: expected one of {[b.name for b in BACKENDS]}, got {name!r}")
