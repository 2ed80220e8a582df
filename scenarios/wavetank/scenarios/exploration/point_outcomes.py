"""What the images of each crash point came to, counted while they are judged."""

from __future__ import annotations

from attrs import evolve, frozen

__all__ = ["PointOutcome", "PointOutcomes"]


@frozen(kw_only=True)
class PointOutcome:
    """What the images of one crash point came to.

    Attributes:
        position: records of the op log before the power cut, or before the kill.
        step: the step of the workload at which it went.
        images: distinct images judged there for the first time.
        broken: invariants that they broke, sorted; () if none.
    """

    position: int
    step: int
    images: int
    broken: tuple[str, ...]


class PointOutcomes:
    """Counts, point by point; a point may be come to again."""

    def __init__(self) -> None:
        self._points: dict[int, PointOutcome] = {}
        self._broken: dict[int, set[str]] = {}
        self._now = 0

    def enter(self, position: int, step: int) -> None:
        """Come to a crash point: what is counted from here on is its."""
        self._now = position
        nothing = PointOutcome(position=position, step=step, images=0, broken=())
        self._points.setdefault(position, nothing)

    def count(self, images: int) -> None:
        """Count images that have been judged."""
        if images:
            point = self._points[self._now]
            self._points[self._now] = evolve(point, images=point.images + images)

    def note(self, invariant: str) -> None:
        """Note that an image broke an invariant."""
        self._broken.setdefault(self._now, set()).add(invariant)

    def all(self) -> tuple[PointOutcome, ...]:
        """Return the points by position.

        >>> outcomes = PointOutcomes()
        >>> outcomes.enter(3, step=1)
        >>> outcomes.count(2)
        >>> outcomes.note("O2")
        >>> outcomes.all()
        (PointOutcome(position=3, step=1, images=2, broken=('O2',)),)
        """
        return tuple(
            evolve(point, broken=tuple(sorted(self._broken.get(position, ()))))
            for position, point in sorted(self._points.items())
        )
