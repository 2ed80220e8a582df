"""A law: the op log of a traced program is the one that its calls give on the simulated disk."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.engine import OpenFlag
from wavetank.sim import Mark, Record, SimDisk, SimFileSystem
from wavetank.sim.traces import Program, record

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

Step: TypeAlias = tuple[str, str, str, int, bytes]

NAMES = ("a", "b", "s", "s/a", "s/b", "l/a", "l")
names = st.sampled_from(NAMES)
KINDS = (
    *("write", "append", "rewrite", "truncate", "reserve", "fsync", "fdatasync"),
    *("fsync_dir", "sync", "rename", "link", "unlink", "mkdir", "rmdir", "symlink"),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        names,
        names,
        st.sampled_from((0, 1, 4095, 4096, 5000, 9000)),
        st.sampled_from((b"", b"x", b"y" * 4096, b"z" * 5001)),
    ),
    max_size=25,
)

FLAGS = {
    "write": (os.O_WRONLY | os.O_CREAT, OpenFlag.WRITE | OpenFlag.CREATE),
    "append": (
        os.O_WRONLY | os.O_CREAT | os.O_APPEND,
        OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.APPEND,
    ),
    "rewrite": (
        os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
        OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.TRUNCATE,
    ),
}
OTHERS = (os.O_WRONLY, OpenFlag.WRITE)


def on_the_machine(directory: Path, step: Step) -> None:
    kind, name, target, number, content = step
    path, other = directory / name, directory / target
    if kind == "sync":
        os.sync()
    elif kind == "symlink":
        os.symlink(target, path)
    elif kind in {"rename", "link"}:
        getattr(os, kind)(path, other)
    elif kind in {"unlink", "mkdir", "rmdir"}:
        getattr(os, kind)(path)
    elif kind == "fsync_dir":
        file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        os.fsync(file)
        os.close(file)
    else:
        file = os.open(path, FLAGS.get(kind, OTHERS)[0] | os.O_NOFOLLOW)
        if kind == "append":
            os.write(file, content)
        elif kind in {"write", "rewrite"}:
            os.pwrite(file, content, number)
        elif kind == "truncate":
            os.ftruncate(file, number)
        elif kind == "reserve":
            os.posix_fallocate(file, number, 100)
        else:
            getattr(os, kind)(file)
        os.close(file)


def on_the_simulation(filesystem: SimFileSystem, step: Step) -> None:
    kind, name, target, number, content = step
    path, other = f"/data/{name}", f"/data/{target}"
    if kind == "sync":
        filesystem.sync()
    elif kind == "symlink":
        filesystem.symlink(target, path)
    elif kind in {"rename", "link"}:
        getattr(filesystem, kind)(path, other)
    elif kind in {"unlink", "mkdir", "rmdir", "fsync_dir"}:
        getattr(filesystem, kind)(path)
    else:
        file = filesystem.open(path, FLAGS.get(kind, OTHERS)[1])
        if kind == "append":
            file.append(content)
        elif kind in {"write", "rewrite"}:
            file.pwrite(content, number)
        elif kind == "truncate":
            file.truncate(number)
        elif kind == "reserve":
            file.preallocate(number, 100)
        else:
            {"fsync": file.fsync, "fdatasync": file.datasync}[kind]()
        file.close()


def without_ways(log: Iterable[Record]) -> list[Record]:
    """Return a log without the paths that people read: a link on the way is not part of them."""
    return [each if isinstance(each, Mark) else evolve(each, path="") for each in log]


@settings(max_examples=40, deadline=None)
@given(steps=steps)
def test_a_trace_is_what_the_simulation_records(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "data"
        (directory / "s").mkdir(parents=True)
        (directory / "a").write_bytes(b"a" * 5000)
        os.link(directory / "a", directory / "s" / "b")
        os.symlink("s", directory / "l")

        def work() -> None:
            os.mkdir(directory / "first")
            for step in steps:
                with suppress(OSError):
                    on_the_machine(directory, step)

        trace = record(Program(work=work, directory=directory))
    disk = SimDisk(trace.image)
    filesystem = SimFileSystem(disk)
    filesystem.mkdir("/data/first")
    for step in steps:
        with suppress(OSError):
            on_the_simulation(filesystem, step)
    assert without_ways(trace.log) == without_ways(disk.log)


def test_the_way_through_a_link_is_told_without_it(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    (directory / "s").mkdir(parents=True)
    os.symlink("s", directory / "l")
    step: Step = ("mkdir", "l/a", "", 0, b"")
    trace = record(Program(work=partial(on_the_machine, directory, step), directory=directory))
    assert [getattr(each, "path", "") for each in trace.log] == ["/data/s/a"]
