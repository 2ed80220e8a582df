"""The routes put in the place of the real functions, and taken out again.

The modules themselves are changed, and all else that holds one of the functions: names of other
modules, classes, attributes, containers, default arguments, closures (_references.py). They are
found by identity, so that a function that merely has the same name stays. What somebody takes while
the routes are in place is found in the same way when they are taken out.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterable, Mapping
from typing import Final

from wavetank.sim.python_files._references import Swap, exchange, place_of

__all__ = ["Replacing"]

_OURS: Final = "wavetank.sim.python_files"


class Replacing:
    """Replaces functions everywhere, and puts them back.

    To be made before any route is, as routes hold the functions that they stand for.

    Args:
        names: the functions that are to be replaced, by module.
    """

    def __init__(self, names: Mapping[str, Iterable[str]]) -> None:
        self._real = {
            (module, name): getattr(importlib.import_module(module), name)
            for module, each in names.items()
            for name in each
        }
        self._holders = gc.get_referrers(*self._real.values())
        self._spared: list[object] = [self._real]
        self._swap = Swap({})
        self._stuck: list[object] = []

    def put_in(self, functions: Mapping[str, Mapping[str, object]]) -> None:
        """Let routes, by module and name, stand for the real functions."""
        self._spared += [functions, *functions.values()]
        swap = Swap({real: functions[at][name] for (at, name), real in self._real.items()})
        self._stuck = exchange(swap, self._holders, self._is_spared)
        self._holders = []
        self._swap = swap
        for module, name in self._real:
            setattr(sys.modules[module], name, functions[module][name])

    def take_out(self) -> None:
        """Let the real functions be in their places again."""
        routes = {key: getattr(sys.modules[key[0]], key[1]) for key in self._real}
        before = self._swap
        self._spared += [routes, before.olds, before.news]
        for (module, name), real in self._real.items():
            setattr(sys.modules[module], name, real)
        backwards = {routes[key]: real for key, real in self._real.items()}
        swap = Swap(backwards, reversed(before.news), reversed(before.olds))
        exchange(swap, swap.holders(), self._is_spared)

    def keepers_of(self, name: str) -> list[str]:
        """Return where functions of this name are kept and could not be replaced; "" for any."""
        real = [each for (_, known), each in self._real.items() if name in ("", known)]
        return [
            place_of(holder)
            for holder in self._stuck
            if any(held is each for held in gc.get_referents(holder) for each in real)
        ]

    def _is_spared(self, holder: object) -> bool:
        if any(holder is each for each in self._spared):
            return True
        return (
            type(holder) is dict
            and "__spec__" in holder
            and str(holder.get("__name__", "")).startswith(_OURS)
        )
