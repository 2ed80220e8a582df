"""Functions that were kept before the simulation began are routed, wherever they are kept."""

import errno
import functools
import os
import pathlib
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from types import MappingProxyType, MethodType
from typing import NamedTuple

import pytest
from attrs import define, field, frozen

from wavetank.sim import SimDisk
from wavetank.sim.python_files import PythonFiles, UnroutedCallError

Move = Callable[..., object]


class Named(NamedTuple):
    move: Move


@frozen
class Frozen:
    move: Move


@define(slots=False)
class Plain:
    move: Move = field(default=os.replace)


class Bare:
    def __init__(self, move: Move = os.replace) -> None:
        self.move = move


class OfClass:
    move: Move = os.replace
    moves = (os.replace,)
    fixed = staticmethod(os.replace)
    lazy = functools.partial(os.replace)

    @classmethod
    def by_default(cls, source: str, target: str, *, move: Move = os.replace) -> None:
        move(source, target)


class Row(list[Move]):
    """A list of somebody's own."""


def closed(move: Move) -> Move:
    def call(source: str, target: str) -> None:
        move(source, target)

    return call


def by_default(source: str, target: str, move: Move = os.replace) -> None:
    move(source, target)


def by_name(source: str, target: str, *, move: Move = os.replace) -> None:
    move(source, target)


DICT, LIST, ROW, TUPLE = {"move": os.replace}, [os.replace], Row([os.replace]), (os.replace,)
NESTED: dict[str, list[tuple[int, tuple[Move, str]]]] = {"a": [(1, (os.replace, "x"))]}
DEQUE, SET, FROZEN_SET = deque([os.replace]), {os.replace}, frozenset({os.replace})
KEYS: dict[Move, str] = {os.replace: "move", os.fsync: "sync"}
PROXY = MappingProxyType({"move": os.replace})
FACTORY: defaultdict[str, str] = defaultdict(os.getcwd)
INSTANCE, SLOTTED, OPEN, NAMED = Bare(), Frozen(os.replace), Plain(), Named(os.replace)
PARTIAL, INNER = functools.partial(os.replace), functools.partial(by_name, move=os.replace)
BOUND = MethodType(os.stat, "/")
CACHED = functools.lru_cache(os.replace)
CLOSED, TWICE = closed(os.replace), closed(closed(os.replace))

KEPT: dict[str, Callable[[], Move]] = {
    "dict": lambda: DICT["move"],
    "list": lambda: LIST[0],
    "list of its own": lambda: ROW[0],
    "tuple": lambda: TUPLE[0],
    "nested": lambda: NESTED["a"][0][1][0],
    "deque": lambda: DEQUE[0],
    "set": lambda: next(iter(SET)),
    "frozenset": lambda: next(iter(FROZEN_SET)),
    "key": lambda: next(iter(KEYS)),
    "mapping proxy": lambda: PROXY["move"],
    "instance": lambda: INSTANCE.move,
    "slot": lambda: SLOTTED.move,
    "attrs": lambda: OPEN.move,
    "named tuple": lambda: NAMED.move,
    "class": lambda: OfClass.move,
    "class, by instance": lambda: OfClass().move,
    "class, tuple": lambda: OfClass.moves[0],
    "static method": lambda: OfClass().fixed,
    "class, partial": lambda: OfClass.lazy,
    "class method, default": lambda: OfClass.by_default,
    "partial": lambda: PARTIAL,
    "partial, argument": lambda: INNER,
    "lru_cache": lambda: CACHED,
    "closure": lambda: CLOSED,
    "closure in a closure": lambda: TWICE,
    "default": lambda: by_default,
    "keyword default": lambda: by_name,
}


def test_what_is_kept_is_routed() -> None:
    moved: dict[str, object] = {}
    with PythonFiles() as files:
        for where, kept in KEPT.items():
            disk = SimDisk(files.empty_image())
            with files.process(disk):
                pathlib.Path(files.directory, "f").touch()
                kept()(f"{files.directory}/f", f"{files.directory}/g")
                moved[where] = (os.listdir(files.directory), len(disk.log))
    assert moved == dict.fromkeys(KEPT, (["g"], 3))


@pytest.mark.slow
def test_keys_keep_their_order_and_are_found() -> None:
    with PythonFiles() as files, files.process(SimDisk(files.empty_image())):
        assert list(KEYS.items()) == [(os.replace, "move"), (os.fsync, "sync")]
        assert os.replace in SET
        assert os.open in os.supports_dir_fd
        os.chdir(files.directory)
        assert FACTORY["x"] == files.directory
        assert BOUND().st_ino == 1


