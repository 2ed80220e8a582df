"""The recovery graph: each image is recovered once, and so is each that a crash inside leaves.

A `RecoveryOutcome` is all that can be said of an image under a profile before anybody asks what had
been acknowledged: what the recovered subject shows, what is wrong with it in any case, and which
images a power cut during the recovery, or right after it, may leave. `RecoveryGraph` grows to a
fixpoint, or to the depth asked for, and is shared by all crash points of an exploration.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Generic

from attrs import define, field, frozen

from wavetank.faults import InjectorState
from wavetank.scenarios.exploration.crash_point import CrashPoint
from wavetank.scenarios.exploration.subject import (
    NO_FAULTS,
    FaultCourse,
    Known,
    Problem,
    RecoveryRun,
    Shown,
    Subject,
)
from wavetank.sim import (
    AppendFill,
    Choice,
    CrashImages,
    DiskImage,
    Kept,
    Mark,
    PendingOps,
    Profile,
    Record,
    Settling,
    Sync,
    Tearing,
    TearShape,
    all_images,
    newest_images,
)

__all__ = [
    "Limits",
    "Look",
    "NestedImage",
    "RecoveryGraph",
    "RecoveryOutcome",
    "images_during",
    "name_of",
]

_PLAIN: Final = Tearing(
    shapes=frozenset(TearShape) - {TearShape.GARBAGE}, append_fill=AppendFill.ZEROS
)
"""Inside recoveries writes tear at sectors; garbage and stale blocks are left to the first crash,
since with them the images of each crash multiply and nothing ends."""


@frozen(kw_only=True)
class Look:
    """A look at a few images of many crash points, before all of them or instead.

    Attributes:
        images: of each crash point.
        every: only each crash point of so many is looked at.
        seed: which points and images these are is drawn; None: the first ones.
        alone: whether nothing else is judged behind it.
        spread: whether images are taken evenly from first to last, and not the first ones.
    """

    images: int = 12
    every: int = 1
    seed: int | None = None
    alone: bool = False
    spread: bool = False


@frozen(kw_only=True)
class Limits:
    """How far an exploration goes.

    Attributes:
        depth: crashes inside recoveries, one inside the other; None: until no new image comes.
        max_images: distinct images recovered at most; None: all.
        max_crashed: distinct images inside whose recovery crashes are tried at most; None: all.
        max_after_first: distinct images recovered at most once the first problem has been found:
            as many as before it, and at least this many; 0: none, and where the budget of images
            ends the walk ends, too; None: all.
        look: which few images are judged before all of them, so that a problem is found early;
            None: there is no such look.
        max_sets_per_point: legal sets of pending ops at one crash point up to which all are
            tried; beyond, at most so many are chosen to stand for them, and the exploration is
            not complete.
        forks_after_first: whether, once a problem has been found, images are still chosen by what
            recovery reads where there are too many sets; that takes hundreds of recoveries.
        tearing: what the device does below a block at the first power cut.
        disabled: invariants that are not judged, to test the tester.
        from_step: crashes in earlier steps are not judged.
        reported: invariants whose findings are told, though all are judged; empty: all.
        new_work: whether a recovered subject is given work and crashed once more; without it only
            the recovery and what it shows are judged.
    """

    depth: int | None = 0
    max_images: int | None = None
    max_crashed: int | None = None
    max_after_first: int | None = None
    look: Look | None = None
    max_sets_per_point: int = 512
    forks_after_first: bool = True
    tearing: Tearing = field(factory=Tearing)
    disabled: frozenset[str] = frozenset()
    from_step: int = 0
    reported: frozenset[str] = frozenset()
    new_work: bool = True

    def tells(self, invariant: str) -> bool:
        """Whether findings of an invariant are told."""
        return invariant not in self.disabled and (not self.reported or invariant in self.reported)


@define
class RecoveryOutcome(Generic[Shown]):
    """What recovery makes of one image.

    Attributes:
        observation: what the recovered subject shows; None if it did not recover.
        shown: a number for that; equal observations have equal numbers.
        problems: what is wrong whatever had been acknowledged.
        during: the images that a power cut during the recovery may leave, by their numbers.
        after: the images that a power cut right after it may leave, by their numbers.
        expanded: whether `during` and `after` have been filled in.
        depth: the fewest crashes inside recoveries that lead here from a crash of the workload.
        lost_after: what is wrong with `after`, by their numbers; None until asked.
        fired: how often each fault struck the recovery.
    """

    observation: Shown | None
    problems: tuple[Problem, ...]
    depth: int
    shown: int = -1
    during: Sequence[int] = ()
    after: Sequence[int] = ()
    expanded: bool = False
    lost_after: tuple[tuple[Problem, bytes], ...] | None = None
    fired: tuple[tuple[str, int], ...] = ()

    def children(self) -> list[int]:
        """Return the number of every image that one more crash may leave."""
        return [*self.during, *self.after]


@frozen
class NestedImage:
    """An image that a crash in a stretch of an op log may leave, and where the faults stand then.

    Attributes:
        position: records of that stretch before the crash.
        kept: what the crash kept.
        name: of the two.
        image: the image.
        at_end: whether the stretch had ended.
        since: where the faults stand; None if there are none.
    """

    position: int
    kept: Kept
    name: bytes
    image: DiskImage
    at_end: bool
    since: InjectorState | None = None


@frozen
class _Start:
    """An image on which a recovery starts, and where the faults stand."""

    name: bytes
    image: DiskImage
    since: InjectorState | None


def name_of(image: DiskImage, since: InjectorState | None) -> bytes:
    """Return a name for an image that is recovered from, and for where the faults stand."""
    return image.digest() if since is None else image.digest() + repr(since).encode()


class RecoveryGraph(Generic[Shown, Known]):
    """What recovery makes of every image met in one exploration.

    Args:
        subject: recovers.
        profile: what each crash may lose.
        limits: how far to go.
        on_image: called after each recovered image with their number.

    Attributes:
        choices: where a recovery had too many images of crashes inside it, how large the choice of
            them was, by the name of the image that it began on.
        budget: distinct images recovered at most; None: all.
        unjudged: names of the images left over when the budget ended.
        crashable: distinct images inside whose recovery crashes may have been tried by now; None:
            all.
        uncrashed: names of the images inside whose recovery no crash was tried for that reason.
    """

    def __init__(
        self,
        subject: Subject[Shown, Known],
        profile: Profile,
        limits: Limits,
        on_image: Callable[[int], None],
    ) -> None:
        self.choices: dict[bytes, Choice] = {}
        self.budget = limits.max_images
        self.unjudged: set[bytes] = set()
        self.crashable = limits.max_crashed
        self.uncrashed: set[bytes] = set()
        self._crashed: set[bytes] = set()
        self._subject = subject
        self._profile = profile
        self._settling = Settling(profile)
        self._limits = limits
        self._on_image = on_image
        self._outcomes: dict[bytes, RecoveryOutcome[Shown]] = {}
        # The graph has many more edges than images, so that each end of one is a small number.
        self._numbers: dict[bytes, int] = {}
        self._names: list[bytes] = []
        self._shown: dict[Shown, tuple[int, Shown]] = {}
        # Images at the depth limit, in case a shorter way to them is found; only then are they
        # recovered from with crashes inside.
        self._frontier: dict[bytes, _Start] = {}

    def __len__(self) -> int:
        return len(self._outcomes)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the names of all images that were recovered from, in the order of meeting them."""
        return iter(self._outcomes)

    def __contains__(self, name: bytes) -> bool:
        return name in self._outcomes

    def __getitem__(self, name: bytes) -> RecoveryOutcome[Shown]:
        return self._outcomes[name]

    def get(self, name: bytes) -> RecoveryOutcome[Shown] | None:
        """Return what recovery makes of an image, None if the budget ended before it."""
        return self._outcomes.get(name)

    @property
    def deepest(self) -> int:
        """The most crashes inside recoveries that an image needs to be reached."""
        return max((each.depth for each in self._outcomes.values()), default=0)

    @property
    def is_spent(self) -> bool:
        """Whether the budget has ended."""
        return self.budget is not None and len(self._outcomes) >= self.budget

    @property
    def crashed(self) -> frozenset[bytes]:
        """The names of the images inside whose recovery crashes were tried."""
        if self.crashable is None:
            return frozenset(name for name, each in self._outcomes.items() if each.expanded)
        return frozenset(self._crashed)

    def may_crash(self, name: bytes) -> bool:
        """Whether crashes may be tried inside the recovery from an image; counts it if so."""
        if self.crashable is None or name in self._crashed:
            return True
        if len(self._crashed) >= self.crashable:
            self.uncrashed.add(name)
            return False
        self.uncrashed.discard(name)
        self._crashed.add(name)
        return True

    def fired(self) -> Mapping[str, int]:
        """Return how often each fault struck the recoveries, each image counted once."""
        counts: dict[str, int] = {}
        for outcome in self._outcomes.values():
            for line, count in outcome.fired:
                counts[line] = counts.get(line, 0) + count
        return counts

    def meet(
        self, name: bytes, image: DiskImage, since: InjectorState | None = None
    ) -> tuple[bytes, ...]:
        """Recover from an image, and from those that crashes inside its recovery leave.

        Returns the names of all images whose recoveries were crashed for the first time now.

        Args:
            name: of the two that follow (`name_of`).
            image: the image.
            since: where the faults stand; None if there are none.
        """
        todo = deque([(_Start(name, image, since), 0)])
        expanded: list[bytes] = []
        while todo:
            start, depth = todo.popleft()
            outcome = self._outcomes.get(start.name)
            if outcome is None and self.is_spent:
                self.unjudged.add(start.name)
                continue
            is_new = outcome is None or depth < outcome.depth
            is_shallow = self._limits.depth is None or depth < self._limits.depth
            wanted = is_shallow and self.may_crash(start.name)
            if outcome is not None and outcome.expanded:
                if is_new:
                    todo.extend(self._come_nearer(outcome, depth))
            elif is_new or wanted:
                todo.extend(self._visit(start, depth, expand=wanted))
                if wanted:
                    expanded.append(start.name)
        return tuple(expanded)

    def descendants(self, name: bytes, seen: dict[bytes, bool]) -> Iterator[tuple[bytes, bytes]]:
        """Yield the images that crashes inside recoveries of `name` may leave.

        Each comes with the name of the image whose recovery was crashed last.

        Args:
            name: of the image.
            seen: images that were yielded, and whether crashes inside their recoveries had been
                tried by then; they are yielded again only once that has changed.
        """
        todo = [(name, child) for child in self._outcomes[name].children()]
        while todo:
            parent, number = todo.pop()
            child = self._names[number]
            outcome = self._outcomes.get(child)
            if outcome is None or seen.get(child) is outcome.expanded:
                continue
            seen[child] = outcome.expanded
            yield parent, child
            todo += ((child, each) for each in outcome.children())

    def lost_after(self, name: bytes) -> tuple[tuple[Problem, bytes], ...]:
        """Return what a finished recovery had shown and a crash right after it lost."""
        outcome = self._outcomes[name]
        if outcome.lost_after is None:
            outcome.lost_after = tuple(self._lost_after(outcome))
        return outcome.lost_after

    def path(
        self,
        image: DiskImage,
        since: InjectorState | None,
        parent: bytes,
        target: bytes,
        *,
        at_end: bool,
    ) -> tuple[CrashPoint, ...]:
        """Return crashes inside recoveries that lead from an image to another, the fewest.

        Args:
            image: the image that the first recovery starts from.
            since: where the faults stand there.
            parent: the image whose recovery the last crash interrupts.
            target: what that crash leaves.
            at_end: whether that recovery must have ended before.

        Raises:
            LookupError: no such crashes.
        """
        start = _Start(name_of(image, since), image, since)
        todo: deque[tuple[_Start, tuple[CrashPoint, ...]]] = deque([(start, ())])
        seen = {start.name}
        while todo:
            start, crashes = todo.popleft()
            # Recoveries that were not crashed may cost much, and lead nowhere.
            if self.crashable is not None and start.name not in self._crashed:
                continue
            for inner in self._images_inside(start):
                chain = (*crashes, CrashPoint(position=inner.position, kept=inner.kept))
                is_last = start.name == parent and inner.name == target
                if is_last and (inner.at_end or not at_end):
                    return chain
                if inner.name not in seen:
                    seen.add(inner.name)
                    todo.append((_Start(inner.name, inner.image, inner.since), chain))
        raise LookupError(f"no chain of crashes leads to the image {target.hex()}")

    def _visit(self, start: _Start, depth: int, *, expand: bool) -> list[tuple[_Start, int]]:
        """Recover from an image met at a depth; return what to visit next, with its depth."""
        outcome = self._outcomes.get(start.name)
        if outcome is not None and not expand:
            outcome.depth = depth
            return []
        run = self._subject.recover(start.image, since=start.since, is_crashed=expand)
        if outcome is None:
            outcome = self._outcomes[start.name] = self._outcome_of(run, start.image, depth)
            self._on_image(len(self._outcomes))
        outcome.depth = min(outcome.depth, depth)
        if not expand:
            # With a limit of one, only a crash of the workload is nearer, and it brings the image.
            if depth > 1:
                self._frontier[start.name] = start
            return []
        self._frontier.pop(start.name, None)
        return [(child, depth + 1) for child in self._expand(outcome, run, start)]

    def _come_nearer(
        self, outcome: RecoveryOutcome[Shown], depth: int
    ) -> Iterator[tuple[_Start, int]]:
        """Note a shorter way to an image; yield what it now leads to within the limit."""
        outcome.depth = depth
        if self._limits.depth is None:
            return
        for number in outcome.children():
            name = self._names[number]
            child = self._outcomes.get(name)
            if child is None or child.depth <= depth + 1:
                continue
            if child.expanded:
                yield from self._come_nearer(child, depth + 1)
            elif name in self._frontier:
                yield self._frontier[name], depth + 1

    def _outcome_of(
        self, run: RecoveryRun[Shown], image: DiskImage, depth: int
    ) -> RecoveryOutcome[Shown]:
        if run.observation is None:
            return RecoveryOutcome(None, run.problems, depth, fired=run.fired)
        problems = run.problems
        if self._limits.new_work:
            problems += self._subject.go_on(image, run, self._settling)
        number, observation = self._shown.setdefault(
            run.observation, (len(self._shown), run.observation)
        )
        return RecoveryOutcome(observation, problems, depth, number, fired=run.fired)

    def _images_inside(self, start: _Start) -> list[NestedImage]:
        run = self._subject.recover(start.image, since=start.since)
        pending = PendingOps(start.image, self._profile)
        return images_during(pending, run.log, self._limits, run.course)[0]

    def _expand(
        self, outcome: RecoveryOutcome[Shown], run: RecoveryRun[Shown], start: _Start
    ) -> list[_Start]:
        pending = PendingOps(start.image, self._profile)
        inner, choice = images_during(pending, run.log, self._limits, run.course)
        if choice.points:
            self.choices[start.name] = choice
        recovered = run.observation is not None
        ends = [(self._number(each.name), each.at_end and recovered) for each in inner]
        outcome.during = array("I", dict.fromkeys(number for number, ended in ends if not ended))
        outcome.after = array("I", dict.fromkeys(number for number, ended in ends if ended))
        outcome.expanded = True
        outcome.lost_after = None
        return [_Start(each.name, each.image, each.since) for each in inner]

    def _number(self, name: bytes) -> int:
        number = self._numbers.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(name)
        return number

    def _lost_after(self, outcome: RecoveryOutcome[Shown]) -> Iterator[tuple[Problem, bytes]]:
        if outcome.observation is None:
            return
        for number in outcome.after:
            name = self._names[number]
            left = self._outcomes.get(name)
            if left is None or left.observation is None:
                continue
            for problem in self._subject.judge_kept(outcome.observation, left.observation):
                yield problem, name


