"""The ways to judge crash images that are timed beside wavetank's own.

Each is a context that prepares some images and yields the work: to put each image where the
engine can open it, to open it there, and to judge what it shows. Preparing and clearing away are
not timed.
"""

from __future__ import annotations

import copy
import gc
import os  # noqa: TID251 - forks, and writes files as a script would
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from shutil import rmtree
from typing import Final, Protocol, TypeAlias

from attrs import frozen

from wavetank.engine import OsFileSystem
from wavetank.reports.bench.exploring import recover_alone
from wavetank.reports.bench.exploring.crashable_files import CrashableFiles
from wavetank.reports.bench.exploring.trace import CrashedImage, Trace
from wavetank.reports.bench.exploring.verdicts import (
    Shown,
    Verdict,
    recover,
    verdict_of,
    verdict_on,
)
from wavetank.scenarios.exploration.crash_point import pending_at
from wavetank.scenarios.exploration.explorer import Exploration, explore
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.raft.judging.observation import Observation
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.sim import DirectoryContent, DiskImage, FileContent, PendingOps, Sync

__all__ = [
    "DRAWING",
    "FORK",
    "NEW_PROCESS",
    "PEERS",
    "PYFAKEFS",
    "REPLAY",
    "TMPFS",
    "Contender",
    "Drawn",
    "Judging",
    "draw_everywhere",
    "explore_all",
    "judge_in_memory",
]

NEW_PROCESS: Final = "new-process"
FORK: Final = "fork"
TMPFS: Final = "tmpfs"
PYFAKEFS: Final = "pyfakefs"
REPLAY: Final = "replay"
DRAWING: Final = "random-drawing"

Judging: TypeAlias = Callable[[], list[Verdict]]
"""Judges the prepared images, in their order."""


class Contender(Protocol):
    """Prepares images of a trace, in an empty directory, and yields the work of judging them."""

    def __call__(
        self, trace: Trace, images: Sequence[CrashedImage], directory: Path
    ) -> AbstractContextManager[Judging]:
        """Enter with the images ready; leave with everything cleared away."""
        ...


def explore_all(trace: Trace, *, new_work: bool) -> Exploration:
    """Judge every image of a trace as `wavetank run` does: enumerated, recovered, judged.

    Args:
        trace: the trace.
        new_work: whether each recovered store is given work and crashed again, as in a run; the
            other contenders do not do that.
    """
    return explore(trace.recording, trace.profile, limits=Limits(new_work=new_work))


def judge_in_memory(trace: Trace, images: Sequence[CrashedImage]) -> list[Verdict]:
    """Return the verdicts by which `explore_all` goes, image by image.

    Args:
        trace: the trace.
        images: of it.
    """
    subject = trace.recording.subject()
    return [_simulated(trace, each.position, each.image, subject) for each in images]


def _simulated(trace: Trace, position: int, image: DiskImage, subject: RaftSubject) -> Verdict:
    run = subject.recover(image)
    if run.observation is None:
        return verdict_of(run.problems)
    judged = subject.judge(run.observation, trace.recording.interval_at(position))
    return verdict_of((*judged, *run.problems))


@contextmanager
def _new_process(
    trace: Trace, images: Sequence[CrashedImage], directory: Path
) -> Iterator[Judging]:
    options = trace.recording.workload.options
    command = [sys.executable, "-P", recover_alone.__file__]

    def judge(crashed: CrashedImage, root: Path) -> Verdict:
        store = f"{root}{trace.recording.workload.directory}"
        done = subprocess.run(  # noqa: S603 - this interpreter, and a script of this package
            command, input=pickle.dumps((store, options)), capture_output=True, check=True
        )
        refused, shown = pickle.loads(done.stdout)  # noqa: S301 - its own child wrote it
        if refused:
            return verdict_on(trace, crashed, Shown(observation=None, refused=refused))
        state, bounds, entries, snapshot = shown
        seen = Observation(state=state, bounds=bounds, entries=entries, snapshot=snapshot)
        return verdict_on(trace, crashed, Shown(observation=seen))

    yield lambda: _in_directories(images, directory, judge)


@contextmanager
def _fork(trace: Trace, images: Sequence[CrashedImage], directory: Path) -> Iterator[Judging]:
    fs = OsFileSystem()

    def judge(crashed: CrashedImage, root: Path) -> Verdict:
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                shown = recover(trace, fs, str(root), close=False)
                os.write(writer, pickle.dumps(verdict_on(trace, crashed, shown)))
            finally:
                os._exit(0)
        os.close(writer)
        with open(reader, "rb") as answer:  # noqa: PTH123 - a descriptor
            told = answer.read()
        os.waitpid(child, 0)
        verdict: Verdict = pickle.loads(told)  # noqa: S301 - its own child wrote it
        return verdict

    # The collector would touch, and so copy, every page of the parent in each child.
    gc.freeze()
    try:
        yield lambda: _in_directories(images, directory, judge)
    finally:
        gc.unfreeze()


