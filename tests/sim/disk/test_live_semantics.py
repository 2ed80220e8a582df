"""While nothing crashes, the simulated filesystem is the real one: same calls, same answers.

Three sides get the same calls. The simulated and the real one must agree in every answer, errno
included, and in all there is to see after every call. pyfakefs must agree with them too, but for
its known differences; after one that leaves other files behind, it is asked no more in that run.
"""

from __future__ import annotations

import os
import re
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from laws import examples
from live_calls import Answer, Argument, Call, Mount, call
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_os import FakeOsModule
from pyfakefs_differences import DIFFERENCES, VERSION, Answered, Difference

from wavetank.engine import OpenFlag, OsFileSystem
from wavetank.reports.bench.exploring.pyfakefs_files import FakeOsFileSystem
from wavetank.sim import SimDisk, SimFileSystem

ALL_FLAGS: Final = [OpenFlag(bits) for bits in range(64)]
USEFUL_FLAGS: Final = [
    flags
    for flags in ALL_FLAGS
    if flags & (OpenFlag.READ | OpenFlag.WRITE)
    and (OpenFlag.CREATE in flags or OpenFlag.EXCLUSIVE not in flags)
    and (OpenFlag.WRITE in flags or not flags & (OpenFlag.TRUNCATE | OpenFlag.APPEND))
]
HANDLES: Final = 8
MOST_LINKS: Final = 2
PAPER: Final = Path(__file__).parents[3] / "docs" / "pyfakefs.md"

FEW: Final = ["a", "d", "d/a", "d/e"]
PLAIN: Final = ["a", "b", "d", "e", "d/a", "d/b", "d/e", "d/e/a", "e/a", "a/x", "no/x"]
ODD: Final = [
    *("a/", "b/", "d/", "d/e/", "no/", "d//a", "./a", "d/./a", "d/../b", "d/e/../a", "a/../b"),
    *(".", "d/.", "d/..", "d/e/..", "a/.", "no/..", "l", "l/", "l/a", "l/..", "d/l", "d/l/a"),
    *("n" * 255, "n" * 256, "é" * 128, "d/" + "n" * 256, "no/" + "n" * 256, "d\0"),
]
TARGETS: Final = ["a", "d", "l", "no", "d/", "d/.", "e/a", "/d", "/no/x", "/d/l", ""]

START: Final = [
    call("mkdir", "d"),
    call("mkdir", "d/e"),
    call("mkdir", "e"),
    call("open", "a", OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE),
    call("open", "d/a", OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.APPEND),
    call("open", "d/e/a", OpenFlag.WRITE | OpenFlag.CREATE),
    call("link", "a", "b"),
    call("link", "a", "d/b"),
]

# A number is the name of that place among those that there are. The others need not be there.
known = st.integers(0, 9)
names = known | st.sampled_from(FEW) | st.sampled_from(PLAIN) | st.sampled_from(ODD)
creating = st.sampled_from([flags for flags in USEFUL_FLAGS if OpenFlag.CREATE in flags])
flags = st.sampled_from(USEFUL_FLAGS) | creating | st.sampled_from(ALL_FLAGS)
handles = st.integers(0, HANDLES - 1)
numbers = st.integers(0, 9000) | st.sampled_from([-1, 0, 1, 512, 4095, 4096, 4097, 8192])
contents = st.binary(max_size=30) | st.builds(
    lambda byte, length: bytes([byte]) * length, st.integers(1, 255), st.integers(0, 9000)
)


def simulated() -> Mount:
    fs = SimFileSystem(SimDisk())
    fs.mkdir("/root")
    return Mount(fs, fs, "/root")


def faked() -> Mount:
    fs = FakeOsFileSystem()
    fs.mkdir("/root")
    return Mount(fs, fs.os, "/root")


