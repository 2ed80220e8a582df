"""Real programs under a real strace: each call that changes a directory, and each refusal."""

import ctypes
import errno
import mmap
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wavetank.sim import Data, Dirent, Mark, Record, SimDisk, Size, Sync
from wavetank.sim.traces import (
    Program,
    ProgramError,
    RecorderMissingError,
    Trace,
    TraceError,
    difference,
    directory_image,
    read_trace,
    record,
)

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
RENAME_EXCHANGE = 2


def system_call(name: str, *arguments: object) -> int:
    result = int(getattr(LIBC, name)(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


def traced(directory: Path, work: Callable[[], object], **options: object) -> Trace:
    return record(Program(work=work, directory=directory, limit_s=60.0, **options))  # type: ignore[arg-type]


def words(records: tuple[Record, ...]) -> list[str]:
    """Return a log in short: what, about which path."""
    found = []
    for each in records:
        if isinstance(each, Mark):
            found.append(each.word)
        elif isinstance(each, Sync):
            found.append(f"{each.kind.value}{' failed' if each.failed else ''} {each.path}".strip())
        elif isinstance(each, Dirent):
            found.append(f"{'-' if each.inode is None else '+'} {each.path}")
        elif isinstance(each, Data):
            at = each.block * 4096 + each.start
            found.append(f"{each.path} {at} {each.content.decode('latin-1')}")
        else:
            assert isinstance(each, Size)
            found.append(f"{each.path} size {each.size}")
    return found


def test_writes_go_where_their_descriptor_stands(directory: Path) -> None:
    def work() -> None:
        one = os.open(directory / "f", os.O_RDWR | os.O_CREAT)
        os.write(one, b"hello")
        other = os.dup(one)
        os.lseek(other, 1, os.SEEK_SET)
        os.read(one, 1)
        os.writev(other, [b"L", b"L"])
        os.pwrite(one, b"!", 5)
        os.pwritev(one, [b"?", b"?"], 6)
        os.write(one, b"O")
        end = os.open(directory / "f", os.O_WRONLY | os.O_APPEND)
        os.write(end, b"end")
        os.ftruncate(one, 9)
        os.truncate(directory / "f", 10)
        os.write(os.open(directory / "f", os.O_WRONLY | os.O_TRUNC), b"new")

    trace = traced(directory, work)
    assert words(trace.log) == [
        "+ /data/f",
        *("/data/f 0 hello", "/data/f size 5"),
        "/data/f 2 LL",
        *("/data/f 5 !", "/data/f size 6"),
        *("/data/f 6 ??", "/data/f size 8"),
        "/data/f 4 O",
        *("/data/f 8 end", "/data/f size 11"),
        "/data/f size 9",
        *("/data/f 9 \0", "/data/f size 10"),
        "/data/f size 0",
        *("/data/f 0 new", "/data/f size 3"),
    ]
    assert [site.call for site in trace.sites] == [
        *("openat", "write", "writev", "pwrite64", "pwritev2", "write", "write"),
        *("ftruncate", "truncate", "openat", "write"),
    ]
    assert trace.sites[-1].position == len(trace.log)
    first = trace.sites[0].number
    assert trace.sites[1].number == first + 1
    assert trace.calls > first


def test_names_are_made_moved_and_removed(directory: Path) -> None:
    (directory / "old").write_bytes(b"there before")

    def work() -> None:
        (directory / "a").write_bytes(b"1")
        (directory / "sub").mkdir()
        os.rename(directory / "a", directory / "sub" / "b")
        os.link(directory / "sub" / "b", directory / "c")
        os.symlink("sub/b", directory / "s")
        os.rename(directory / "sub" / "b", directory / "c")  # one file: nothing is done
        os.rename(directory / "c", directory / "old")
        os.unlink(directory / "s")
        below = os.open(directory / "sub", os.O_RDONLY)
        os.rename("b", "c", src_dir_fd=below, dst_dir_fd=below)
        os.fsync(below)
        os.unlink("c", dir_fd=below)
        os.rmdir(directory / "sub")
        os.mknod(directory / "node")
        system_call(
            "renameat2",
            AT_FDCWD,
            os.fsencode(directory / "node"),
            AT_FDCWD,
            os.fsencode(directory / "old"),
            RENAME_EXCHANGE,
        )

    trace = traced(directory, work)
    assert words(trace.log) == [
        *("+ /data/a", "/data/a 0 1", "/data/a size 1", "+ /data/sub"),
        *("+ /data/sub/b", "- /data/a", "+ /data/c", "+ /data/s"),
        *("- /data/old", "+ /data/old", "- /data/c", "- /data/s"),
        *("+ /data/sub/c", "- /data/sub/b", "fsync_dir /data/sub"),
        *("- /data/sub/c", "- /data/sub", "+ /data/node", "+ /data/node", "+ /data/old"),
    ]
    assert trace.image.files() == {"/data/old": b"there before"}


def test_syncs_are_told_by_kind(directory: Path) -> None:
    def work() -> None:
        file = os.open(directory / "f", os.O_WRONLY | os.O_CREAT)
        os.fsync(file)
        os.fdatasync(file)
        os.sync()
        system_call("syncfs", file)
        system_call("sync_file_range", file, 0, 0, 2)
        os.fsync(os.open(directory, os.O_RDONLY))
        os.write(os.open(directory / "f", os.O_WRONLY | os.O_DSYNC), b"d")
        os.write(os.open(directory / "f", os.O_WRONLY | os.O_SYNC), b"s")
        os.pwritev(file, [b"r"], 0, os.RWF_DSYNC)

    assert words(traced(directory, work).log) == [
        "+ /data/f",
        *("fsync /data/f", "fdatasync /data/f", "sync", "sync", "fsync_dir /data"),
        *("/data/f 0 d", "/data/f size 1", "fdatasync /data/f"),
        *("/data/f 0 s", "fsync /data/f", "/data/f 0 r", "fdatasync /data/f"),
    ]


def test_files_without_a_name_get_one(directory: Path) -> None:
    def work() -> None:
        file = os.open(directory, os.O_TMPFILE | os.O_RDWR)
        os.write(file, b"whole")
        path = f"/proc/self/fd/{file}".encode()
        system_call("linkat", AT_FDCWD, path, AT_FDCWD, os.fsencode(directory / "f"), 0x400)

    assert words(traced(directory, work).log) == [
        *("/data/(unnamed) 0 whole", "/data/(unnamed) size 5", "+ /data/f"),
    ]


def test_bytes_that_the_kernel_copies_are_known(directory: Path, tmp_path: Path) -> None:
    (directory / "from").write_bytes(b"0123456789")
    outer = tmp_path / "outer"
    outer.write_bytes(b"outside")
    os.utime(outer, (1, 1))

    def work() -> None:
        source = os.open(directory / "from", os.O_RDONLY)
        target = os.open(directory / "to", os.O_WRONLY | os.O_CREAT)
        os.sendfile(target, source, 2, 3)
        os.copy_file_range(source, target, 4)
        os.copy_file_range(source, target, 1)
        os.copy_file_range(source, target, 2, 5, 0)
        outside = os.dup(os.open(outer, os.O_RDONLY))
        os.read(outside, 3)
        os.copy_file_range(outside, target, 2)
        os.copy_file_range(outside, target, 2)
        os.posix_fallocate(target, 0, 20)
        system_call("fallocate", target, 1, ctypes.c_long(0), ctypes.c_long(4096))

    assert words(traced(directory, work).log) == [
        *("+ /data/to", "/data/to 0 234", "/data/to size 3"),
        *("/data/to 3 0123", "/data/to size 7", "/data/to 7 4", "/data/to size 8"),
        "/data/to 0 56",
        *("/data/to 8 si", "/data/to size 10", "/data/to 10 de", "/data/to size 12"),
        "/data/to size 20",
    ]


def test_strange_names_and_links_into_the_directory(tmp_path: Path, directory: Path) -> None:
    name = b'\xff\n"<>, ) = 3'
    (tmp_path / "way").symlink_to(directory)
    (directory / "up").symlink_to("..")

    def work() -> None:
        os.chdir(tmp_path)
        with open(b"way/" + name, "wb") as file:
            file.write(b"x")
        os.chdir(directory)
        os.rename(name, b"up/data/./" + name + b"2")
        os.unlink(f"/proc/self/cwd/{os.fsdecode(name)}2")

    trace = traced(directory, work)
    text = os.fsdecode(name)
    assert words(trace.log) == [
        *(f"+ /data/{text}", f"/data/{text} 0 x", f"/data/{text} size 1"),
        *(f"+ /data/{text}2", f"- /data/{text}", f"- /data/{text}2"),
    ]


def test_failed_calls_change_nothing_and_failed_syncs_are_told(directory: Path) -> None:
    def work() -> None:
        file = os.open(directory / "f", os.O_WRONLY | os.O_CREAT)
        for call in (
            lambda: os.mkdir(directory / "f"),
            lambda: os.rename(directory / "no", directory / "f"),
            lambda: os.pwrite(file, b"x", -1),
            lambda: os.open(directory / "f", os.O_CREAT | os.O_EXCL),
        ):
            with pytest.raises(OSError):  # noqa: PT011 - each has its own number
                call()

    assert words(traced(directory, work).log) == ["+ /data/f"]


def test_children_and_threads_share_what_linux_shares(directory: Path) -> None:
    def work() -> None:
        opened = os.open(directory / "f", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        file = os.dup2(opened, 9)
        os.write(file, b"1")
        child = os.fork()
        if not child:
            os.write(file, b"2")
            os._exit(0)
        os.waitpid(child, 0)
        thread = threading.Thread(target=os.write, args=(file, b"3"))
        thread.start()
        thread.join()
        subprocess.run(["/bin/sh", "-c", f"printf 4 >&{file}"], pass_fds=[file], check=True)
        subprocess.run(["/bin/sh", "-c", "printf 5 >> f"], cwd=directory, check=True)

    assert [each for each in words(traced(directory, work).log) if "size" not in each] == [
        "+ /data/f",
        *(f"/data/f {at} {at + 1}" for at in range(5)),
    ]


SHELL_ACKS = """
printf a > f; printf "hello\\nACK on" > "$0"; printf "e\\n" >> "$0"; echo b > f
(echo "ACK two words" >> "$0")
"""


def test_acknowledgements_stand_where_they_were_written(directory: Path, tmp_path: Path) -> None:
    acks = tmp_path / "acks"
    work = (
        "/bin/sh",
        "-c",
        SHELL_ACKS,
        str(acks),
    )
    os.chdir(directory)
    trace = record(Program(work=work, directory=directory, acks=acks))
    assert trace.tokens == ("one", "two words")
    assert [each for each in words(trace.log) if "size" not in each] == [
        *("+ /data/f", "/data/f 0 a", "ack 1", "/data/f 0 b\n", "ack 2")
    ]
    assert trace.outside == ()
    assert trace.sites[-1].call == "write"


@pytest.mark.parametrize("number", [1, 3])
def test_acknowledgements_by_a_descriptor(directory: Path, number: int) -> None:
    work = ("/bin/sh", "-c", f"echo x > '{directory}/f'; (echo ACK 7 >&{number}); echo bye >&2")
    trace = record(Program(work=work, directory=directory, acks=number))
    assert (trace.tokens, words(trace.log)[-1]) == (("7",), "ack 1")
    assert trace.output == ("ACK 7\nbye\n" if number == 1 else "bye\n")


def test_what_is_written_elsewhere_is_named(directory: Path, tmp_path: Path) -> None:
    def work() -> None:
        (tmp_path / "log").write_bytes(b"x")
        (directory / "f").write_bytes(b"x")
        os.write(1, b"output\n")

    trace = traced(directory, work)
    assert trace.outside == (str(tmp_path / "log"),)
    assert trace.output == "output\n"


def test_moving_out_is_removing(directory: Path, tmp_path: Path) -> None:
    (directory / "sub").mkdir()
    (directory / "sub" / "f").write_bytes(b"x")

    def work() -> None:
        below = os.open(directory / "sub", os.O_RDONLY)
        os.rename(directory / "sub", tmp_path / "sub")
        os.unlink("f", dir_fd=below)
        os.rename(tmp_path / "sub", tmp_path / "other")

    assert words(traced(directory, work).log) == ["- /data/sub", "- /data/sub/f"]


def test_mappings_of_files_that_are_rebuilt(directory: Path) -> None:
    def work() -> None:
        for name in ("x.db", "x.db-shm", "index.tmp"):
            file = os.open(directory / name, os.O_RDWR | os.O_CREAT)
            os.ftruncate(file, 10)
            if name != "x.db":
                with mmap.mmap(file, 10) as memory:
                    memory[:3] = b"abc"
        os.rename(directory / "index.tmp", directory / "other.tmp")

    trace = traced(directory, work, rebuilt=("*.tmp",))
    assert words(trace.log) == ["+ /data/x.db", "/data/x.db size 10"]
    assert trace.rebuilt == ("/data/index.tmp", "/data/other.tmp", "/data/x.db-shm")


def _map(directory: Path) -> None:
    with (directory / "f").open("w+b") as file:
        file.truncate(4096)
        mmap.mmap(file.fileno(), 4096)


def _protect(directory: Path) -> None:
    with (directory / "f").open("w+b") as file:
        file.truncate(4096)
        memory = mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ)
        address = _address_of(directory / "f")
        system_call("mprotect", ctypes.c_void_p(address), ctypes.c_size_t(4096), 3)
        memory.close()


def _address_of(path: Path) -> int:
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        if line.endswith(str(path)):
            return int(line.partition("-")[0], 16)
    raise AssertionError


def _move_in(directory: Path) -> None:
    (directory.parent / "out").write_bytes(b"x")
    os.rename(directory.parent / "out", directory / "f")


def _link_in(directory: Path) -> None:
    (directory.parent / "out").write_bytes(b"x")
    os.link(directory.parent / "out", directory / "f")


def _copy_in(directory: Path) -> None:
    (directory.parent / "out").write_bytes(b"x")
    shutil.copyfile(directory.parent / "out", directory / "f")


def _send(directory: Path) -> None:
    one, _other = socket.socketpair()
    with (directory / "f").open("wb") as file:
        socket.send_fds(one, [b"x"], [file.fileno()])


def _move_away(directory: Path) -> None:
    os.rename(directory, directory.parent / "elsewhere")


def _punch(directory: Path) -> None:
    with (directory / "f").open("w+b", buffering=0) as file:
        file.write(bytes(8192) + b"x" * 8192)
        system_call("fallocate", file.fileno(), 3, ctypes.c_long(8192), ctypes.c_long(4096))


def _name_of_rebuilt(directory: Path) -> None:
    (directory / "lock.mdb").write_bytes(b"x")
    os.rename(directory / "lock.mdb", directory / "f")


def _ack_nothing(directory: Path) -> None:
    (directory / "f").write_bytes(b"x")
    os.write(1, b"ACK\n")


def _ack_in_part(directory: Path) -> None:
    (directory / "f").write_bytes(b"x")
    os.write(1, b"ACK 1")


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (_map, "expected no shared writable mapping of '/data/f'.*--recorder fuse"),
        (_protect, "expected no shared writable mapping of '/data/f'.*mprotect"),
        (_move_in, "out' came from outside.*give a directory above both.*rename"),
        (_link_in, "out' came from outside.*link"),
        (_copy_in, "expected sendfile between files of the directory"),
        (_send, "expected no descriptor of the directory to be sent"),
        (_move_away, "expected a directory that stays where it is"),
        (_punch, "expected no FALLOC_FL_PUNCH_HOLE of bytes in use"),
        (_name_of_rebuilt, "expected '/data/lock.mdb', whose content is not recorded, to keep"),
        (_ack_nothing, "expected a token behind ACK"),
        (_ack_in_part, "expected a newline behind the last acknowledgement but got b'ACK 1'"),
    ],
)
def test_what_strace_cannot_record_is_refused(
    directory: Path, work: Callable[[Path], None], message: str
) -> None:
    with pytest.raises(TraceError, match=message):
        traced(directory, lambda: work(directory), acks=1)


