"""Code that knows nothing of the simulation lands on the simulated disk, and nowhere else."""

import _thread
import asyncio
import fcntl
import glob
import io
import mmap
import os
import pathlib
import shutil
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from os import replace
from types import ModuleType

import pytest

from wavetank.sim import Data, Dirent, SimDisk, Size, Sync, SyncKind
from wavetank.sim.python_files import (
    PythonFiles,
    PythonFilesError,
    StaleFileError,
    TimeLimitError,
    UnroutedCallError,
)


def disk_after(code: Callable[[str], object]) -> SimDisk:
    """Run code as a process and return its disk."""
    with PythonFiles() as files:
        disk = SimDisk(files.empty_image())
        with files.process(disk):
            code(files.directory)
    return disk


def ops(disk: SimDisk) -> list[str]:
    """Return the op log as words."""
    told = []
    for record in disk.log:
        if isinstance(record, Data):
            told.append(f"data {record.start}+{len(record.content)}")
        elif isinstance(record, Size):
            told.append(f"size {record.size}")
        elif isinstance(record, Dirent):
            told.append(f"{'+' if record.inode else '-'}{record.name}")
        elif isinstance(record, Sync):
            told.append(record.kind.value)
    return told


def shown(disk: SimDisk) -> dict[str, bytes]:
    """Return the files that a program sees."""
    found: dict[str, bytes] = {}

    def walk(path: str, directory: int) -> None:
        for name, inode in (disk.entries(directory) or {}).items():
            if disk.is_file(inode):
                found[f"{path}/{name}"] = disk.read(inode, 0, disk.size(inode))
            else:
                walk(f"{path}/{name}", inode)

    walk("", 1)
    return found


def test_the_classical_replacement_is_the_ops_that_it_promises() -> None:
    def code(directory: str) -> None:
        path = pathlib.Path(directory)
        with (path / "new").open("w") as file:
            file.write("hello")
            file.flush()
            os.fsync(file)
        replace(path / "new", path / "old")
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    assert ops(disk_after(code)) == [
        "+new",
        "data 0+5",
        "size 5",
        "fsync",
        "+old",
        "-new",
        "fsync_dir",
    ]


@pytest.mark.slow
def test_a_rename_over_is_one_call() -> None:
    def code(directory: str) -> None:
        for name in ("a", "b"):
            pathlib.Path(directory, name).write_bytes(b"x")
        os.rename(f"{directory}/a", f"{directory}/b")

    *_, gone, arrives, leaves = list(disk_after(code).log)
    assert isinstance(gone, Dirent)
    assert isinstance(arrives, Dirent)
    assert isinstance(leaves, Dirent)
    assert gone.call == arrives.call == leaves.call
    assert (gone.inode, arrives.replaces, leaves.inode) == (None, True, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flag", "expected"), [(os.O_DSYNC, SyncKind.DATA), (os.O_SYNC, SyncKind.FILE)]
)
def test_a_synchronous_descriptor_syncs_with_each_write(flag: int, expected: SyncKind) -> None:
    def code(directory: str) -> None:
        descriptor = os.open(f"{directory}/f", os.O_CREAT | os.O_WRONLY | flag)
        os.write(descriptor, b"one")
        os.write(descriptor, b"two")

    kinds = [record.kind for record in disk_after(code).log if isinstance(record, Sync)]
    assert kinds == [expected, expected]


@pytest.mark.slow
def test_what_was_not_flushed_never_reaches_the_disk() -> None:
    kept: list[io.TextIOWrapper] = []

    def code(directory: str) -> None:
        kept.append(open(f"{directory}/f", "w", encoding="utf-8"))  # noqa: SIM115 - it stays open
        kept[0].write("lost with the process")

    disk = disk_after(code)
    kept[0].close()
    assert shown(disk) == {"/simulated/f": b""}


@pytest.mark.slow
def test_a_file_of_an_earlier_process_cannot_be_read() -> None:
    with PythonFiles() as files:
        disk = SimDisk(files.empty_image())
        with files.process(disk):
            file = open(f"{files.directory}/f", "w+b")  # noqa: SIM115 - it stays open
            file.write(b"x" * 10_000)
        with files.process(SimDisk(files.empty_image())), pytest.raises(StaleFileError):
            file.read(1)


