"""What is known of a store while steps run on it: written down, interval by interval.

A step that begins widens what is possible, its return narrows it; what a store shows that was not
possible is gone on from.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, frozen

from wavetank.scenarios.exploration.subject import Interval, Problem
from wavetank.scenarios.raft.driving.removed_entries import RemovedEntries
from wavetank.scenarios.raft.judging.observation import Observation
from wavetank.scenarios.raft.judging.oracle import Knowledge
from wavetank.scenarios.raft.model import EMPTY, ModelState, Possible

__all__ = ["History", "LiveProblem"]


@frozen
class LiveProblem:
    """An invariant broken without any crash, and the step after which it showed."""

    step: int
    problem: Problem


class History:
    """What is known, interval by interval.

    Args:
        position: tells how many records the op log has.
        keeps_past: whether earlier states are part of what is known, since the disk may lie.
        known: what is known before the first step; None of a store that is still to be made.

    Attributes:
        possible: the states in which the store may be.
        intervals: all so far.
    """

    def __init__(
        self, position: Callable[[], int], *, keeps_past: bool, known: Knowledge | None = None
    ) -> None:
        self.possible: Possible = (EMPTY,) if known is None else known.possible
        self.intervals: list[Interval[Knowledge]] = []
        self._position = position
        self._keeps_past = keeps_past
        self._removed = RemovedEntries(() if known is None else known.removed)
        self._earlier: dict[ModelState, None] = {}
        self._opened_at = 0

    @property
    def now(self) -> Knowledge:
        """What a running store must show."""
        return self.knowledge(self.possible[-1:])

    def knowledge(self, possible: Possible, *, closed: bool = False) -> Knowledge:
        """Return what is known if these states are possible."""
        return Knowledge(
            possible=possible, removed=self._removed, closed=closed, earlier=tuple(self._earlier)
        )

    def know(
        self,
        number: int,
        possible: Possible,
        *,
        acknowledged: bool = False,
        closed: bool = False,
        ahead: int = 0,
    ) -> None:
        """Write down that from here on these states are possible.

        Args:
            number: of the step.
            possible: the states.
            acknowledged: whether the step has returned.
            closed: whether it was a clean close.
            ahead: records of the op log that still come before it holds.
        """
        knowledge = self.knowledge(possible, closed=closed)
        if self._keeps_past:
            self._earlier.update(dict.fromkeys(possible))
        self.intervals.append(
            Interval(
                position=self._position() + ahead,
                step=number,
                acknowledged=acknowledged,
                knowledge=knowledge,
            )
        )

    def opens(self, number: int) -> None:
        """Note that a store is being opened: what that costs may be gone from here on."""
        if self._keeps_past and self.intervals:
            self.know(number, self.intervals[-1].knowledge.possible)
            self._opened_at = len(self.intervals) - 1

    def begin_again(self) -> None:
        """Write on from an empty op log: what is possible, and what has been removed, stays."""
        self.intervals.clear()
        self._opened_at = 0

    def forget_removed(self, after: Possible) -> None:
        """Note which entries a step took out of the log for good."""
        kept = min(len(state.entries) for state in self.possible)
        if all(_extends(state, self.possible) for state in after):
            # Most steps only append. Entries that all of `possible` have were no removed ones.
            added = {entry for state in after for entry in state.entries[kept:]}
            self._removed = self._removed.changed(drop=added)
            return
        before = {entry for state in self.possible for entry in state.entries}
        left = {entry for state in after for entry in state.entries}
        self._removed = self._removed.changed(add=before - left, drop=left)

    def adopt(self, number: int, seen: Observation) -> None:
        """Go on from what the store shows, though it is not what it should be."""
        self.possible = (_with_compaction(seen.as_model(), self.possible),)
        self._removed = self._removed.changed(drop=seen.entries)
        self.know(number, self.possible, acknowledged=True)

    def lose(self, number: int, seen: Observation) -> None:
        """Go on from what the last opening left by right: from its beginning on it was possible."""
        self.adopt(number, seen)
        for place in range(self._opened_at, len(self.intervals) - 1):
            interval = self.intervals[place]
            possible = tuple(dict.fromkeys((*interval.knowledge.possible, *self.possible)))
            knowledge = evolve(interval.knowledge, possible=possible)
            self.intervals[place] = evolve(interval, knowledge=knowledge)


def _extends(state: ModelState, before: Possible) -> bool:
    """Whether a state has the log of every earlier one, or a longer log that begins so."""
    return all(state.entries[: len(other.entries)] == other.entries for other in before)


def _with_compaction(state: ModelState, before: Possible) -> ModelState:
    through = max(other.compactable_through for other in before)
    return evolve(state, compactable_through=min(through, state.last_index))
