"""Pauses before each statement of the code under test, so that races between two lines are met.

The functions of the chosen modules get other code for as long as a block lasts: their own source,
compiled with a call of the pause before each statement, and between the two halves of each ``+=``.
Line numbers and names stay as they are. Generators, coroutines and nested functions are functions
like others.

Statements that change what tasks may share can be told apart: those that store in an attribute or
an item, or call a method such as ``append`` of one. Races of memory begin and end at these, and a
schedule that pauses only there, and right behind, has few places to choose from.

Left out: statements of functions whose assertions pytest has written anew; what happens inside one
statement, but for ``+=`` and its like; code without source.
"""

from __future__ import annotations

import ast
import gc
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType, TracebackType
from typing import Final, Self, TypeAlias, TypeVar

__all__ = ["StatementPauses", "modules_below"]

_PAUSE: Final = "__wavetank_pause__"
_PAUSED: Final = "__wavetank_paused__"
_PAUSE_AT_STORE: Final = "__wavetank_pause_at_store__"
_CHANGES: Final = frozenset(
    {"add", "append", "clear", "discard", "extend", "insert", "pop", "popleft", "remove", "update"}
)
"""Methods that change what they are called on."""
_REWRITTEN: Final = "@py_"
"""How the variables begin that pytest adds to a function with assertions."""
_Value = TypeVar("_Value")


def modules_below(*packages: str) -> tuple[ModuleType, ...]:
    """Return the imported modules of packages, by name.

    Args:
        packages: names, such as "wavetank.engine".
    """
    return tuple(
        module
        for name, module in sorted(sys.modules.items())
        if any(name == package or name.startswith(f"{package}.") for package in packages)
        and getattr(module, "__file__", None)
    )


class StatementPauses:
    """Modules whose functions pause before each statement, while a ``with`` block lasts.

    Args:
        modules: whose source is read and compiled.

    Raises:
        OSError: on entering; a module has no source.
    """

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self._modules = tuple(modules)
        self._changed: list[tuple[FunctionType, CodeType]] = []

    def __enter__(self) -> Self:
        codes = _codes(self._modules)
        self.call(_do_nothing)
        for function in _functions({module.__file__ for module in self._modules}):
            code = _with_paused(function.__code__, codes)
            if code is not function.__code__:
                self._changed.append((function, function.__code__))
                function.__code__ = code
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for function, code in self._changed:
            function.__code__ = code
        self._changed.clear()
        for module in self._modules:
            for name in (_PAUSE, _PAUSED, _PAUSE_AT_STORE):
                vars(module).pop(name, None)

    def call(self, pause: Callable[[], None], *, at_stores: bool = False) -> None:
        """Let the functions call `pause` from now on, in whatever task they run.

        Args:
            pause: called before each statement.
            at_stores: only before those that change what tasks may share, and those behind them.
        """
        elsewhere = _do_nothing if at_stores else pause

        def paused(value: _Value) -> _Value:
            pause()
            return value

        for module in self._modules:
            vars(module).update({_PAUSE: elsewhere, _PAUSED: paused, _PAUSE_AT_STORE: pause})


def _do_nothing() -> None:
    """Be called where nobody schedules."""


def _functions(files: set[str | None]) -> list[FunctionType]:
    return [
        each
        for each in gc.get_objects()
        if isinstance(each, FunctionType) and each.__code__.co_filename in files
    ]


_Key: TypeAlias = tuple[str, str, int]


def _key(code: CodeType) -> _Key:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes(modules: Iterable[ModuleType]) -> dict[_Key, CodeType]:
    """Return the code with pauses of every function of modules."""
    found: dict[_Key, CodeType] = {}
    for module in modules:
        assert module.__file__ is not None, "modules with a file were asked for"
        path = Path(module.__file__)
        found.update((_key(code), code) for code in _codes_of(str(path), path.read_bytes()))
    return found


@cache  # of the source itself: a run enters once for each scenario
def _codes_of(path: str, source: bytes) -> tuple[CodeType, ...]:
    tree = ast.parse(source, path)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = _with_pauses(node.body, is_function=True)
    top = compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)
    # Expressions have no statements; and two of them on one line could not be told apart.
    return tuple(code for code in _nested(top) if not code.co_name.startswith("<"))


def _pause_at(statement: ast.stmt, name: str) -> ast.stmt:
    """Return a call of a pause by its name, at the line of a statement."""
    call = ast.Expr(ast.Call(ast.Name(name, ast.Load()), [], []))
    return ast.copy_location(call, statement)


def _with_paused(code: CodeType, codes: Mapping[_Key, CodeType]) -> CodeType:
    """Return a function's code with pauses; the same if there is none that fits.

    Where pytest has written assertions anew, only the functions inside are paused: the assertions
    tell more than what could be compiled from the source.
    """
    paused = codes.get(_key(code), code)
    if paused.co_freevars != code.co_freevars:
        return code
    if not any(name.startswith(_REWRITTEN) for name in code.co_varnames):
        return paused
    constants = [
        _with_paused(each, codes) if isinstance(each, CodeType) else each for each in code.co_consts
    ]
    return code.replace(co_consts=tuple(constants))


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _with_pauses(body: list[ast.stmt], *, is_function: bool = False) -> list[ast.stmt]:
    """Return statements with a pause before each, also inside blocks, but not in definitions."""
    paused: list[ast.stmt] = []
    behind_store = False
    for place, statement in enumerate(body):
        is_docstring = (
            is_function
            and place == 0
            and isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
        )
        if not is_docstring and not isinstance(statement, (ast.Global, ast.Nonlocal)):
            stores = _stores(statement)
            paused.append(
                _pause_at(statement, _PAUSE_AT_STORE if stores or behind_store else _PAUSE)
            )
            behind_store = stores
        paused.append(_with_inner_pauses(statement))
    return paused


def _stores(statement: ast.stmt) -> bool:
    """Whether a statement itself, not a block of it, changes what tasks may share."""
    if not isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)):
        return False
    return any(
        isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store)
        for node in ast.walk(statement)
    ) or any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _CHANGES
        and isinstance(node.func.value, ast.Attribute)
        for node in ast.walk(statement)
    )


def _with_inner_pauses(statement: ast.stmt) -> ast.stmt:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return statement  # functions are visited by themselves
    if isinstance(statement, ast.AugAssign) and not isinstance(statement.target, ast.Name):
        # Its target is read before its value, and written after it.
        call = ast.Call(ast.Name(_PAUSED, ast.Load()), [statement.value], [])
        statement.value = ast.copy_location(call, statement.value)
    for block in ("body", "orelse", "finalbody"):
        inner = getattr(statement, block, None)
        if isinstance(inner, list):
            setattr(statement, block, _with_pauses(inner))
    for handler in getattr(statement, "handlers", ()):
        handler.body = _with_pauses(handler.body)
    for case in getattr(statement, "cases", ()):
        case.body = _with_pauses(case.body)
    return statement
