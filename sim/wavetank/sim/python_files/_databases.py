"""Databases written in C: they reach their files past every name that could be replaced.

They are refused where they are opened, with the way to go. SQLite's own opener tells of itself
(_guard.py). Left out: databases that are imported only while the code runs; they do not find the
simulated directory on the real machine, and say so themselves.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["DATABASE_ADVICE", "database_openers"]

DATABASE_ADVICE: Final = (
    "it writes its files in C, where no simulated disk sees it; SQLite can be run over the "
    "simulated filesystem through a VFS of apsw, other libraries cannot yet"
)

_OF_PYTHON: Final = ("_gdbm", "_dbm")
_LOADED: Final[Mapping[str, tuple[str, ...]]] = {
    "_gdbm": ("open",),
    "_dbm": ("open",),
    "lmdb": ("open", "Environment"),
}


def database_openers() -> dict[str, dict[str, Callable[..., object]]]:
    """Return the functions that open such databases, by module, as far as there are any."""
    for name in _OF_PYTHON:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    return {
        module: {name: getattr(sys.modules[module], name) for name in names}
        for module, names in _LOADED.items()
        if module in sys.modules
    }
