"""Whoever calls the engine finds arguments, errors and an example where they look for them.

A function or method tells of each argument (under Args, or in backticks, there or at its class);
tells what it raises if it raises anything; and is shown in an example that `test_examples.py` runs.
Protocols and errors need no example, since neither is called, and what a Protocol's methods raise
may stand at the Protocol.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from enum import Enum
from importlib import import_module
from types import FunctionType, ModuleType

import pytest
from attrs import frozen

import wavetank.engine
from wavetank.engine import File, FileStorage, FileSystem, OsFileSystem, Storage

EACH_METHOD_RAISES = {FileStorage: {"recovery_report"}, Storage: set[str]()}
"""Classes of which every method has errors of its own to tell, but for these."""

RAISES_AS_A_WHOLE = (File, FileSystem, OsFileSystem)
"""Classes whose methods all raise the same."""


@frozen
class Callee:
    """A function, or a method or property of a class."""

    name: str
    function: FunctionType
    owner: type | None
    is_property: bool = False

    @property
    def docs(self) -> str:
        return inspect.getdoc(self.function) or ""

    @property
    def all_docs(self) -> str:
        return f"{self.docs}\n{inspect.getdoc(self.owner) if self.owner else ''}"

    @property
    def module(self) -> ModuleType:
        return import_module(self.function.__module__)


def exported() -> Iterator[tuple[str, object]]:
    for name in wavetank.engine.__all__:
        yield name, getattr(wavetank.engine, name)


CLASSES = [value for _, value in exported() if inspect.isclass(value)]
CONCRETE = [
    each
    for each in CLASSES
    if not (issubclass(each, (Exception, Enum)) or getattr(each, "_is_protocol", False))
]


def callees() -> Iterator[Callee]:
    for name, value in exported():
        if isinstance(value, FunctionType):
            yield Callee(name, value, None)
    for owner in CLASSES:
        for name, value in vars(owner).items():
            function = value.fget if isinstance(value, property) else value
            function = function.__func__ if isinstance(function, classmethod) else function
            if isinstance(function, FunctionType) and not name.startswith("_"):
                full = f"{owner.__name__}.{name}"
                yield Callee(full, function, owner, isinstance(value, property))


CALLEES = list(callees())
each_callee = pytest.mark.parametrize("callee", CALLEES, ids=lambda callee: callee.name)


def tells_of(docs: str, argument: str) -> bool:
    return bool(re.search(rf"^ +{argument}: |`{argument}`", docs, re.MULTILINE))


def raises(function: Callable[..., object], owner: type | None, seen: set[object]) -> bool:
    """Whether a function raises, itself or through functions of its module or class."""
    if function in seen or not isinstance(function, FunctionType):
        return False
    seen.add(function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            return True
        if not isinstance(node, ast.Call):
            continue
        called: object = None
        if isinstance(node.func, ast.Name):
            called = vars(import_module(function.__module__)).get(node.func.id)
        elif owner and ast.unparse(node.func).startswith("self."):
            called = vars(owner).get(ast.unparse(node.func).removeprefix("self."))
        if isinstance(called, FunctionType) and raises(called, owner, seen):
            return True
    return False


def test_there_is_something_to_look_at() -> None:
    names = {callee.name for callee in CALLEES}
    assert {"FileStorage.append_log_entries", "verify_directory", "File.pread"} <= names
    assert FileStorage in CONCRETE
    assert Storage not in CONCRETE
    assert raises(wavetank.engine.verify_directory, None, set())
    assert raises(OsFileSystem.open, OsFileSystem, set())
    assert not raises(OsFileSystem.mkdir, OsFileSystem, set())


@each_callee
def test_each_argument_is_told_of(callee: Callee) -> None:
    arguments = [name for name in inspect.signature(callee.function).parameters if name != "self"]
    assert callee.docs
    assert [name for name in arguments if not tells_of(callee.all_docs, name)] == []


@pytest.mark.parametrize("owner", CLASSES, ids=lambda owner: owner.__name__)
def test_each_argument_of_a_constructor_is_told_of(owner: type) -> None:
    if owner not in CONCRETE and not (issubclass(owner, Exception) and "__init__" in vars(owner)):
        return
    arguments = [name for name in inspect.signature(owner).parameters if name != "place"]
    docs = inspect.getdoc(owner) or ""
    assert [name for name in arguments if not tells_of(docs, name)] == []


@each_callee
def test_what_raises_says_what(callee: Callee) -> None:
    exempt = EACH_METHOD_RAISES.get(callee.owner) if callee.owner else None
    short = callee.name.rpartition(".")[2]
    always = exempt is not None and short not in exempt
    if always or raises(callee.function, callee.owner, set()):
        assert "Raises:" in callee.docs


@pytest.mark.parametrize("owner", RAISES_AS_A_WHOLE, ids=lambda owner: owner.__name__)
def test_what_all_methods_raise_stands_at_the_class(owner: type) -> None:
    assert "Raises:\n    OSError: each method" in (inspect.getdoc(owner) or "")


@each_callee
def test_what_can_be_called_is_shown_in_an_example(callee: Callee) -> None:
    if callee.owner is not None and callee.owner not in CONCRETE:
        return
    shown = "\n".join(re.findall(r"^(?:>>>|\.\.\.) .*$", callee.all_docs, re.MULTILINE))
    name = callee.name.rpartition(".")[2]
    wanted = rf"\.{name}\b" if callee.is_property else rf"\b{name}\("
    assert re.search(wanted, shown)


@pytest.mark.parametrize("owner", CONCRETE, ids=lambda owner: owner.__name__)
def test_each_class_is_shown_in_an_example(owner: type) -> None:
    assert ">>>" in (inspect.getdoc(owner) or "")
