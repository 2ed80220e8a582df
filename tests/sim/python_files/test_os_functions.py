"""Every function of `os` belongs to one class, and no simulated descriptor reaches the machine."""

import contextlib
import ctypes.util
import errno
import functools
import multiprocessing
import os
import platform
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any, TypeVar

import pytest

from wavetank.sim import SimDisk
from wavetank.sim.python_files import (
    COMPOSED,
    HARMLESS,
    MACHINE_DESCRIPTORS,
    PROGRAMS,
    REFUSED,
    ROUTED,
    MissingProgramError,
    PythonFiles,
    PythonFilesError,
    UnroutedCallError,
)

T = TypeVar("T")
CLASSES = (ROUTED, COMPOSED, MACHINE_DESCRIPTORS, HARMLESS, PROGRAMS, REFUSED)
TOUCHED = (ROUTED | MACHINE_DESCRIPTORS | PROGRAMS | REFUSED) & vars(os).keys()
ARGUMENTS = ((), (1,), (b"x",), (0, 0), (1, 1), (b"x", 0), (0, 1, 0))
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


def processes(files: PythonFiles, cases: Iterable[T]) -> Iterator[tuple[T, SimDisk]]:
    """Run the loop's body once for each case, each time as a process on an empty disk.

    To open a simulation takes longer than anything that is tried in it.
    """
    for case in cases:
        disk = SimDisk(files.empty_image())
        with files.process(disk):
            yield case, disk


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


