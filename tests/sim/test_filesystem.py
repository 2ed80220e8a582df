"""The simulated filesystem behaves as the real one does, errno included, while nothing crashes."""

import tempfile
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.engine import File, FileKind, FileSystem, OpenFlag, OsFileSystem
from wavetank.sim import SimDisk, SimFileSystem

READ_WRITE: Final = OpenFlag.READ | OpenFlag.WRITE

paths = st.sampled_from(["a", "b", "d", "d/a", "d/e", "a/x", "missing/x"])
flag_sets = st.sampled_from(
    [
        OpenFlag.READ,
        READ_WRITE,
        READ_WRITE | OpenFlag.CREATE,
        READ_WRITE | OpenFlag.CREATE | OpenFlag.EXCLUSIVE,
        READ_WRITE | OpenFlag.CREATE | OpenFlag.TRUNCATE,
        READ_WRITE | OpenFlag.CREATE | OpenFlag.APPEND,
        OpenFlag.WRITE | OpenFlag.CREATE,
    ]
)
small = st.integers(0, 9000)
on_a_file = st.one_of(
    st.tuples(st.just("append"), st.binary(max_size=5000)),
    st.tuples(st.just("pwrite"), st.binary(max_size=5000), small),
    st.tuples(st.just("pread"), small, small),
    st.tuples(st.just("truncate"), small),
    st.tuples(st.just("preallocate"), small, st.integers(1, 9000)),
    st.tuples(st.just("size")),
    st.tuples(st.just("fsync")),
    st.tuples(st.just("datasync")),
    st.tuples(st.just("close")),
)
on_a_name = st.one_of(
    st.tuples(st.just("open"), paths, flag_sets),
    st.tuples(st.just("rename"), paths, paths),
    st.tuples(st.just("link"), paths, paths),
    st.tuples(st.sampled_from(["unlink", "mkdir", "rmdir", "listdir", "stat", "fsync_dir"]), paths),
)
programs = st.lists(st.one_of(on_a_name, on_a_file), max_size=25)


def transcript(fs: FileSystem, root: str, program: list[tuple[object, ...]]) -> list[object]:
    """Run a program; every result, with errors as their errno. One file is open at a time."""
    answers: list[object] = []
    opened: File | None = None
    fs.mkdir(f"{root}/d")
    for name, *relative in program:
        arguments = [f"{root}/{part}" if isinstance(part, str) else part for part in relative]
        answer: object
        try:
            if name == "open":
                answer = opened = fs.open(*arguments)  # type: ignore[arg-type]
            elif hasattr(fs, str(name)):
                answer = getattr(fs, str(name))(*arguments)
            elif opened is not None:
                answer = getattr(opened, str(name))(*arguments)
            else:
                continue
        except OSError as error:
            answer = error.errno
        answers.append(comparable(str(name), answer))
    return answers


def comparable(name: str, answer: object) -> object:
    if name == "open":
        return "opened" if not isinstance(answer, int) else answer
    if name == "listdir" and isinstance(answer, (list, tuple)):
        return sorted(answer)
    if name == "stat" and not isinstance(answer, int):
        return (answer.kind, answer.size)  # type: ignore[attr-defined]
    return answer


@settings(deadline=None)
@given(program=programs)
def test_same_program_same_answers_as_the_real_filesystem(
    program: list[tuple[object, ...]],
) -> None:
    simulated = SimFileSystem(SimDisk())
    simulated.mkdir("/root")
    with tempfile.TemporaryDirectory() as root:
        real = transcript(OsFileSystem(), root, program)
    assert transcript(simulated, "/root", program) == real


def test_an_open_file_outlives_its_name() -> None:
    fs = SimFileSystem(SimDisk())
    file = fs.open("/a", READ_WRITE | OpenFlag.CREATE)
    file.append(b"still here")
    fs.unlink("/a")
    assert file.pread(10, 0) == b"still here"
    assert fs.open("/a", READ_WRITE | OpenFlag.CREATE).size() == 0


def test_a_lock_excludes_until_it_is_closed_or_its_process_is_killed() -> None:
    disk = SimDisk()
    fs = SimFileSystem(disk)
    first = fs.open("/lock", READ_WRITE | OpenFlag.CREATE)
    first.lock()
    second = fs.open("/lock", READ_WRITE)
    with pytest.raises(BlockingIOError):
        second.lock()
    SimFileSystem(disk.process_kill()).open("/lock", READ_WRITE).lock()
    first.close()
    second.lock()


def test_a_killed_process_leaves_its_cache_to_the_next_and_its_own_disk_as_it_was() -> None:
    disk = SimDisk()
    file = SimFileSystem(disk).open("/a", READ_WRITE | OpenFlag.CREATE)
    file.append(b"one")
    successor = disk.process_kill()
    file.append(b" two")
    other = SimFileSystem(successor).open("/a", READ_WRITE)
    assert other.pread(9, 0) == b"one"
    other.append(b" three")
    assert file.pread(9, 0) == b"one two"
    assert [len(disk.log), len(successor.log)] == [5, 5]


@pytest.mark.parametrize(
    "use",
    [
        lambda file: file.pread(1, 0),
        lambda file: file.append(b"x"),
        lambda file: file.size(),
        lambda file: file.fsync(),
        lambda file: file.truncate(0),
        lambda file: file.lock(),
    ],
)
def test_a_closed_file_refuses_everything(use: Callable[[object], object]) -> None:
    fs = SimFileSystem(SimDisk())
    file = fs.open("/a", READ_WRITE | OpenFlag.CREATE)
    file.close()
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        use(file)


def test_the_kind_of_a_name_is_told() -> None:
    fs = SimFileSystem(SimDisk())
    fs.mkdir("/d")
    assert fs.stat("/d").kind is FileKind.DIRECTORY
