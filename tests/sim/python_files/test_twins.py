"""What unmodified code sees on the simulated disk is what it sees on the real one.

The same calls are made on both, and every answer is compared, errno included, and all files at the
end. pyfakefs is a third opinion on those calls on which it does not differ from Linux
(docs/pyfakefs.md).
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyfakefs.fake_filesystem_unittest import Patcher

from wavetank.sim import SimDisk
from wavetank.sim.python_files import PythonFiles

Call = tuple[str, tuple[object, ...]]

PATHS: Final = ("a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "a/x", "s", "d/", ".", "d/..", "s/a")
MODES: Final = ("r", "w", "a", "x", "r+", "w+", "a+", "rb", "wb", "ab", "r+b", "xb")
FLAGS: Final = (
    os.O_RDONLY,
    os.O_WRONLY,
    os.O_RDWR,
    os.O_RDWR | os.O_CREAT,
    os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    os.O_RDWR | os.O_CREAT | os.O_TRUNC,
    os.O_RDWR | os.O_CREAT | os.O_APPEND,
    os.O_RDONLY | os.O_DIRECTORY,
    os.O_RDWR | os.O_NOFOLLOW,
)
TEXTS: Final = ("", "x", "hello\nworld\n", "ä" * 9, "y" * 5000)


def use_file(base: str, path: str, mode: str, text: str, position: int) -> object:
    """Write, read, seek and tell through CPython's buffers."""
    told: list[object] = []
    content: str | bytes = text.encode() if "b" in mode else text
    with open(f"{base}/{path}", mode) as file:
        told += [file.tell(), file.readable(), file.writable(), file.isatty()]
        if file.writable():
            told += [file.write(content), file.tell()]
        file.seek(position)
        if file.readable():
            told += [file.read(7), file.readline()]
        told.append(file.seek(0, os.SEEK_END))
        if file.writable() and "a" not in mode:
            told += [file.truncate(position), file.tell()]
            file.flush()
            os.fsync(file.fileno())
        told.append(os.fstat(file.fileno()).st_size)
    return told


def use_descriptor(base: str, path: str, flags: int, data: bytes, position: int) -> object:
    """Write, read, seek and truncate through a descriptor and its twin."""
    told: list[object] = []

    def attempt(call: Callable[[], object]) -> None:
        try:
            told.append(call())
        except OSError as error:
            told.append(error.errno)

    # What a position in a directory is, is the filesystem's business.
    is_file = not os.path.isdir(f"{base}/{path}")
    descriptor = os.open(f"{base}/{path}", flags, 0o600)
    try:
        twin = os.dup(descriptor)
        attempt(lambda: os.write(descriptor, data))
        if is_file:
            attempt(lambda: os.lseek(twin, 0, os.SEEK_CUR))
            attempt(lambda: os.lseek(descriptor, -1, os.SEEK_END))
        attempt(lambda: os.pwrite(descriptor, data, position))
        attempt(lambda: os.read(twin, 9))
        attempt(lambda: os.pread(descriptor, 9, position))
        attempt(lambda: os.ftruncate(descriptor, position))
        attempt(lambda: os.write(descriptor, b"end"))
        attempt(lambda: os.writev(descriptor, [b"a", b"", b"bc"]))
        attempt(lambda: os.fstat(descriptor).st_size if is_file else 0)
        attempt(lambda: os.get_inheritable(twin))
        attempt(lambda: os.fsync(descriptor))
        os.close(twin)
        attempt(lambda: os.read(twin, 1))
    finally:
        os.close(descriptor)
    return told


def status(base: str, path: str) -> object:
    shown = os.lstat(f"{base}/{path}")
    kind = stat.S_IFMT(shown.st_mode)
    regular = kind == stat.S_IFREG
    return (kind, shown.st_size if not stat.S_ISDIR(kind) else 0, shown.st_nlink if regular else 0)


def listing(base: str, path: str) -> object:
    with os.scandir(f"{base}/{path}") as entries:
        kinds = [(each.name, each.is_dir(), each.is_file(), each.is_symlink()) for each in entries]
    return sorted(kinds), sorted(os.listdir(f"{base}/{path}"))


def questions(base: str, path: str) -> object:
    place = Path(base, path)
    return (
        *(place.exists(), place.is_dir(), place.is_file(), place.is_symlink()),
        os.access(place, os.R_OK | os.W_OK),
        sorted(str(each.relative_to(base)) for each in place.glob("*")),
    )


