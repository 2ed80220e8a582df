"""The user's own functions: their types, their code, and the lines that an error came through."""

from __future__ import annotations

import inspect
import linecache
import sys
import traceback
from collections.abc import Callable
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from wavetank.sim.python_files import SimulatedDirectory

__all__ = [
    "Acknowledge",
    "Check",
    "Isolation",
    "Observe",
    "RecorderName",
    "Workload",
    "code_of",
    "is_raised_in",
    "is_told_by_pytest",
    "user_modules",
    "user_place",
    "user_traceback",
]

Acknowledge: TypeAlias = Callable[[object], None]
Workload: TypeAlias = "Callable[[SimulatedDirectory, Acknowledge], object]"
Check: TypeAlias = "Callable[[SimulatedDirectory, list[object]], object]"
Observe: TypeAlias = "Callable[[SimulatedDirectory], object]"
Isolation: TypeAlias = Literal["fork", "none"]
RecorderName: TypeAlias = Literal["strace", "fuse"]


def _frames(error: BaseException) -> list[TracebackType]:
    """Return the traceback's entries from the user's code on."""
    entries: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        if entries or not entry.tb_frame.f_globals.get("__name__", "").startswith("wavetank."):
            entries.append(entry)
        entry = entry.tb_next
    return entries


def user_traceback(error: BaseException, name: str) -> str:
    """Return an error's traceback, without our own lines above the user's.

    Args:
        error: what was raised.
        name: the function that was called, "check" or "workload".
    """
    entries = _frames(error)
    # Nothing of it has run: its parameters are not those that it is called with.
    called = "" if entries else f"\nit is called as {_CALLED[name]}"
    lines = traceback.format_exception(type(error), error, entries[0] if entries else None)
    return "".join(lines).rstrip() + called


_CALLED: Final = {
    "check": "check(directory, acked)",
    "observe": "observe(directory)",
    "workload": "workload(directory, ack)",
}


def is_raised_in(error: BaseException, function: object) -> bool:
    """Whether the innermost line of an error is one of a function's own."""
    entries = _frames(error)
    return bool(entries) and entries[-1].tb_frame.f_code in _codes(function)


def user_modules(function: object) -> tuple[ModuleType, ...]:
    """Return the module of a function, and those of the names in it, but for installed packages."""
    own = sys.modules.get(getattr(function, "__module__", ""))
    if own is None:
        return ()
    names = {own.__name__: None}
    for value in list(vars(own).values()):
        name = value.__name__ if isinstance(value, ModuleType) else _module_of(value)
        names[name] = None
    modules = [sys.modules.get(name) for name in names]
    return tuple(each for each in modules if each is not None and _is_own(each))


def _module_of(value: object) -> str:
    name = getattr(value, "__module__", None)
    return name if isinstance(name, str) else ""


def _is_own(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None) or ""
    installed = "site-packages" in file or module.__name__.startswith("wavetank.")
    return file.endswith(".py") and not installed and not _is_library(file)


def is_told_by_pytest(error: BaseException) -> bool:
    """Whether an error is that of `pytest.fail`."""
    pytest = sys.modules.get("pytest")
    return pytest is not None and isinstance(error, pytest.fail.Exception)


def code_of(function: object) -> CodeType | None:
    """Return the code that runs when something is called; None if it is not written in Python."""
    if callable(function):
        function = inspect.unwrap(function)
    while isinstance(function, partial):
        function = function.func
    if isinstance(function, MethodType):
        function = function.__func__
    if not isinstance(function, FunctionType):
        function = getattr(type(function), "__call__", None)  # noqa: B004 - its code is wanted
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _codes(function: object) -> list[CodeType]:
    """Return the code of a function and of the functions that stand inside it."""
    code = code_of(function)
    found = [] if code is None else [code]
    for each in found:
        found += [inner for inner in each.co_consts if isinstance(inner, CodeType)]
    return found


def user_place(error: BaseException) -> tuple[str, str]:
    """Return the innermost line that does not belong to Python's own library, and its source."""
    for entry in reversed(_frames(error)):
        code = entry.tb_frame.f_code
        hidden = entry.tb_frame.f_locals.get("__tracebackhide__")
        ours = entry.tb_frame.f_globals.get("__name__", "").startswith("wavetank.sim.")
        if not hidden and not ours and not _is_library(code.co_filename):
            place = f"{code.co_filename.rpartition('/')[2]}:{entry.tb_lineno} in {code.co_name}"
            return place, linecache.getline(code.co_filename, entry.tb_lineno).strip()
    return "", ""


def _is_library(file: str) -> bool:
    library = inspect.__file__.rpartition("/")[0]
    return file.startswith("<frozen") or (file.startswith(library) and "site-packages" not in file)