class LiveSemantics(RuleBasedStateMachine):
    """The same calls on three sides."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self._real = Mount(OsFileSystem(), os, self._directory.name)
        self._simulated = simulated()
        self._fake: Mount | None = faked()
        self._seen: dict[str, Answer] = {}
        self._links = 0

    @initialize(made=st.sets(st.sampled_from(range(len(START)))))
    def begin(self, made: set[int]) -> None:
        for number in sorted(made):
            each = START[number]
            self._same(each.name, *each.arguments, handle=each.handle)

    def teardown(self) -> None:
        self._real.close()
        self._directory.cleanup()

    @precondition(lambda self: len(self._real.handles) < HANDLES)
    @rule(name=names, flags=flags)
    def open(self, name: str | int, flags: OpenFlag) -> None:
        self._same("open", self._named(name), flags)

    @rule(
        call=st.sampled_from(
            ["unlink", "mkdir", "rmdir", "listdir", "stat", "fsync_dir", "readlink"]
        ),
        name=names,
    )
    def on_a_name(self, call: str, name: str | int) -> None:
        self._same(call, self._named(name))

    @rule(call=st.sampled_from(["rename", "rename", "link"]), old=known | names, new=names)
    def on_two_names(self, call: str, old: str | int, new: str | int) -> None:
        self._same(call, self._named(old), self._named(new))

    @precondition(lambda self: self._links < MOST_LINKS)
    @rule(to=st.sampled_from(TARGETS), name=st.sampled_from(["l", "l", "d/l", "d", "a"]))
    def symlink(self, to: str, name: str) -> None:
        self._links += 1
        self._same("symlink", to, name)

    @precondition(lambda self: self._real.handles)
    @rule(handle=handles, data=contents)
    def append(self, handle: int, data: bytes) -> None:
        self._same("append", data, handle=handle)

    @precondition(lambda self: self._real.handles)
    @rule(handle=handles, data=contents, offset=numbers)
    def pwrite(self, handle: int, data: bytes, offset: int) -> None:
        self._same("pwrite", data, offset, handle=handle)

    @precondition(lambda self: self._real.handles)
    @rule(handle=handles, length=numbers, offset=numbers)
    def pread(self, handle: int, length: int, offset: int) -> None:
        self._same("pread", length, offset, handle=handle)

    @precondition(lambda self: self._real.handles)
    @rule(handle=handles, size=numbers)
    def truncate(self, handle: int, size: int) -> None:
        self._same("truncate", size, handle=handle)

    @precondition(lambda self: self._real.handles)
    @rule(handle=handles, offset=numbers, length=numbers)
    def preallocate(self, handle: int, offset: int, length: int) -> None:
        self._same("preallocate", offset, length, handle=handle)

    @precondition(lambda self: self._real.handles)
    @rule(
        handle=handles,
        call=st.sampled_from(["fsync", "datasync", "size", "advise_dont_need", "lock", "close"]),
    )
    def on_a_handle(self, handle: int, call: str) -> None:
        self._same(call, handle=handle)

    def _named(self, name: str | int) -> str:
        if isinstance(name, str):
            return name
        there = sorted(path.removeprefix("/") for path in self._seen if path.startswith("/"))
        return there[name % len(there)] if there else "a"

    def _same(self, name: str, *arguments: Argument, handle: int | None = None) -> None:
        if handle is not None:
            handle %= len(self._real.handles)
        made = call(name, *arguments, handle=handle)
        answer = self._real.run(made)
        assert self._simulated.run(made) == answer, made
        before, self._seen = self._seen, self._real.state()
        assert self._simulated.state() == self._seen, made
        if name == "symlink" or not set(arguments).isdisjoint(ODD):
            self._fake = None  # compared with Linux alone
        if self._fake is not None and name != "lock":
            self._compare_with_pyfakefs(self._fake, made, answer, before)

    def _compare_with_pyfakefs(
        self, fake: Mount, made: Call, answer: Answer, before: dict[str, Answer]
    ) -> None:
        if isinstance(answer, tuple) and answer[0] == "ValueError":
            return  # senseless flags never reach an operating system
        seen = Answered(
            call=made,
            linux=answer,
            pyfakefs=fake.run(made),
            resized=any(self._seen.get(name, was) != was for name, was in before.items()),
        )
        excuse = next((each for each in DIFFERENCES if each.excuses(seen)), None)
        if excuse is None:
            assert seen.pyfakefs == answer, made
        if excuse is not None and not excuse.goes_on:
            self._fake = None
            return
        assert fake.state() == self._seen, made


TestLiveSemantics = LiveSemantics.TestCase
TestLiveSemantics.settings = settings(examples(100), stateful_step_count=40)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_pyfakefs_differs_as_it_is_told(difference: Difference, tmp_path: Path) -> None:
    assert version("pyfakefs") == VERSION
    sides = (
        (Mount(OsFileSystem(), os, str(tmp_path)), difference.linux),
        (simulated(), difference.linux),
        (faked(), difference.pyfakefs),
    )
    for side, expected in sides:
        *_, last = [side.run(each) for each in difference.example]
        assert last == expected
        side.close()


@pytest.mark.parametrize("name", ["pread", "pwrite", "posix_fallocate", "posix_fadvise"])
def test_pyfakefs_hands_on_to_the_real_system_what_it_does_not_fake(name: str) -> None:
    assert getattr(FakeOsModule(FakeFilesystem()), name) is getattr(os, name)


def test_the_paper_lists_every_difference_and_no_other() -> None:
    paper = PAPER.read_text(encoding="utf-8")
    listed = [each.name for each in DIFFERENCES]
    told = re.findall(r"^## (.+)$", paper, re.MULTILINE)
    assert told == [*listed, "Calls that are not faked", "Locks"]
    assert f"pyfakefs {VERSION}" in paper
