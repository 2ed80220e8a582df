"""The FUSE recorder on real programs; it holds its log to what a user reads in the directory."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wavetank.sim import Attribute, Data, Dirent, Mark, Record, Size, Sync
from wavetank.sim.traces import Program, ProgramError, RecorderMissingError, Trace
from wavetank.sim.traces.fuse.recorder import FuseRecorder

pytestmark = pytest.mark.skipif(
    not os.access("/dev/fuse", os.R_OK | os.W_OK), reason="needs /dev/fuse"
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


def traced(directory: Path, script: str, **rest: float) -> Trace:
    work = (sys.executable, "-c", "import mmap, os, sys\n" + script)
    program = Program(
        work=work,
        directory=directory,
        acks=1,
        environment={"D": str(directory)},
        limit_s=rest.get("limit_s", 60.0),
    )
    return FuseRecorder().record(program)


def word(record: Record) -> str:
    match record:
        case Dirent(inode=inode, path=path):
            return f"{'-' if inode is None else '+'} {path}"
        case Data(path=path, block=block, start=start, content=content):
            return f"data {path} {block}:{start} {len(content)}"
        case Size(path=path, size=size):
            return f"size {path} {size}"
        case Sync(kind=kind, path=path):
            return f"{kind.value} {path}"
        case Mark(word=said):
            return said
        case Attribute(path=path):
            return f"attributes {path}"


def words(trace: Trace) -> list[str]:
    return [word(each) for each in trace.log]


def is_mounted(directory: Path) -> bool:
    return str(directory) in Path("/proc/self/mountinfo").read_text(encoding="utf-8")


def test_a_file_is_replaced_and_acknowledged(directory: Path) -> None:
    (directory / "old").write_bytes(b"before")
    script = """
d = os.environ["D"]
with open(d + "/new", "wb") as file:
    file.write(b"after")
    file.flush()
    os.fsync(file.fileno())
os.replace(d + "/new", d + "/old")
os.fsync(os.open(d, os.O_RDONLY))
print("ACK replaced", flush=True)
"""
    trace = traced(directory, script)
    assert words(trace) == [
        "+ /data/new",
        "data /data/new 0:0 5",
        "size /data/new 5",
        "fsync /data/new",
        "- /data/old",
        "+ /data/old",
        "- /data/new",
        "fsync_dir /data",
        "ack 1",
    ]
    assert trace.tokens == ("replaced",)
    assert [each.call for each in trace.sites] == ["create", "write", "fsync", "rename", "fsyncdir"]
    assert trace.image.files() == {"/data/old": b"before"}
    assert {each.name: each.read_bytes() for each in directory.iterdir()} == {"old": b"after"}
    assert not is_mounted(directory)


def test_a_mapping_is_written_before_its_msync_returns(directory: Path) -> None:
    (directory / "f").write_bytes(bytes(9000))
    script = """
file = os.open(os.environ["D"] + "/f", os.O_RDWR)
memory = mmap.mmap(file, 9000)
memory[5000] = 65
memory.flush()
print("ACK synced", flush=True)
memory[0] = 66
memory.close()
print("ACK unsynced", flush=True)
"""
    trace = traced(directory, script)
    assert words(trace) == [
        "data /data/f 1:0 4096",
        "fdatasync /data/f",
        "ack 1",
        "data /data/f 0:0 4096",
        "ack 2",
    ]
    assert [each.call for each in trace.sites] == [
        "write of a mapping",
        "fsync",
        "write of a mapping",
    ]
    content = (directory / "f").read_bytes()
    assert [content[0], content[5000], len(content)] == [66, 65, 9000]


@pytest.mark.parametrize(("flag", "kind"), [("O_SYNC", "fsync"), ("O_DSYNC", "fdatasync")])
def test_a_synchronous_write_is_synced(directory: Path, flag: str, kind: str) -> None:
    script = f"""
file = os.open(os.environ["D"] + "/f", os.O_WRONLY | os.O_CREAT | os.{flag})
os.write(file, b"12")
"""
    expected = ["+ /data/f", "data /data/f 0:0 2", "size /data/f 2", f"{kind} /data/f"]
    assert words(traced(directory, script)) == expected


def test_every_kind_of_call_leads_to_what_is_there(directory: Path) -> None:
    (directory / "keep").write_bytes(b"kept")
    script = """
import shutil, tempfile
os.chdir(os.environ["D"])
os.mkdir("sub")
os.symlink("../keep", "sub/link")
assert open("sub/link").read() == "kept"
os.link("keep", "sub/hard")
assert os.stat("keep").st_nlink == 2
with open("sub/hard", "r+") as one, open("keep") as other:
    one.write("K")
    one.flush()
    assert other.read() == "Kept"
with open("gone", "w+") as file:
    os.unlink("gone")
    file.write("still here")
    file.flush()
    assert os.fstat(file.fileno()).st_nlink == 0
    file.seek(0)
    assert file.read() == "still here"
os.truncate("keep", 2)
os.chmod("keep", 0o600)
os.utime("keep", ns=(1_000, 2_000))
assert os.stat("keep").st_mtime_ns == 2_000
os.setxattr("keep", "user.a", b"1")
assert (os.getxattr("keep", "user.a"), os.listxattr("keep")) == (b"1", ["user.a"])
os.removexattr("keep", "user.a")
file = os.open("long", os.O_RDWR | os.O_CREAT)
os.posix_fallocate(file, 0, 5000)
os.pwrite(file, b"x" * 3_000_000, 1)
assert os.statvfs(".").f_namemax == 255
try:
    os.open("keep", os.O_CREAT | os.O_EXCL)
