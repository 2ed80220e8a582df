"""Count how often each fault of a plan has matched and fired."""

from __future__ import annotations

from collections.abc import Iterator

from wavetank.faults.fault import Fault, FaultPlan

__all__ = ["Tally"]


class Tally:
    """The counts of one run.

    Args:
        plan: the faults.
        seed: of the run, for faults that fire by chance.
        matches: counted before, fault by fault; None for a new run.

    Attributes:
        lifted: no fault is in force.
        damage_only: only damage is in force.
        matches: operations that matched, fault by fault.
        fired: how often each fault has fired.
    """

    def __init__(self, plan: FaultPlan, *, seed: int, matches: tuple[int, ...] | None) -> None:
        zeros = [0] * len(plan.faults)
        self.lifted = False
        self.damage_only = False
        self.matches = list(zeros if matches is None else matches)
        self.fired = zeros
        self._plan = plan
        self._seed = seed

    def in_force(self) -> Iterator[tuple[int, Fault]]:
        """Yield the faults that may fire now, with their numbers in the plan."""
        for number, fault in enumerate(self._plan.faults):
            if self.is_in_force(number):
                yield number, fault

    def is_in_force(self, number: int) -> bool:
        """Whether the fault of this number may fire now."""
        return not self.lifted and (not self.damage_only or self._plan.faults[number].damages)

    def match(self, number: int) -> bool:
        """Count a match of a fault, and return whether it fires at it."""
        self.matches[number] += 1
        return self._plan.faults[number].trigger.fires_at(self.matches[number], self._seed)

    def settled(self) -> tuple[int, ...]:
        """Return the matches, each no higher than where counting on changes nothing any more."""
        return tuple(
            fault.trigger.settled(matches)
            for fault, matches in zip(self._plan.faults, self.matches, strict=True)
        )
