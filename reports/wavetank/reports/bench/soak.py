"""A soak: a store lives through many appends, compactions and restarts, and must not grow.

The life is one of a Raft node: entries are appended, a snapshot replaces the older ones now and
then, and the process ends and begins again; every second time it is killed instead of closing its
store. At each restart the whole of what was acknowledged is asked for. What the store takes of
the disk and of memory is noted along the way.
"""

from __future__ import annotations

import gc
import os  # noqa: TID251 - forks the process that is killed, and counts descriptors
import sys
import time  # noqa: TID251 - how long the whole run took
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
    StorageConfig,
)
from wavetank.reports.bench.environment import machine_of
from wavetank.reports.bench.logs import check_equal, entry_of
from wavetank.reports.bench.report import Machine

__all__ = ["SoakReport", "SoakSample", "SoakScale", "soak"]

_SNAPSHOT_BYTES: Final = 4096
_RETAINED: Final = 100
_SAMPLES: Final = 20
_KILLED_APPENDS: Final = 3
"""Entries that a killed process appends, of those of its life."""

_STAT_BLOCK_BYTES: Final = 512
_MEMORY: Final = Path("/proc/self/statm")
_DESCRIPTORS: Final = Path("/proc/self/fd")


@frozen(kw_only=True)
class SoakScale:
    """How long the life is.

    Attributes:
        appends: entries, each appended by a call of its own.
        restarts: how often the store is opened again; every second time its process was killed.
        snapshots: snapshots taken between two restarts.
        synced: whether each append is durable before the next.
    """

    appends: int
    restarts: int
    snapshots: int = 2
    synced: bool = True


@frozen(kw_only=True)
class SoakSample:
    """What the store takes at one moment, right after a restart.

    Attributes:
        appends: entries appended so far.
        restarts: restarts so far.
        disk_bytes: that the files of its directory take on the disk, the most since the sample
            before: looked at before each snapshot, and now.
        files: names in the directory.
        log_entries: entries in the log.
        python_blocks: blocks of memory that Python objects take, after a collection.
        resident_bytes: memory of the process; None where the system does not tell.
        descriptors: open ones; None where the system does not tell.
    """

    appends: int
    restarts: int
    disk_bytes: int
    files: int
    log_entries: int
    python_blocks: int
    resident_bytes: int | None
    descriptors: int | None


@frozen(kw_only=True)
class SoakReport:
    """What one soak saw.

    Attributes:
        scale: how long the life was.
        kills: restarts after a killed process.
        compactions: how often the first index rose.
        elapsed_s: wall time.
        machine: where it ran.
        samples: in order, the first one early in the life.
    """

    scale: SoakScale
    kills: int
    compactions: int
    elapsed_s: float
    machine: Machine
    samples: tuple[SoakSample, ...]

    def growth(self, value: Callable[[SoakSample], int | None]) -> float | None:
        """Return the most of the last quarter divided by the most of the second quarter.

        The first quarter is left out: there caches fill. About 1: the value is flat.

        Args:
            value: of a sample; None where it is not known.
        """
        quarter = len(self.samples) // 4
        early = [value(each) for each in self.samples[quarter : 2 * quarter]]
        late = [value(each) for each in self.samples[-quarter:]]
        least = max((each for each in early if each), default=0)
        return max(each or 0 for each in late) / least if least else None


