"""Where the exploration of a recorded run is cut into parts of about equal work.

The cuts depend on the run, the profiles and the limits alone, never on a machine: so any number of
workers explores the same parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from wavetank.scenarios.exploration.partial import Positions
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.exploration.subject import Known, RecordedRun, Shown
from wavetank.sim import (
    CrashImages,
    Mark,
    PendingOps,
    Profile,
    Record,
    Sync,
    all_images,
    newest_images,
)

__all__ = ["cut_positions", "parts_of"]

_PART_IMAGES: Final = 1000
"""Images that are worth a part of their own: half a second of recoveries, beside which walking to
the part takes little."""

_NESTED_PART_IMAGES: Final = 400
"""The same with crashes inside recoveries, where each image costs several times as much."""

_FEWEST_PARTS: Final = 6
"""What would make fewer parts is not cut: one process has explored it before others are there."""


def parts_of(
    run: RecordedRun[Shown, Known],
    profiles: Iterable[tuple[Profile, Limits]],
    *,
    least: int | None = None,
) -> tuple[Positions, ...]:
    """Return the parts in which a recorded run is explored; one, if it is small or has no seams.

    Args:
        run: the recorded run.
        profiles: under which it is explored, with how far that goes.
        least: images that make a part of their own; None: as many as are worth it, and a run with
            few of these is not cut.
    """
    last = len(run.log)
    # Where attributes count once somebody has looked at them, what was seen before matters.
    whole = run.ended_by is not None or run.image.attribute_reads is not None
    weights = [0] * (last + 1)
    seams = set(range(1, last + 1))
    worth = _PART_IMAGES
    for profile, limits in profiles:
        # A budget is spent in the order of the whole walk, and so is a look.
        budgets = (limits.max_images, limits.max_crashed)
        if whole or limits.look is not None or any(each is not None for each in budgets):
            return (Positions(0, last),)
        worth = _PART_IMAGES if limits.depth == 0 else _NESTED_PART_IMAGES
        is_seam = True
        for position, record, images in _surveyed(run, profile, limits):
            # Too many images are remembered by the explorer, as far as the next sync.
            is_seam = isinstance(record, Sync) or (is_seam and images.complete)
            weights[position] += 0 if isinstance(record, Mark) else len(images.images)
            if not is_seam:
                seams.discard(position + 1)
    if least is None and sum(weights) < _FEWEST_PARTS * worth:
        return (Positions(0, last),)
    return cut_positions(weights, sorted(seams), least=least or worth)


def cut_positions(
    weights: Sequence[int], seams: Iterable[int], *, least: int
) -> tuple[Positions, ...]:
    """Return ranges of positions that weigh about the same.

    Args:
        weights: of each position, from 0 on.
        seams: positions, ascending, at which a range may begin besides 0.
        least: what a range weighs on average, at least.

    >>> cut_positions([0, 5, 5, 5, 5, 5, 5], [2, 3, 5], least=10)
    (Positions(first=0, last=2), Positions(first=3, last=4), Positions(first=5, last=6))
    """
    total = sum(weights)
    count = max(1, total // least)
    sums = list(accumulate(weights))
    begins = [0]
    for seam in seams:
        if len(begins) < count and sums[seam - 1] * count >= total * len(begins):
            begins.append(seam)
    ends = [begin - 1 for begin in begins[1:]] + [len(weights) - 1]
    return tuple(Positions(first, last) for first, last in zip(begins, ends, strict=True))


def _surveyed(
    run: RecordedRun[Shown, Known], profile: Profile, limits: Limits
) -> Iterator[tuple[int, Record, CrashImages]]:
    """Yield each position, the record before it, and the images there, chosen without a reader."""
    pending = PendingOps(run.image, profile)
    for position, record in enumerate(run.log, start=1):
        pending.take(record)
        images = CrashImages(())
        if not isinstance(record, Sync) and pending.whole:
            choose = all_images if isinstance(record, Mark) else newest_images
            images = choose(pending, limit=limits.max_sets_per_point, tearing=limits.tearing)
        yield position, record, images
