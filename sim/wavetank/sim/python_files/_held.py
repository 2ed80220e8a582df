"""Functions that others hold where no name leads: in closures and in `functools.partial`.

A decorator that was given `os.replace` when its module was imported holds it in a cell. Left out:
what stands in dictionaries, lists and attributes of objects; what is called from there meets the
guard.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from types import FunctionType

__all__ = ["exchange_held"]


def exchange_held(new_of: Callable[[str, object], object | None], *, but_of: str) -> None:
    """Put functions in the place of others in every closure and partial of this process.

    Args:
        new_of: what is to stand for an object that a module of this name holds; None to leave it.
        but_of: the package whose own closures stay as they are.
    """
    for each in gc.get_objects():
        if type(each) is FunctionType:
            module = str(each.__globals__.get("__name__", ""))
            if each.__closure__ and not module.startswith(but_of):
                _exchange_in_closure(each, module, new_of)
        elif type(each) is functools.partial:
            new = new_of("", each.func)
            if new is not None:
                each.__setstate__((new, each.args, each.keywords, vars(each)))  # type: ignore[attr-defined]


def _exchange_in_closure(
    function: FunctionType, module: str, new_of: Callable[[str, object], object | None]
) -> None:
    for cell in function.__closure__ or ():
        try:
            held = cell.cell_contents
        except ValueError:  # the variable has no value yet
            continue
        new = new_of(module, held)
        if new is not None:
            cell.cell_contents = new
