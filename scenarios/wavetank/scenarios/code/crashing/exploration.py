"""Python code as a subject of the crash exploration.

There is no store to recover: an image is shown as it is, and the check judges it by how much had
been acknowledged. Crashes inside recoveries are explored where these are recorded (recoveries.py);
elsewhere what a check does to the disk is the test's own work.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, TypeAlias

from attrs import field, frozen

from wavetank.faults import CrashEnd, InjectorState
from wavetank.scenarios.code.asking.answers import NotRunError, TooSlowError
from wavetank.scenarios.code.asking.judging import Complaint, Demand, Judge, everything
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.scenarios.code.recoveries import Recoveries
from wavetank.scenarios.exploration.causes import BrokenPromise
from wavetank.scenarios.exploration.crash_point import Cause, CrashPoint
from wavetank.scenarios.exploration.explorer import Finding, explore
from wavetank.scenarios.exploration.judging import problems_of
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

__all__ = [
    "PLAIN",
    "CodeExploration",
    "CodeRun",
    "FoundImage",
    "GrownLog",
    "Key",
    "Nested",
    "NestedImage",
    "Window",
    "explore_code",
]

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
class NestedImage:
    """An image that the check refused, left by a crash inside a recovery.

    Attributes:
        complaint: what it said.
        crash: the crashes that led there.
        cause: what the last of them interrupted.
        lost: numbers of the ops that the first power cut lost or tore.
        demand: what had to be true.
        count: how often an image was refused in this way.
    """

    complaint: Complaint
    crash: CrashPoint
    cause: Cause
    lost: tuple[int, ...]
    demand: Demand
    count: int


@frozen(kw_only=True)
class Nested:
    """How far recoveries are crashed.

    Attributes:
        recoveries: runs them.
        depth: crashes inside recoveries, one inside the other.
        max_recoveries: recoveries crashed at most under one profile; None for all.
    """

    recoveries: Recoveries
    depth: int
    max_recoveries: int | None = None


@frozen
class Window:
    """A part of a log whose crashes are judged by one and the same demand.

    Attributes:
        demand: what must be true.
        since: records of the log before the first crash that is judged.
    """

    demand: Demand
    since: int = 0


@frozen(kw_only=True)
class CodeExploration:
    """What an exploration saw; see `ProfileVerdict`.

    Attributes:
        found: of each kind of complaint the image that lost least, in the order of discovery.
        nested: likewise those that took a crash inside a recovery, but for kinds in `found`.
        crash_points: positions at which the op log grew.
        images: distinct images that were checked.
        too_slow: those of them on which the check did not end in time.
        unjudged: distinct images that were met and left over when a budget ended.
        not_run: images on which the check was not run any more.
        stopped: whether it ended early, since it had failed and nothing new came, or in time.
        complete: whether every legal image was checked, or one that stands for it.
        choice: where images were chosen that do not stand for all, how large the choice was.
        crashed: images inside whose recovery, which changed the disk, crashes were tried.
        idle: images whose recovery changed nothing.
        uncrashed: images inside whose recovery none was tried, since enough had been.
        unrecorded: why the recovery of each further image could not be crashed.
    """

    found: dict[Key, FoundImage]
    nested: dict[Key, NestedImage]
    crash_points: int
    images: int
    too_slow: int
    unjudged: int
    not_run: int
    stopped: bool
    complete: bool
    choice: Choice
    crashed: int = 0
    idle: int = 0
    uncrashed: int = 0
    unrecorded: tuple[str, ...] = ()


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
    nested: Nested | None = None,
    window: Window | None = None,
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
        nested: how far recoveries are crashed; None for not at all.
        window: which crashes are judged, and by what; None for all, by what had been acknowledged.
    """
    run = CodeRun(judge, recording, grown, nested=nested, window=window)
    subject = run.subject()
    limits = Limits(
        depth=0 if nested is None else nested.depth,
        max_crashed=None if nested is None else nested.max_recoveries,
        from_step=run.first_step,
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
    found, inside = _found(seen.findings, run, subject)
    return CodeExploration(
        found=found,
        nested={key: each for key, each in inside.items() if key not in found},
        crash_points=seen.crash_points,
        images=seen.judged - unjudged,
        too_slow=len(subject.too_slow),
        unjudged=seen.unjudged,
        not_run=unjudged,
        stopped=seen.stopped_after_first or (is_over is not None and is_over()),
        complete=seen.complete and not unjudged and not subject.too_slow and not subject.unrecorded,
        choice=seen.choice,
        crashed=seen.crashed - len(subject.idle) - len(subject.unrecorded),
        idle=len(subject.idle),
        uncrashed=seen.uncrashed,
        unrecorded=tuple(subject.unrecorded.values()),
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


class CodeRun:
    """A log of a workload, and what is demanded at each of its positions.

    Args:
        judge: says what is wrong.
        recording: what the workload did.
        grown: its log with syncs put in; None for the log as it is.
        nested: runs the recoveries; None if they are not crashed.
        window: see `explore_code`.
    """

    def __init__(
        self,
        judge: Judge,
        recording: CodeRecording,
        grown: GrownLog | None = None,
        *,
        nested: Nested | None = None,
        window: Window | None = None,
    ) -> None:
        grown = grown or GrownLog(recording.log)
        self.image: Final = recording.image
        self.log: Final = grown.log
        self.first_step: Final = 0 if window is None else 1
        self._judge = judge
        self._recoveries = None if nested is None else nested.recoveries
        intervals = _intervals(recording, grown) if window is None else _windowed(window, grown)
        self._intervals = list(intervals)
        self._starts = [each.position for each in self._intervals]

    @property
    def fault_course(self) -> FaultCourse:
        """Nothing goes wrong."""
        return NO_FAULTS

    @property
    def ended_by(self) -> CrashEnd | None:
        """Nobody planned a crash."""
        return None

    def runnable(self) -> AbstractContextManager[CodeRun]:
        """Give this run as it is: the simulation of Python's files is open already."""
        return nullcontext(self)

    def interval_at(self, position: int) -> Interval[Demand]:
        """Return how much had been acknowledged when `position` records had been written."""
        return self._intervals[bisect_right(self._starts, position) - 1]

    def subject(self, disabled: frozenset[str] = frozenset()) -> _CodeSubject:
        """Return the check as a judge of this run; it has no invariants to disable."""
        del disabled
        return _CodeSubject(self._judge, self._recoveries)

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

    Args:
        judge: says what is wrong.
        recoveries: what the code does to an image first; None if that is not to be crashed.

    Attributes:
        too_slow: digests of the images on which the check did not end in time.
        not_run: digests of those on which it was not run any more.
        unrecorded: digests of those whose recovery failed under the recorder, and how.
        idle: digests of those whose recovery changed nothing.
    """

    def __init__(self, judge: Judge, recoveries: Recoveries | None) -> None:
        self.too_slow: set[bytes] = set()
        self.not_run: set[bytes] = set()
        self.unrecorded: dict[bytes, str] = {}
        self.idle: set[bytes] = set()
        self._judge = judge
        self._recoveries = recoveries
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

    def prepare_shown(self, shown: Sequence[_Left], interval: Interval[Demand]) -> None:
        """See `Subject`."""
        self._judge.prepare([each.image for each in shown], interval.knowledge)

    @property
    def bears_nested_crashes(self) -> bool:
        """Whether it is known what recoveries do."""
        return self._recoveries is not None

    def recover(
        self,
        image: DiskImage,
        *,
        first: int = 0,
        since: InjectorState | None = None,
        is_crashed: bool = True,
    ) -> RecoveryRun[_Left]:
        """Return the image as it is, with what the recovery does to it if that is to be crashed.

        The check recovers by itself from what it judges.
        """
        del since
        shown = _Left(image.digest(), image)
        log: tuple[Record, ...] = ()
        if is_crashed and self._recoveries is not None:
            recovery = self._recoveries.on(image, first=first)
            log = recovery.log
            if recovery.failed:
                self.unrecorded.setdefault(shown.digest, recovery.failed)
            elif not log:
                self.idle.add(shown.digest)
        return RecoveryRun(observation=shown, refusal=None, problems=(), log=log)

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

    def nested_image(
        self, finding: Finding, cause: Cause, demand: Demand
    ) -> tuple[Key, NestedImage]:
        """Return a finding of the explorer behind a crash inside a recovery, and its key."""
        for key, complaints in self._complaints.items():
            for (_, demanded), complaint in complaints.items():
                told = Problem(*key, summary=complaint.sentence)
                if demanded == demand and problems_of((told,), cause) == (finding.problem,):
                    return key, NestedImage(
                        complaint=complaint,
                        crash=finding.crash,
                        cause=cause,
                        lost=finding.lost,
                        demand=demand,
                        count=len(complaints),
                    )
        raise LookupError(f"no complaint is told as {finding.problem}")


def _found(
    findings: Iterable[Finding], run: CodeRun, subject: _CodeSubject
) -> tuple[dict[Key, FoundImage], dict[Key, NestedImage]]:
    """Return the findings by what the check said: after one crash, and after nested ones."""
    found: dict[Key, FoundImage] = {}
    nested: dict[Key, NestedImage] = {}
    for each in findings:
        crash = each.crash
        at = crash.position if crash.killed_at is None else crash.killed_at
        demand = run.interval_at(at).knowledge
        if crash.then or crash.killed_at is not None:
            cause = Cause.RECOVERY if crash.then else Cause.RECOVERY_AFTER_KILL
            key, image = subject.nested_image(each, cause, demand)
            nested.setdefault(key, image)
        else:
            key = (each.problem.invariant, each.problem.kind)
            found[key] = subject.found_image(key, each, demand)
    return found, nested


def _windowed(window: Window, grown: GrownLog) -> Iterator[Interval[Demand]]:
    """Yield one demand for all that is judged; what comes before is another step."""
    since = grown.position_of(window.since)
    for position, step in ((0, 0), (since, 1)) if since else ((0, 1),):
        yield Interval(position=position, step=step, acknowledged=True, knowledge=window.demand)


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


def _shape(sentence: str) -> str:
    """Return a sentence without what differs from image to image: numbers and quoted things."""
    return re.sub(r"b?'[^']*'|b?\"[^\"]*\"|\[.*\]|\{.*\}|0x[0-9a-f]+|\d+", "_", sentence)