@pytest.mark.slow
def test_pointers_and_positions_are_those_of_linux() -> None:
    def code(directory: str) -> None:
        descriptor = os.open(f"{directory}/f", os.O_CREAT | os.O_RDWR)
        assert descriptor >= 1 << 30
        assert os.pwrite(descriptor, b"0123456789", 0) == 10
        assert os.lseek(descriptor, -4, os.SEEK_END) == 6
        assert os.read(descriptor, 9) == b"6789"
        twin = os.dup(descriptor)
        assert os.lseek(twin, 0, os.SEEK_CUR) == 10
        os.ftruncate(descriptor, 12)
        assert os.pread(descriptor, 9, 8) == b"89\0\0"
        assert os.writev(descriptor, [b"ab", b"c"]) == 3
        first, second = bytearray(2), bytearray(9)
        assert os.preadv(descriptor, [first, second], 9) == 4
        assert bytes(first + second[:2]) == b"9abc"
        os.posix_fallocate(descriptor, 0, 20)
        assert os.fstat(descriptor).st_size == 20
        other = os.open(f"{directory}/g", os.O_CREAT | os.O_RDWR)
        assert os.copy_file_range(descriptor, other, 4, 2) == 4
        assert os.sendfile(other, descriptor, 0, 2) == 2
        assert os.pread(other, 9, 0) == b"234501"
        os.close(descriptor)
        assert os.lseek(twin, 0, os.SEEK_SET) == 0
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.read(descriptor, 1)
        with pytest.raises(TypeError):
            os.write(twin, 3)  # type: ignore[arg-type] # bytes(3) would be three zeros

    disk_after(code)


@pytest.mark.slow
def test_appending_goes_to_the_end_whatever_the_offset() -> None:
    def code(directory: str) -> None:
        descriptor = os.open(f"{directory}/f", os.O_CREAT | os.O_RDWR | os.O_APPEND)
        os.write(descriptor, b"abc")
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, b"de")
        os.pwrite(descriptor, b"f", 0)

    assert shown(disk_after(code)) == {"/simulated/f": b"abcdef"}


@pytest.mark.slow
def test_directories_links_and_descriptors_of_directories() -> None:
    def code(directory: str) -> None:
        os.makedirs(f"{directory}/a/b")
        base = os.open(f"{directory}/a", os.O_RDONLY)
        os.rename(f"{directory}/a", f"{directory}/c")
        descriptor = os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=base)
        os.write(descriptor, b"x")
        os.link(f"{directory}/c/f", f"{directory}/g")
        assert os.stat(f"{directory}/g").st_nlink == 2
        os.symlink("c/f", f"{directory}/s")
        assert os.readlink(f"{directory}/s") == "c/f"
        assert pathlib.Path(directory, "s").read_bytes() == b"x"
        assert pathlib.Path(directory, "s").is_symlink()
        assert [entry.name for entry in os.scandir(base)] == ["f", "b"]
        assert glob.glob(f"{directory}/**/f", recursive=True) == [f"{directory}/c/f"]
        os.chdir(f"{directory}/c")
        assert os.path.abspath("f") == f"{directory}/c/f"
        shutil.copytree(directory, f"{directory}2", symlinks=True)
        shutil.rmtree(f"{directory}/c")
        with pytest.raises(FileExistsError):
            os.mkdir(f"{directory}/g")
        with pytest.raises(FileNotFoundError):
            open(f"{directory}/c/f")  # noqa: SIM115 - it fails

    assert sorted(shown(disk_after(code))) == [
        "/simulated/g",
        "/simulated2/c/f",
        "/simulated2/g",
    ]


@pytest.mark.slow
def test_two_openers_stand_in_each_others_way() -> None:
    def code(directory: str) -> None:
        with open(f"{directory}/lock", "w") as one, open(f"{directory}/lock", "w") as other:
            fcntl.flock(one, fcntl.LOCK_SH)
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
            with pytest.raises(BlockingIOError):
                fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(other, fcntl.LOCK_UN)
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
            # Record locks belong to the process, which never stands in its own way.
            fcntl.lockf(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB)

    disk_after(code)