@contextmanager
def _tmpfs(trace: Trace, images: Sequence[CrashedImage], directory: Path) -> Iterator[Judging]:
    fs = OsFileSystem()

    def judge(crashed: CrashedImage, root: Path) -> Verdict:
        return verdict_on(trace, crashed, recover(trace, fs, str(root), close=True))

    yield lambda: _in_directories(images, directory, judge)


def _in_directories(
    images: Sequence[CrashedImage],
    directory: Path,
    judge: Callable[[CrashedImage, Path], Verdict],
) -> list[Verdict]:
    """Judge each image in a new directory, which is removed afterwards."""
    verdicts = []
    for number, crashed in zip(count(), images, strict=False):
        root = directory / str(number)
        root.mkdir()
        _write(crashed.image, str(root))
        verdicts.append(judge(crashed, root))
        rmtree(root)
    return verdicts


def _write(image: DiskImage, root: str) -> None:
    """Write an image's files by the fewest system calls."""
    for path, _, node in image.walk():
        if isinstance(node, DirectoryContent):
            os.mkdir(root + path)  # noqa: PTH102 - pathlib would only be slower
        elif isinstance(node, FileContent):
            descriptor = os.open(root + path, os.O_WRONLY | os.O_CREAT)
            os.write(descriptor, node.read(0, node.size))
            os.close(descriptor)


@contextmanager
def _pyfakefs(trace: Trace, images: Sequence[CrashedImage], directory: Path) -> Iterator[Judging]:
    from pyfakefs.fake_filesystem import FakeFilesystem  # noqa: PLC0415 - optional

    from wavetank.reports.bench.exploring.pyfakefs_files import (  # noqa: PLC0415 - optional
        FakeOsFileSystem,
    )

    del directory
    made = []
    for crashed in images:
        files = FakeFilesystem()
        for path, _, node in crashed.image.walk():
            if isinstance(node, DirectoryContent):
                files.create_dir(path)
            elif isinstance(node, FileContent):
                files.create_file(path, contents=node.read(0, node.size))
        made.append((crashed, files))

    def work() -> list[Verdict]:
        verdicts = []
        for crashed, files in made:
            twin = FakeFilesystem()
            # Its descriptors of stdio cannot be copied; its files can, and name their filesystem.
            twin.root = copy.deepcopy(files.root, {id(files): twin})
            fs = FakeOsFileSystem(twin)
            verdicts.append(verdict_on(trace, crashed, recover(trace, fs, "", close=False)))
        return verdicts

    yield work


@contextmanager
def _replay(trace: Trace, images: Sequence[CrashedImage], directory: Path) -> Iterator[Judging]:
    del directory
    recording = trace.recording

    def work() -> list[Verdict]:
        verdicts = []
        for crashed in images:
            image = pending_at(recording, trace.profile, crashed.position).image(crashed.kept)
            # Nothing is remembered from one image to the next.
            verdicts.append(_simulated(trace, crashed.position, image, recording.subject()))
        return verdicts

    yield work


PEERS: Final[Mapping[str, Contender]] = {
    NEW_PROCESS: _new_process,
    FORK: _fork,
    TMPFS: _tmpfs,
    PYFAKEFS: _pyfakefs,
    REPLAY: _replay,
}
"""By name, those that judge images that are given to them."""


@frozen
class Drawn:
    """Images that were drawn at random and judged.

    Attributes:
        count: how many, repeated ones among them.
        right: digests of those that were right.
        wrong: digests of the others.
    """

    count: int
    right: frozenset[bytes]
    wrong: frozenset[bytes]


def draw_everywhere(trace: Trace, seed: int) -> Drawn:
    """Judge a random image at each crash point, as with a crashable in-memory filesystem.

    Args:
        trace: the trace.
        seed: of the drawing.
    """
    recording = trace.recording
    files = CrashableFiles(recording.image)
    pending = PendingOps(recording.image, trace.profile)
    chance = Random(f"drawing/{seed}")  # noqa: S311 - reproducible on purpose
    drawn = 0
    right, wrong = set[bytes](), set[bytes]()
    for position, each in enumerate(recording.log, start=1):
        files.take(each)
        pending.take(each)
        if isinstance(each, Sync) or not pending.whole:
            continue
        image = files.draw(chance)
        drawn += 1
        problems = _simulated(trace, position, image, recording.subject())
        (wrong if problems else right).add(image.digest())
    return Drawn(drawn, frozenset(right), frozenset(wrong))