def soak(
    scale: SoakScale, directory: Path, *, on_progress: Callable[[str, int, int], None]
) -> SoakReport:
    """Run a soak.

    Args:
        scale: how long the life is.
        directory: an empty one; left for the caller to remove.
        on_progress: told how many restarts are over, and of how many.

    Raises:
        WrongDataError: the store lost something that it had acknowledged.
    """
    started_s = time.perf_counter()
    life = _Life(scale, directory / "store")
    every = max(1, scale.restarts // _SAMPLES)
    samples = []
    try:
        for number in range(1, scale.restarts + 1):
            on_progress("soak", number - 1, scale.restarts)
            life.live(number)
            if number % every == 0:
                samples.append(life.sample(number))
    finally:
        life.store.close()
    return SoakReport(
        scale=scale,
        kills=life.kills,
        compactions=life.compactions,
        elapsed_s=time.perf_counter() - started_s,
        machine=machine_of(directory),
        samples=tuple(samples),
    )


class _Life:
    """A node's store and what it must hold."""

    def __init__(self, scale: SoakScale, directory: Path) -> None:
        self.kills = 0
        self.compactions = 0
        self._scale = scale
        self._most_disk_bytes = 0
        self._directory = directory
        self._config = StorageConfig(directory=str(directory))
        self._options = FileStorageOptions(retained_log_size=_RETAINED, sync_on_append=scale.synced)
        self._first = 1
        self._last = 0
        self._term = 0
        self.store = FileStorage(self._config, self._options)

    def live(self, number: int) -> None:
        """Append, take snapshots, end the process and begin again."""
        scale = self._scale
        until = scale.appends * number // scale.restarts
        self._term = number
        self.store.save_state(PersistentState(current_term=number, voted_for="node-a"))
        most = max(1, (until - self._last) // (scale.snapshots + 1))
        killed = _KILLED_APPENDS if number % 2 == 0 and until - self._last > _KILLED_APPENDS else 0
        for _ in range(scale.snapshots + 1):
            self._append(min(self._last + most, until - killed))
            self._snapshot()
        self._append(until - killed)
        self.store.close()
        if number % 2 == 0:
            self._be_killed(until)
        self.store = FileStorage(self._config, self._options)
        self._check()

    def _append(self, until: int) -> None:
        append = self.store.append_log_entries
        for index in range(self._last + 1, until + 1):
            append([entry_of(index)])
        self._last = max(self._last, until)

    def _snapshot(self) -> None:
        """Replace all entries but a few by a snapshot."""
        self._most_disk_bytes = max(self._most_disk_bytes, self._disk_bytes())
        if self._last <= _RETAINED:
            return
        through = self._last - _RETAINED // 2
        metadata = SnapshotMetadata(last_included_index=through, last_included_term=1)
        self.store.save_snapshot(metadata, through.to_bytes(8, "big") * (_SNAPSHOT_BYTES // 8))

    def _be_killed(self, until: int) -> None:
        """Let another process append the rest and die with its store open."""
        child = os.fork()
        if not child:
            code = 1
            try:
                store = FileStorage(self._config, self._options)
                for index in range(self._last + 1, until + 1):
                    store.append_log_entries([entry_of(index)])
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        check_equal(status, 0, "soak, the exit code of the killed process")
        self._last = until
        self.kills += 1

    def _check(self) -> None:
        """Ask for everything that was acknowledged."""
        bounds = self.store.log_bounds()
        check_equal(bounds.last_index, self._last, "soak, the last index")
        state = self.store.load_state()
        check_equal(state.current_term, self._term, "soak, the term")
        if bounds.first_index > self._first:
            self.compactions += 1
            self._first = bounds.first_index
        shown = self.store.get_log_entries(bounds.first_index, bounds.last_index + 1)
        wanted: list[LogEntry] = [
            entry_of(index) for index in range(bounds.first_index, bounds.last_index + 1)
        ]
        check_equal(list(shown), wanted, "soak, the log")

    def sample(self, restarts: int) -> SoakSample:
        """Return what the store takes now."""
        gc.collect()
        most, self._most_disk_bytes = self._most_disk_bytes, 0
        pages = _MEMORY.read_text(encoding="ascii").split()[1] if _MEMORY.exists() else None
        return SoakSample(
            appends=self._last,
            restarts=restarts,
            disk_bytes=max(most, self._disk_bytes()),
            files=len(list(self._directory.iterdir())),
            log_entries=len(self.store),
            python_blocks=sys.getallocatedblocks(),
            resident_bytes=None if pages is None else int(pages) * os.sysconf("SC_PAGE_SIZE"),
            descriptors=len(list(_DESCRIPTORS.iterdir())) if _DESCRIPTORS.exists() else None,
        )

    def _disk_bytes(self) -> int:
        blocks = 0
        for each in self._directory.iterdir():
            with suppress(FileNotFoundError):  # a compaction in the background has just ended
                blocks += each.stat().st_blocks
        return blocks * _STAT_BLOCK_BYTES