@pytest.mark.slow
def test_a_mapping_and_its_file_are_one() -> None:
    def code(directory: str) -> None:
        with open(f"{directory}/f", "w+b") as file:
            file.write(bytes(8))
            file.flush()
            with mmap.mmap(file.fileno(), 0) as mapping:
                mapping[1:3] = b"ab"
                struct.pack_into("<H", mapping, 4, 0x4443)
                assert os.pread(file.fileno(), 8, 0) == b"\0ab\0CD\0\0"
                os.pwrite(file.fileno(), b"z", 7)
                assert mapping[7:] == b"z"
                mapping.flush()
                mapping.resize(10)
                assert os.fstat(file.fileno()).st_size == 10

    disk = disk_after(code)
    assert shown(disk) == {"/simulated/f": b"\0ab\0CD\0z\0\0"}
    assert ops(disk) == [
        *("+f", "data 0+8", "size 8"),
        *("data 1+2", "data 4+2", "data 7+1", "fdatasync", "size 10"),
    ]


@pytest.mark.slow
def test_what_was_written_to_a_mapping_stays_though_nobody_holds_it() -> None:
    def code(directory: str) -> None:
        with open(f"{directory}/f", "w+b") as file:
            file.write(bytes(4))
            file.flush()
            mapping = mmap.mmap(file.fileno(), 0)
        struct.pack_into("<H", mapping, 1, 0x4443)
        del mapping
        os.rename(f"{directory}/f", f"{directory}/g")

    disk = disk_after(code)
    assert shown(disk) == {"/simulated/g": b"\0CD\0"}
    assert ops(disk)[-3:] == ["data 1+2", "+g", "-f"]


@pytest.mark.slow
def test_temporary_files_land_on_the_simulated_disk_with_names_that_repeat() -> None:
    def code(directory: str) -> None:
        with tempfile.NamedTemporaryFile("w", dir=directory, delete=False) as file:
            file.write("x")
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            file.write("y")
        with tempfile.TemporaryFile() as unnamed:
            unnamed.write(b"z")

    first, second = (sorted(shown(disk_after(code))) for _ in range(2))
    assert first == second
    assert first[0] == "/simulated/tmp-simulated-000000"
    assert not pathlib.Path(tempfile.gettempdir(), "tmp-simulated-000001").exists()


@pytest.mark.slow
def test_real_files_are_read_and_never_changed(tmp_path: pathlib.Path) -> None:
    there = tmp_path / "there"
    there.write_text("real")

    def code(directory: str) -> None:
        assert there.read_text() == "real"
        shutil.copy(there, directory)
        with there.open("a") as file:
            file.write(" and simulated")
        assert there.read_text() == "real and simulated"
        (tmp_path / "new").write_text("simulated")
        os.unlink(there)

    disk = disk_after(code)
    assert shown(disk)["/simulated/there"] == b"real"
    assert shown(disk)[str(tmp_path / "new")] == b"simulated"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert there.read_text() == "real"


@pytest.mark.slow
def test_what_is_only_real_cannot_be_removed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "there").touch()
    with pytest.raises(UnroutedCallError, match="real machine"):
        disk_after(lambda _: os.unlink(tmp_path / "there"))
    assert (tmp_path / "there").exists()


def test_everything_is_real_again_afterwards(tmp_path: pathlib.Path) -> None:
    before = (os.open, open, replace, io.FileIO, mmap.mmap, time.sleep)
    disk_after(lambda directory: pathlib.Path(directory, "f").touch())
    assert (os.open, open, replace, io.FileIO, mmap.mmap, time.sleep) == before
    (tmp_path / "f").write_text("x")
    assert os.listdir(tmp_path) == ["f"]


CAPTURED = """
import os
from io import FileIO
from os import open as os_open, replace as move

def by_default(path, opener=os_open, *, remove=os.unlink):
    os.close(opener(path, os.O_CREAT | os.O_WRONLY))
    move(path, path + "2")
    remove(path + "2")

class Holder:
    make = staticmethod(os.mkdir)
    raw = FileIO
"""


@pytest.mark.slow
def test_names_are_found_wherever_a_module_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("captured")
    monkeypatch.setitem(sys.modules, "captured", module)
    exec(CAPTURED, vars(module))
    real = (module.move, module.Holder.make, module.by_default.__defaults__)

    def code(directory: str) -> None:
        module.by_default(f"{directory}/f")
        module.Holder.make(f"{directory}/d")
        with module.Holder.raw(f"{directory}/d/g", "w") as file:
            file.write(b"x")

    disk = disk_after(code)
    assert ops(disk) == ["+f", "+f2", "-f", "-f2", "+d", "+g", "data 0+1", "size 1"]
    assert (module.move, module.Holder.make, module.by_default.__defaults__) == real


