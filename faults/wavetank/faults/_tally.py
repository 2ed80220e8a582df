"""How often each fault of a plan has matched and fired, and which match is struck.

Left out: which operations match (_matching.py), and what is done then.
"""

from __future__ import annotations

from collections.abc import Iterator

from wavetank.faults._chance import draw
from wavetank.faults.fault import Fault, FaultPlan

__all__ = ["Tally"]


class Tally:
    """The counts of one run.

    Args:
        plan: the faults.
        seed: of the run, for faults that strike by chance.
        matches: what has been counted before, fault by fault.

    Attributes:
        lifted: no fault stands.
        damage_only: only damage stands.
        matches: operations that matched, fault by fault.
        fired: operations that were changed.
    """

    def __init__(self, plan: FaultPlan, *, seed: int, matches: tuple[int, ...] | None) -> None:
        nothing = [0] * len(plan.faults)
        self.lifted = False
        self.damage_only = False
        self.matches = list(nothing if matches is None else matches)
        self.fired = nothing
        self._plan = plan
        self._seed = seed

    def standing(self) -> Iterator[tuple[int, Fault]]:
        """Yield the faults that can strike now, with their numbers."""
        for number, fault in enumerate(self._plan.faults):
            if not self.lifted and (not self.damage_only or fault.damages):
                yield number, fault

    def is_struck(self, number: int, fault: Fault) -> bool:
        """Count a match, and tell whether it is struck."""
        self.matches[number] += 1
        match, which = self.matches[number], fault.which
        if not which.holds(match):
            return False
        chance = which.chance
        return chance is None or draw(self._seed, chance.stream, match) < chance.probability

    def settled(self) -> tuple[int, ...]:
        """Return the matches, each no higher than where counting on changes nothing any more."""
        return tuple(map(_settled, self._plan.faults, self.matches))


def _settled(fault: Fault, matches: int) -> int:
    which = fault.which
    if which.chance is not None:
        return matches
    return min(matches, which.first if which.times is None else which.first + which.times - 1)
