import errno
import gc
import os
import resource
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.engine.filesystem import File, FileKind, OpenFlag
from wavetank.engine.os_filesystem import OsFileSystem

READ = OpenFlag.READ
WRITE = OpenFlag.WRITE
CREATE = OpenFlag.CREATE
BOTH = OpenFlag.READ | OpenFlag.WRITE
NEW = BOTH | CREATE | OpenFlag.EXCLUSIVE

CALLS: dict[str, Callable[[File], object]] = {
    "pread": lambda file: file.pread(1, 0),
    "pwrite": lambda file: file.pwrite(b"x", 0),
    "append": lambda file: file.append(b"x"),
    "truncate": lambda file: file.truncate(0),
    "size": lambda file: file.size(),
    "fsync": lambda file: file.fsync(),
    "datasync": lambda file: file.datasync(),
    "preallocate": lambda file: file.preallocate(0, 1),
    "advise_dont_need": lambda file: file.advise_dont_need(),
    "lock": lambda file: file.lock(),
}

fs = OsFileSystem()


def descriptor_count() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


# --- what may be opened


def test_a_new_file_is_empty_and_has_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "log.dat"
    former = os.umask(0)
    try:
        file = fs.open(str(path), NEW)
        fs.mkdir(str(tmp_path / "sub"))
    finally:
        os.umask(former)
    assert file.size() == 0
    file.close()
    assert path.stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "sub").stat().st_mode & 0o777 == 0o755


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_link(path: Path) -> None:
    (path.parent / "real").write_bytes(b"real")
    path.symlink_to("real")


def make_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("make", "flags", "expected"),
    [
        (make_fifo, READ, errno.EINVAL),
        (make_fifo, WRITE, errno.ENXIO),
        (make_fifo, BOTH | CREATE, errno.EINVAL),
        (make_socket, READ, errno.ENXIO),
        (make_link, READ, errno.ELOOP),
        (make_link, BOTH | CREATE, errno.ELOOP),
        (make_dangling_link, BOTH | CREATE, errno.ELOOP),
        (Path.mkdir, READ, errno.EISDIR),
        (Path.mkdir, BOTH, errno.EISDIR),
        (Path.touch, NEW, errno.EEXIST),
        (lambda _: None, READ, errno.ENOENT),
    ],
)
def test_what_a_store_never_makes_is_refused_at_once_and_leaks_no_descriptor(
    tmp_path: Path, make: Callable[[Path], None], flags: OpenFlag, expected: int
) -> None:
    path = tmp_path / "name"
    make(path)
    before = descriptor_count()
    with pytest.raises(OSError, match="name") as caught:
        fs.open(str(path), flags)
    assert (caught.value.errno, caught.value.filename) == (expected, str(path))
    assert descriptor_count() == before
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (CREATE, "flags: expected READ, WRITE or both"),
        (READ | OpenFlag.TRUNCATE, "flags: expected WRITE beside TRUNCATE"),
        (READ | OpenFlag.APPEND, "flags: expected WRITE beside APPEND"),
        (BOTH | OpenFlag.EXCLUSIVE, "flags: expected CREATE beside EXCLUSIVE"),
    ],
)
def test_flags_without_a_meaning_are_refused_before_the_file_is_touched(
    tmp_path: Path, flags: OpenFlag, message: str
) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"kept")
    with pytest.raises(ValueError, match=message):
        fs.open(str(path), flags)
    assert path.read_bytes() == b"kept"


def test_flags_of_another_type_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"flags: expected OpenFlag but got 3 \(int\)"):
        fs.open(str(tmp_path / "name"), 3)  # type: ignore[arg-type]


def test_truncate_empties_and_create_keeps(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"old")
    fs.open(str(path), BOTH | CREATE).close()
    assert path.read_bytes() == b"old"
    fs.open(str(path), WRITE | OpenFlag.TRUNCATE).close()
    assert path.read_bytes() == b""


