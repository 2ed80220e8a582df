"""Every function of `os` belongs to one class, and no simulated descriptor reaches the machine."""

import contextlib
import functools
import os
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from wavetank.sim import SimDisk
from wavetank.sim.python_files import (
    COMPOSED,
    HARMLESS,
    MACHINE_DESCRIPTORS,
    REFUSED,
    ROUTED,
    PythonFiles,
    PythonFilesError,
    UnroutedCallError,
)

CLASSES = (ROUTED, COMPOSED, MACHINE_DESCRIPTORS, HARMLESS, REFUSED)
TOUCHED = (ROUTED | MACHINE_DESCRIPTORS | REFUSED) & vars(os).keys()
SIZES = {"urandom", "getrandom"}  # their number is no descriptor


def functions() -> set[str]:
    """Return the public functions of `os`."""
    return {
        name
        for name, value in vars(os).items()
        if callable(value) and not isinstance(value, type) and not name.startswith("_")
    } | {"_exit"}


@contextlib.contextmanager
def inside() -> Iterator[str]:
    with PythonFiles() as files, files.process(SimDisk(files.empty_image())):
        yield files.directory


def test_no_function_belongs_to_two_classes() -> None:
    counts = Counter(name for names in CLASSES for name in names)
    assert [name for name, count in counts.items() if count > 1] == []


def test_every_function_belongs_to_a_class() -> None:
    """A Python that brings a new function must not let it through unseen."""
    assert functions() - frozenset().union(*CLASSES) == set()


def test_every_name_that_is_told_is_a_function_of_some_python() -> None:
    newer = {"process_cpu_count", "reload_environ", "readinto", "setns", "unshare", "lchmod"}
    newer |= {"grantpt", "posix_openpt", "ptsname", "unlockpt"}
    newer |= {name for names in CLASSES for name in names if name.startswith("timerfd_")}
    assert frozenset().union(*CLASSES) - functions() <= newer


@pytest.mark.parametrize("name", sorted(TOUCHED - SIZES))
def test_no_function_takes_a_simulated_descriptor_to_the_machine(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real functions are watched: none is called with a descriptor of ours."""
    reached: list[tuple[str, tuple[object, ...]]] = []

    def spy(known: str, real: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(real)
        def call(*args: object, **kwargs: object) -> object:
            if any(isinstance(each, int) and each >= 1 << 30 for each in args):
                reached.append((known, args))
            return real(*args, **kwargs)

        return call

    for each in TOUCHED:
        monkeypatch.setattr(os, each, spy(each, getattr(os, each)))
    with inside() as directory:
        descriptor = os.open(f"{directory}/f", os.O_CREAT | os.O_RDWR)
        os.write(descriptor, b"content")
        call = getattr(os, name)
        for rest in ((), (1,), (b"x",), (0, 0), (1, 1), (b"x", 0), (0, 1, 0), (descriptor, 1)):
            # Whether it answers or refuses is not the question here.
            with contextlib.suppress(OSError, TypeError, ValueError, LookupError, PythonFilesError):
                call(descriptor, *rest)
    assert reached == []


@pytest.mark.parametrize(
    "call",
    [
        os.fork,
        lambda: os._exit(1),
        lambda: os.system("true"),
        lambda: os.execv("/bin/true", ["true"]),
        lambda: subprocess.run(["true"], check=True),
        lambda: os.kill(os.getpid(), 9),
    ],
    ids=["fork", "_exit", "system", "execv", "subprocess", "kill"],
)
def test_another_process_is_refused(call: Callable[[], object]) -> None:
    with inside(), pytest.raises(UnroutedCallError):
        call()


def test_sqlite_is_refused_and_told_the_way() -> None:
    with inside() as directory:
        sqlite3.connect(":memory:").close()
        with pytest.raises(UnroutedCallError, match="VFS"):
            sqlite3.connect(f"{directory}/db")


@pytest.mark.parametrize("name", ["dbm.gnu", "dbm.ndbm"])
def test_other_databases_in_c_are_refused(name: str) -> None:
    database = pytest.importorskip(name)
    with inside() as directory, pytest.raises(UnroutedCallError, match="in C"):
        database.open(f"{directory}/db", "c")


def test_what_gets_past_the_routes_is_stopped() -> None:
    # Nobody can find a function that is kept in a local variable.
    past = os.open
    with inside(), pytest.raises(UnroutedCallError, match="past"):
        past("leak", os.O_CREAT | os.O_WRONLY)
    assert not os.path.exists("leak")


def test_a_refusal_is_remembered_though_it_was_swallowed() -> None:
    with PythonFiles() as files:
        with files.process(SimDisk(files.empty_image())), contextlib.suppress(Exception):
            os.fork()
        assert isinstance(files.refusal, UnroutedCallError)
