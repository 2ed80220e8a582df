"""Python code as a subject of the crash exploration.

There is no store to recover: an image is shown as it is, and the check judges it by how much had
been acknowledged. Crashes inside a check are not explored, since what it does to the disk is the
test's own work.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, TypeAlias

from attrs import field, frozen

from wavetank.faults import CrashEnd, InjectorState
from wavetank.scenarios.code.judging import (
    CheckNotRunError,
    CheckTooSlowError,
    Complaint,
    Judging,
)
from wavetank.scenarios.exploration.explorer import Finding, explore
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.exploration.subject import (
    NO_FAULTS,
    FaultCourse,
    Interval,
    Problem,
    RecoveryRun,
)
from wavetank.sim import (
    ROOT_INODE,
    AppendFill,
    Cell,
    DirectoryContent,
    DiskImage,
    FileContent,
    Kept,
    Mark,
    OpLog,
    Profile,
    ReadTrace,
    Record,
    Settling,
    Tearing,
    TearShape,
)

__all__ = ["PLAIN", "CodeExploration", "FoundImage", "Key", "explore_code"]

Key: TypeAlias = tuple[str, str]
"""Equal for findings that are one to a person: the kind, and the sentence without particulars."""

PLAIN: Final = Tearing(
    shapes=frozenset(TearShape) - {TearShape.GARBAGE}, append_fill=AppendFill.ZEROS
)
"""Writes tear at sectors; a sector is old or new, and what was never written is zeros."""


@frozen(kw_only=True)
class FoundImage:
    """An image that the check refused.

    Attributes:
        complaint: what it said.
        position: records of the log before the crash.
        kept: the pending ops that the crash kept.
        lost: numbers of the ops that it lost or tore.
        acked: how much had been acknowledged.
        count: how often an image was refused in this way.
    """

    complaint: Complaint
    position: int
    kept: Kept
    lost: tuple[int, ...]
    acked: int
    count: int


@frozen(kw_only=True)
class CodeExploration:
    """What an exploration saw; see `ProfileVerdict`.

    Attributes:
        found: of each kind of complaint the image that lost least, in the order of discovery.
        crash_points: positions at which the op log grew.
        images: distinct images that were checked.
        too_slow: those of them on which the check did not end in time.
        unjudged: distinct images that were left over when a budget ended.
        complete: whether every legal image was checked, or one that stands for it.
    """

    found: dict[Key, FoundImage]
    crash_points: int
    images: int
    too_slow: int
    unjudged: int
    complete: bool


def explore_code(
    judging: Judging,
    image: DiskImage,
    log: Iterable[Record],
    profile: Profile,
    *,
    tearing: Tearing = PLAIN,
    max_images: int | None = None,
) -> CodeExploration:
    """Judge the images at every crash point of a log under a profile.

    Args:
        judging: runs the check.
        image: the disk before the first record.
        log: what was done to it.
        profile: what a crash may lose.
        tearing: what the device does below a block.
        max_images: distinct images at most; None for all.
    """
    run = _CodeRun(judging, image, _log_of(log))
    subject = run.subject()
    limits = Limits(max_images=max_images, tearing=tearing, forks_after_first=False)
    seen = explore(run, profile, limits=limits, subject=subject)
    unjudged = len(subject.not_run)
    return CodeExploration(
        found={key: subject.found_image(key, each) for key, each in _by_key(seen.findings)},
        crash_points=seen.crash_points,
        images=seen.judged - unjudged,
        too_slow=len(subject.too_slow),
        unjudged=seen.unjudged + unjudged,
        complete=seen.complete and not unjudged and not subject.too_slow,
    )


@frozen
class _Left:
    """What a crash left: two are equal if their images are."""

    digest: bytes
    image: DiskImage = field(eq=False, repr=False)


class _CodeRun:
    """A log of a workload, and what was acknowledged at each of its positions."""

    def __init__(self, judging: Judging, image: DiskImage, log: OpLog) -> None:
        self.image: Final = image
        self.log: Final = log
        self._judging = judging
        marks = [at for at, record in enumerate(log, start=1) if isinstance(record, Mark)]
        self._intervals = [
            Interval(position=at, step=acked, acknowledged=True, knowledge=acked)
            for acked, at in enumerate((0, *marks))
        ]
        self._starts = [each.position for each in self._intervals]

    @property
    def fault_course(self) -> FaultCourse:
        """Nothing goes wrong."""
        return NO_FAULTS

    @property
    def ended_by(self) -> CrashEnd | None:
        """Nobody planned a crash."""
        return None

    def runnable(self) -> AbstractContextManager[_CodeRun]:
        """Give this run as it is: the simulation of Python's files is open already."""
        return nullcontext(self)

    def interval_at(self, position: int) -> Interval[int]:
        """Return how much had been acknowledged when `position` records had been written."""
        return self._intervals[bisect_right(self._starts, position) - 1]

    def subject(self, disabled: frozenset[str] = frozenset()) -> _CodeSubject:
        """Return the check as a judge of this run; it has no invariants to disable."""
        del disabled
        return _CodeSubject(self._judging)

    def tell_step(self, step: int) -> str:
        """Return what separates two acknowledgements in words."""
        return f"the work after {step} acknowledgements"

    def gives_up_sync(self, step: int) -> bool:
        """Code has no option that gives up a sync."""
        del step
        return False


