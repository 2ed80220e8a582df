"""C code that calls the system by itself is refused what only the simulated disk knows."""

import ctypes
import os
import pathlib
import threading
from collections.abc import Callable

import pytest

from wavetank.sim import SimDisk
from wavetank.sim.python_files import PythonFiles, UnroutedCallError

LIBC = ctypes.CDLL(None)
BEFORE = LIBC.access  # looked up long before
PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_int)
NAMED = PROTOTYPE(("access", LIBC))
UNNAMED = PROTOTYPE(ctypes.cast(LIBC.access, ctypes.c_void_p).value or 0)


def opened(directory: str) -> int:
    return os.open(f"{directory}/f", os.O_CREAT | os.O_RDWR)


def made_below(directory: str) -> object:
    os.chdir(directory)
    return LIBC.mkdir(b"d", 0o700)


REFUSED: dict[str, Callable[[str], object]] = {
    "by name": lambda path: LIBC.access(os.fsencode(path), os.R_OK),
    "from before": lambda path: BEFORE(os.fsencode(path), os.R_OK),
    "prototype": lambda path: NAMED(os.fsencode(path), os.R_OK),
    "address": lambda path: UNNAMED(os.fsencode(path), os.R_OK),
    "new library": lambda path: ctypes.CDLL(None).stat(ctypes.c_char_p(os.fsencode(path)), None),
    "new prototype": lambda path: ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p)(("rmdir", LIBC))(
        os.fsencode(path)
    ),
    "buffer": lambda path: LIBC.unlink(ctypes.create_string_buffer(os.fsencode(path))),
    "wide": lambda path: LIBC.wcslen(ctypes.c_wchar_p(path)),
    "fsync": lambda path: LIBC.fsync(opened(os.path.dirname(path))),
    "fsync of a number of C": lambda path: LIBC.fsync(ctypes.c_int(opened(os.path.dirname(path)))),
    "syscall": lambda path: LIBC.syscall(74, opened(os.path.dirname(path))),
    "sync": lambda _: LIBC.sync(),
    "below the working directory": lambda path: made_below(os.path.dirname(path)),
}


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(call, id=name, marks=() if name in ("fsync", "syscall") else pytest.mark.slow)
        for name, call in REFUSED.items()
    ],
)
def test_a_call_of_c_with_what_is_simulated_is_refused(call: Callable[[str], object]) -> None:
    with PythonFiles() as files:
        with (
            files.process(SimDisk(files.empty_image())),
            pytest.raises(UnroutedCallError, match=r"in \S*test_guard at test_guard.py:\d+: .* "),
        ):
            call(f"{files.directory}/f")
        assert files.refusal is not None


def test_other_calls_of_c_are_made() -> None:
    with PythonFiles() as files:
        with files.process(SimDisk(files.empty_image())):
            assert LIBC.access(b"/", os.F_OK) == 0
            assert LIBC.abs(-(1 << 30)) == 1 << 30
            assert LIBC.strlen(ctypes.create_string_buffer(b"abc")) == 3
            assert ctypes.pythonapi.Py_IsInitialized() == 1
            descriptor = opened(files.directory)
            os.chdir(files.directory)
            assert LIBC.strlen(b"f") == 1
            assert LIBC.close(descriptor + 1) == -1
        assert files.refusal is None


@pytest.mark.slow
def test_nothing_is_watched_afterwards(tmp_path: pathlib.Path) -> None:
    with PythonFiles() as files, files.process(SimDisk(files.empty_image())):
        ctypes.CDLL(None).getpid()
        made = ctypes.CDLL(None)
        made.getpid()
    for library in (LIBC, made):
        assert "__call__" not in vars(library._FuncPtr)
        assert library.access(os.fsencode(tmp_path), os.R_OK) == 0


@pytest.mark.slow
def test_a_thread_from_before_is_refused_as_well() -> None:
    go, told = threading.Event(), list[Exception]()

    def outside(path: bytes) -> None:
        go.wait()
        try:
            LIBC.access(path, os.R_OK)
        except UnroutedCallError as error:
            told.append(error)

    with PythonFiles() as files:
        thread = threading.Thread(target=outside, args=(os.fsencode(f"{files.directory}/f"),))
        thread.start()
        with files.process(SimDisk(files.empty_image())):
            go.set()
            thread.join()
    assert len(told) == 1


@pytest.mark.slow
def test_what_c_code_has_made_at_the_directory_is_noticed(tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "simulated"
    unwatched = ctypes._CFuncPtr.__call__  # type: ignore[attr-defined] # as an extension calls
    with PythonFiles(str(directory)) as files:
        with files.process(SimDisk(files.empty_image())):
            pathlib.Path(directory, "f").touch()
            assert unwatched(LIBC.mkdir, os.fsencode(directory), 0o700) == 0
        assert "C code has made it" in str(files.refusal)
    assert list(directory.iterdir()) == []