except FileExistsError:
    pass
try:
    os.rmdir("sub")
except OSError as error:
    print(error.errno)
os.makedirs("a/b")
os.rename("a", "sub/a")
os.rmdir("sub/a/b")
with tempfile.TemporaryFile(dir=".") as file:
    file.write(b"x")
"""
    trace = traced(directory, script)
    assert trace.output == "39\n"
    assert sorted(each.name for each in directory.iterdir()) == ["keep", "long", "sub"]
    assert (directory / "keep").stat().st_mtime_ns == 2_000
    assert (directory / "keep").stat().st_mode & 0o777 == 0o600
    assert (directory / "sub" / "hard").samefile(directory / "keep")
    assert (directory / "keep").read_bytes() == b"Ke"
    assert (directory / "long").stat().st_size == 3_000_001


def test_acknowledgements_through_a_path(directory: Path, tmp_path: Path) -> None:
    acks = tmp_path / "acks"
    work = ("/bin/sh", "-c", f"echo a > {directory}/f; echo ACK one >> {acks}; rm {directory}/f")
    trace = FuseRecorder().record(Program(work=work, directory=directory, acks=acks))
    expected = ["+ /data/f", "data /data/f 0:0 2", "size /data/f 2", "ack 1", "- /data/f"]
    assert words(trace) == expected
    assert acks.read_bytes() == b"ACK one\n"
    assert not acks.is_symlink()


def test_a_function_is_recorded(directory: Path) -> None:
    trace = FuseRecorder().record(
        Program(work=lambda: (directory / "f").write_bytes(b"x"), directory=directory)
    )
    assert words(trace) == ["+ /data/f", "data /data/f 0:0 1", "size /data/f 1"]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("open(os.environ['D'] + '/f', 'w').close(); sys.exit(3)", "exited with 3"),
        ("os.abort()", "killed by SIGABRT"),
        ("open(os.environ['D'] + '/f', 'w'); import time; time.sleep(99)", "within 2 s"),
        ("pass", "changed nothing there"),
    ],
)
def test_a_failure_leaves_nothing_mounted(directory: Path, script: str, says: str) -> None:
    with pytest.raises(ProgramError, match=says):
        traced(directory, script, limit_s=2.0)
    assert not is_mounted(directory)


def test_what_keeps_a_file_open_is_left_behind(directory: Path) -> None:
    script = """
import subprocess
file = open(os.environ["D"] + "/f", "w")
subprocess.Popen(["sleep", "9"], stdout=file, start_new_session=True)
"""
    assert words(traced(directory, script)) == ["+ /data/f"]
    assert not is_mounted(directory)


def test_without_the_device_it_says_what_to_do(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wavetank.sim.traces.fuse.mount._DEVICE", "/dev/no-such-fuse")
    with pytest.raises(RecorderMissingError, match="modprobe fuse"):
        traced(directory, "pass")


SQLITE = """
import sqlite3
base = sqlite3.connect(os.environ["D"] + "/x.db", isolation_level=None)
base.execute("pragma journal_mode=wal")
base.execute("pragma synchronous=full")
base.execute("create table t (n)")
for each in range(3):
    base.execute("insert into t values (?)", (each,))
    print("ACK", each, flush=True)
"""


def test_sqlite_in_wal_mode_with_its_shared_memory(directory: Path) -> None:
    trace = traced(directory, SQLITE)
    assert trace.tokens == ("0", "1", "2")
    said = words(trace)
    for number in (1, 2, 3):
        assert said[: said.index(f"ack {number}")][-1].startswith(("fsync", "fdatasync"))


LMDB = """
import lmdb
with lmdb.open(os.environ["D"], map_size=1 << 20, writemap={writemap}) as base:
    for each in range(3):
        with base.begin(write=True) as transaction:
            transaction.put(b"%d" % each, b"value")
        print("ACK", each, flush=True)
"""


@pytest.mark.parametrize("writemap", [True, False])
def test_lmdb(directory: Path, *, writemap: bool) -> None:
    pytest.importorskip("lmdb", reason="needs lmdb")
    trace = traced(directory, LMDB.format(writemap=writemap))
    assert trace.tokens == ("0", "1", "2")
    assert words(trace)[:3] == ["+ /data/lock.mdb", "size /data/lock.mdb 8192", "+ /data/data.mdb"]


C_PROGRAM = r"""
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int count, char **words) {
    int file = open(words[1], O_RDWR | O_CREAT, 0644);
    if (ftruncate(file, 8192)) return 1;
    char *memory = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    strcpy(memory + 4096, "stored");
    if (count > 2 && msync(memory, 8192, MS_SYNC)) return 2;
    if (write(1, "ACK stored\n", 11) != 11) return 3;
    return 0;
}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize("syncs", [True, False])
def test_a_forgotten_msync_shows_behind_the_acknowledgement(
    directory: Path, tmp_path: Path, *, syncs: bool
) -> None:
    (tmp_path / "store.c").write_text(C_PROGRAM)
    binary = str(tmp_path / "store")
    subprocess.run(["gcc", "-o", binary, str(tmp_path / "store.c")], check=True)
    work = (binary, f"{directory}/f", *(["sync"] if syncs else []))
    trace = FuseRecorder().record(Program(work=work, directory=directory, acks=1))
    stored, ack = ["data /data/f 1:0 4096"], ["ack 1"]
    rest = [*stored, "fdatasync /data/f", *ack] if syncs else [*ack, *stored]
    assert words(trace) == ["+ /data/f", "size /data/f 8192", *rest]
