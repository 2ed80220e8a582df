"""Modes, owners, times and extended attributes of files, as code without changes sees them."""

import errno
import os
import pathlib
import pickle
import shutil
import stat
import tempfile
import time
from collections.abc import Callable

import pytest

from wavetank.sim import Attribute, AttributeKind, SimDisk
from wavetank.sim.python_files import PythonFiles

LOOKS: dict[str, tuple[Callable[[str], object], tuple[AttributeKind, ...]]] = {
    "exists": (os.path.exists, ()),
    "isfile": (os.path.isfile, ()),
    "size": (lambda path: os.stat(path).st_size, ()),
    "size by place": (lambda path: os.stat(path)[stat.ST_SIZE], ()),
    "inode": (lambda path: (os.stat(path).st_ino, os.stat(path).st_nlink), ()),
    "Path.is_file": (lambda path: pathlib.Path(path).is_file(), ()),
    "walk": (lambda path: list(os.walk(os.path.dirname(path))), ()),
    "rglob": (lambda path: list(pathlib.Path(path).parent.rglob("*")), ()),
    "scandir": (lambda path: [e.is_dir() for e in os.scandir(os.path.dirname(path))], ()),
    "rmtree": (lambda path: shutil.rmtree(os.path.dirname(path)), ()),
    "temporary": (lambda path: tempfile.mkstemp(dir=os.path.dirname(path)), ()),
    "copyfile": (lambda path: shutil.copyfile(path, path + "2"), ()),
    "mode": (lambda path: os.stat(path).st_mode, (AttributeKind.MODE,)),
    "copymode": (lambda path: shutil.copymode(path, path), (AttributeKind.MODE,)),
    "may run": (lambda path: os.access(path, os.X_OK), (AttributeKind.MODE,)),
    "owner": (lambda path: os.stat(path).st_uid, (AttributeKind.OWNER,)),
    "mtime": (os.path.getmtime, (AttributeKind.TIMES,)),
    "entry's time": (
        lambda path: [e.stat().st_mtime for e in os.scandir(os.path.dirname(path))],
        (AttributeKind.TIMES,),
    ),
    "all": (
        lambda path: tuple(os.stat(path)),
        (AttributeKind.MODE, AttributeKind.OWNER, AttributeKind.TIMES),
    ),
    "extended": (os.listxattr, (AttributeKind.EXTENDED,)),
}


@pytest.mark.slow
def test_a_look_is_one_that_may_decide_something() -> None:
    seen = {}
    with PythonFiles() as files:
        for name, (look, _) in LOOKS.items():
            image = files.empty_image()
            disk = SimDisk(image)
            with files.process(disk, tracing=True):
                path = os.path.join(files.directory, "d", "f")
                os.mkdir(os.path.dirname(path))
                pathlib.Path(path).write_text("x")
                tuple(os.stat(path))  # what the workload looks at is no matter
            with files.process(disk.process_kill()):
                look(path)
            assert image.attribute_reads is not None
            seen[name] = image.attribute_reads.seen
    assert seen == {name: kinds for name, (_, kinds) in LOOKS.items()}


@pytest.mark.slow
def test_a_look_in_a_forked_process_counts_here() -> None:
    with PythonFiles() as files:
        image = pickle.loads(pickle.dumps(files.empty_image()))
        child = os.fork()
        if not child:
            with files.process(SimDisk(image)):
                os.path.getmtime(files.directory)
            os._exit(0)
        os.waitpid(child, 0)
    assert image.attribute_reads.seen == (AttributeKind.TIMES,)


@pytest.mark.slow
def test_attributes_outlive_the_process() -> None:
    with PythonFiles() as files:
        disk = SimDisk(files.empty_image())
        with files.process(disk):
            os.umask(0o027)
            descriptor = os.open(f"{files.directory}/f", os.O_CREAT | os.O_WRONLY, 0o666)
            os.mkdir(f"{files.directory}/d")
            os.chmod(f"{files.directory}/d", 0o700)
            os.fchown(descriptor, 7, -1)
            os.chown(f"{files.directory}/d", 3, 4)
            os.utime(f"{files.directory}/f", ns=(5, 6))
        with files.process(disk.process_kill()):
            file, folder = os.stat(f"{files.directory}/f"), os.stat(f"{files.directory}/d")
            assert (stat.S_IMODE(file.st_mode), file.st_uid, file.st_gid) == (0o640, 7, os.getgid())
            assert (file.st_atime_ns, file.st_mtime_ns) == (5, 6)
            assert (stat.S_IMODE(folder.st_mode), folder.st_uid, folder.st_gid) == (0o700, 3, 4)


@pytest.mark.slow
def test_a_change_dates_its_file_and_its_directory() -> None:
    def times(directory: str) -> list[int]:
        return [os.stat(path).st_mtime_ns for path in (f"{directory}/f", directory)]

    with PythonFiles() as files, files.process(SimDisk(files.empty_image())):
        path = f"{files.directory}/f"
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
        before = times(files.directory)
        for call, changed in (
            (lambda: os.write(descriptor, b"xy"), [True, False]),
            (lambda: os.ftruncate(descriptor, 1), [True, False]),
            (lambda: os.link(path, path + "2"), [False, True]),
            (lambda: os.unlink(path + "2"), [False, True]),
            (lambda: os.chmod(path, 0o600), [False, False]),
            (lambda: os.read(descriptor, 1), [False, False]),
        ):
            time.sleep(1)
            call()
            after = times(files.directory)
            assert [new > old for old, new in zip(before, after, strict=True)] == changed
            before = after


