"""What becomes of images: each is recovered once, and so is each that a crash inside that leaves.

A `Fate` is all that can be said of an image under a profile before anybody asks what had been
acknowledged: what the reopened store shows, what is wrong with it in any case, and which images a
power cut during the recovery, or right after it, may leave. `Fates` is the graph of them. It grows
to a fixpoint, or to the depth asked for, and is shared by all crash points of a sweep.

Verified here: O15 (what an opened store has shown survives).
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from attrs import define, frozen

from wavetank.engine import FileStorageOptions
from wavetank.faults import InjectorState
from wavetank.scenarios.exploration.crash_point import CrashPoint
from wavetank.scenarios.raft.contract import Contract
from wavetank.scenarios.raft.fault_timeline import NO_FAULTS, FaultCourse
from wavetank.scenarios.raft.observation import Observation, Problem
from wavetank.scenarios.raft.oracle import Knowledge, judge
from wavetank.scenarios.raft.recovery import Recovery
from wavetank.scenarios.raft.recovery_run import Opening
from wavetank.sim import (
    AppendFill,
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

__all__ = ["Fate", "Fates", "InnerImage", "Limits", "images_during", "name_of"]

_PLAIN: Final = Tearing(
    shapes=frozenset(TearShape) - {TearShape.GARBAGE}, append_fill=AppendFill.ZEROS
)
"""Inside recoveries writes tear at sectors; garbage and stale blocks are left to the first crash,
since with them the images of each crash multiply and nothing ends."""


@frozen(kw_only=True)
class Limits:
    """How far a sweep goes.

    Attributes:
        depth: crashes inside recoveries, one inside the other; None: until no new image comes.
        max_images: distinct images recovered at most; None: all.
        max_sets_per_point: legal sets of pending ops at one crash point up to which all are
            tried; beyond, a catalogue stands in for them, and the sweep is not complete.
        disabled: invariants in whose name nobody is accused, to test the tester.
    """

    depth: int | None = 0
    max_images: int | None = None
    max_sets_per_point: int = 512
    disabled: frozenset[str] = frozenset()


@define
class Fate:
    """What becomes of one image.

    Attributes:
        observation: what the reopened store shows; None if it does not open.
        shown: a number for that; equal showings have equal numbers.
        problems: what is wrong whatever had been acknowledged.
        during: the images that a power cut during the recovery may leave, by their numbers.
        after: the images that a power cut right after it may leave, by their numbers.
        expanded: whether `during` and `after` have been filled in.
        judged_after: what O15 says of `after`; None until asked.
        fired: how often each fault struck the opening.
    """

    observation: Observation | None
    problems: tuple[Problem, ...]
    shown: int = -1
    during: Sequence[int] = ()
    after: Sequence[int] = ()
    expanded: bool = False
    judged_after: tuple[tuple[Problem, bytes], ...] | None = None
    fired: tuple[tuple[str, int], ...] = ()

    def children(self) -> list[int]:
        """Return the number of every image that one more crash may leave."""
        return [*self.during, *self.after]


@frozen
class InnerImage:
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


def name_of(image: DiskImage, since: InjectorState | None) -> bytes:
    """Return a name for an image on which a store is opened, and for where the faults stand."""
    return image.digest() if since is None else image.digest() + repr(since).encode()


class Fates:
    """The fates of all images met in one sweep.

    Args:
        recovery: opens stores.
        profile: what each crash may lose.
        options: of the store.
        limits: how far to go.
        on_image: called after each recovered image with their number.

    Attributes:
        deepest: at which depth the last image came that had not been met before.
        complete: whether every legal image was enumerated.
        unjudged: names of the images left over when the budget ended.
    """

    def __init__(
        self,
        recovery: Recovery,
        profile: Profile,
        options: FileStorageOptions,
        limits: Limits,
        on_image: Callable[[int], None],
    ) -> None:
        self.deepest = 0
        self.complete = True
        self.unjudged: set[bytes] = set()
        self._recovery = recovery
        self._profile = profile
        self._settling = Settling(profile)
        self._options = options
        self._limits = limits
        self._on_image = on_image
        self._fates: dict[bytes, Fate] = {}
        # The graph has many more edges than images, so that each end of one is a small number.
        self._numbers: dict[bytes, int] = {}
        self._names: list[bytes] = []
        self._shown: dict[Observation, tuple[int, Observation]] = {}

    def __len__(self) -> int:
        return len(self._fates)

    def __contains__(self, name: bytes) -> bool:
        return name in self._fates

    def __getitem__(self, name: bytes) -> Fate:
        return self._fates[name]

    def get(self, name: bytes) -> Fate | None:
        """Return an image's fate, None if the budget ended before it."""
        return self._fates.get(name)

    def fired(self) -> Mapping[str, int]:
        """Return how often each fault struck the openings, each image counted once."""
        counts: dict[str, int] = {}
        for fate in self._fates.values():
            for line, count in fate.fired:
                counts[line] = counts.get(line, 0) + count
        return counts

    def meet(self, name: bytes, image: DiskImage, since: InjectorState | None = None) -> None:
        """Find out the fate of an image, and of those that crashes inside its recovery leave.

        Args:
            name: of the two that follow (`name_of`).
            image: the image.
            since: where the faults stand; None if there are none.
        """
        todo = deque([(name, image, since, 0)])
        while todo:
            name, image, since, depth = todo.popleft()
            wanted = self._limits.depth is None or depth < self._limits.depth
            known = self._fates.get(name)
            if known is not None and (known.expanded or not wanted):
                continue
            if known is None and self._spent():
                self.unjudged.add(name)
                continue
            if known is None:
                self.deepest = max(self.deepest, depth)
            for inner in self._recover(name, image, since, expand=wanted):
                if inner.name not in self._fates or not self._fates[inner.name].expanded:
                    todo.append((inner.name, inner.image, inner.since, depth + 1))

    def descendants(self, name: bytes, seen: set[bytes]) -> Iterator[bytes]:
        """Yield the images that crashes inside the recovery of `name` may leave, each once."""
        todo = self._fates[name].children()
        while todo:
            child = self._names[todo.pop()]
            if child in seen:
                continue
            seen.add(child)
            fate = self._fates.get(child)
            if fate is not None:
                yield child
                todo += fate.children()

    def judge_after(self, name: bytes) -> tuple[tuple[Problem, bytes], ...]:
        """Return where a crash right after the opening loses what the store has shown (O15)."""
        fate = self._fates[name]
        if fate.judged_after is None:
            fate.judged_after = tuple(self._judge_after(fate))
        return fate.judged_after

    def path(
        self, image: DiskImage, since: InjectorState | None, target: bytes
    ) -> tuple[CrashPoint, ...]:
        """Return the crashes inside recoveries that lead from an image to another, the fewest."""
        name = name_of(image, since)
        todo: deque[tuple[bytes, DiskImage, InjectorState | None, tuple[CrashPoint, ...]]] = deque(
            [(name, image, since, ())]
        )
        seen = {name}
        while todo:
            name, image, since, crashes = todo.popleft()
            if name == target:
                return crashes
            opening = self._recovery.open(image, since=since)
            pending = PendingOps(image, self._profile)
            for inner in images_during(pending, opening.log, self._limits, opening.course)[0]:
                if inner.name not in seen:
                    seen.add(inner.name)
                    crash = CrashPoint(position=inner.position, kept=inner.kept)
                    todo.append((inner.name, inner.image, inner.since, (*crashes, crash)))
        raise LookupError(f"no chain of crashes leads to the image {target.hex()}")

    def _recover(
        self, name: bytes, image: DiskImage, since: InjectorState | None, *, expand: bool
    ) -> list[InnerImage]:
        opening = self._recovery.open(image, since=since)
        fate = self._fates.get(name)
        if fate is None:
            fate = self._fates[name] = self._fate_of(opening, image)
            self._on_image(len(self._fates))
        if not expand:
            return []
        inner = self._expand(fate, opening, image)
        fate.expanded = True
        return inner

    def _fate_of(self, opening: Opening, image: DiskImage) -> Fate:
        if opening.observation is None:
            return Fate(None, opening.problems, fired=opening.fired)
        problems = opening.problems + self._recovery.work_at_once(image, opening, self._settling)
        showing = (len(self._shown), opening.observation)
        number, observation = self._shown.setdefault(opening.observation, showing)
        return Fate(observation, problems, number, fired=opening.fired)

    def _expand(self, fate: Fate, opening: Opening, image: DiskImage) -> list[InnerImage]:
        pending = PendingOps(image, self._profile)
        inner, complete = images_during(pending, opening.log, self._limits, opening.course)
        self.complete = self.complete and complete
        opened = opening.observation is not None
        ends = [(self._number(each.name), each.at_end and opened) for each in inner]
        fate.during = array("I", dict.fromkeys(number for number, ended in ends if not ended))
        fate.after = array("I", dict.fromkeys(number for number, ended in ends if ended))
        return inner

    def _number(self, name: bytes) -> int:
        number = self._numbers.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(name)
        return number

    def _judge_after(self, fate: Fate) -> Iterator[tuple[Problem, bytes]]:
        if fate.observation is None or not fate.after:
            return
        if not Contract.of(self._options).appends_durable:
            return
        shown = Knowledge(possible=(fate.observation.as_model(),))
        for number in fate.after:
            name = self._names[number]
            left = self._fates.get(name)
            if left is None or left.observation is None:
                continue
            for problem in judge(left.observation, shown, self._options, self._limits.disabled):
                kind = f"after an opening: {problem.invariant} {problem.kind}"
                summary = f"what the opened store had shown did not survive: {problem.summary}"
                yield Problem("O15", kind, summary), name

    def _spent(self) -> bool:
        limit = self._limits.max_images
        return limit is not None and len(self._fates) >= limit


def images_during(
    pending: PendingOps,
    log: tuple[Record, ...],
    limits: Limits,
    course: FaultCourse = NO_FAULTS,
) -> tuple[list[InnerImage], bool]:
    """Return the images that a crash during `log` or at its end may leave; and if these are all.

    Args:
        pending: what is durable and what is not before it; it takes the whole log.
        log: what a store does.
        limits: how many sets are tried at one point.
        course: where the faults stand, by position of the log.
    """
    found: dict[tuple[bytes, bool], InnerImage] = {}
    complete = True

    def look(position: int, images: CrashImages, *, at_end: bool = False) -> None:
        nonlocal complete
        complete = complete and images.complete
        since = course.at(position)
        for kept in images.images:
            image = pending.image(kept)
            name = name_of(image, since)
            inner = InnerImage(position, kept, name, image, at_end, since)
            found.setdefault((name, at_end), inner)

    limit = limits.max_sets_per_point
    for position, record in enumerate(log, start=1):
        pending.take(record)
        if not isinstance(record, (Sync, Mark)) and pending.whole:
            look(position, newest_images(pending, limit=limit, tearing=_PLAIN))
    look(len(log), all_images(pending, limit=limit, tearing=_PLAIN), at_end=True)
    return list(found.values()), complete
