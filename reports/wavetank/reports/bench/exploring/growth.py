"""How time and memory grow with the length of the trace.

Each length is explored in a new process, whose peak of memory is that of this length alone. Times
are processor times of one exploration.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time  # noqa: TID251 - a benchmark reads the clock of the machine
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from wavetank.reports.bench.exploring.contenders import PEERS, REPLAY
from wavetank.reports.bench.exploring.report import GrowthRow
from wavetank.reports.bench.exploring.trace import CrashedImage, Trace, op_count, workload_with
from wavetank.scenarios.exploration.explorer import explore
from wavetank.scenarios.raft.recording import record
from wavetank.scenarios.stores.registry import BUILTIN
from wavetank.sim import POSIX, Mark, PendingOps, Sync, newest_images

__all__ = ["explore_length", "measure_growth"]

_REPLAYED: Final = 20
"""Images that are rebuilt from the start of the log, spread over it."""

_MAXRSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024
"""Bytes in the unit of `ru_maxrss`."""

_STATUS: Final = Path("/proc/self/status")


def measure_growth(moves: Sequence[int], on_progress: Callable[[int], None]) -> Iterator[GrowthRow]:
    """Yield what exploring traces of so many random moves takes, each in a new process.

    Args:
        moves: by trace.
        on_progress: told of the number of traces that are done.
    """
    context = multiprocessing.get_context("spawn")
    for number, each in enumerate(moves):
        on_progress(number)
        with ProcessPoolExecutor(1, mp_context=context) as process:
            yield process.submit(explore_length, each).result()


def explore_length(moves: int) -> GrowthRow:
    """Explore a trace in this process.

    Args:
        moves: random moves of `mixed`, without what follows them.
    """
    recording = record(workload_with(moves, ending=False), BUILTIN)
    before = _peak_bytes()
    started_s = time.process_time()
    explored = explore(recording, POSIX)
    took_s = time.process_time() - started_s
    peak = _peak_bytes()
    trace = Trace(recording=recording, profile=POSIX, legal=0, images=())
    with PEERS[REPLAY](trace, _few_images(trace), Path()) as replay:
        started_s = time.process_time()
        replayed = len(replay())
        replay_s = time.process_time() - started_s
    return GrowthRow(
        ops=op_count(recording),
        images=explored.judged,
        recoveries=explored.recoveries,
        us_per_image=1e6 * took_s / explored.judged,
        replay_us_per_image=1e6 * replay_s / replayed,
        peak_mb=(peak - before) / 1e6,
    )


def _peak_bytes() -> int:
    if _STATUS.exists():
        # What `getrusage` tells begins with the peak of the parent.
        peak = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT


def _few_images(trace: Trace) -> tuple[CrashedImage, ...]:
    """Return an image of each of a few crash points."""
    pending = PendingOps(trace.recording.image, trace.profile)
    every = max(1, len(trace.recording.log) // _REPLAYED)
    found: list[CrashedImage] = []
    for position, each in enumerate(trace.recording.log, start=1):
        pending.take(each)
        if position < every * (len(found) + 1) or isinstance(each, (Mark, Sync)):
            continue
        if pending.whole and (sets := newest_images(pending, limit=8).images):
            found.append(CrashedImage(position, sets[0], pending.image(sets[0])))
    return tuple(found)