def test_a_process_started_meanwhile_inherits_nothing(tmp_path: Path) -> None:
    path = tmp_path / "name"
    file = fs.open(str(path), NEW)
    listing = (
        "import os\n"
        "for number in os.listdir('/dev/fd'):\n"
        "    try: print(os.fstat(int(number)).st_ino)\n"
        "    except OSError: pass\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", listing], close_fds=False, capture_output=True, check=True
    )
    file.close()
    assert str(path.stat().st_ino).encode() not in child.stdout.split()


# --- content


class Twice:
    """A file and the bytes it should hold, changed together."""

    def __init__(self, directory: str) -> None:
        self.path = f"{directory}/log.dat"
        self.file = fs.open(self.path, NEW)
        self.appender = fs.open(self.path, BOTH | OpenFlag.APPEND)
        self.content = bytearray()

    def apply(self, name: str, data: bytes, first: int, second: int) -> None:
        match name:
            case "pwrite":
                assert self.file.pwrite(data, first) == len(data)
                if data:
                    self._grow(first + len(data))
                    self.content[first : first + len(data)] = data
            case "append" | "append through another descriptor":
                file = self.file if name == "append" else self.appender
                assert file.append(memoryview(data)) == len(data)
                self.content += data
            case "truncate":
                self.file.truncate(first)
                self._grow(first)
                del self.content[first:]
            case "preallocate":
                self.file.preallocate(first, second + 1)
                self._grow(first + second + 1)
            case _:
                self.file.datasync()
                self.file.fsync()
                self.appender.advise_dont_need()
        assert self.file.size() == self.appender.size() == len(self.content)
        assert self.appender.pread(second, first) == self.content[first : first + second]

    def close(self) -> bytes:
        self.file.close()
        self.appender.close()
        return Path(self.path).read_bytes()

    def _grow(self, size: int) -> None:
        self.content += bytes(max(0, size - len(self.content)))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "pwrite",
                    "append",
                    "append through another descriptor",
                    "truncate",
                    "preallocate",
                    "sync",
                ]
            ),
            st.binary(max_size=64),
            st.integers(0, 9000),
            st.integers(0, 9000),
        ),
        max_size=12,
    )
)
def test_a_file_is_a_growing_array_of_bytes(steps: list[tuple[str, bytes, int, int]]) -> None:
    with TemporaryDirectory() as directory:
        twice = Twice(directory)
        for step in steps:
            twice.apply(*step)
        assert twice.close() == twice.content


def test_a_pwrite_to_an_appending_file_is_refused_rather_than_moved_to_its_end(
    tmp_path: Path,
) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"old")
    file = fs.open(str(path), WRITE | OpenFlag.APPEND)
    with pytest.raises(OSError, match="APPEND") as caught:
        file.pwrite(b"new", 0)
    assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, str(path))
    file.close()
    assert path.read_bytes() == b"old"


def test_two_appenders_never_overwrite_each_other(tmp_path: Path) -> None:
    path = str(tmp_path / "name")
    first = fs.open(path, WRITE | CREATE | OpenFlag.APPEND)
    second = fs.open(path, BOTH | OpenFlag.APPEND)
    for number in range(4):
        (first, second)[number % 2].append(b"%d" % number)
    assert second.pread(100, 0) == b"0123"
    first.close()
    second.close()


def test_a_write_that_finds_no_room_is_short_and_the_next_one_names_the_file(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "name")
    file = fs.open(path, NEW)
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, former[1]))
    try:
        taken = file.pwrite(bytes(80), 50)
        with pytest.raises(OSError, match="name") as caught:
            file.append(b"x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert taken == 50
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, path)
    file.close()


def test_a_file_opened_for_reading_refuses_writes(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"old")
    file = fs.open(str(path), READ)
    with pytest.raises(OSError, match="name") as caught:
        file.append(b"new")
    assert (caught.value.errno, caught.value.filename) == (errno.EBADF, str(path))
    assert file.pread(10, 0) == b"old"
    file.close()


# --- closing and locking