def test_all_is_put_back_as_it_was() -> None:
    before: list[object] = [
        TUPLE,
        FROZEN_SET,
        NAMED,
        NESTED["a"][0],
        vars(OfClass)["fixed"],
        CACHED,
    ]
    members = dict(vars(OfClass))
    names = set(os.supports_dir_fd)
    real = os.replace
    with PythonFiles() as files, files.process(SimDisk(files.empty_image())):
        os.mkdir(f"{files.directory}/d")
    after = [TUPLE, FROZEN_SET, NAMED, NESTED["a"][0], vars(OfClass)["fixed"], CACHED]
    assert all(one is other for one, other in zip(before, after, strict=True))
    assert all(members[name] is value for name, value in vars(OfClass).items())
    held = [DICT["move"], LIST[0], DEQUE[0], INSTANCE.move, SLOTTED.move, PARTIAL.func]
    assert all(each is real for each in held)
    assert set(os.supports_dir_fd) == names
    assert {real} == SET
    assert by_default.__defaults__ == (real,)


@pytest.mark.slow
def test_what_is_kept_meanwhile_is_put_back() -> None:
    kept: list[object] = []
    with PythonFiles() as files, files.process(SimDisk(files.empty_image())):
        kept += [os.replace, (os.replace,), Bare(os.fsync), time.sleep]
    bare = kept[2]
    assert isinstance(bare, Bare)
    assert kept[:2] == [os.replace, (os.replace,)]
    assert bare.move is os.fsync
    assert kept[3] is time.sleep


WAITING = map(os.fsync, iter(range(1 << 30, (1 << 30) + 1)))
OPENING = {"jobs": map(open, ["/simulated/f"])}


@pytest.mark.slow
def test_what_cannot_be_replaced_is_named_when_it_is_called() -> None:
    with PythonFiles() as files:
        disk = SimDisk(files.empty_image())
        with files.process(disk):
            os.open(f"{files.directory}/f", os.O_CREAT)
        with (
            pytest.raises(UnroutedCallError, match=r"the map \S*test_replacing\.WAITING"),
            files.process(disk),
        ):
            next(WAITING)  # os.fsync of a descriptor that the machine does not know
        assert files.refusal is not None
        with (
            pytest.raises(UnroutedCallError, match=r"the map in \S*test_replacing\.OPENING"),
            files.process(disk),
        ):
            next(OPENING["jobs"])


@pytest.mark.slow
def test_a_local_variable_is_told_by_its_error() -> None:
    def sync(call: Callable[[int], None], descriptor: int) -> None:
        call(descriptor)

    unfound = os.fsync
    with (
        PythonFiles() as files,
        pytest.raises(UnroutedCallError, match=r"test_replacing.py:\d+: .* got past them"),
        files.process(SimDisk(files.empty_image())),
    ):
        sync(unfound, os.open(f"{files.directory}/f", os.O_CREAT))


@pytest.mark.slow
def test_an_error_of_the_code_itself_stays_one() -> None:
    with PythonFiles() as files:
        closed = socket.socket()
        closed.close()
        with (
            pytest.raises(OSError, match="Bad file descriptor"),
            files.process(SimDisk(files.empty_image())),
        ):
            closed.getsockname()
        with (
            pytest.raises(OSError, match="Bad file descriptor"),
            files.process(SimDisk(files.empty_image())),
        ):
            os.fsync(1 << 30)
        with (
            pytest.raises(FileNotFoundError, match="/simulated/f"),
            files.process(SimDisk(files.empty_image())),
        ):
            os.stat("/simulated/f")
        with (
            pytest.raises(FileNotFoundError, match="/simulated/f"),
            files.process(SimDisk(files.empty_image())),
        ):
            raise FileNotFoundError(errno.ENOENT, "by hand", "/simulated/f")
        assert files.refusal is None


LOCK = threading.Lock()
CONDITION = threading.Condition()


@pytest.mark.slow
def test_locks_are_put_back() -> None:
    native = LOCK
    with PythonFiles():
        assert LOCK is not native
        with LOCK:
            assert native.locked()
    assert LOCK is native
    with CONDITION:
        assert CONDITION.wait(0.001) is False