CALLS: Final[dict[str, Callable[..., object]]] = {
    "use_file": use_file,
    "use_descriptor": use_descriptor,
    "status": status,
    "listing": listing,
    "questions": questions,
    "mkdir": lambda base, path: os.mkdir(f"{base}/{path}"),
    "makedirs": lambda base, path: os.makedirs(f"{base}/{path}", exist_ok=True),
    "rmdir": lambda base, path: os.rmdir(f"{base}/{path}"),
    "unlink": lambda base, path: os.unlink(f"{base}/{path}"),
    "rename": lambda base, path, other: os.rename(f"{base}/{path}", f"{base}/{other}"),
    "link": lambda base, path, other: os.link(
        f"{base}/{path}", f"{base}/{other}", follow_symlinks=False
    ),
    "symlink": lambda base, path, other: os.symlink(path, f"{base}/{other}"),
    "readlink": lambda base, path: os.readlink(f"{base}/{path}"),
    "truncate": lambda base, path, size: os.truncate(f"{base}/{path}", size),
    "touch": lambda base, path: Path(base, path).touch(),
    "rmtree": lambda base, path: shutil.rmtree(f"{base}/{path}"),
    "copy": lambda base, path, other: Path(
        shutil.copy(f"{base}/{path}", f"{base}/{other}")
    ).relative_to(base),
    "move": lambda base, path, other: shutil.move(f"{base}/{path}", f"{base}/{other}") and None,
}

paths = st.sampled_from(PATHS)
calls = st.one_of(
    st.tuples(
        st.just("use_file"),
        st.tuples(paths, st.sampled_from(MODES), st.sampled_from(TEXTS), st.integers(0, 6)),
    ),
    st.tuples(
        st.just("use_descriptor"),
        st.tuples(
            paths,
            st.sampled_from(FLAGS),
            st.sampled_from([text.encode() for text in TEXTS]),
            st.integers(0, 6),
        ),
    ),
    st.tuples(
        st.sampled_from(["rename", "link", "symlink", "copy", "move"]), st.tuples(paths, paths)
    ),
    st.tuples(st.just("truncate"), st.tuples(paths, st.integers(-1, 5000))),
    st.tuples(
        st.sampled_from(
            [
                *("status", "listing", "questions", "mkdir", "makedirs", "rmdir", "unlink"),
                *("readlink", "touch", "rmtree"),
            ]
        ),
        st.tuples(paths),
    ),
)


def made(base: str, program: list[Call]) -> list[object]:
    """Make the calls below a directory, and return every answer and what is there at the end."""
    answers: list[object] = []
    base += "/base"  # so that what is above it is alike, too
    os.mkdir(base)
    for name, arguments in program:
        try:
            answers.append(CALLS[name](base, *arguments))
        except OSError as error:
            answers.append((name, type(error).__name__, error.errno))
        except ValueError as error:
            answers.append((name, type(error).__name__))
    for directory, names, files in os.walk(base):
        answers.append((os.path.relpath(directory, base), sorted(names), sorted(files)))
        for name in sorted(files):
            path = Path(directory, name)
            answers.append(os.readlink(path) if path.is_symlink() else path.read_bytes())
    # The order of os.walk is the directory's.
    return sorted(answers, key=repr)


def on_the_simulated_disk(programs: list[list[Call]]) -> list[list[object]]:
    """Run each program on a disk of its own; a simulation takes longer to open than they do."""
    answers = []
    with PythonFiles() as files:
        for program in programs:
            with files.process(SimDisk(files.empty_image())):
                answers.append(made(files.directory, program))
    return answers


def on_the_real_one(program: list[Call]) -> list[object]:
    with tempfile.TemporaryDirectory() as directory:
        return made(directory, program)


@pytest.mark.slow
@settings(max_examples=4)
@given(programs=st.lists(st.lists(calls, max_size=12), min_size=10, max_size=10))
@example(
    programs=[
        [("symlink", ("a", "s")), ("use_file", ("s", "w", "x", 0)), ("rename", ("s", "b"))],
        [("symlink", ("s", "s")), ("use_file", ("s", "r", "x", 0))],
    ]
)
def test_every_answer_is_that_of_the_real_machine(programs: list[list[Call]]) -> None:
    assert on_the_simulated_disk(programs) == [on_the_real_one(each) for each in programs]


plain = st.one_of(
    st.tuples(
        st.just("use_file"),
        st.tuples(
            st.sampled_from(("a", "b", "d/a")),
            st.sampled_from(("w", "wb", "rb", "r")),
            st.sampled_from(TEXTS),
            st.just(0),
        ),
    ),
    st.tuples(st.sampled_from(["status", "unlink"]), st.tuples(st.sampled_from(("a", "b", "d/a")))),
    st.tuples(st.just("rename"), st.tuples(st.sampled_from("ab"), st.sampled_from("ab"))),
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=4)
@given(programs=st.lists(st.lists(plain, max_size=8), min_size=6, max_size=6))
def test_pyfakefs_is_of_the_same_opinion(programs: list[list[Call]]) -> None:
    wholes = [[("mkdir", ("d",)), *program] for program in programs]
    theirs = []
    with Patcher() as patcher:
        assert patcher.fs is not None
        for number, whole in enumerate(wholes):
            patcher.fs.create_dir(f"/twin{number}")
            theirs.append(made(f"/twin{number}", whole))
    assert on_the_simulated_disk(wholes) == theirs