@pytest.mark.parametrize("name", CALLS)
def test_a_closed_file_is_refused_though_its_number_is_in_use_again(
    tmp_path: Path, name: str
) -> None:
    path = str(tmp_path / "old")
    closed = fs.open(path, NEW)
    closed.close()
    heir = fs.open(str(tmp_path / "heir"), NEW)
    heir.append(b"precious")
    with pytest.raises(OSError, match="old") as caught:
        CALLS[name](closed)
    assert (caught.value.errno, caught.value.filename) == (errno.EBADF, path)
    closed.close()
    assert heir.pread(100, 0) == b"precious"
    heir.close()


@pytest.mark.parametrize("name", ["pread", "pwrite", "append", "size", "fsync", "datasync"])
def test_a_call_costs_one_python_frame(tmp_path: Path, name: str) -> None:
    file = fs.open(str(tmp_path / "name"), NEW)
    frames: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.endswith("/os_filesystem.py"):
            frames.append(frame.f_code.co_name)

    call = CALLS[name]
    sys.setprofile(note)
    try:
        call(file)
    finally:
        sys.setprofile(None)
    file.close()
    assert frames == [name]


def test_a_closed_file_is_told_of_before_its_arguments(tmp_path: Path) -> None:
    file = fs.open(str(tmp_path / "name"), NEW)
    file.close()
    calls: list[Callable[[], object]] = [
        lambda: file.pread(-1, 0),
        lambda: file.pwrite(b"x", -1),
        lambda: file.truncate(-1),
        lambda: file.preallocate(0, 0),
    ]
    for call in calls:
        with pytest.raises(OSError, match="name") as caught:
            call()
        assert caught.value.errno == errno.EBADF


def test_threads_that_close_one_file_at_once_close_its_descriptor_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []
    inside, proceed = threading.Event(), threading.Event()
    close = os.close

    def slow_close(descriptor: int) -> None:
        closed.append(descriptor)
        if len(closed) == 1:
            inside.set()
            proceed.wait()
            close(descriptor)

    before = descriptor_count()
    file = fs.open(str(tmp_path / "name"), NEW)
    monkeypatch.setattr(os, "close", slow_close)
    first = threading.Thread(target=file.close)
    first.start()
    inside.wait()
    file.close()  # while the first thread is in os.close, and the descriptor still open
    proceed.set()
    first.join()
    file.close()
    monkeypatch.undo()
    assert len(closed) == 1
    assert descriptor_count() == before


def test_a_close_that_fails_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "name")
    file = fs.open(path, NEW)
    close = os.close

    def failing_close(descriptor: int) -> None:
        close(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "close", failing_close)
    with pytest.raises(OSError, match="name") as caught:
        file.close()
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, path)
    file.close()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit])
def test_an_open_that_is_interrupted_leaves_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def interrupted(_: int) -> os.stat_result:
        raise error

    before = descriptor_count()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", interrupted)
        with pytest.raises(error):
            fs.open(str(tmp_path / "name"), NEW)
    assert descriptor_count() == before


@pytest.mark.parametrize("action", ["error", "default", "ignore"])
def test_a_file_dropped_without_close_warns_and_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    unraised: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda hook: unraised.append(type(hook.exc_value)))
    path = str(tmp_path / "LOCK")
    before = descriptor_count()
    file = fs.open(path, NEW)
    file.lock()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter(action)  # type: ignore[arg-type]
        del file
    assert descriptor_count() == before
    expected = f"{path} was never closed; close() the store or the file that opened it"
    assert [str(each.message) for each in told] == ([expected] if action == "default" else [])
    assert unraised == ([ResourceWarning] if action == "error" else [])
    heir = fs.open(path, BOTH)
    heir.lock()
    heir.close()


def test_a_warning_about_a_dropped_file_is_a_resource_warning(tmp_path: Path) -> None:
    path = str(tmp_path / "name")
    with pytest.warns(ResourceWarning, match="was never closed; close\\(\\) the store"):
        fs.open(path, NEW)


