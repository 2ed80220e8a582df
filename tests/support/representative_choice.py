"""What a choice of crash images misses, measured where every legal image can be judged.

Each crash point with few enough sets of pending ops is judged with all of them. Then the bound is
lowered, and of the same verdicts only those count whose images are chosen under it: as wavetank
chooses, and, for comparison, from a catalogue of single ops of the same size. What counts is which
kinds of problem are found, and which ops are seen to matter: each that is lost in an image of that
kind from which no lost op can be left out. Writes are not torn.

    python tests/support/representative_choice.py

prints the figures of docs/disk-model.md; it takes some minutes.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

from attrs import frozen

from wavetank.scenarios import SCENARIOS, Limits, Problem, Recording, find_store, record
from wavetank.scenarios.exploration.recovery_graph import RecoveryGraph, name_of
from wavetank.scenarios.mutants import SYNC_TRIALS, sync_sites, without
from wavetank.scenarios.mutants.mutant_run import record_trial
from wavetank.sim import (
    BTRFS,
    EXT4,
    POSIX,
    AppendFill,
    AtomicUnit,
    Dirent,
    Kept,
    Mark,
    PendingOps,
    Profile,
    Sync,
    Tearing,
    all_images,
    newest_images,
)

__all__ = ["Missed", "measure", "missed", "zoo_recordings"]

FITS = 600
"""Sets up to which a crash point is judged with all of them."""
PLAIN = Tearing(atomic_unit=AtomicUnit.BLOCK, append_fill=AppendFill.ZEROS)
BOUNDS = (8, 16, 32, 64, 128, 256)
SCENARIOS_THAT_FIT = ("leader-steady", "snapshot-compaction", "election-storm")

Kind = tuple[str, str]


@frozen
class Image:
    """An image: its name, what is wrong with it, and the ops that a program can see it lost."""

    name: bytes
    kinds: frozenset[Kind]
    lost: frozenset[int]


@frozen(kw_only=True)
class Point:
    """A crash point: every image, and those that are chosen by bound."""

    every: tuple[Image, ...]
    chosen: Mapping[int, tuple[Image, ...]]
    catalogue: Mapping[int, tuple[Image, ...]]


@frozen(kw_only=True)
class Missed:
    """How much a choice misses, and what there is."""

    kinds: int = 0
    all_kinds: int = 0
    ops: int = 0
    all_ops: int = 0
    images: int = 0
    all_images: int = 0

    def __add__(self, other: "Missed") -> "Missed":
        return Missed(
            kinds=self.kinds + other.kinds,
            all_kinds=self.all_kinds + other.all_kinds,
            ops=self.ops + other.ops,
            all_ops=self.all_ops + other.all_ops,
            images=self.images + other.images,
            all_images=self.all_images + other.all_images,
        )


def measure(recording: Recording, profile: Profile, bounds: Iterable[int]) -> list[Point]:
    """Judge every image of each crash point that fits, and note what is chosen by bound."""
    bounds = tuple(bounds)
    judge = _judge(recording, profile)
    pending = PendingOps(recording.image, profile)
    points = []
    for position, each in enumerate(recording.log, start=1):
        pending.take(each)
        if isinstance(each, Sync) or not pending.whole:
            continue
        holding = not isinstance(each, Mark)
        choose = newest_images if holding else all_images
        every = choose(pending, limit=FITS, tearing=PLAIN)
        if every.complete:
            fits = len(every.images)
            chosen = {
                bound: every.images
                if fits <= bound
                else choose(pending, limit=bound, tearing=PLAIN).images
                for bound in bounds
            }
            single = list(_catalogue(pending, pending.newest_needs if holding else 0))
            plain = {
                bound: every.images if fits <= bound else single[: len(chosen[bound])]
                for bound in bounds
            }
            known = {
                kept: judge(pending, position, kept)
                for kept in dict.fromkeys((*every.images, *_of(chosen), *_of(plain)))
            }
            points.append(
                Point(
                    every=tuple(known[kept] for kept in every.images),
                    chosen={bound: tuple(known[k] for k in chosen[bound]) for bound in bounds},
                    catalogue={bound: tuple(known[k] for k in plain[bound]) for bound in bounds},
                )
            )
    return points


def missed(points: list[Point], choice: Callable[[Point], tuple[Image, ...]]) -> Missed:
    """Return what is missed if of each point only the images of a choice are judged."""
    every, some = _found(points, lambda point: point.every), _found(points, choice)
    return Missed(
        kinds=len(every[0] - some[0]),
        all_kinds=len(every[0]),
        ops=len(every[1] - some[1]),
        all_ops=len(every[1]),
        images=some[2],
        all_images=every[2],
    )


def zoo_recordings() -> Iterator[Recording]:
    """Yield a trial of the engine without each of its syncs."""
    for site, trials in sync_sites().items():
        yield record_trial(SYNC_TRIALS[trials[0]], without(site))


def _of(chosen: Mapping[int, Iterable[Kept]]) -> Iterator[Kept]:
    for images in chosen.values():
        yield from images


def _judge(recording: Recording, profile: Profile) -> Callable[[PendingOps, int, Kept], Image]:
    subject = recording.subject()
    graph = RecoveryGraph(subject, profile, Limits(), lambda _: None)

    def judge(pending: PendingOps, position: int, kept: Kept) -> Image:
        image = pending.image(kept)
        name = name_of(image, None)
        graph.meet(name, image)
        outcome = graph[name]
        problems: tuple[Problem, ...] = outcome.problems
        if outcome.observation is not None:
            problems += subject.judge(outcome.observation, recording.interval_at(position))
        named = {inode for _, inode, _ in image.walk()}
        return Image(
            name,
            frozenset((each.invariant, each.kind) for each in problems),
            frozenset(
                op.number
                for op in pending.ops
                if op.number not in kept.numbers and (isinstance(op, Dirent) or op.inode in named)
            ),
        )

    return judge


def _catalogue(pending: PendingOps, holding: int) -> Iterator[Kept]:
    """Yield everything, nothing, and each op alone lost or alone kept: the choice of before."""
    always, everything = pending.idle, pending.everything
    masks = [holding | always, everything]
    for op in pending.ops:
        masks.append(everything & ~pending.dependents(op.number) | always)
        masks.append(pending.needs(op.number) | holding | always)
    yield from (pending.kept(mask) for mask in dict.fromkeys(masks) if not holding & ~mask)


def _found(
    points: list[Point], choice: Callable[[Point], tuple[Image, ...]]
) -> tuple[set[Kind], set[tuple[Kind, int]], int]:
    """Return the kinds that are found, each with the ops that matter to it, and the images."""
    losses: dict[Kind, set[frozenset[int]]] = {}
    names = set()
    for point in points:
        for image in choice(point):
            names.add(image.name)
            for kind in image.kinds:
                losses.setdefault(kind, set()).add(image.lost)
    ops = {
        (kind, number)
        for kind, each in losses.items()
        for lost in each
        if not any(smaller < lost for smaller in each)
        for number in lost
    }
    return set(losses), ops, len(names)


def _rows(name: str, runs: Iterable[tuple[Recording, Profile]]) -> Iterator[str]:
    totals = {(bound, choice): Missed() for bound in BOUNDS for choice in ("groups", "single")}
    for recording, profile in runs:
        points = measure(recording, profile, BOUNDS)
        for bound in BOUNDS:
            totals[bound, "groups"] += missed(points, lambda point: point.chosen[bound])  # noqa: B023 - called at once
            totals[bound, "single"] += missed(points, lambda point: point.catalogue[bound])  # noqa: B023 - called at once
    for (bound, choice), each in totals.items():
        yield (
            f"| {name} | {bound} | {choice} | {each.images:,} of {each.all_images:,} "
            f"| {each.kinds} of {each.all_kinds} | {each.ops} of {each.all_ops} |"
        )


def _published() -> Iterator[tuple[Recording, Profile]]:
    for profile in (EXT4, BTRFS, POSIX):
        for name in SCENARIOS_THAT_FIT:
            workload = SCENARIOS[name].workload(0)
            yield record(workload, find_store("raftlock-published")), profile


if __name__ == "__main__":
    for row in _rows("zoo", ((each, POSIX) for each in zoo_recordings())):
        sys.stdout.write(f"{row}\n")
    for row in _rows("published", _published()):
        sys.stdout.write(f"{row}\n")