def _fail() -> None:
    raise OSError(errno.EIO, "no luck")


def _sleep() -> None:
    time.sleep(100)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (_fail, r"exited with 1.*\[Errno 5\] no luck"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed by SIGKILL"),
        (lambda: sys.exit("bad"), "exited with 1.*bad"),
        (lambda: None, "changed nothing there"),
        (("/bin/sh", "-c", "echo why >&2; exit 3"), "exited with 3.*why"),
        (("/nowhere/at-all",), "could not run it.*at-all"),
    ],
)
def test_programs_that_fail(directory: Path, work: Callable[[], object], message: str) -> None:
    with pytest.raises(ProgramError, match=f"(?s){message}"):
        traced(directory, work)


def test_a_program_that_goes_on_is_stopped(directory: Path) -> None:
    with pytest.raises(ProgramError, match=r"expected an end within 0\.5 s but it goes on$"):
        record(Program(work=_sleep, directory=directory, limit_s=0.5))
    with pytest.raises(ProgramError, match=r"goes on; it is faster without stacks"):
        record(Program(work=_sleep, directory=directory, limit_s=0.5), stacks=True)


def test_a_function_ends_with_the_process_that_records_it(directory: Path) -> None:
    reads, writes = os.pipe()

    def work() -> None:
        os.write(writes, b"%d" % os.getpid())
        _sleep()

    recorder = os.fork()
    if not recorder:
        tempfile.tempdir = str(directory.parent)  # nobody removes what a killed process has made
        record(Program(work=work, directory=directory))
        os._exit(0)
    traced_pid = int(os.read(reads, 20))
    os.kill(recorder, signal.SIGKILL)
    os.waitpid(recorder, 0)
    status = Path(f"/proc/{traced_pid}/status")
    for _ in range(500):
        if not status.exists() or "State:\tZ" in status.read_text(encoding="utf-8"):
            break
        time.sleep(0.01)
    else:
        os.kill(traced_pid, signal.SIGKILL)
        raise AssertionError("it goes on")


