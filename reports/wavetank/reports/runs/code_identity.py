"""Which code a run is made of, as a text that is equal where the code is."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from hashlib import blake2b
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import wavetank
from wavetank.reports._version import version
from wavetank.scenarios import RunPlan, units_of
from wavetank.scenarios.stores.command.command_store import COMMAND_PREFIX

__all__ = ["code_identity", "stores_of"]

_SOURCES = (".py", ".toml", ".json")


def code_identity(*stores: str) -> str:
    """Return the versions of wavetank and Python, and a hash of the sources of a run.

    Args:
        stores: the name of each. Of ``package.module:factory`` the top package is hashed, too, but
            not what it imports from elsewhere; of ``command:`` and the command of a driver, the
            files that its words name.
    """
    digest = blake2b(digest_size=8)
    own = chain.from_iterable(map(_own_sources, stores))
    for root in (*map(Path, wavetank.__path__), *own):
        for path in _files(root):
            digest.update(f"{path.relative_to(root)}\0".encode())
            digest.update(path.read_bytes())
    python = ".".join(map(str, sys.version_info[:2]))
    return f"wavetank {version()} ({digest.hexdigest()}) on Python {python}"


def stores_of(plan: RunPlan) -> tuple[str, ...]:
    """Return the names of the stores that a plan runs: its own, and those of its scenarios."""
    return tuple(sorted({unit.backend for unit in units_of(plan)}))


def _own_sources(store: str) -> Iterator[Path]:
    """Yield the files and folders of a store that does not ship."""
    kind, colon, rest = store.partition(":")
    if store.startswith(COMMAND_PREFIX):
        for word in shlex.split(rest):
            path = Path(shutil.which(word) or word)
            if path.is_file():
                yield path
    elif colon:
        yield from _roots(kind)


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
