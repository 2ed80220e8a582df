"""Python code as a subject of the crash exploration.

There is no store to recover: an image is shown as it is, and the check judges it by how much had
been acknowledged. Crashes inside a check are not explored, since what it does to the disk is the
test's own work.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, TypeAlias

from attrs import field, frozen

from wavetank.faults import CrashEnd, InjectorState
from wavetank.scenarios.code.answers import NotRunError, TooSlowError
from wavetank.scenarios.code.judging import Complaint, Demand, Judge, everything
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.scenarios.exploration.causes import BrokenPromise
from wavetank.scenarios.exploration.explorer import Finding, explore
from wavetank.scenarios.exploration.recovery_graph import Limits, Look
from wavetank.scenarios.exploration.subject import (
    NO_FAULTS,
    FaultCourse,
    Interval,
    Problem,
    RecoveryRun,
)
from wavetank.sim import (
    AppendFill,
    Cell,
    Choice,
    DiskImage,
    Kept,
    Mark,
    OpLog,
    Profile,
    Record,
    Settling,
    Sync,
    Tearing,
    TearShape,
)

__all__ = ["PLAIN", "CodeExploration", "FoundImage", "GrownLog", "Key", "explore_code"]

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
        demand: what had to be true.
        read: files and directories that were looked at on the image, by inode.
        count: how often an image was refused in this way.
    """

    complaint: Complaint
    position: int
    kept: Kept
    lost: tuple[int, ...]
    demand: Demand
    read: frozenset[int]
    count: int

    @property
    def acked(self) -> int:
        """How much had been acknowledged."""
        return self.demand.acked


@frozen(kw_only=True)
class CodeExploration:
    """What an exploration saw; see `ProfileVerdict`.

    Attributes:
        found: of each kind of complaint the image that lost least, in the order of discovery.
        crash_points: positions at which the op log grew.
        images: distinct images that were checked.
        too_slow: those of them on which the check did not end in time.
        unjudged: distinct images that were met and left over when a budget ended.
        not_run: images on which the check was not run any more.
        stopped: whether it ended early, since it had failed and nothing new came, or in time.
        complete: whether every legal image was checked, or one that stands for it.
        choice: where images were chosen that do not stand for all, how large the choice was.
    """

    found: dict[Key, FoundImage]
    crash_points: int
    images: int
    too_slow: int
    unjudged: int
    not_run: int
    stopped: bool
    complete: bool
    choice: Choice


