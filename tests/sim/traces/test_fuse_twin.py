"""The two recorders on one program: for what both can see, they tell the same."""

import os
import random
import shutil
import sys
from pathlib import Path

import pytest

from wavetank.sim import Attribute, Data, Dirent, Mark, Record, Size, Sync
from wavetank.sim.traces import Program, Trace, record
from wavetank.sim.traces.fuse.recorder import FuseRecorder

pytestmark = [
    pytest.mark.skipif(not os.access("/dev/fuse", os.R_OK | os.W_OK), reason="needs /dev/fuse"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
]

CALLS = (
    "os.pwrite(opened({name!r}), b'{letter}' * {length}, {offset})",
    "os.ftruncate(opened({name!r}), {length})",
    "os.fsync(opened({name!r}))",
    "os.fdatasync(opened({name!r}))",
    "os.replace({name!r}, {other!r}) if os.path.exists({name!r}) else None",
    "os.unlink({name!r}) if os.path.exists({name!r}) else None",
    "os.link({name!r}, {other!r}) if is_new({name!r}, {other!r}) else None",
    "os.fsync(here)",
    "print('ACK', {length}, flush=True)",
)
HEAD = """
import os
here = os.open('.', os.O_RDONLY)
def opened(name):
    return os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
def is_new(name, other):
    return os.path.exists(name) and not os.path.exists(other)
opened("first")
"""


def script(seed: int) -> str:
    chosen = random.Random(seed)
    lines = [
        chosen.choice(CALLS).format(
            name=chosen.choice("abc"),
            other=chosen.choice("abc"),
            letter=chosen.choice("xyz"),
            length=chosen.randrange(1, 9000),
            offset=chosen.randrange(9000),
        )
        for _ in range(40)
    ]
    return HEAD + "\n".join(lines)


def told(trace: Trace) -> list[tuple[object, ...]]:
    return [each for each in map(_told, trace.log) if each]


def _told(record: Record) -> tuple[object, ...]:
    match record:
        case Dirent(directory=directory, name=name, inode=inode, replaces=replaces):
            return ("name", directory, name, inode, replaces)
        case Data(inode=inode, block=block, start=start, content=content, extends=extends):
            return ("data", inode, block, start, content, extends)
        case Size(inode=inode, size=size):
            return ("size", inode, size)
        case Sync(kind=kind, inode=inode):
            return ("sync", kind, inode)
        case Mark(word=word):
            return ("mark", word)
        case Attribute():
            return ()


@pytest.mark.parametrize("seed", range(6))
def test_both_recorders_tell_the_same(tmp_path: Path, seed: int) -> None:
    traces = []
    for name, run in (("strace", record), ("fuse", FuseRecorder().record)):
        directory = tmp_path / name / "data"
        directory.mkdir(parents=True)
        (directory / "a").write_bytes(b"old")
        work = (
            *("/bin/sh", "-c", 'cd "$0"; exec "$1" -c "$2"'),
            *(str(directory), sys.executable, script(seed)),
        )
        traces.append(run(Program(work=work, directory=directory, acks=1)))
    strace, fuse = traces
    assert fuse.tokens == strace.tokens
    assert fuse.image.digest() == strace.image.digest()
    assert told(fuse) == told(strace)