class _CodeSubject:
    """Shows images as they are, and lets the check judge them.

    Attributes:
        too_slow: digests of the images on which the check did not end in time.
        not_run: digests of those on which it was not run any more.
    """

    def __init__(self, judging: Judging) -> None:
        self.too_slow: set[bytes] = set()
        self.not_run: set[bytes] = set()
        self._judging = judging
        self._complaints: dict[Key, dict[tuple[bytes, int], Complaint]] = {}
        self._cells: dict[tuple[bytes, int, tuple[int, ...]], tuple[Cell, ...]] = {}

    @property
    def recoveries(self) -> int:
        """How often the check was run."""
        return self._judging.checks

    @property
    def bears_nested_crashes(self) -> bool:
        """A check is not crashed."""
        return False

    def recover(
        self, image: DiskImage, *, first: int = 0, since: InjectorState | None = None
    ) -> RecoveryRun[_Left]:
        """Return the image as it is."""
        del first, since
        shown = _Left(image.digest(), image)
        return RecoveryRun(observation=shown, refusal=None, problems=(), log=())

    def go_on(
        self, image: DiskImage, run: RecoveryRun[_Left], settling: Settling
    ) -> tuple[Problem, ...]:
        """Ask for no further work: a check does what it wants."""
        del image, run, settling
        return ()

    def judge(self, shown: _Left, interval: Interval[int]) -> tuple[Problem, ...]:
        """Return what the check says."""
        try:
            complaint = self._judging.complaint(shown.image, interval.knowledge)
        except CheckTooSlowError:
            self.too_slow.add(shown.digest)
            return ()
        except CheckNotRunError:
            self.not_run.add(shown.digest)
            return ()
        if complaint is None:
            return ()
        key = (complaint.kind, _shape(complaint.sentence))
        images = self._complaints.setdefault(key, {})
        images[shown.digest, interval.knowledge] = complaint
        return (Problem(*key, summary=complaint.sentence),)

    def judge_kept(self, before: _Left, shown: _Left) -> tuple[Problem, ...]:
        """Nothing is shown twice."""
        del before, shown
        return ()

    def is_settled(self, interval: Interval[int]) -> bool:
        """A workload closes nothing that is known here."""
        del interval
        return False

    def cells_read(
        self,
        image: DiskImage,
        interval: Interval[int],
        profile: Profile,
        since: InjectorState | None,
    ) -> tuple[Cell, ...]:
        """Return what the check reads; everything, if it cannot be run."""
        del profile, since
        # Cells are told by inode, which equal images need not share.
        inodes = tuple(inode for _, inode, _ in image.walk())
        key = (image.digest(), interval.knowledge, inodes)
        if key not in self._cells:
            try:
                self._cells[key] = self._judging.cells(image, interval.knowledge)
            except CheckNotRunError:
                self._cells[key] = _everything(image)
        return self._cells[key]

    def found_image(self, key: Key, finding: Finding) -> FoundImage:
        """Return a finding of the explorer with what the check said of its image."""
        complaints = self._complaints[key]
        complaint = next(
            each
            for (_, acked), each in complaints.items()
            if (acked, each.sentence) == (finding.step, finding.problem.summary)
        )
        return FoundImage(
            complaint=complaint,
            position=finding.crash.position,
            kept=finding.crash.kept,
            lost=finding.lost,
            acked=finding.step,
            count=len(complaints),
        )


def _by_key(findings: Iterable[Finding]) -> Iterable[tuple[Key, Finding]]:
    return (((each.problem.invariant, each.problem.kind), each) for each in findings)


def _log_of(records: Iterable[Record]) -> OpLog:
    log = OpLog()
    for record in records:
        log.append(record)
    return log


def _everything(image: DiskImage) -> tuple[Cell, ...]:
    """Return all that can be read of an image."""
    trace = ReadTrace()
    trace.names(ROOT_INODE)
    for _, inode, node in image.walk():
        if isinstance(node, DirectoryContent):
            trace.names(inode)
        else:
            trace.size(inode)
        if isinstance(node, FileContent):
            trace.blocks(inode, range(len(node.blocks)))
    return trace.cells


def _shape(sentence: str) -> str:
    """Return a sentence without what differs from image to image: numbers and quoted things."""
    return re.sub(r"b?'[^']*'|b?\"[^\"]*\"|\[.*\]|\{.*\}|0x[0-9a-f]+|\d+", "_", sentence)
