"""Planting a patch in the engine that is loaded: functions get the code that the patch gives them.

That saves a new process the second that all imports take. It works only for a patch that changes
nothing but the bodies of functions; any other is left to a new process.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final, TypeAlias

import wavetank.engine
from wavetank.scenarios.mutants.planted_patch import PlantedPatch, patched_sources

__all__ = ["plant"]

_Key: TypeAlias = tuple[str, str, int]

_PACKAGE: Final = Path(wavetank.engine.__file__).parent


def plant(patch: PlantedPatch) -> bool:
    """Change the engine of this process as a patch says, for good.

    Tools that read the source, such as the pauses at statements, still find the old one.

    Returns:
        Whether the patch was planted. If not, nothing was changed: it changes more than the bodies
        of functions.

    Raises:
        PatchError: the patch does not fit the engine; names file and hunk.
        ModuleNotFoundError: the package whatthepatch (extra ``zoo``) is not installed.
    """
    codes: dict[_Key, CodeType] = {}
    for name, content in patched_sources(patch).items():
        path = _PACKAGE / name
        old = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        new = compile(content, str(path), "exec", dont_inherit=True)
        changed = list(_changed(old, new))
        if None in changed:
            return False
        codes.update((_key(each[0]), each[1]) for each in changed if each is not None)
    functions = list(_functions(codes))
    if {_key(each.__code__) for each in functions} != set(codes):
        return False
    if any(each.__code__.co_freevars != _of(each, codes).co_freevars for each in functions):
        return False
    for each in functions:
        each.__code__ = _of(each, codes)
    return True


def _changed(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType] | None]:
    """Yield each changed function of a module or class; None if anything else is changed."""
    if not _is_same(old, new):
        yield None
        return
    for before, after in zip(_inner(old), _inner(new), strict=True):
        if before.co_qualname != after.co_qualname:
            yield None
        elif not before.co_flags & CO_OPTIMIZED:
            yield from _changed(before, after)
        elif not _is_equal(before, after):
            yield before, after


def _is_equal(old: CodeType, new: CodeType) -> bool:
    """Whether two functions do the same, wherever they stand in the file."""
    return _is_same(old, new) and all(map(_is_equal, _inner(old), _inner(new)))


def _is_same(old: CodeType, new: CodeType) -> bool:
    """Whether two pieces of code are equal but for the code inside."""
    return _own(old) == _own(new) and len(_inner(old)) == len(_inner(new))


def _own(code: CodeType) -> tuple[object, ...]:
    constants = [
        (type(each), repr(each)) for each in code.co_consts if not isinstance(each, CodeType)
    ]
    return (
        code.co_name,
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_flags,
        code.co_argcount,
        code.co_kwonlyargcount,
        code.co_posonlyargcount,
        code.co_exceptiontable,
        constants,
    )


def _inner(code: CodeType) -> list[CodeType]:
    return [each for each in code.co_consts if isinstance(each, CodeType)]


def _key(code: CodeType) -> _Key:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _of(function: FunctionType, codes: Mapping[_Key, CodeType]) -> CodeType:
    return codes[_key(function.__code__)]


def _functions(codes: Mapping[_Key, CodeType]) -> Iterator[FunctionType]:
    """Yield every function of the process that has one of these codes."""
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and _key(each.__code__) in codes:
            yield each
