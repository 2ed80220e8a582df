"""What a measurement consists of: contenders that do the same work, and the engine's goals.

How they are timed is in timing.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, TypeAlias

from attrs import Factory, field, frozen

__all__ = ["ENGINE", "RAW", "Attempt", "Comparison", "Measurement", "Scale", "Site", "Work"]

ENGINE: Final = "engine"
"""The name of the contender that is measured."""

RAW: Final = "raw"
"""The name of the contender that makes the bare system calls: no store can be much faster."""

Work: TypeAlias = Callable[[], object]
"""The part of an attempt that is timed."""

Attempt: TypeAlias = Callable[[], AbstractContextManager[Work]]
"""One turn of one contender: entering prepares, leaving checks and clears away. Neither is timed.

Leaving raises `WrongDataError` if the engine did not return what was written.
"""


@frozen(kw_only=True)
class Comparison:
    """Contenders, ready to do the same work.

    Attributes:
        contenders: makes the attempt of each contender, the engine's among them, for a number of
            units of work.
        most_units: units of work in one round; fewer where the time is limited.
        describe: says what a round does, for a number of units.
    """

    contenders: Callable[[int], Mapping[str, Attempt]]
    most_units: int = 1
    describe: Callable[[int], str]


@frozen(kw_only=True)
class Scale:
    """How much work a run does.

    Attributes:
        quick: do less in each round.
        rounds: of each measurement.
        log_entries: in the log that is read and opened.
        snapshot_bytes: in the snapshot that is saved and loaded.
        share: of the units of a full run that a round does.
        budget_s: seconds for all rounds of a measurement that can be made smaller; None: no limit.
    """

    quick: bool
    rounds: int
    log_entries: int
    snapshot_bytes: int
    share: float
    budget_s: float | None

    @classmethod
    def of(cls, *, quick: bool, rounds: int, log_entries: int | None = None) -> Scale:
        """Return the scale of a full or a quick run.

        Args:
            quick: do less in each round.
            rounds: of each measurement.
            log_entries: in the log that is read and opened; None: 1,000,000, or 100,000 if quick.

        >>> Scale.of(quick=True, rounds=7).log_entries
        100000
        """
        return cls(
            quick=quick,
            rounds=rounds,
            log_entries=log_entries or (100_000 if quick else 1_000_000),
            snapshot_bytes=(16 if quick else 64) << 20,
            share=0.5 if quick else 1.0,
            budget_s=2.5 if quick else None,
        )

    def units(self, full: int) -> int:
        """Return how many units of work a round does at most.

        Args:
            full: units of a full run.

        >>> Scale.of(quick=True, rounds=7).units(400)
        200
        """
        return max(1, int(full * self.share))


@frozen(kw_only=True)
class Site:
    """Where a run works.

    Args:
        directory: an empty one on the filesystem that is measured.
        scale: how much work is done.
        peers: the names of those that are installed.
    """

    directory: Path
    scale: Scale
    peers: frozenset[str]
    # What several measurements share is made once: filling a log of 10^6 entries takes seconds.
    _shared: dict[str, Path] = field(init=False, default=Factory(dict))

    def shared(self, name: str, fill: Callable[[Path], None]) -> Path:
        """Return a directory that all measurements of the run share.

        Args:
            name: of the directory.
            fill: puts its content into it, the first time it is asked for.
        """
        if name not in self._shared:
            path = self.directory / name
            path.mkdir()
            fill(path)
            self._shared[name] = path
        return self._shared[name]


@frozen(kw_only=True)
class Measurement:
    """Something that takes time, and what is asked of the engine's.

    Attributes:
        name: what ``--only`` selects.
        title: the same in words.
        prepare: makes the contenders ready; leaving clears them away.
        goals: the least ratio, by peer.
        limit_ms: the most milliseconds of the engine, in a run of full size; None: no limit.
        shows_ms: the engine's milliseconds are part of the report.
    """

    name: str
    title: str
    prepare: Callable[[Site], AbstractContextManager[Comparison]]
    goals: Mapping[str, float]
    limit_ms: float | None = None
    shows_ms: bool = False
