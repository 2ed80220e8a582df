"""What the images of each crash point came to, counted while they are judged."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from attrs import evolve, frozen

__all__ = ["PointOutcome", "PointOutcomes", "digest_of_points"]

_DIGEST_BYTES: Final = 16


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


def digest_of_points(digests: Iterable[bytes]) -> str:
    """Return the hash of an exploration, made of those of its crash points in order.

    Each point has a hash of its own, so that the points of one exploration may come from several
    parts of it.

    Args:
        digests: of the points at which something was seen.
    """
    return blake2b(b"".join(digests), digest_size=_DIGEST_BYTES).hexdigest()


class PointOutcomes:
    """Counts, point by point; a point may be come to again."""

    def __init__(self) -> None:
        self._points: dict[int, PointOutcome] = {}
        self._broken: dict[int, set[str]] = {}
        self._now = 0
        self._digests: list[bytes] = []
        self._hash: blake2b | None = None

    def enter(self, position: int, step: int) -> None:
        """Come to a crash point: what is counted from here on is its."""
        self._end_point()
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

    def take(self, seen: bytes) -> None:
        """Take something that was seen at this point into its hash."""
        if self._hash is None:
            self._hash = blake2b(digest_size=_DIGEST_BYTES)
        self._hash.update(seen)

    def digests(self) -> tuple[bytes, ...]:
        """Return the hashes of what was seen, point by point in the order of coming there."""
        self._end_point()
        return tuple(self._digests)

    def _end_point(self) -> None:
        if self._hash is not None:
            self._digests.append(self._hash.digest())
            self._hash = None

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