@pytest.mark.slow
def test_each_call_is_one_micro_op() -> None:
    with PythonFiles() as files:
        disk = SimDisk(files.empty_image())
        with files.process(disk):
            path = pathlib.Path(files.directory, "f")
            path.touch()
            os.symlink("f", f"{files.directory}/s")
            known = len(disk.log)
            os.chmod(path, 0o600)
            os.utime(f"{files.directory}/s", (1, 2), follow_symlinks=False)
            os.lchown(f"{files.directory}/s", 1, 2)
            os.setxattr(path, "user.a", b"1")
            with open(path, "rb") as file:
                os.fchmod(file.fileno(), 0o640)
    changes = list(disk.log)[known:]
    assert all(isinstance(each, Attribute) for each in changes)
    told = [(each.path, each.change.kinds) for each in changes if isinstance(each, Attribute)]
    assert told == [
        ("/simulated/f", (AttributeKind.MODE,)),
        ("/simulated/s", (AttributeKind.TIMES,)),
        ("/simulated/s", (AttributeKind.OWNER,)),
        ("/simulated/f", (AttributeKind.EXTENDED,)),
        ("/simulated/f", (AttributeKind.MODE,)),
    ]


@pytest.mark.slow
def test_extended_attributes_are_those_of_linux() -> None:
    def fails(call: Callable[[], object]) -> int | None:
        with pytest.raises(OSError, match=r"\[Errno") as error:
            call()
        return error.value.errno

    with PythonFiles() as files, files.process(SimDisk(files.empty_image())):
        path = f"{files.directory}/f"
        pathlib.Path(path).touch()
        assert fails(lambda: os.getxattr(path, "user.a")) == errno.ENODATA
        assert fails(lambda: os.removexattr(path, "user.a")) == errno.ENODATA
        assert fails(lambda: os.setxattr(path, "a", b"")) == errno.ENOTSUP
        assert fails(lambda: os.setxattr(path, "user.a", b"", os.XATTR_REPLACE)) == errno.ENODATA
        os.setxattr(path, b"user.a", b"1")
        assert fails(lambda: os.setxattr(path, "user.a", b"", os.XATTR_CREATE)) == errno.EEXIST
        os.setxattr(path, "user.a", bytearray(b"2"), os.XATTR_REPLACE)
        shutil.copy2(path, path + "2")
        assert (os.listxattr(path + "2"), os.getxattr(path + "2", "user.a")) == (["user.a"], b"2")
        os.removexattr(path, "user.a")
        assert (os.listxattr(path), os.listxattr(path + "2")) == ([], ["user.a"])


@pytest.mark.slow
def test_what_stat_gives_is_a_stat_result_to_everybody() -> None:
    with PythonFiles() as files, files.process(SimDisk(files.empty_image())):
        pathlib.Path(files.directory, "f").write_text("abc")
        found = os.stat(f"{files.directory}/f")
        assert isinstance(found, os.stat_result)
        assert len(found) == 10
        mode, *_, size, accessed, modified, changed = found
        assert (mode, size) == (found.st_mode, 3)
        assert (accessed, modified, changed) == tuple(found)[7:]
        assert found == os.stat(f"{files.directory}/f")
        assert found != os.stat(files.directory)
        twin = pickle.loads(pickle.dumps(found))
        assert type(twin) is os.stat_result
        assert twin == tuple(found)
        assert repr(found).startswith("os.stat_result(st_mode=33188, ")
        assert found[-4:] == (3, accessed, modified, changed)


def what_is_seen(directory: str) -> list[object]:
    """What a program that uses modes, owners and times finds, step by step."""
    told: list[object] = []

    def look(name: str, *, follow: bool = True) -> None:
        found = os.stat(f"{directory}/{name}", follow_symlinks=follow)
        told.append((name, oct(found.st_mode), found.st_nlink, found.st_size))
        told.append((found.st_uid == os.getuid(), found.st_gid == os.getgid()))

    def times(name: str) -> None:
        found = os.stat(f"{directory}/{name}", follow_symlinks=False)
        told.append((name, found.st_atime_ns, found.st_mtime_ns, int(found.st_mtime)))

    before = os.umask(0o027)
    os.close(os.open(f"{directory}/a", os.O_CREAT | os.O_RDWR, 0o4777))
    os.mkdir(f"{directory}/d", 0o777)
    os.symlink("a", f"{directory}/s")
    os.link(f"{directory}/a", f"{directory}/b")
    for name in ("a", "d", "b"):
        look(name)
    look("s", follow=False)
    os.chmod(f"{directory}/s", 0o612)
    os.utime(f"{directory}/b", ns=(1_500_000_001, 2_500_000_002))
    os.utime(f"{directory}/s", (7, 8), follow_symlinks=False)
    os.utime(f"{directory}/d", (2.5, 3.5))
    for name in ("a", "s", "d"):
        times(name)
    shutil.copy2(f"{directory}/a", f"{directory}/c")
    look("c")
    told.append(os.stat(f"{directory}/c").st_mtime_ns)  # reading may change when it was used
    with open(f"{directory}/c", "ab") as file:
        os.fchmod(file.fileno(), 0o400)
        file.write(b"more")
    look("c")
    os.rename(f"{directory}/a", f"{directory}/d/a")
    told.append(os.stat(f"{directory}/d/a").st_mtime_ns)
    told.append((os.access(f"{directory}/d/a", os.X_OK), os.access(f"{directory}/d", os.X_OK)))
    told.append([os.path.samefile(f"{directory}/b", f"{directory}/{n}") for n in ("d/a", "c")])
    os.umask(before)
    return told


def test_attributes_are_those_of_the_real_machine(tmp_path: pathlib.Path) -> None:
    with PythonFiles() as files, files.process(SimDisk(files.empty_image())):
        simulated = what_is_seen(files.directory)
    assert simulated == what_is_seen(str(tmp_path))
