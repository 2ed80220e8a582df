"""Which peers are installed.

Each is imported by the module that makes it work, only when its turn comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module, metadata
from typing import Final

from wavetank.reports.bench.report import Peer

__all__ = ["LMDB", "PYSYNCOBJ", "ROCKSDICT", "SQLITE", "find_peers"]

SQLITE: Final = "sqlite3"
LMDB: Final = "lmdb"
PYSYNCOBJ: Final = "pysyncobj"
ROCKSDICT: Final = "rocksdict"

_MODULES: Final[Mapping[str, str]] = {
    SQLITE: "sqlite3",
    LMDB: "lmdb",
    PYSYNCOBJ: "pysyncobj.journal",
    ROCKSDICT: "rocksdict",
}


def find_peers() -> tuple[Peer, ...]:
    """Return every peer, with its version if it can be imported.

    >>> [peer.name for peer in find_peers()]
    ['sqlite3', 'lmdb', 'pysyncobj', 'rocksdict']
    """
    return tuple(
        Peer(name=name, version=_version(name, module)) for name, module in _MODULES.items()
    )


def _version(name: str, module: str) -> str | None:
    try:
        found = import_module(module)
    except ImportError:
        return None
    return str(found.sqlite_version) if name == SQLITE else metadata.version(name)