def test_a_closed_file_and_an_open_that_fails_warn_of_nothing(tmp_path: Path) -> None:
    file = fs.open(str(tmp_path / "name"), NEW)
    file.close()
    del file
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            fs.open(str(tmp_path / "missing"), READ)
        with pytest.raises(IsADirectoryError):
            fs.open(str(tmp_path), READ)
        with pytest.raises(NotADirectoryError):
            fs.fsync_dir(str(tmp_path / "name"))
        gc.collect()


@pytest.mark.parametrize("ending", ["file = file", "keep = [file]; keep.append(keep); del file"])
def test_a_file_still_open_when_the_interpreter_ends_warns_and_fails_nothing(
    tmp_path: Path, ending: str
) -> None:
    script = (
        "import sys\n"
        "from wavetank.engine.filesystem import OpenFlag\n"
        "from wavetank.engine.os_filesystem import OsFileSystem\n"
        "file = OsFileSystem().open(sys.argv[1], OpenFlag.WRITE | OpenFlag.CREATE)\n"
        f"{ending}\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "default::ResourceWarning", "-c", script, str(tmp_path / "name")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == ""
    assert "name was never closed" in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_forked_child_that_drops_or_closes_a_file_leaves_the_lock_to_its_parent(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "LOCK")
    script = (
        "import os, sys, warnings\n"
        "from wavetank.engine.filesystem import OpenFlag\n"
        "from wavetank.engine.os_filesystem import OsFileSystem\n"
        "def open_file(): return OsFileSystem().open(sys.argv[1], OpenFlag.WRITE)\n"
        "def is_locked():\n"
        "    other = open_file()\n"
        "    try: other.lock()\n"
        "    except BlockingIOError: return True\n"
        "    finally: other.close()\n"
        "    return False\n"
        "file = open_file()\n"
        "file.lock()\n"
        "for how in ('close', 'drop'):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        count = len(os.listdir('/proc/self/fd'))\n"
        "        if how == 'close': file.close()\n"
        "        with warnings.catch_warnings(record=True) as told:\n"
        "            warnings.simplefilter('always')\n"
        "            del file\n"
        "        left = len(os.listdir('/proc/self/fd'))\n"
        "        print(how, count - left, len(told), is_locked(), flush=True)\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "    print('parent', is_locked(), flush=True)\n"
        "file.close()\n"
        "print('parent', is_locked())\n"
    )
    Path(path).touch()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, path],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.stderr, done.stdout.splitlines()) == (
        "",
        [
            *("close 1 0 True", "parent True"),
            *("drop 1 1 True", "parent True"),
            "parent False",
        ],
    )


