"""Every measurement, with what is asked of the engine in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from wavetank.reports.bench.appends import compare_appends
from wavetank.reports.bench.comparison import RAW, Measurement
from wavetank.reports.bench.opens import compare_opens
from wavetank.reports.bench.peers import LMDB, SQLITE
from wavetank.reports.bench.reads import compare_ranges, compare_single_reads
from wavetank.reports.bench.snapshots import compare_loads, compare_saves

__all__ = ["MEASUREMENTS"]


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
