"""The engine with one more bug: compacting to empty forgets the base, so that appends are refused.

It needs no crash and is no bug of the zoo, in which every variant is right without one.
"""

from collections.abc import Sequence

from attrs import evolve

from wavetank.engine import (
    CancelToken,
    FileStorage,
    IndexOutOfRangeError,
    LogEntry,
    Storage,
    StorageConfig,
)
from wavetank.scenarios import BUILTIN, Site


class _ForgetsItsBase(FileStorage):
    def append_log_entries(
        self,
        entries: Sequence[LogEntry],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        bounds = self.log_bounds()
        if bounds.first_index > bounds.last_index and entries[0].index != 1:
            raise IndexOutOfRangeError(f"entries: expected index 1 but got {entries[0].index}")
        super().append_log_entries(entries, timeout=timeout, cancel=cancel)


def _open(site: Site) -> Storage:
    config = StorageConfig(directory=site.directory)
    return _ForgetsItsBase(config, site.options, fs=site.fs, runtime=site.runtime)


FORGETS_ITS_BASE = evolve(
    BUILTIN, name="builtin-T3", summary="compacting to empty forgets the base", factory=_open
)