def images_during(
    pending: PendingOps,
    log: tuple[Record, ...],
    limits: Limits,
    course: FaultCourse = NO_FAULTS,
) -> tuple[list[NestedImage], Choice]:
    """Return the images that a crash during `log` or at its end may leave; all, or a choice.

    Args:
        pending: what is durable and what is not before it; it takes the whole log.
        log: what a store does.
        limits: how many sets are tried at one point.
        course: where the faults stand, by position of the log.
    """
    found: dict[tuple[bytes, bool], NestedImage] = {}
    choice = Choice()

    def look(position: int, images: CrashImages, *, at_end: bool = False) -> None:
        nonlocal choice
        choice += images.choice or Choice()
        since = course.at(position)
        for kept in images.images:
            image = pending.image(kept)
            name = name_of(image, since)
            inner = NestedImage(position, kept, name, image, at_end, since)
            found.setdefault((name, at_end), inner)

    limit = limits.max_sets_per_point
    for position, record in enumerate(log, start=1):
        pending.take(record)
        if not isinstance(record, (Sync, Mark)) and pending.whole:
            look(position, newest_images(pending, limit=limit, tearing=_PLAIN))
    look(len(log), all_images(pending, limit=limit, tearing=_PLAIN), at_end=True)
    return list(found.values()), choice
