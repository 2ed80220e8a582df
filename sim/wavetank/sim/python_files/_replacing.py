"""The routes put in the place of the real functions, wherever this process holds them.

The garbage collector knows who holds a function: a module, a class, an attribute, a list, a default
argument, a closure. What cannot be changed itself (a tuple, a static method) is made anew, and the
new one takes its place in turn. Functions are found by identity, so that one that merely has the
same name stays. What somebody takes while the routes are in place is found in the same way when
they are taken out. Left out: local variables of functions that run, and what C code and iterators
hold; `Replacing.keepers_of` says where those are.
"""

from __future__ import annotations

import functools
import gc
import importlib
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import (
    BuiltinFunctionType,
    CellType,
    ClassMethodDescriptorType,
    FrameType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Final, TypeVar, cast

from wavetank.sim.python_files.threads.routed_locks import (
    NATIVE_LOCKS,
    RoutedLock,
    RoutedRLock,
)

__all__ = ["Replacing"]

_Change = Callable[[object, "_Swap"], bool]
_LRU: Final = type(functools.lru_cache(len))
_NOBODYS: Final = (
    *(type, ModuleType, BuiltinFunctionType, MethodDescriptorType, ClassMethodDescriptorType),
    *(WrapperDescriptorType, GetSetDescriptorType, MemberDescriptorType, TypeVar, FrameType),
)
"""What holds a function or a class by its nature: its own type, its own methods."""
_MOST_LEVELS: Final = 6
_MOST_HOLDERS: Final = 64
_TOOLS: Final = frozenset({"_pytest", "execnet", "hypothesis", "pluggy", "xdist"})
_OURS: Final = ("wavetank.sim.python_files", "wavetank.sim.scheduling")
_LOCKS: Final = (*NATIVE_LOCKS, RoutedLock, RoutedRLock)


class Replacing:
    """Replaces functions everywhere, and puts them back.

    To be made before any route is, as routes hold the functions that they stand for.

    Args:
        names: the functions that are to be replaced, by module.
        own_locks: locks that stay as they are.

    Attributes:
        natives: the locks that there are by now.
    """

    def __init__(
        self, names: Mapping[str, Iterable[str]], own_locks: Sequence[object] = ()
    ) -> None:
        self._real = {
            (module, name): getattr(importlib.import_module(module), name)
            for module, each in names.items()
            for name in each
        }
        objects = gc.get_objects()
        spared = {*own_locks, *_locks_of_tools(objects)}
        natives: list[object] = [
            each for each in objects if type(each) in NATIVE_LOCKS and each not in spared
        ]
        del objects
        self.natives: Final = natives
        self._holders = gc.get_referrers(*self._real.values(), *natives)
        self._spared: list[object] = [self._real, natives]
        self._swap = _Swap({})
        self._locks: Mapping[object, object] = {}
        self._stuck: list[object] = []
        self._places: list[str] | None = None

    def put_in(
        self, functions: Mapping[str, Mapping[str, object]], locks: Mapping[object, object]
    ) -> None:
        """Let others stand for the real functions, and for the locks that are there.

        Args:
            functions: by module and name.
            locks: what is to stand for each of `natives`.
        """
        self._spared += [functions, *functions.values(), locks, *locks.values()]
        self._spared += [vars(each) for each in locks.values()]
        self._locks = locks
        routes = {real: functions[at][name] for (at, name), real in self._real.items()}
        swap = _Swap({**routes, **locks})
        self._stuck = _exchange(swap, self._holders, self._is_spared)
        self._places = None
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
        backwards |= {new: old for old, new in self._locks.items()}
        swap = _Swap(backwards, reversed(before.news), reversed(before.olds))
        _exchange(swap, swap.holders(), self._is_spared)

    def keepers_of(self, name: str) -> list[str]:
        """Return where functions of this name are kept and could not be replaced; "" for any."""
        if self._places is None:
            # Each search walks through all objects of the process, so that it is made once.
            self._places = [_place_of(each) for each in self._stuck]
        real = [each for (_, known), each in self._real.items() if name in ("", known)]
        return [
            place
            for holder, place in zip(self._stuck, self._places, strict=True)
            if any(held is each for held in gc.get_referents(holder) for each in real)
        ]

    def is_real(self, function: object) -> bool:
        """Whether it is one of the real functions that have a route."""
        return any(function is each for each in self._real.values())

    def _is_spared(self, holder: object) -> bool:
        if any(holder is each for each in self._spared):
            return True
        return (
            type(holder) is dict
            and "__spec__" in holder
            and str(holder.get("__name__", "")).startswith(_OURS)
        )


def _locks_of_tools(objects: Iterable[object]) -> Iterator[object]:
    """Yield the locks that objects of test tools hold: no task of the code under test takes them.

    A process with many strategies of hypothesis has thousands.
    """
    for each in objects:
        module = getattr(type(each), "__module__", None)
        if type(module) is str and module.partition(".")[0] in _TOOLS:
            for held in gc.get_referents(each):
                inner = held.values() if type(held) is dict else (held,)
                yield from (lock for lock in inner if type(lock) in NATIVE_LOCKS)


class _Swap:
    """What is to stand for what, by identity.

    Args:
        functions: functions and classes, and what is to stand for each.
        olds: holders that were made anew.
        news: what is to stand for each of these.

    Attributes:
        olds: the same, with all holders that have been made anew since.
        news: likewise. Two lists, as a pair would be one more holder.
    """

    __slots__ = ("_functions", "news", "olds")

    def __init__(
        self,
        functions: Mapping[object, object],
        olds: Iterable[object] = (),
        news: Iterable[object] = (),
    ) -> None:
        self._functions = functions
        self.olds = list(olds)
        self.news = list(news)

    def remake(self, old: object, new: object) -> None:
        """Let a holder that was made anew stand for the one before."""
        self.olds.append(old)
        self.news.append(new)

    def holders(self) -> list[object]:
        """Return all that hold something that is to be replaced."""
        return gc.get_referrers(*self._functions, *self.olds)

    def new_for(self, held: object) -> object | None:
        """Return what is to stand for an object; None to leave it."""
        new = self._once(held)
        while new is not None and (newer := self._once(new)) is not None:
            new = newer
        return new

    def knows(self, holder: object) -> bool:
        """Whether a holder is this swap's own, or replaced itself."""
        own = (self._functions, self.olds, self.news)
        return any(each is holder for each in (*own, *self.olds))

    def _once(self, held: object) -> object | None:
        kind = type(held)
        if kind is BuiltinFunctionType and type(held.__self__) in NATIVE_LOCKS:  # type: ignore[attr-defined]
            return self._remade(held)
        if kind in (BuiltinFunctionType, FunctionType, *_LOCKS) or (
            issubclass(kind, type) and kind.__hash__ is type.__hash__
        ):
            return self._functions.get(held)
        if kind in _REMAKERS or issubclass(kind, tuple):
            return self._remade(held)
        return None

    def _remade(self, held: object) -> object | None:
        pairs = zip(self.olds, self.news, strict=True)
        return next((new for old, new in pairs if old is held), None)


def _exchange(
    swap: _Swap, holders: list[object], is_spared: Callable[[object], bool]
) -> list[object]:
    """Put objects in the place of others in all that holds them.

    Args:
        swap: what is to stand for what; it learns of what is made anew.
        holders: all that hold one of the old, as `gc.get_referrers` gives them.
        is_spared: whether a holder stays as it is.

    Returns:
        Holders that could not be changed.
    """
    stuck: list[object] = []
    spaces: list[dict[object, object]] = []
    while holders:
        known = len(swap.olds)
        for holder in holders:
            if swap.knows(holder) or is_spared(holder):
                continue
            if _is_class_space(holder):
                spaces.append(cast("dict[object, object]", holder))
            elif not _changer_of(type(holder))(holder, swap):
                stuck.append(holder)
        if len(swap.olds) == known:
            # Asked who holds nothing, the collector would still walk through all objects.
            break
        holders = gc.get_referrers(*swap.olds[known:])
    _change_classes(spaces, swap)
    return [
        each
        for each in stuck
        if each is not holders and not swap.knows(each) and _holds_more_than_its_type(each, swap)
    ]


def _holds_more_than_its_type(holder: object, swap: _Swap) -> bool:
    """Tell what keeps a function from a mere instance of a class that is replaced, as of a lock."""
    kind = type(holder)
    return any(
        held is not kind and swap.new_for(held) is not None for held in gc.get_referents(holder)
    )


def _place_of(holder: object) -> str:
    """Return what a holder is and the global name that leads to it, as far as there is one.

    >>> _place_of(_NOBODYS)
    'the tuple wavetank.sim.python_files._replacing._NOBODYS'
    """
    told = f"the {type(holder).__name__}"
    level: list[object] = [holder]
    for depth in range(_MOST_LEVELS):
        above = [each for each in gc.get_referrers(*level) if each is not level]
        for each in above:
            name = _global_name(each, level)
            if name:
                return f"{told} {name}" if not depth else f"{told} in {name}"
        level = [each for each in above if not isinstance(each, FrameType)][:_MOST_HOLDERS]
    return told


def _global_name(space: object, held: list[object]) -> str:
    if type(space) is not dict:
        return ""
    names = cast("dict[object, object]", space)
    module = names.get("__name__")
    if not isinstance(module, str):
        return ""
    if getattr(sys.modules.get(module), "__dict__", None) is not space:
        return ""
    for name, value in list(names.items()):
        if any(value is each for each in held):
            return f"{module}.{name}"
    return ""


# Holders that can be changed, by their type


def _change_dict(holder: object, swap: _Swap) -> bool:
    space = cast("dict[object, object]", holder)
    found: list[tuple[object, object]] = list(dict.items(space))
    changed = False
    for key, value in found:
        new = swap.new_for(value)
        if new is not None:
            dict.__setitem__(space, key, new)
            changed = True
    if any(swap.new_for(key) is not None for key, _ in found):
        items = [(swap.new_for(key) or key, value) for key, value in dict.items(space)]
        dict.clear(space)
        dict.update(space, items)
        return True
    return changed


def _change_row(holder: object, swap: _Swap) -> bool:
    row = cast("list[object]", holder)
    changed = False
    for place, value in enumerate(list(row)):
        new = swap.new_for(value)
        if new is not None:
            row[place] = new
            changed = True
    return changed


def _change_set(holder: object, swap: _Swap) -> bool:
    group = cast("set[object]", holder)
    pairs = [(each, new) for each in group if (new := swap.new_for(each)) is not None]
    group.difference_update([old for old, _ in pairs])
    group.update([new for _, new in pairs])
    return bool(pairs)


def _change_cell(holder: object, swap: _Swap) -> bool:
    cell = cast("CellType", holder)
    new = swap.new_for(cell.cell_contents)
    if new is not None:
        cell.cell_contents = new
    return new is not None


def _change_partial(holder: object, swap: _Swap) -> bool:
    each = cast("functools.partial[object]", holder)
    func, args = swap.new_for(each.func), swap.new_for(each.args)
    if func is None and args is None:
        return _change_attributes(holder, swap)
    state = (func or each.func, args or each.args, each.keywords, vars(each))
    each.__setstate__(state)  # type: ignore[attr-defined]
    return True


def _change_function(holder: object, swap: _Swap) -> bool:
    function = cast("FunctionType", holder)
    new = swap.new_for(function.__defaults__)
    if new is not None:
        function.__defaults__ = cast("tuple[object, ...]", new)
    return True


def _change_attributes(holder: object, swap: _Swap) -> bool:
    """Change the attributes of an object, in its dictionary and in its slots."""
    changed = False
    with suppress(AttributeError, TypeError):
        changed = _change_dict(object.__getattribute__(holder, "__dict__"), swap)
    for base in type(holder).__mro__:
        for member in list(vars(base).values()):
            if type(member) is MemberDescriptorType:
                with suppress(AttributeError, TypeError):
                    new = swap.new_for(member.__get__(holder))
                    if new is not None:
                        member.__set__(holder, new)
                        changed = True
    return changed


def _change_builtin(holder: object, swap: _Swap) -> bool:
    """Make a method of a lock anew, as of the lock that stands for it; leave all others."""
    method = cast("BuiltinFunctionType", holder)
    lock = swap.new_for(method.__self__) if type(method.__self__) in NATIVE_LOCKS else None
    if lock is not None:
        swap.remake(method, getattr(lock, method.__name__))
    return True


def _leave(holder: object, swap: _Swap) -> bool:
    del holder, swap
    return True


_CHANGERS: Final[Mapping[type, _Change]] = {
    dict: _change_dict,
    list: _change_row,
    deque: _change_row,
    set: _change_set,
    CellType: _change_cell,
    functools.partial: _change_partial,
    FunctionType: _change_function,
    **dict.fromkeys(_NOBODYS, _leave),
    BuiltinFunctionType: _change_builtin,
}


def _changer_of(kind: type) -> _Change:
    if kind in _REMAKERS or issubclass(kind, tuple):
        return _remake
    for base in kind.__mro__:
        if base in _CHANGERS:
            return _CHANGERS[base] if base is kind else _and_attributes(_CHANGERS[base])
    return _change_attributes


def _and_attributes(change: _Change) -> _Change:
    def call(holder: object, swap: _Swap) -> bool:
        changed = change(holder, swap)
        return _change_attributes(holder, swap) or changed

    return call


# Holders that are made anew


def _remake(holder: object, swap: _Swap) -> bool:
    if issubclass(type(holder), tuple):
        row = cast("tuple[object, ...]", holder)
        if _is_of_class(row):
            return True
        with suppress(TypeError):
            swap.remake(row, tuple.__new__(type(row), _renewed(row, swap)))
            return True
        return False
    swap.remake(holder, _REMAKERS[type(holder)](holder, swap))
    return True


def _is_of_class(row: tuple[object, ...]) -> bool:
    """Whether it is the bases of a class, or all that it inherits from."""
    for each in row:
        if not isinstance(each, type):
            return False
    return any(
        each.__mro__ is row or any(below.__bases__ is row for below in _below(each))
        for each in row
        if isinstance(each, type)
    )


def _below(each: type) -> list[type]:
    return type.__subclasses__(each)


def _renewed(row: Iterable[object], swap: _Swap) -> list[object]:
    return [each if (new := swap.new_for(each)) is None else new for each in row]


def _remade_wrapper(holder: object, swap: _Swap) -> object:
    each = cast("staticmethod[..., object]", holder)
    return type(each)(cast("Callable[..., object]", _renewed([each.__func__], swap)[0]))


def _remade_property(holder: object, swap: _Swap) -> object:
    each = cast("property", holder)
    accessors = _renewed([each.fget, each.fset, each.fdel, each.__doc__], swap)
    return property(*accessors)  # type: ignore[arg-type]


def _remade_method(holder: object, swap: _Swap) -> object:
    each = cast("MethodType", holder)
    lock = swap.new_for(each.__self__)
    if type(lock) in NATIVE_LOCKS:
        return getattr(lock, each.__func__.__name__)
    function, bound = _renewed([each.__func__, each.__self__], swap)
    return MethodType(cast("Callable[..., object]", function), bound)


def _remade_cache(holder: object, swap: _Swap) -> object:
    """Return an empty cache: what the real function once said is no answer now."""
    each = cast("functools._lru_cache_wrapper[object]", holder)  # noqa: SLF001 - its only name
    (wrapped,) = _renewed([each.__wrapped__], swap)
    return functools.lru_cache(**each.cache_parameters())(cast("Callable[..., object]", wrapped))


_REMAKERS: Final[Mapping[type, Callable[[object, _Swap], object]]] = {
    tuple: lambda holder, swap: tuple(_renewed(cast("tuple[object, ...]", holder), swap)),
    frozenset: lambda holder, swap: frozenset(_renewed(cast("frozenset[object]", holder), swap)),
    staticmethod: _remade_wrapper,
    classmethod: _remade_wrapper,
    property: _remade_property,
    MethodType: _remade_method,
    _LRU: _remade_cache,
}


# Names of classes


def _is_class_space(holder: object) -> bool:
    return type(holder) is dict and "__module__" in holder and "__doc__" in holder


def _change_classes(spaces: list[dict[object, object]], swap: _Swap) -> None:
    """Change names of classes; what lies in their dictionaries is told to the interpreter."""
    owners = [each for each in gc.get_referrers(*spaces) if issubclass(type(each), type)]
    for space in spaces:
        owner = next((each for each in owners if _is_space_of(space, cast("type", each))), None)
        if owner is None:
            _change_dict(space, swap)
            continue
        for name, value in list(space.items()):
            new = swap.new_for(value)
            if new is None:
                continue
            if type(value) is BuiltinFunctionType and type(new) is FunctionType:
                # A function of Python would become a method where one of C does not.
                new = staticmethod(new)
                swap.remake(value, new)
            with suppress(TypeError):  # a class of the interpreter: it holds no route
                type.__setattr__(cast("type", owner), str(name), new)


def _is_space_of(space: dict[object, object], owner: type) -> bool:
    return any(each is space for each in gc.get_referents(owner))
