"""Which code a run is made of, as a text that is equal where the code is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

import wavetank
from wavetank.reports._version import version

__all__ = ["code_identity"]

_SOURCES = (".py", ".toml", ".json")


def code_identity(store: str) -> str:
    """Return the versions of wavetank and Python, and a hash of the sources of a run.

    Args:
        store: its name, or ``package.module:factory``: the top package of that is hashed, too, but
            not what it imports from elsewhere.
    """
    digest = blake2b(digest_size=8)
    module, colon, _ = store.partition(":")
    roots = [*map(Path, wavetank.__path__), *(_roots(module) if colon else ())]
    for root in roots:
        for path in _files(root):
            digest.update(f"{path.relative_to(root)}\0".encode())
            digest.update(path.read_bytes())
    python = ".".join(map(str, sys.version_info[:2]))
    return f"wavetank {version()} ({digest.hexdigest()}) on Python {python}"


def _roots(module: str) -> Iterator[Path]:
    spec = find_spec(module.partition(".")[0])
    if spec is None:
        return
    if spec.submodule_search_locations:
        yield from map(Path, spec.submodule_search_locations)
    elif spec.origin is not None:
        yield Path(spec.origin)


def _files(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    return sorted(path for path in root.rglob("*") if path.suffix in _SOURCES and path.is_file())
