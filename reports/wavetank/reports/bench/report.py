"""The result of a benchmark as values."""

from __future__ import annotations

from attrs import frozen

from wavetank.reports.bench.rounds import Spread

__all__ = ["BenchReport", "BenchRow", "Machine", "Peer"]


@frozen(kw_only=True)
class Peer:
    """A store or journal that the engine is compared with.

    Attributes:
        name: as in the rows.
        version: None: it is not installed, so its rows are missing.
    """

    name: str
    version: str | None


@frozen(kw_only=True)
class Machine:
    """Where the times were taken. Neither paths nor host names are part of it.

    Attributes:
        python: version, such as ``3.11.7``.
        implementation: such as ``CPython``.
        system: the operating system, such as ``Linux``.
        processors: that this process may use.
        filesystem: type of the one that held the files, such as ``ext4``, or ``unknown``.
    """

    python: str
    implementation: str
    system: str
    processors: int
    filesystem: str


@frozen(kw_only=True)
class BenchRow:
    """One measurement against one peer.

    Attributes:
        name: of the measurement.
        title: what was timed, in words.
        peer: what the engine was compared with.
        ratio: the peer's time divided by the engine's, over rounds; above 1 the engine is faster.
        goal: the least ratio asked for; None: this row is information.
        engine_ms: the engine's own times in milliseconds, where a row shows them.
        limit_ms: the engine's median must stay under this, instead of a goal for the ratio.
        met: None: nothing is asked for, or this run is too small to tell.
        detail: the work of one round, in words.
    """

    name: str
    title: str
    peer: str
    ratio: Spread
    goal: float | None
    engine_ms: Spread | None
    limit_ms: float | None
    met: bool | None
    detail: str


@frozen(kw_only=True)
class BenchReport:
    """Everything that one run measured.

    Attributes:
        quick: each round did less work.
        rounds: of each measurement.
        elapsed_s: wall time of the run.
        machine: where it ran.
        peers: installed or not.
        notes: what a reader must know, one sentence each.
        rows: by measurement, then by peer.
    """

    quick: bool
    rounds: int
    elapsed_s: float
    machine: Machine
    peers: tuple[Peer, ...]
    notes: tuple[str, ...]
    rows: tuple[BenchRow, ...]

    @property
    def judged(self) -> tuple[BenchRow, ...]:
        """The rows that met their goal or missed it."""
        return tuple(row for row in self.rows if row.met is not None)
