"""The result of `wavetank bench explore` as values."""

from __future__ import annotations

from attrs import frozen

from wavetank.reports.bench.report import Machine, Peer
from wavetank.reports.bench.rounds import Spread

__all__ = [
    "BugRow",
    "ExploreReport",
    "GrowthRow",
    "RateRow",
    "SchedulerRow",
    "Shares",
    "TraceFacts",
    "ZooFacts",
]


@frozen(kw_only=True)
class TraceFacts:
    """The trace that was explored, and what was spared on the way.

    Attributes:
        scenario: its name.
        profile: what a crash may lose.
        steps: calls of the workload.
        ops: micro-ops in its op log.
        crash_points: positions at which the power may go.
        legal: sets of pending ops that the profile allows, over all crash points.
        distinct: different images that these leave.
        judged: of them, those that were judged.
        recoveries: times the engine was opened; fewer than images, since what it does depends on
            no more of a disk than it reads.
    """

    scenario: str
    profile: str
    steps: int
    ops: int
    crash_points: int
    legal: int
    distinct: int
    judged: int
    recoveries: int


@frozen(kw_only=True)
class RateRow:
    """How many distinct images a contender judges a second, beside wavetank in the same rounds.

    Attributes:
        name: of the contender.
        title: the same in words.
        images: distinct images that it judges in a round.
        per_s: images a second of processor time.
        ratio: wavetank's images a second divided by these, round by round.
        goal: the least ratio asked for; None: this row is information.
        met: None: nothing is asked for.
    """

    name: str
    title: str
    images: int
    per_s: Spread
    ratio: Spread
    goal: float | None
    met: bool | None


@frozen(kw_only=True)
class Shares:
    """Where the time of an exploration goes, as shares of the whole.

    Attributes:
        images: following the op log, choosing sets, building and hashing images.
        recovery: the engine's open, with the simulated disk below it.
        rest: reading everything, judging, remembering.
    """

    images: Spread
    recovery: Spread
    rest: Spread


@frozen(kw_only=True)
class GrowthRow:
    """One length of the trace.

    Attributes:
        ops: micro-ops.
        images: distinct images judged.
        recoveries: times the engine was opened.
        us_per_image: microseconds of processor time an image.
        replay_us_per_image: the same for rebuilding each image from the start of the log, from a
            sample; it grows with the log.
        peak_mb: what the exploration added to the peak of the process's memory, in MB.
    """

    ops: int
    images: int
    recoveries: int
    us_per_image: float
    replay_us_per_image: float
    peak_mb: float


@frozen(kw_only=True)
class BugRow:
    """Images until a planted bug was found.

    Attributes:
        bug: its id.
        depth: crashes inside a recovery that it needs.
        wavetank: images judged until it was found; None: it was not.
        drawing: median images drawn at random until it was found, over several seeds; a seed that
            did not find it counts as the most that were drawn.
        found: seeds that found it.
        seeds: how many there were.
    """

    bug: str
    depth: int
    wavetank: int | None
    drawing: float
    found: int
    seeds: int

    @property
    def ratio(self) -> float | None:
        """Wavetank's images divided by the drawn ones; below 1 wavetank needs fewer."""
        return None if self.wavetank is None else self.wavetank / self.drawing


@frozen(kw_only=True)
class ZooFacts:
    """Images until each planted bug is found.

    Attributes:
        most_draws: after which a drawing is given up.
        rows: by bug.
        ratio: the median of the rows' ratios; None: none was found.
        goal: the most that is asked for.
        met: whether it is.
    """

    most_draws: int
    rows: tuple[BugRow, ...]
    ratio: float | None
    goal: float
    met: bool


@frozen(kw_only=True)
class SchedulerRow:
    """How fast tasks run beside one another.

    Attributes:
        name: of what was timed.
        title: the same in words.
        per_s: how many a second of processor time, on greenlets.
        ratio: that divided by the same on threads that pass a baton.
    """

    name: str
    title: str
    per_s: Spread
    ratio: Spread


@frozen(kw_only=True)
class ExploreReport:
    """Everything that one run measured.

    Attributes:
        quick: a shorter trace, and fewer images of each contender.
        rounds: in which the contenders took turns.
        elapsed_s: wall time of the run.
        machine: where it ran; its filesystem is the one that contenders write images to.
        peers: packages that contenders need, installed or not.
        notes: what a reader must know, one sentence each.
        trace: what was explored; None: not measured.
        rates: by contender.
        shares: None: not measured.
        growth: by length.
        zoo: None: not measured.
        scheduler: by what was timed.
    """

    quick: bool
    rounds: int
    elapsed_s: float
    machine: Machine
    peers: tuple[Peer, ...]
    notes: tuple[str, ...]
    trace: TraceFacts | None
    rates: tuple[RateRow, ...]
    shares: Shares | None
    growth: tuple[GrowthRow, ...]
    zoo: ZooFacts | None
    scheduler: tuple[SchedulerRow, ...]

    @property
    def judged(self) -> tuple[bool, ...]:
        """Whether each goal was met."""
        rates = tuple(row.met for row in self.rates if row.met is not None)
        return rates if self.zoo is None else (*rates, self.zoo.met)
