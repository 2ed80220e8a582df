"""The fewest departures with which a run still fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wavetank.sim.scheduling.schedule import Departure

__all__ = ["fewest_departures"]


def fewest_departures(
    departures: Sequence[Departure],
    replay: Callable[[Sequence[Departure]], Sequence[Departure] | None],
    *,
    runs: int,
) -> tuple[Departure, ...]:
    """Leave out departures, many at once and then one by one, as long as the run still fails.

    Args:
        departures: of a run that fails.
        replay: runs with fewer; returns those that applied if it failed in the same way, else None.
        runs: how often it is called at most.

    >>> many = [Departure(step, 1) for step in range(1, 9)]
    >>> fewest_departures(many, lambda some: some if many[4] in some else None, runs=99)
    (Departure(step=5, task=1),)
    """
    kept = tuple(departures)
    size = max(len(kept) // 2, 1)
    while size and kept and runs > 0:
        place = 0
        while place < len(kept) and runs > 0:
            runs -= 1
            applied = replay(kept[:place] + kept[place + size :])
            if applied is None:
                place += size
            else:
                kept = tuple(applied)
        size = size // 2 if size > 1 else 0
    return kept