def test_a_lock_ends_with_its_holder_though_a_forked_child_lives_on(tmp_path: Path) -> None:
    path = tmp_path / "LOCK"
    path.touch()
    script = (
        "import os, sys\n"
        "from wavetank.engine.filesystem import OpenFlag\n"
        "from wavetank.engine.os_filesystem import OsFileSystem\n"
        "file = OsFileSystem().open(sys.argv[1], OpenFlag.WRITE)\n"
        "file.lock()\n"
        "until_closed, closed = os.pipe()\n"
        "if (child := os.fork()) == 0:\n"
        "    os.close(closed)\n"
        "    os.read(until_closed, 1)\n"
        "    os._exit(0)\n"
        "file.close()\n"
        "heir = OsFileSystem().open(sys.argv[1], OpenFlag.WRITE)\n"
        "heir.lock()\n"
        "heir.close()\n"
        "os.close(closed)\n"
        "os.waitpid(child, 0)\n"
        "print('locked again')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.stderr, done.stdout) == ("", "locked again\n")


def test_a_lock_keeps_out_other_openers_until_close(tmp_path: Path) -> None:
    path = str(tmp_path / "LOCK")
    holder = fs.open(path, BOTH | CREATE)
    other = fs.open(path, BOTH | CREATE)
    holder.lock()
    holder.lock()
    with pytest.raises(BlockingIOError) as caught:
        other.lock()
    assert caught.value.filename == path
    holder.close()
    other.lock()
    other.close()


def test_a_lock_keeps_out_other_processes(tmp_path: Path) -> None:
    path = str(tmp_path / "LOCK")
    attempt = (
        "import sys\n"
        "from wavetank.engine.filesystem import OpenFlag\n"
        "from wavetank.engine.os_filesystem import OsFileSystem\n"
        "file = OsFileSystem().open(sys.argv[1], OpenFlag.WRITE)\n"
        "try: file.lock()\n"
        "except BlockingIOError: print('refused')\n"
        "else: print('taken')\n"
    )

    def try_in_another_process() -> str:
        command = [sys.executable, "-c", attempt, path]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.run(
            command, env=environment, capture_output=True, check=True, text=True
        ).stdout.strip()

    holder = fs.open(path, BOTH | CREATE)
    assert try_in_another_process() == "taken"
    holder.lock()
    assert try_in_another_process() == "refused"
    holder.close()


# --- names


def test_an_open_file_stays_itself_when_its_name_goes(tmp_path: Path) -> None:
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    file = fs.open(first, NEW)
    file.append(b"first")
    Path(second).write_bytes(b"second")
    fs.rename(second, first)
    assert Path(first).read_bytes() == b"second"
    assert file.pread(10, 0) == b"first"
    fs.unlink(first)
    assert fs.listdir(str(tmp_path)) == []
    file.close()


def test_a_link_is_a_second_name_for_one_inode(tmp_path: Path) -> None:
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    Path(first).write_bytes(b"12345")
    fs.link(first, second)
    assert fs.stat(first) == fs.stat(second)
    assert (fs.stat(second).kind, fs.stat(second).size) == (FileKind.FILE, 5)
    with pytest.raises(FileExistsError):
        fs.link(first, second)


def test_stat_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "fifo")
    assert fs.stat(str(tmp_path / "link")).kind is FileKind.OTHER
    assert fs.stat(str(tmp_path / "fifo")).kind is FileKind.OTHER
    directory = fs.stat(str(tmp_path))
    assert (directory.kind, directory.size) == (FileKind.DIRECTORY, 0)


def test_directories_are_made_listed_and_removed(tmp_path: Path) -> None:
    path = str(tmp_path / "sub")
    fs.mkdir(path)
    fs.open(f"{path}/a", NEW).close()
    fs.open(f"{path}/b", NEW).close()
    fs.fsync_dir(path)
    assert sorted(fs.listdir(path)) == ["a", "b"]
    with pytest.raises(OSError, match="sub") as caught:
        fs.rmdir(path)
    assert caught.value.errno == errno.ENOTEMPTY
    fs.unlink(f"{path}/a")
    fs.unlink(f"{path}/b")
    fs.rmdir(path)
    assert not Path(path).exists()


def test_errors_about_names_carry_the_path(tmp_path: Path) -> None:
    missing, file = str(tmp_path / "missing"), str(tmp_path / "file")
    Path(file).touch()
    attempts: list[tuple[Callable[[], object], int, str]] = [
        (lambda: fs.stat(missing), errno.ENOENT, missing),
        (lambda: fs.unlink(missing), errno.ENOENT, missing),
        (lambda: fs.rename(missing, file), errno.ENOENT, missing),
        (lambda: fs.listdir(missing), errno.ENOENT, missing),
        (lambda: fs.mkdir(file), errno.EEXIST, file),
        (lambda: fs.rmdir(file), errno.ENOTDIR, file),
        (lambda: fs.fsync_dir(file), errno.ENOTDIR, file),
        (lambda: fs.fsync_dir(missing), errno.ENOENT, missing),
    ]
    for attempt, expected, path in attempts:
        with pytest.raises(OSError, match=r"missing|file") as caught:
            attempt()
        assert (caught.value.errno, caught.value.filename) == (expected, path)