@pytest.mark.slow
def test_what_a_module_takes_meanwhile_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("captured")
    monkeypatch.setitem(sys.modules, "captured", module)
    disk_after(lambda _: exec(CAPTURED, vars(module)))
    assert module.move is os.replace
    assert module.by_default.__defaults__ == (os.open,)
    assert module.by_default.__kwdefaults__ == {"remove": os.unlink}


def held(function: Callable[..., object]) -> Callable[..., object]:
    def call(*arguments: object) -> object:
        return function(*arguments)

    return call


MOVE, LIST = held(os.replace), partial(os.listdir)


@pytest.mark.slow
def test_what_a_closure_or_a_partial_holds_from_before_is_found_and_put_back() -> None:
    listed: list[object] = []

    def code(directory: str) -> None:
        pathlib.Path(directory, "f").touch()
        MOVE(f"{directory}/f", f"{directory}/g")
        listed.append(LIST(directory))

    assert ops(disk_after(code)) == ["+f", "+g", "-f"]
    assert listed == [["g"]]
    (cell,) = MOVE.__closure__ or ()
    assert cell.cell_contents is os.replace
    assert LIST.func is os.listdir
    assert os.replace.__module__ == "posix"


@pytest.mark.slow
def test_time_passes_when_somebody_looks() -> None:
    def code(_: str) -> None:
        start = time.monotonic()
        time.sleep(3600)
        assert 3600 <= time.monotonic() - start < 3601
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            pass

    disk_after(code)


@pytest.mark.slow
def test_an_event_loop_waits_in_virtual_time() -> None:

    def code(_: str) -> None:
        before = time.monotonic()
        asyncio.run(asyncio.sleep(3600))
        assert round(time.monotonic() - before, 3) == 3600.001

    disk_after(code)


@pytest.mark.slow
def test_the_number_of_a_process_that_is_gone_is_nobodys() -> None:
    with PythonFiles() as files:
        disk = SimDisk(files.empty_image())
        with files.process(disk):
            holder = os.getpid()
            os.kill(holder, 0)
        with files.process(disk, pid=holder + 1), pytest.raises(ProcessLookupError):
            os.kill(holder, 0)


@pytest.mark.slow
def test_threads_of_the_code_are_inside_and_others_are_not(tmp_path: pathlib.Path) -> None:
    told = threading.Event()

    def outside() -> None:
        told.wait()
        helper = threading.Thread(target=(tmp_path / "real").write_text, args=("x",))
        helper.start()
        helper.join()

    outsider = threading.Thread(target=outside)
    outsider.start()

    def code(directory: str) -> None:
        inside = threading.Thread(target=lambda: pathlib.Path(directory, "f").write_text("x"))
        inside.start()
        inside.join()
        told.set()
        while not (tmp_path / "real").exists():
            pass

    disk = disk_after(code)
    outsider.join()
    assert shown(disk) == {"/simulated/f": b"x"}
    assert (tmp_path / "real").read_text() == "x"


def with_number_of(number: int, code: Callable[[], object], *, plain: bool) -> bool:
    """Run code in threads until one has this number; False if none of a few gets it."""
    numbers: list[int] = []
    ended = threading.Event()

    def run() -> None:
        numbers.append(threading.get_ident())
        if numbers[-1] == number:
            code()
        ended.set()

    for _ in range(500):
        ended.clear()
        if plain:
            _thread.start_new_thread(run, ())
            ended.wait()
        else:
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
        if numbers[-1] == number:
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("plain", [False, True], ids=["Thread", "start_new_thread"])
def test_a_thread_with_the_number_of_an_ended_outsider_is_inside(
    plain: bool,  # noqa: FBT001 - two ways to start a thread
    tmp_path: pathlib.Path,
) -> None:
    stop, gone = threading.Event(), threading.Event()
    numbers: list[int] = []

    def outside() -> None:
        # `threading` keeps a placeholder for a thread that it did not start.
        numbers.append(threading.current_thread().ident or 0)
        gone.set()
        stop.wait()

    def escape() -> None:
        (tmp_path / "leak").write_text("x")
        with pytest.raises(UnroutedCallError):
            os.system("true")

    outsider = threading.Thread(target=outside)
    if plain:
        _thread.start_new_thread(outside, ())
    else:
        outsider.start()
    gone.wait()

    def code(directory: str) -> None:
        del directory
        stop.set()
        if not plain:
            outsider.join()
        assert with_number_of(numbers[0], escape, plain=plain)

    disk = disk_after(code)
    assert os.listdir(tmp_path) == []
    assert shown(disk) == {f"{tmp_path}/leak": b"x"}