def test_daemons_are_killed(directory: Path) -> None:
    note = directory / "pid"
    script = f"echo x > '{directory}/f'; setsid sleep 100 & echo $! > '{note}'"
    trace = record(Program(work=("/bin/sh", "-c", script), directory=directory))
    assert trace.log
    status = Path(f"/proc/{note.read_text().strip()}/status")
    assert not status.exists() or "State:\tZ" in status.read_text(encoding="utf-8")


def test_without_strace(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(directory))
    with pytest.raises(RecorderMissingError, match="apt-get install strace"):
        traced(directory, _sleep)


STORE_C = """
#include <fcntl.h>
#include <unistd.h>
static void put(int file) {
    write(file, "x", 1);
}
int main(int count, char **arguments) {
    int file = open(arguments[1], O_WRONLY | O_CREAT, 0644);
    put(file);
    fsync(file);
    return count != 2;
}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.skipif(shutil.which("addr2line") is None, reason="needs addr2line")
@pytest.mark.parametrize(
    ("options", "places"),
    [
        (("-g",), ["store.c:8", "store.c:5", "store.c:10"]),
        (("-g", "-no-pie"), ["store.c:8", "store.c:5", "store.c:10"]),
        ((), ["main", "put", "main"]),
        (("-s",), ["store", "store", "store"]),
    ],
)
def test_stacks_lead_to_lines_of_source(
    directory: Path, tmp_path: Path, options: tuple[str, ...], places: list[str]
) -> None:
    (tmp_path / "store.c").write_text(STORE_C)
    program = tmp_path / "store"
    command = ("gcc", "-w", "-O0", *options, "-o", str(program), "store.c")
    subprocess.run(command, cwd=tmp_path, check=True)
    work = (str(program), str(directory / "f"))
    trace = record(Program(work=work, directory=directory), stacks=True)
    assert [re.sub(r"call \d+", "call {}", site.place) for site in trace.sites] == places
    sites = [op.site for op in trace.log if isinstance(op, Data)]
    assert "libc.so" in sites[0]
    assert str(program) in sites[0]


RUSTS_LIBRARY_C = """#include <unistd.h>
void put(int file) { write(file, "x", 1); }
"""
ITS_CALLER_C = """#include <fcntl.h>
int main(int count, char **arguments) {
    int file = open(arguments[1], O_WRONLY | O_CREAT, 0644);
    put(file);
    return count != 2;
}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.skipif(shutil.which("addr2line") is None, reason="needs addr2line")
def test_lines_of_rusts_standard_library_are_passed_over(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "unix.c").write_text(RUSTS_LIBRARY_C)
    (tmp_path / "store.c").write_text(ITS_CALLER_C)
    library = f"-fdebug-prefix-map={tmp_path}=/rustc/59807616/library/std/src/sys/fs"
    program = tmp_path / "store"
    for command in (
        ("gcc", "-w", "-O0", "-g", library, "-c", "unix.c"),
        ("gcc", "-w", "-O0", "-g", "-o", str(program), "store.c", "unix.o"),
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    work = (str(program), str(directory / "f"))
    trace = record(Program(work=work, directory=directory), stacks=True)
    assert [site.place for site in trace.sites] == ["store.c:3", "store.c:4"]


def test_a_trace_that_was_kept_is_read_again(directory: Path, tmp_path: Path) -> None:
    (directory / "old").write_bytes(b"before")
    program = Program(
        work=("/bin/sh", "-c", f"cd '{directory}'; mv old new; echo x >> new; echo ACK 1"),
        directory=directory,
        acks=1,
    )
    trace = record(program, keep=tmp_path / "kept")
    with (tmp_path / "kept").open(encoding="ascii") as lines:
        again = read_trace(lines, directory=directory, image=trace.image, program=program)
    assert (again.log, again.sites) == (trace.log, trace.sites)
    assert again.tokens == ("1",)


def test_acknowledgements_may_stand_in_the_directory(directory: Path) -> None:
    work = ("/bin/sh", "-c", f"echo ACK 1 > '{directory}/acks'")
    trace = record(Program(work=work, directory=directory, acks=directory / "acks"))
    assert words(trace.log) == [
        *("+ /data/acks", "/data/acks 0 ACK 1\n", "/data/acks size 6", "ack 1"),
    ]


def test_a_mapping_that_a_function_inherits_is_refused(directory: Path) -> None:
    with (directory / "f").open("w+b") as file:
        file.truncate(4096)
        with (
            mmap.mmap(file.fileno(), 4096) as memory,
            pytest.raises(TraceError, match="maps no file of the directory for writing but"),
        ):
            traced(directory, memory.flush)


def test_a_replay_that_differs_is_told_with_its_first_difference(directory: Path) -> None:
    (directory / "f").write_bytes(b"a" * 5000)
    (directory / "g").symlink_to("f")
    disk = SimDisk(directory_image(str(directory)))
    assert difference(disk, str(directory)) == ""
    (directory / "f").write_bytes(b"a" * 4500 + b"b" + b"a" * 499)
    assert difference(disk, str(directory)) == (
        f"'/data/f', offset 4500: expected {'61 ' * 16}but there is 62 {'61 ' * 15}".rstrip()
    )
    (directory / "f").write_bytes(b"")
    assert difference(disk, str(directory)) == "'/data/f': expected 5000 bytes but there are 0"
    (directory / "f").unlink()
    assert difference(disk, str(directory)) == "'/data/f': expected it but it is not there"
    (directory / "f").mkdir()
    assert difference(disk, str(directory)) == "'/data/f': expected a file but it is a directory"


@pytest.mark.slow
def test_writes_that_overlap_are_named_where_the_replay_differs(directory: Path) -> None:
    """Whether appends of threads come out in the order of the trace is up to the machine."""

    def work() -> None:
        file = os.open(directory / "f", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        def append(number: int) -> None:
            for _ in range(200):
                os.write(file, b"%d" % number * 5000)

        threads = [threading.Thread(target=append, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    try:
        trace = traced(directory, work)
    except TraceError as error:
        expected = r"'/data/f', offset \d+: .*at once \(lines \d+ and \d+\).*let them take turns"
        assert re.search(expected, str(error))  # noqa: PT017 - it may go well, too
    else:
        assert sum(isinstance(each, Data) for each in trace.log) >= 1600


def test_the_start_image_has_links_holes_and_strange_names(directory: Path) -> None:
    (directory / "sub").mkdir()
    with (directory / "f").open("wb") as file:
        file.seek(10_000)
        file.write(b"end")
    os.link(directory / "f", directory / "sub" / os.fsdecode(b"\xff"))
    (directory / "link").symlink_to("nowhere")
    (directory / "lock.mdb").write_bytes(b"left out")
    image = directory_image(str(directory))
    shown = {path: inode for path, inode, _ in image.walk()}
    assert list(shown) == [
        *("/data", "/data/f", "/data/link", "/data/sub", "/data/sub/\udcff"),
    ]
    assert shown["/data/f"] == shown["/data/sub/\udcff"]
    assert image.files()["/data/f"] == bytes(10_000) + b"end"
    os.mkfifo(directory / "pipe")
    assert directory_image(str(directory)).digest() == image.digest()


@pytest.mark.parametrize("work", [("/bin/true",), _sleep])
def test_without_the_right_to_trace(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]
) -> None:
    fake = tmp_path / "strace"
    fake.write_text(
        "#!/bin/sh\necho 'strace: attach: ptrace(PTRACE_SEIZE, 5): Operation not permitted' >&2\n"
        "exit 1\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RecorderMissingError, match=r"right to trace processes .*not permitted"):
        traced(directory, work)