def test_no_function_takes_a_simulated_descriptor_to_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The real functions are watched: none is called with a descriptor of ours."""
    reached: list[tuple[str, str, tuple[object, ...]]] = []
    tried = ""

    def spy(known: str, real: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(real)
        def call(*args: object, **kwargs: object) -> object:
            if any(isinstance(each, int) and each >= 1 << 30 for each in args):
                reached.append((tried, known, args))
            return real(*args, **kwargs)

        return call

    for each in TOUCHED:
        monkeypatch.setattr(os, each, spy(each, getattr(os, each)))
    with PythonFiles() as files:
        for tried in sorted(TOUCHED - SIZES):
            # A process each: what one function does to it, the next must not find.
            with files.process(SimDisk(files.empty_image())):
                descriptor = os.open(f"{files.directory}/f", os.O_CREAT | os.O_RDWR)
                os.write(descriptor, b"content")
                call = getattr(os, tried)
                for rest in (
                    (),
                    (1,),
                    (b"x",),
                    (0, 0),
                    (1, 1),
                    (b"x", 0),
                    (0, 1, 0),
                    (descriptor, 1),
                ):
                    # Whether it answers or refuses is not the question here.
                    with contextlib.suppress(
                        OSError, TypeError, ValueError, LookupError, PythonFilesError
                    ):
                        call(descriptor, *rest)
    assert reached == []


PROCESSES: list[Callable[[], object]] = [
    os.fork,
    lambda: os._exit(1),
    lambda: os.execv("/bin/true", ["true"]),
    lambda: os.kill(os.getpid(), 9),
    lambda: multiprocessing.get_context("spawn").Process(target=print).start(),
    lambda: multiprocessing.get_context("fork").Process(target=print).start(),
]


@pytest.mark.slow
def test_another_process_is_refused() -> None:
    with PythonFiles() as files:
        for call, _ in processes(files, PROCESSES):
            with pytest.raises(UnroutedCallError) as refused:
                call()
            assert not isinstance(refused.value, OSError), call


STARTS: dict[str, Callable[..., object]] = {
    "system": lambda *words: os.system(" ".join(words)),
    "spawnv": lambda *words: os.spawnv(os.P_WAIT, words[0], list(words)),
    "posix_spawn": lambda *words: os.posix_spawn(words[0], list(words), {}),
    "popen": lambda *words: os.popen(" ".join(words)),
    "subprocess": lambda *words: subprocess.run(words, check=True),
}


@pytest.mark.slow
def test_a_program_is_missing_unless_it_would_see_the_directory() -> None:
    with PythonFiles() as files:
        for name, start in STARTS.items():
            with files.process(SimDisk(files.empty_image())):
                with pytest.raises(FileNotFoundError) as missing:
                    start("/bin/true")
                assert isinstance(missing.value, MissingProgramError), name
                assert missing.value.errno == errno.ENOENT, name
            assert files.refusal is None, name
            with files.process(SimDisk(files.empty_image())):
                with pytest.raises(UnroutedCallError) as refused:
                    start("/bin/true", f"{files.directory}/f")
                assert not isinstance(refused.value, OSError), name
            assert files.refusal is refused.value, name


@pytest.mark.slow
def test_a_program_in_the_directory_is_refused() -> None:
    cases: list[dict[str, Any]] = [{"cwd": "/simulated"}, {"env": {"HOME": "/simulated/home"}}]
    with PythonFiles() as files:
        for given, _ in processes(files, cases):
            with pytest.raises(UnroutedCallError, match="as a function"):
                subprocess.run(["true"], check=True, **given)
        with files.process(SimDisk(files.empty_image())):
            os.chdir(files.directory)
            with pytest.raises(UnroutedCallError, match="as a function"):
                subprocess.run(["true"], check=True)


@pytest.mark.slow
def test_what_asks_the_machine_through_a_program_goes_on_without() -> None:
    with PythonFiles() as files, files.process(SimDisk(files.empty_image())):
        platform.processor()
        ctypes.util.find_library("c")
        assert files.refusal is None


MEMORIES = [":memory:", "", "file::memory:?cache=shared", "file:a?mode=memory&cache=shared"]


@pytest.mark.slow
def test_a_database_in_memory_is_used_as_it_is() -> None:
    with PythonFiles() as files:
        for name, disk in processes(files, MEMORIES):
            with contextlib.closing(sqlite3.connect(name, uri=True)) as database:
                database.execute("create table t (a)")
                database.execute("insert into t values (3)")
                assert database.execute("select a from t").fetchall() == [(3,)], name
            assert files.refusal is None, name
            assert list(disk.log) == [], name


@pytest.mark.slow
def test_a_database_in_memory_gets_no_file() -> None:
    with PythonFiles() as files:
        for words, _ in processes(files, ["ATTACH '{}' AS other", "VACUUM INTO '{}'"]):
            with (
                contextlib.closing(sqlite3.connect(":memory:")) as database,
                pytest.raises(sqlite3.DatabaseError, match="authoriz"),
            ):
                database.execute(words.format(f"{files.directory}/db"))
            assert "VFS" in str(files.refusal), words


@pytest.mark.slow
def test_sqlite_is_refused_and_told_the_way() -> None:
    names = ["/simulated/db", "file:/simulated/db", "file:/db?vfs=memdb"]
    with PythonFiles() as files:
        connects: list[Callable[..., object]] = [sqlite3.connect, sqlite3.Connection]
        for (connect, name), _ in processes(files, product(connects, names)):
            with pytest.raises(UnroutedCallError, match="VFS"):
                connect(name, uri=True)


@pytest.mark.parametrize("name", ["dbm.gnu", "dbm.ndbm"])
def test_other_databases_in_c_are_refused(name: str) -> None:
    database = pytest.importorskip(name)
    with inside() as directory, pytest.raises(UnroutedCallError, match="in C"):
        database.open(f"{directory}/db", "c")


@pytest.mark.slow
def test_what_gets_past_the_routes_is_stopped() -> None:
    # Nobody can find a function that is kept in a local variable.
    past = os.open
    with inside(), pytest.raises(UnroutedCallError, match="past"):
        past("leak", os.O_CREAT | os.O_WRONLY)
    assert not os.path.exists("leak")


@pytest.mark.slow
def test_a_refusal_is_remembered_though_it_was_swallowed() -> None:
    with PythonFiles() as files:
        with files.process(SimDisk(files.empty_image())), contextlib.suppress(Exception):
            os.fork()
        assert isinstance(files.refusal, UnroutedCallError)
