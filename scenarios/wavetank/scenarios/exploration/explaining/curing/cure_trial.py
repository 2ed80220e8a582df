"""A cure held against the images of its crash point: does any of them still show the failure?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic, Literal

from attrs import evolve

from wavetank.scenarios.exploration.crash_point import CrashTrail
from wavetank.scenarios.exploration.explaining.curing.added_sync import AddedSync, put_in
from wavetank.scenarios.exploration.explaining.lost_ops import Losses
from wavetank.scenarios.exploration.judging import judge_trail
from wavetank.scenarios.exploration.subject import (
    Known,
    NewWork,
    Problem,
    RecordedRun,
    Shown,
    Subject,
)
from wavetank.sim import DiskImage, Kept, Mark, PendingOps, Record, all_images

__all__ = ["CureTrial", "is_of_call"]

_MOST_IMAGES: Final = 1_500
"""Images that are judged to verify cures, in all."""
_PER_CURE: Final = 256
"""Images of one crash point."""


class CureTrial(Generic[Shown, Known]):
    """Judges images of the last crash point of a finding, with its log changed by a cure.

    Args:
        losses: what was lost.
        runnable: the run.
        subject: recovers.
        trail: how the image came about.

    Attributes:
        images: how many were judged.
    """

    def __init__(
        self,
        losses: Losses[Shown, Known],
        runnable: RecordedRun[Shown, Known],
        subject: Subject[Shown, Known],
        trail: CrashTrail[Shown],
    ) -> None:
        self.images = 0
        self._losses = losses
        self._runnable = runnable
        self._subject = subject
        self._trail = trail
        self._work: NewWork | None = None

    def pending(
        self, chosen: Sequence[AddedSync], log: Sequence[Record] | None = None
    ) -> PendingOps:
        """Return what is pending at the last power cut if some syncs are put in."""
        stretch = self._losses.stretches[-1]
        log = stretch.log if log is None else log
        pending = PendingOps(stretch.image, self._losses.profile)
        for position, record in enumerate(log):
            put_in(pending, chosen, position)
            pending.take(record)
        put_in(pending, chosen, len(log))
        return pending

    def survivor(
        self, chosen: Sequence[AddedSync], log: Sequence[Record] | None = None
    ) -> Kept | Literal["unknown"] | None:
        """Return an image of the crash point that shows the failure all the same; None if none."""
        pending = self.pending(chosen, log)
        if not pending.whole or self.images >= _MOST_IMAGES:
            return "unknown"
        for kept in all_images(pending, limit=_PER_CURE).images[:_PER_CURE]:
            self.images += 1
            if self.shows(pending.image(kept)):
                return kept
        return None

    def shows(self, image: DiskImage) -> bool:
        """Whether an image shows the failure."""
        wanted = self._losses.finding.problem
        if self._losses.stretches[-1].works_from is None:
            found = self.problems(image)
            return any((p.invariant, p.kind) == (wanted.invariant, wanted.kind) for p in found)
        self._work = self._work or self._subject.new_work(self._trail.image, self._trail.since)
        problems_on = None if self._work is None else self._work.problems_on
        assert problems_on is not None, "the new work has shown the problem"
        return any(wanted.kind.endswith(each.kind) for each in problems_on(image))

    def problems(self, image: DiskImage) -> tuple[Problem, ...]:
        """Return what is wrong with an image at that crash point."""
        losses, trail = self._losses, evolve(self._trail, image=image)
        return judge_trail(
            self._runnable, losses.profile, losses.finding.crash, trail, self._subject
        )

    def is_right(self, log: Sequence[Record], without: int) -> bool:
        """Whether a disk that holds all of a log but one call is right."""
        stretch = self._losses.stretches[0]
        pending = evolve(
            stretch, log=tuple(each for each in log if not is_of_call(each, without))
        ).pending(self._losses.profile)
        if not pending.whole:
            return True
        self.images += 1
        return not self.problems(pending.full)


def is_of_call(record: Record, call: int) -> bool:
    """Whether a record was made by a call."""
    return not isinstance(record, Mark) and record.call == call