@pytest.mark.slow
def test_a_thread_from_before_the_process_is_refused_the_simulated_directory() -> None:
    calls: list[Callable[[], object]] = []
    errors: list[str] = []
    ready = threading.Event()

    def outside() -> None:
        ready.wait()
        for call in calls:
            try:
                call()
            except UnroutedCallError as error:
                errors.append(str(error))

    old = threading.Thread(target=outside, name="pool-1")
    old.start()

    def code(directory: str) -> None:
        calls.extend(
            [
                partial(os.makedirs, f"{directory}/d", exist_ok=True),
                partial(open, f"{directory}/f", "w"),
                partial(os.path.exists, pathlib.Path(directory)),
            ]
        )
        ready.set()
        while len(errors) < len(calls):
            pass

    with PythonFiles() as files:
        disk = SimDisk(files.empty_image())
        with files.process(disk):
            code(files.directory)
        assert files.refusal is not None
    old.join()
    assert [error.partition(":")[0] for error in errors] == ["os.stat", "open", "os.stat"]
    assert all("'pool-1', which it did not start" in error for error in errors)
    assert not os.path.lexists("/simulated")


@pytest.mark.slow
@pytest.mark.parametrize("in_thread", [False, True])
def test_code_that_does_not_end_is_stopped(in_thread: bool) -> None:  # noqa: FBT001 - two ways
    caught: list[BaseException] = []

    def spin() -> None:
        while True:
            pass

    def run() -> None:
        with PythonFiles() as files:
            try:
                files.call(SimDisk(files.empty_image()), spin, limit_s=0.2)
            except TimeLimitError as error:
                caught.append(error)

    if in_thread:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    else:
        run()
    assert [str(error) for error in caught] == ["expected an end within 0.2 s but it ran on"]


@pytest.mark.minutes
def test_code_that_swallows_every_exception_is_stopped_too() -> None:
    def spin() -> None:
        started = clocks[0]()
        while True:
            try:
                while True:
                    pass
            except BaseException:
                if clocks[0]() - started > 0.4:
                    raise

    # In a list, where nobody looks for functions to replace: this must be the real time.
    clocks = [time.perf_counter]
    with PythonFiles() as files, pytest.raises(TimeLimitError):
        files.call(SimDisk(files.empty_image()), spin, limit_s=0.1)


@pytest.mark.slow
def test_a_thread_that_outlives_its_process_touches_no_other_disk() -> None:
    going_on = threading.Event()
    threads: list[threading.Thread] = []

    def leave(directory: str) -> None:
        def late() -> None:
            going_on.wait()
            Path(directory, "late").touch()

        threads.append(threading.Thread(target=late))
        threads[0].start()

    Path = pathlib.Path  # noqa: N806 - the class
    with PythonFiles() as files:
        with files.process(SimDisk(files.empty_image())):
            leave(files.directory)
        other = SimDisk(files.empty_image())
        with files.process(other):
            going_on.set()
            threads[0].join()
    assert shown(other) == {}
    assert not Path("/simulated").exists()


def test_one_simulation_at_a_time() -> None:
    with PythonFiles(), pytest.raises(PythonFilesError, match="one is open"), PythonFiles():
        pass


def test_the_directory_must_not_be_a_real_one(tmp_path: pathlib.Path) -> None:
    with pytest.raises(PythonFilesError, match="does not have"), PythonFiles(str(tmp_path)):
        pass


@pytest.mark.slow
def test_a_descriptor_can_begin_and_cease_to_append() -> None:
    with PythonFiles() as files:
        disk = SimDisk(files.empty_image())
        with files.process(disk):
            descriptor = os.open(f"{files.directory}/f", os.O_CREAT | os.O_RDWR)
            os.write(descriptor, b"abc")
            fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_APPEND)
            assert fcntl.fcntl(descriptor, fcntl.F_GETFL) == os.O_RDWR | os.O_APPEND
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, b"def")
            fcntl.fcntl(descriptor, fcntl.F_SETFL, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, b"X")
            assert os.pread(descriptor, 9, 0) == b"Xbcdef"
