"""The trace that every contender judges: one recorded workload, and the images of its crashes.

The workload is the scenario `mixed`, longer or shorter by how often its random moves are repeated.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios.catalogue import SCENARIOS
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.scenario_files.moves import Repeat
from wavetank.scenarios.stores.registry import BUILTIN
from wavetank.sim import (
    POSIX,
    DiskImage,
    Kept,
    Mark,
    PendingOps,
    Profile,
    Sync,
    all_images,
    newest_images,
)

__all__ = [
    "MOVES",
    "SCENARIO",
    "CrashedImage",
    "Trace",
    "crashed",
    "op_count",
    "trace_of",
    "workload_with",
]

SCENARIO: Final = "mixed"
MOVES: Final = 36
"""Random moves of `mixed` as it ships."""

_MOST_SETS: Final = 512


@frozen
class CrashedImage:
    """A distinct image, and the first crash that leaves it.

    Attributes:
        position: records of the op log before the crash.
        kept: which pending ops it kept.
        image: the disk after it.
    """

    position: int
    kept: Kept
    image: DiskImage


@frozen(kw_only=True)
class Trace:
    """A recorded workload and its crash images under one profile.

    Attributes:
        recording: of the engine.
        profile: what a crash may lose.
        legal: how many sets of pending ops the profile allows, over all crash points.
        images: what they leave, each distinct image once, in the order of the log.
    """

    recording: Recording
    profile: Profile
    legal: int
    images: tuple[CrashedImage, ...]

    def sample(self, count: int) -> tuple[CrashedImage, ...]:
        """Return so many of the images, or all, evenly spread over the log."""
        count = min(count, len(self.images))
        return tuple(self.images[number * len(self.images) // count] for number in range(count))


def workload_with(moves: int, *, ending: bool = True) -> Workload:
    """Return the workload of `mixed` with another number of random moves.

    Args:
        moves: how many; about 7 micro-ops each.
        ending: whether what `mixed` does behind its random moves, whatever they were, is kept.

    >>> len(workload_with(2).steps) < len(workload_with(MOVES).steps)
    True
    """
    scenario = SCENARIOS[SCENARIO]
    steps = [
        evolve(step, times=moves) if isinstance(step, Repeat) and step.times else step
        for step in scenario.steps
    ]
    if not ending:
        steps = [
            *takewhile(lambda step: not isinstance(step, Repeat), steps),
            *filter(_repeats, steps),
        ]
    return evolve(scenario, steps=tuple(steps)).workload(0)


def _repeats(step: object) -> bool:
    return isinstance(step, Repeat)


def op_count(recording: Recording) -> int:
    """Return how many micro-ops a recording has."""
    return sum(not isinstance(each, (Sync, Mark)) for each in recording.log)


def trace_of(workload: Workload, profile: Profile = POSIX) -> Trace:
    """Record a workload on the engine, and enumerate the images of its crashes.

    Args:
        workload: what runs.
        profile: what a crash may lose.
    """
    return crashed(record(workload, BUILTIN), profile)


def crashed(recording: Recording, profile: Profile) -> Trace:
    """Enumerate the images of a recording's crashes."""
    pending = PendingOps(recording.image, profile)
    found: dict[bytes, CrashedImage] = {}
    legal = 0

    def look(position: int, *, new: bool) -> None:
        nonlocal legal
        choose = newest_images if new else all_images
        for kept in choose(pending, limit=_MOST_SETS).images:
            image = pending.image(kept)
            known = image.digest() in found
            # As the exploration counts: a set that was legal before is not counted again.
            legal += new or not known
            if not known:
                found[image.digest()] = CrashedImage(position, kept, image)

    look(0, new=False)
    for position, each in enumerate(recording.log, start=1):
        pending.take(each)
        if pending.whole and not isinstance(each, Sync):
            look(position, new=not isinstance(each, Mark))
    return Trace(recording=recording, profile=profile, legal=legal, images=tuple(found.values()))
