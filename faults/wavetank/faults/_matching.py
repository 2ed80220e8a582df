"""Whether a fault looks at an operation.

Left out: counting those that it looks at (_tally.py).
"""

from __future__ import annotations

import inspect
import posixpath

from wavetank.engine import FileSystem
from wavetank.faults.operation import Operation
from wavetank.faults.operations import OperationKind
from wavetank.faults.where import Where

__all__ = ["matches", "matches_a_path"]

_OF_A_DIRECTORY = (OperationKind.LIST, OperationKind.FSYNC_DIR)


def matches(where: Where, operation: Operation, below: FileSystem) -> bool:
    """Whether a fault looks at an operation.

    Args:
        where: of the fault.
        operation: that begins now, in the thread that asks.
        below: the filesystem without faults, for conditions.
    """
    if not where.matches_kind(operation.kind) or not matches_a_path(where, operation):
        return False
    if where.offset is not None and not where.offset.overlaps(operation.offset, operation.length):
        return False
    if where.caller is not None and not _is_called_in(where.caller):
        return False
    return where.condition is None or where.condition.holds(below, _directory(operation))


def matches_a_path(where: Where, operation: Operation) -> bool:
    """Whether one of the names of an operation matches."""
    return any(where.matches_path(path) for path in operation.paths)


def _directory(operation: Operation) -> str:
    path = operation.paths[0]
    return path if operation.kind in _OF_A_DIRECTORY else posixpath.dirname(path.rstrip("/"))


def _is_called_in(name: str) -> bool:
    """Whether a function or module of this name is on the stack, the injectors themselves aside."""
    frame = inspect.currentframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if not module.startswith("wavetank.faults.") and name in (
            frame.f_code.co_name,
            module.rpartition(".")[2],
        ):
            return True
        frame = frame.f_back
    return False
