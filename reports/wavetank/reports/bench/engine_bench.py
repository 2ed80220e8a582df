"""Measure `wavetank.engine` against its peers, one measurement after the other."""

from __future__ import annotations

import time  # noqa: TID251 - how long the whole run took
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from wavetank.engine import StorageError
from wavetank.reports.bench.appends import compare_appends
from wavetank.reports.bench.comparison import ENGINE, RAW, Measurement, Scale, Site
from wavetank.reports.bench.environment import (
    LMDB,
    MEMORY_FILESYSTEMS,
    SQLITE,
    find_peers,
    machine_of,
)
from wavetank.reports.bench.logs import WrongDataError
from wavetank.reports.bench.opens import AppenderFailedError, compare_opens
from wavetank.reports.bench.reads import compare_ranges, compare_single_reads
from wavetank.reports.bench.report import BenchReport, BenchRow
from wavetank.reports.bench.rounds import Spread, choose_units, ratios, time_rounds
from wavetank.reports.bench.snapshots import compare_loads, compare_saves

__all__ = ["FULL_SIZE_ENTRIES", "MEASUREMENTS", "BenchError", "measure_engine", "rows_of"]


def _appends(
    batch_size: int, batches: int, goals: Mapping[str, float], *, synced: bool
) -> Measurement:
    word = "synced" if synced else "unsynced"
    return Measurement(
        name=f"append-{word}-{batch_size}",
        title=f"append {word}, batches of {batch_size:,}",
        prepare=partial(compare_appends, batch_size=batch_size, batches=batches, synced=synced),
        goals=goals,
    )


_ALL: Final = (
    _appends(1, 1000, {RAW: 1.0}, synced=True),
    _appends(100, 60, {RAW: 1.1}, synced=True),
    _appends(1000, 40, {RAW: 0.7}, synced=True),
    _appends(1, 4000, {RAW: 0.15, LMDB: 1.0}, synced=False),
    _appends(100, 600, {RAW: 0.3, LMDB: 1.5}, synced=False),
    Measurement(
        name="read-one",
        title="random read of one entry",
        prepare=partial(compare_single_reads, reads=20_000),
        goals={SQLITE: 1.5, LMDB: 0.3},
    ),
    Measurement(
        name="read-range-100",
        title="random range of 100 entries",
        prepare=partial(compare_ranges, reads=1_000),
        goals={SQLITE: 1.2, LMDB: 0.5},
    ),
    Measurement(
        name="open-after-kill",
        title="open after a kill, all verified, against a read of the file",
        prepare=partial(compare_opens, killed=True),
        goals={RAW: 0.3},
        shows_ms=True,
    ),
    Measurement(
        name="open-after-close",
        title="open after a clean close, against a read of the file",
        prepare=partial(compare_opens, killed=False),
        goals={},
        limit_ms=30.0,
        shows_ms=True,
    ),
    Measurement(
        name="snapshot-save",
        title="save of a snapshot",
        prepare=compare_saves,
        goals={RAW: 0.85},
    ),
    Measurement(
        name="snapshot-load",
        title="load of a snapshot",
        prepare=compare_loads,
        goals={RAW: 0.7},
    ),
)

MEASUREMENTS: Final[Mapping[str, Measurement]] = {each.name: each for each in _ALL}
"""By name, in the order in which they run."""


FULL_SIZE_ENTRIES: Final = 1_000_000
"""Entries of the log for which limits in milliseconds are set."""


class BenchError(Exception):
    """The engine returned wrong data or refused, in a measurement that the message names."""


def measure_engine(
    names: Sequence[str],
    scale: Scale,
    directory: Path,
    *,
    on_progress: Callable[[str, int, int], None],
) -> BenchReport:
    """Time the engine and its peers.

    Args:
        names: of measurements in `MEASUREMENTS`.
        scale: how much work is done.
        directory: an empty one on the filesystem to measure; left for the caller to remove.
        on_progress: told the measurement, the number of rounds that are over, and of how many.

    Raises:
        BenchError: the engine returned wrong data or refused.
    """
    started_s = time.perf_counter()
    machine = machine_of(directory)
    peers = find_peers()
    installed = frozenset(peer.name for peer in peers if peer.version is not None)
    site = Site(directory=directory, scale=scale, peers=installed)
    rows: list[BenchRow] = []
    for name in names:
        with _told_as_errors(name):
            rows += _measure(MEASUREMENTS[name], site, on_progress)
    notes = []
    if machine.filesystem in MEMORY_FILESYSTEMS:
        notes.append(
            f"The files are on {machine.filesystem}, where a sync costs nothing: what is synced "
            "says nothing about a disk. Choose a directory on one with --directory."
        )
    return BenchReport(
        quick=scale.quick,
        rounds=scale.rounds,
        elapsed_s=time.perf_counter() - started_s,
        machine=machine,
        peers=peers,
        notes=tuple(notes),
        rows=tuple(rows),
    )


@contextmanager
def _told_as_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (WrongDataError, AppenderFailedError) as error:
        raise BenchError(f"{name}: {error}") from error
    except StorageError as error:
        raise BenchError(f"{name}: engine refused: {error!r}") from error


def _measure(
    measurement: Measurement, site: Site, on_progress: Callable[[str, int, int], None]
) -> list[BenchRow]:
    rounds = site.scale.rounds
    on_progress(measurement.name, 0, rounds)
    with measurement.prepare(site) as comparison:
        units = choose_units(comparison, site.scale)
        times_s = time_rounds(
            comparison.contenders(units),
            rounds=rounds,
            on_round=lambda done: on_progress(measurement.name, done, rounds),
        )
    return rows_of(measurement, times_s, site.scale, comparison.describe(units))


def rows_of(
    measurement: Measurement, times_s: Mapping[str, Sequence[float]], scale: Scale, detail: str
) -> list[BenchRow]:
    """Return a row for each contender but the engine.

    Args:
        measurement: what was timed.
        times_s: the seconds of each contender, by round.
        scale: of the run.
        detail: the work of one round, in words.
    """
    engine_s = times_s[ENGINE]
    engine_ms = Spread.of([1000 * each for each in engine_s]) if measurement.shows_ms else None
    rows = []
    for peer, peer_s in times_s.items():
        if peer == ENGINE:
            continue
        ratio = Spread.of(ratios(peer_s, engine_s))
        goal = measurement.goals.get(peer)
        met = None if goal is None else ratio.median >= goal
        if measurement.limit_ms is not None and scale.log_entries >= FULL_SIZE_ENTRIES:
            met = Spread.of(engine_s).median * 1000 < measurement.limit_ms
        rows.append(
            BenchRow(
                name=measurement.name,
                title=measurement.title,
                peer=peer,
                ratio=ratio,
                goal=goal,
                engine_ms=engine_ms,
                limit_ms=measurement.limit_ms,
                met=met,
                detail=detail,
            )
        )
    return rows
