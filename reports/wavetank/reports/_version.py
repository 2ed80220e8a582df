"""Which version this is."""

from __future__ import annotations

from importlib import metadata

__all__ = ["version"]


def version() -> str:
    """Return the installed version; ``0+source`` where the project runs without being installed."""
    try:
        return metadata.version("wavetank")
    except metadata.PackageNotFoundError:
        return "0+source"
