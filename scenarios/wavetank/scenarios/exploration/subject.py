"""What the explorer needs of the code under test: `Subject`, and the run of it that was recorded.

The explorer knows disks, crashes and images. What a recovery is, what it shows and whether that is
right, it asks a subject: a Raft store (`wavetank.scenarios.raft`), unmodified Python code
(`wavetank.scenarios.code`), or a program whose op log was traced and whose recoveries are
processes. `Shown` is what a recovered subject shows, `Known` what must be true of it at a crash.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Generic, Protocol, TypeVar

from attrs import field, frozen

from wavetank.faults import CrashEnd, InjectorState
from wavetank.scenarios.exploration.causes import BrokenPromise
from wavetank.sim import Cell, DiskImage, OpLog, Profile, Record, Settling

__all__ = [
    "NO_FAULTS",
    "FaultCourse",
    "Interval",
    "Known",
    "NewWork",
    "Problem",
    "RecordedRun",
    "RecoveryRun",
    "Refusal",
    "Shown",
    "Subject",
]

Shown = TypeVar("Shown", bound=Hashable)
Known = TypeVar("Known")


@frozen
class Problem:
    """One invariant broken.

    Attributes:
        invariant: its id, such as "O2".
        kind: what is wrong, without particulars; equal problems have equal kinds.
        summary: the same with particulars, as one sentence.
        broken: the promise, as data; None where the invariant names no particular one.
    """

    invariant: str
    kind: str
    summary: str
    broken: BrokenPromise | None = field(default=None, eq=False, repr=False)


@frozen(kw_only=True)
class Interval(Generic[Known]):
    """What was known of the subject from one position of the op log on.

    Attributes:
        position: records of the op log before it.
        step: which step of the workload it belongs to.
        acknowledged: whether that step has returned.
        knowledge: what a recovery from a crash in it is judged by.
    """

    position: int
    step: int
    acknowledged: bool
    knowledge: Known


@frozen
class FaultCourse:
    """Where the faults stood, by position of an op log.

    Attributes:
        positions: at which something was counted, ascending.
        states: what had been counted by then; one more than positions, the first for the
            beginning. Empty if there are no faults.
    """

    positions: tuple[int, ...] = ()
    states: tuple[InjectorState, ...] = ()

    def at(self, position: int) -> InjectorState | None:
        """Return where the faults stand at a crash with so many records in the log."""
        if not self.states:
            return None
        return self.states[bisect_right(self.positions, position)]

    @property
    def start(self) -> InjectorState | None:
        """Where the faults stood at the beginning."""
        return self.states[0] if self.states else None

    @property
    def end(self) -> InjectorState | None:
        """Where the faults stand at the end."""
        return self.states[-1] if self.states else None


NO_FAULTS: Final = FaultCourse()


@frozen
class Refusal:
    """A recovery that ended in an error: its type and text, and whether that was permitted."""

    kind: str
    text: str
    is_allowed: bool


@frozen(kw_only=True)
class RecoveryRun(Generic[Shown]):
    """One recovery on one image.

    Attributes:
        observation: what the recovered subject shows; None if it did not recover.
        refusal: why it did not recover; None if it did.
        problems: what is wrong whatever was acknowledged before the crash.
        log: what recovery did to the disk.
        course: where the faults stood, by position of the log.
        fired: how often each fault fired, the reads of the observation included.
        live: what still runs, for the subject alone; None if the run is remembered.
    """

    observation: Shown | None
    refusal: Refusal | None
    problems: tuple[Problem, ...]
    log: tuple[Record, ...]
    course: FaultCourse = NO_FAULTS
    fired: tuple[tuple[str, int], ...] = ()
    live: object = None


@frozen(kw_only=True)
class NewWork:
    """What a recovered subject did next, until the power went once more.

    Attributes:
        log: what it did to the disk, the recovery first.
        recovered: how many records of the log are the recovery's.
        problems_on: tells what is wrong with the work if that power cut leaves an image; None if
            the subject refused the work, so that nothing was acknowledged.
    """

    log: tuple[Record, ...]
    recovered: int
    problems_on: Callable[[DiskImage], tuple[Problem, ...]] | None


class Subject(Protocol[Shown, Known]):
    """Recovers from crash images, and judges what comes of that.

    Its answers depend on the arguments alone, so that the explorer may remember them.
    """

    @property
    def recoveries(self) -> int:
        """How many recoveries were really run."""
        ...

    @property
    def width(self) -> int:
        """How many images are best judged at once; 1 if it makes no difference."""
        ...

    def prepare(self, images: Sequence[DiskImage], interval: Interval[Known]) -> None:
        """Judge images at once, on all cores, that will be asked for one after the other.

        Args:
            images: after crashes in `interval`.
            interval: where.
        """
        ...

    @property
    def bears_nested_crashes(self) -> bool:
        """Whether crashes inside recoveries, and after a kill, can be judged."""
        ...

    def prepare_shown(self, shown: Sequence[Shown], interval: Interval[Known]) -> None:
        """Judge at once, on all cores, what recovered subjects show after nested crashes.

        Args:
            shown: what `judge` will be asked about, one after the other.
            interval: the interval of the first crash.
        """
        ...

    def recover(
        self,
        image: DiskImage,
        *,
        first: int = 0,
        since: InjectorState | None = None,
        is_crashed: bool = True,
    ) -> RecoveryRun[Shown]:
        """Return the recovery from an image.

        Args:
            image: the disk; after a kill, with all that was in the cache.
            first: calls and micro-ops are counted from here, for a log that continues another.
            since: where the faults stand; None: nothing goes wrong.
            is_crashed: whether the recovery will be crashed, for which its log is needed; else the
                log may be left empty where recording it costs much.
        """
        ...

    def go_on(
        self, image: DiskImage, run: RecoveryRun[Shown], settling: Settling
    ) -> tuple[Problem, ...]:
        """Return what is wrong with the work that a recovered subject does next.

        Args:
            image: which it was recovered from.
            run: the recovery, which has succeeded.
            settling: of the profile.
        """
        ...

    def new_work(self, image: DiskImage, since: InjectorState | None) -> NewWork | None:
        """Recover from an image and do the same work; None if it does not recover, or does none.

        Args:
            image: the disk.
            since: where the faults stand; None: nothing goes wrong.
        """
        ...

    def judge(self, shown: Shown, interval: Interval[Known]) -> tuple[Problem, ...]:
        """Return what is wrong with what a subject shows after a crash in an interval."""
        ...

    def judge_kept(self, before: Shown, shown: Shown) -> tuple[Problem, ...]:
        """Return what a finished recovery had shown and the next one lacks."""
        ...

    def is_settled(self, interval: Interval[Known]) -> bool:
        """Whether a crash in this interval may change nothing that programs see on the disk."""
        ...

    def cells_read(
        self,
        image: DiskImage,
        interval: Interval[Known],
        profile: Profile,
        since: InjectorState | None,
    ) -> tuple[Cell, ...]:
        """Return all that is read, in this order, to recover from an image and judge it."""
        ...


class RecordedRun(Protocol[Shown, Known]):
    """A workload run once without crashes: its op log, and what was known at each position."""

    @property
    def image(self) -> DiskImage:
        """The disk before it."""
        ...

    @property
    def log(self) -> OpLog:
        """Everything done to the disk."""
        ...

    @property
    def fault_course(self) -> FaultCourse:
        """Where the faults stood, by position of the op log."""
        ...

    @property
    def ended_by(self) -> CrashEnd | None:
        """The planned crash that took the power, which is then the only one; None if none did."""
        ...

    def runnable(self) -> AbstractContextManager[RecordedRun[Shown, Known]]:
        """Give this run with a subject that can recover as long as the block lasts."""
        ...

    def interval_at(self, position: int) -> Interval[Known]:
        """Return what was known when `position` records had been written."""
        ...

    def subject(self, disabled: frozenset[str] = frozenset()) -> Subject[Shown, Known]:
        """Return what recovers from crashes of this run.

        Args:
            disabled: invariants that are not judged, to test the tester.
        """
        ...

    def tell_step(self, step: int) -> str:
        """Return a step of the workload in words."""
        ...

    def promising_step(self, broken: BrokenPromise, last: int) -> int | None:
        """Return the step that made a promise, `last` or an earlier one; None if none did.

        Args:
            broken: the promise.
            last: the last step that counts.
        """
        ...

    def due_step(self, step: int) -> int | None:
        """Return the step by whose end what a step wrote is promised to be durable.

        It is the step itself, unless an option gives up its sync: then a later one, or none.
        """
        ...
