"""Variants of the engine with one race each, for tests of what finds races."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from wavetank.engine import FileStorage, LogBounds, LogEntry, StorageConfig
from wavetank.scenarios import BUILTIN, Site, StoreAdapter


class _EarlyIndex(FileStorage):
    """Shows the last index of a batch before the batch is in the log."""

    _announced = 0

    @property
    def last_log_index(self) -> int:
        return max(self._announced, super().last_log_index)

    def log_bounds(self) -> LogBounds:
        bounds = super().log_bounds()
        if self._announced > bounds.last_index:
            return evolve(bounds, last_index=self._announced)
        return bounds

    def append_log_entries(self, entries: Sequence[LogEntry], **limits: object) -> None:
        self._announced = entries[-1].index
        try:
            super().append_log_entries(entries, **limits)  # type: ignore[arg-type]
        finally:
            self._announced = 0


class _Deadlocking(FileStorage):
    """Takes two locks in one order where it appends, and in the other where it reads."""

    def __init__(self, site: Site) -> None:
        super().__init__(
            StorageConfig(directory=site.directory), site.options, fs=site.fs, runtime=site.runtime
        )
        self._one, self._other = site.runtime.lock(), site.runtime.lock()

    def append_log_entries(self, entries: Sequence[LogEntry], **limits: object) -> None:
        with self._one, self._other:
            super().append_log_entries(entries, **limits)  # type: ignore[arg-type]

    def get_log_entries(self, start: int, end: int, **limits: object) -> list[LogEntry]:
        with self._other, self._one:
            return super().get_log_entries(start, end, **limits)  # type: ignore[arg-type]


def _early_index(site: Site) -> FileStorage:
    return _EarlyIndex(
        StorageConfig(directory=site.directory), site.options, fs=site.fs, runtime=site.runtime
    )


EARLY_INDEX: StoreAdapter = evolve(BUILTIN, name="racy_stores:early_index", factory=_early_index)
DEADLOCKING: StoreAdapter = evolve(BUILTIN, name="racy_stores:deadlocking", factory=_Deadlocking)