def explore_code(
    judge: Judge,
    recording: CodeRecording,
    profile: Profile,
    *,
    grown: GrownLog | None = None,
    tearing: Tearing = PLAIN,
    max_images: int | None = None,
    max_after_first: int | None = None,
    is_over: Callable[[], bool] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> CodeExploration:
    """Judge the images at every crash point of a recording under a profile.

    Args:
        judge: says what is wrong.
        recording: what the workload did.
        profile: what a crash may lose.
        grown: its log with syncs put in, to be explored in its place.
        tearing: what the device does below a block.
        max_images: distinct images at most; None for all.
        max_after_first: distinct images at most once something was found; None for all.
        is_over: asked now and then whether to stop.
        on_progress: called with the number of images judged so far, now and then.
    """
    run = _CodeRun(judge, recording, grown or GrownLog(recording.log))
    subject = run.subject()
    limits = Limits(
        look=None if max_after_first is None else _first_look(run.log, max_images),
        max_images=max_images,
        max_after_first=max_after_first,
        tearing=tearing,
        forks_after_first=False,
    )
    seen = explore(
        run, profile, limits=limits, subject=subject, is_over=is_over, on_progress=on_progress
    )
    unjudged = len(subject.not_run)
    return CodeExploration(
        found={
            key: subject.found_image(key, each, run.interval_at(each.crash.position).knowledge)
            for key, each in _by_key(seen.findings)
        },
        crash_points=seen.crash_points,
        images=seen.judged - unjudged,
        too_slow=len(subject.too_slow),
        unjudged=seen.unjudged,
        not_run=unjudged,
        stopped=seen.stopped_after_first or (is_over is not None and is_over()),
        complete=seen.complete and not unjudged and not subject.too_slow,
        choice=seen.choice,
    )


def _first_look(log: OpLog, max_images: int | None) -> Look:
    """Return a look at so few images of each crash point that half the budget lasts to the end."""
    look = Look()
    if max_images is None:
        return look
    points = sum(not isinstance(record, Sync) for record in log)
    each = max(1, max_images // (2 * points or 1))
    return look if each >= look.images else Look(images=each, spread=True)


class GrownLog:
    """A log into which syncs may have been put, or from which some were taken.

    Args:
        records: of the log as it was.
        syncs: each with the position of the record before which it comes.
        without: positions of the syncs that are taken out.

    Attributes:
        log: all of it.
        origins: for each length of it, the length that it had before.
    """

    def __init__(
        self,
        records: Sequence[Record],
        syncs: Iterable[tuple[int, Sync]] = (),
        *,
        without: Collection[int] = (),
    ) -> None:
        at: dict[int, list[Sync]] = {}
        for position, sync in syncs:
            same = at.setdefault(position, [])
            if all((each.kind, each.inode) != (sync.kind, sync.inode) for each in same):
                same.append(sync)
        self.log: Final = OpLog()
        self.origins: Final = [0]
        for position, record in enumerate((*records, None)):
            for sync in at.get(position, ()):
                self.log.append(sync)
                self.origins.append(position)
            if record is not None and position not in without:
                self.log.append(record)
                self.origins.append(position + 1)

    def position_of(self, origin: int) -> int:
        """Return the shortest length of the log that holds so many records of the old one."""
        return bisect_left(self.origins, origin)


@frozen
class _Left:
    """What a crash left: two are equal if their images are."""

    digest: bytes
    image: DiskImage = field(eq=False, repr=False)


class _CodeRun:
    """A log of a workload, and what is demanded at each of its positions."""

    def __init__(self, judge: Judge, recording: CodeRecording, grown: GrownLog) -> None:
        self.image: Final = recording.image
        self.log: Final = grown.log
        self._judge = judge
        self._intervals = list(_intervals(recording, grown))
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

    def interval_at(self, position: int) -> Interval[Demand]:
        """Return how much had been acknowledged when `position` records had been written."""
        return self._intervals[bisect_right(self._starts, position) - 1]

    def subject(self, disabled: frozenset[str] = frozenset()) -> _CodeSubject:
        """Return the check as a judge of this run; it has no invariants to disable."""
        del disabled
        return _CodeSubject(self._judge)

    def tell_step(self, step: int) -> str:
        """Return what separates two acknowledgements in words."""
        return f"the work after {step} acknowledgements"

    def promising_step(self, broken: BrokenPromise, last: int) -> None:
        """Return None: what code promises is the user's business."""

    def due_step(self, step: int) -> int:
        """Code has no option that gives up a sync."""
        return step


class _CodeSubject:
    """Shows images as they are, and lets the check judge them.

    Attributes:
        too_slow: digests of the images on which the check did not end in time.
        not_run: digests of those on which it was not run any more.
    """

    def __init__(self, judge: Judge) -> None:
        self.too_slow: set[bytes] = set()
        self.not_run: set[bytes] = set()
        self._judge = judge
        self._complaints: dict[Key, dict[tuple[bytes, Demand], Complaint]] = {}
        self._cells: dict[tuple[bytes, Demand, tuple[int, ...]], tuple[Cell, ...]] = {}

    @property
    def recoveries(self) -> int:
        """How often the user's function was run."""
        return self._judge.runs

    @property
    def width(self) -> int:
        """As many as there are cores for."""
        return self._judge.width

    def prepare(self, images: Sequence[DiskImage], interval: Interval[Demand]) -> None:
        """See `Subject`."""
        self._judge.prepare(images, interval.knowledge)

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

    def new_work(self, image: DiskImage, since: InjectorState | None) -> None:
        """Do none, as `go_on`."""
        del image, since

    def judge(self, shown: _Left, interval: Interval[Demand]) -> tuple[Problem, ...]:
        """Return what the check says."""
        try:
            complaint = self._judge.complaint(shown.image, interval.knowledge)
        except TooSlowError:
            self.too_slow.add(shown.digest)
            return ()
        except NotRunError:
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

    def is_settled(self, interval: Interval[Demand]) -> bool:
        """A workload closes nothing that is known here."""
        del interval
        return False

    def cells_read(
        self,
        image: DiskImage,
        interval: Interval[Demand],
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
                self._cells[key] = self._judge.cells(image, interval.knowledge)
            except NotRunError:
                self._cells[key] = everything(image)
        return self._cells[key]

    def found_image(self, key: Key, finding: Finding, demand: Demand) -> FoundImage:
        """Return a finding of the explorer with what was said of its image."""
        complaints = self._complaints[key]
        complaint = next(
            each
            for (_, demanded), each in complaints.items()
            if demanded == demand and each.sentence == finding.problem.summary
        )
        return FoundImage(
            complaint=complaint,
            position=finding.crash.position,
            kept=finding.crash.kept,
            lost=finding.lost,
            demand=demand,
            read=frozenset(),
            count=len(complaints),
        )


def _intervals(recording: CodeRecording, grown: GrownLog) -> Iterator[Interval[Demand]]:
    """Yield what is demanded from each moment on."""
    marks = {at for at, record in enumerate(recording.log, 1) if isinstance(record, Mark)}
    acked = earliest = 0
    last = len(recording.moments) - 1
    for number, moment in enumerate(recording.moments):
        if moment in marks:
            acked = recording.acked_at(moment)
            earliest = number
        demand = Demand(acked=acked, earliest=earliest, latest=min(number + 1, last))
        yield Interval(
            position=grown.position_of(moment), step=acked, acknowledged=True, knowledge=demand
        )


def _by_key(findings: Iterable[Finding]) -> Iterable[tuple[Key, Finding]]:
    return (((each.problem.invariant, each.problem.kind), each) for each in findings)


def _shape(sentence: str) -> str:
    """Return a sentence without what differs from image to image: numbers and quoted things."""
    return re.sub(r"b?'[^']*'|b?\"[^\"]*\"|\[.*\]|\{.*\}|0x[0-9a-f]+|\d+", "_", sentence)
