"""Which profiles allow a crash, asked of many crashes of one run.

To answer, the op log is walked under every profile. Crashes that come in the order of their
positions share these walks: each goes on where the last one stopped.
"""

from __future__ import annotations

from itertools import islice
from typing import Generic

from attrs import define, field

from wavetank.scenarios.exploration.crash_point import CrashTrail, Stretch, loses_the_same
from wavetank.scenarios.exploration.subject import Known, RecordedRun, Shown
from wavetank.sim import PendingOps, Profile

__all__ = ["Allowing"]


@define
class Allowing(Generic[Shown, Known]):
    """Tells whether a profile allows crashes of one run.

    Args:
        run: the recorded run.
    """

    run: RecordedRun[Shown, Known]
    _walks: dict[Profile, tuple[int, PendingOps]] = field(factory=dict, init=False)

    def allows(self, trail: CrashTrail[Shown], profile: Profile, other: Profile) -> bool:
        """Whether a trail that `profile` allows, with all its power cuts, is one of `other` too."""
        return all(
            loses_the_same(self._pending(each, profile), self._pending(each, other), each.kept)
            is not None
            for each in trail.stretches
        )

    def _pending(self, stretch: Stretch, profile: Profile) -> PendingOps:
        """Return what is pending at the end of a stretch; nobody may change it."""
        if stretch.image is not self.run.image or stretch.recovered_from is not None:
            return stretch.pending(profile)
        position = len(stretch.log)
        done, pending = self._walks.get(profile, (0, None))
        if pending is None or done > position:
            done, pending = 0, PendingOps(self.run.image, profile)
        pending.take_all(islice(self.run.log, done, position))
        self._walks[profile] = (position, pending)
        return pending
