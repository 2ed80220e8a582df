"""The routes put in the place of the real functions, and taken out again.

The modules themselves are changed, and every name elsewhere that stands for one of the functions:
`from os import replace`, default arguments, static methods of classes, closures. Names are found
by identity, so that a function that merely has the same name stays. What a module takes while the
routes are in place is found in the same way when they are taken out.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType

from attrs import frozen

from wavetank.sim.python_files._clock import WAITING_MODULES
from wavetank.sim.python_files._held import exchange_held

__all__ = ["Replacing"]

_OURS = "wavetank.sim.python_files"
_SETS = ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids")


@frozen
class _Pair:
    """A function and what is to stand for it."""

    old: object
    new: object
    is_time: bool


class Replacing:
    """Replaces functions everywhere, and puts them back.

    Args:
        functions: what is to stand in, by module and name.
    """

    def __init__(self, functions: Mapping[str, Mapping[str, object]]) -> None:
        self._pairs = [
            (
                module,
                name,
                _Pair(getattr(importlib.import_module(module), name), new, module == "time"),
            )
            for module, names in functions.items()
            for name, new in names.items()
        ]

    def put_in(self) -> None:
        """Let the routes stand for the real functions."""
        self._walk({pair.old: pair for _, _, pair in self._pairs})
        for module, name, pair in self._pairs:
            setattr(sys.modules[module], name, pair.new)
        self._mark_support(adding=True)

    def take_out(self) -> None:
        """Let the real functions be in their places again."""
        self._mark_support(adding=False)
        backwards = [(m, n, _Pair(p.new, p.old, p.is_time)) for m, n, p in self._pairs]
        for module, name, pair in backwards:
            setattr(sys.modules[module], name, pair.new)
        self._walk({pair.old: pair for _, _, pair in backwards})

    def _walk(self, pairs: Mapping[object, _Pair]) -> None:
        """Change every name in every module that stands for one of the functions."""
        for module_name, module in list(sys.modules.items()):
            if not isinstance(module, ModuleType) or module_name.startswith(_OURS):
                continue
            is_waiting = module_name.partition(".")[0] in WAITING_MODULES
            for space, name, value in _names_of(module):
                pair = pairs.get(value)
                if pair is not None and not (pair.is_time and is_waiting):
                    _set(space, name, pair)

        def new_of(module_name: str, held: object) -> object | None:
            if not isinstance(held, (BuiltinFunctionType, FunctionType, type)):
                return None
            pair = pairs.get(held)
            is_waiting = module_name.partition(".")[0] in WAITING_MODULES
            return None if pair is None or (pair.is_time and is_waiting) else pair.new

        exchange_held(new_of, but_of=_OURS)

    def _mark_support(self, *, adding: bool) -> None:
        """Let `os.supports_dir_fd` and its like know the routes as they know the real ones."""
        os = sys.modules["os"]
        for each in _SETS:
            known: set[object] = getattr(os, each)
            for module, _, pair in self._pairs:
                if module == "os" and pair.old in known:
                    (known.add if adding else known.discard)(pair.new)


def _names_of(module: ModuleType) -> Iterator[tuple[object, str, object]]:
    """Yield where each function that a module holds stands: the holder, the name, the function."""
    for name, value in list(vars(module).items()):
        if isinstance(value, BuiltinFunctionType):
            yield module, name, value
        elif isinstance(value, FunctionType):
            yield module, name, value
            if value.__defaults__ is not None or value.__kwdefaults__ is not None:
                yield from _defaults_of(value)
        elif isinstance(value, type):
            yield module, name, value
            if value.__module__ == module.__name__:
                yield from _members_of(value)


def _members_of(holder: type) -> Iterator[tuple[object, str, object]]:
    for name, value in list(vars(holder).items()):
        if isinstance(value, staticmethod):
            yield holder, name, value.__func__
        elif isinstance(value, (BuiltinFunctionType, type)):
            yield holder, name, value
        elif isinstance(value, FunctionType):
            yield from _defaults_of(value)


def _defaults_of(function: FunctionType) -> Iterator[tuple[object, str, object]]:
    for place, value in enumerate(function.__defaults__ or ()):
        if isinstance(value, (BuiltinFunctionType, FunctionType, type)):
            yield function, str(place), value
    for name, value in (function.__kwdefaults__ or {}).items():
        if isinstance(value, (BuiltinFunctionType, FunctionType, type)):
            yield function, name, value


def _set(space: object, name: str, pair: _Pair) -> None:
    """Change one name: in a module, a class, or among the default arguments of a function."""
    if isinstance(space, FunctionType):
        if name.isdigit():
            defaults: list[object] = list(space.__defaults__ or ())
            defaults[int(name)] = pair.new
            space.__defaults__ = tuple(defaults)
        elif space.__kwdefaults__ is not None:
            by_name: dict[str, object] = {**space.__kwdefaults__}
            by_name |= {name: pair.new}
            space.__kwdefaults__ = by_name
        return
    value = pair.new
    if isinstance(space, type):
        if isinstance(vars(space).get(name), staticmethod) or isinstance(value, FunctionType):
            value = staticmethod(value)  # type: ignore[arg-type]
        try:
            setattr(space, name, value)
        except TypeError:  # a class of the interpreter: it holds no route
            return
        return
    setattr(space, name, value)
