"""Planted bugs around appends and the end of the log: A1, A2, A7."""

from __future__ import annotations

from typing import Final

from wavetank.engine import Buffer, File, FileSystem, OpenFlag
from wavetank.scenarios.mutants.bug_families.small_steps import append, workload
from wavetank.scenarios.mutants.mutant_run import Trial, is_new
from wavetank.scenarios.mutants.planted_bug import PlantedBug, by_deceit
from wavetank.scenarios.stores.adapter import Site
from wavetank.scenarios.stores.interposed_filesystem import Deceit, MisledFile, call_site

__all__ = ["APPEND_BUGS"]

_LOG: Final = "/log.dat"
_SHORT_TAIL_BYTES: Final = 4
_ALMOST_A_BLOCK_BYTES: Final = 3957
"""A first entry of this size ends the log 3 bytes before the end of its first block."""


def _unsynced_creation(site: Site) -> Deceit:
    created = is_new(site)

    def syncs(path: str) -> bool:
        return not (created and path == site.directory and call_site().operation == "open")

    return Deceit(syncs=syncs)


class _BlindToShortTails:
    """A log whose last bytes, if they are fewer than a length field, are taken for its end.

    The engine is led to leave such a tail where it is, and to write behind it from then on.
    """

    def __init__(self) -> None:
        self._start: int | None = None
        self._length = 0

    def open(self, fs: FileSystem, path: str, flags: OpenFlag) -> File:
        if path.endswith(_LOG):
            self._start = None
        return fs.open(path, flags)

    def read(self, file: MisledFile, length: int, offset: int) -> bytes:
        return file.inner.pread(length, self._moved(file, offset))

    def write(self, file: MisledFile, data: Buffer, offset: int) -> int:
        if file.path.endswith(_LOG) and call_site().function == "repair_log":
            # The frames that are kept, then zeros over the tail.
            kept = bytes(data).rstrip(b"\0")
            end = offset + len(kept)
            tail, cuts = file.inner.size() - end, len(kept) < len(data)
            if cuts and self._start is None and 1 <= tail <= _SHORT_TAIL_BYTES:
                self._start, self._length = end, tail
            if cuts and self._start is not None:
                if kept:
                    file.inner.pwrite(kept, offset)
                return len(data)
        return file.inner.pwrite(data, self._moved(file, offset))

    def _moved(self, file: MisledFile, offset: int) -> int:
        behind = self._start is not None and offset >= self._start and file.path.endswith(_LOG)
        return offset + self._length if behind else offset


def _blind_to_short_tails(site: Site) -> Deceit:  # noqa: ARG001 - a maker of deceits
    log = _BlindToShortTails()
    return Deceit(open=log.open, read=log.read, write=log.write)


def _acknowledges_early(site: Site) -> Deceit:  # noqa: ARG001 - a maker of deceits
    def is_append(path: str) -> bool:
        return path.endswith(_LOG) and call_site().operation == "append_log_entries"

    def write(file: MisledFile, data: Buffer, offset: int) -> int:
        if is_append(file.path):
            file.inner.datasync()  # of the batch before, which was acknowledged meanwhile
        return file.inner.pwrite(data, offset)

    return Deceit(write=write, syncs=lambda path: not is_append(path))


APPEND_BUGS: Final[tuple[PlantedBug, ...]] = (
    by_deceit(
        "A1",
        "the log is created, and the directory is not synced",
        "the whole log gone, silently",
        _unsynced_creation,
        Trial(workload=workload("first-entry", append(1))),
    ),
    by_deceit(
        "A2",
        "a torn tail of 1 to 4 bytes is taken for a clean end; the next append lands behind it",
        "acknowledged entries cut off by the second crash",
        _blind_to_short_tails,
        Trial(
            workload=workload(
                "end-of-block", append(1, size_bytes=_ALMOST_A_BLOCK_BYTES), append(2)
            ),
            from_step=1,
        ),
    ),
    by_deceit(
        "A7",
        "an append is acknowledged before its sync, which comes with the next one",
        "the last acknowledged entries lost",
        _acknowledges_early,
        Trial(workload=workload("two-entries", append(1), append(2)), from_step=1),
    ),
)
"""In the order of the list of planted bugs."""
