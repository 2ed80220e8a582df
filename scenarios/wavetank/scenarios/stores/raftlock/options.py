"""What a caller may choose about the published RaftLock algorithm."""

from __future__ import annotations

from typing import Any

from attrs import Attribute, field, frozen

__all__ = ["RaftlockOptions"]


def _at_least(least: int) -> Any:  # noqa: ANN401 - attrs' own validator type is generic in Any
    def check(owner: object, attribute: Attribute[int], value: int) -> None:
        name = f"{type(owner).__name__}.{attribute.name}"
        if type(value) is not int:
            raise TypeError(f"{name}: expected int but got {value!r} ({type(value).__name__})")
        if value < least:
            raise ValueError(f"{name}: expected at least {least} but got {value!r}")

    return check


@frozen(kw_only=True)
class RaftlockOptions:
    """The published options that change what reaches the disk, with the published defaults.

    Attributes:
        index_map: find entries through an index built at open; without it bounds come from
            metadata.json, which appends do not update (M1), and reads scan the log.
        auto_truncate_on_snapshot: compact the log behind each saved snapshot.
        async_truncation: do that in the background, where `close` does not wait for it (L4).
        sync_on_append: end each append with an fsync.
        retained_log_size: entries to keep when compacting; the package never looks at it.
        chunk_size: bytes of one snapshot write.
        max_entry_size: longest record body in bytes that reads accept; writes do not ask (A10).
        lock_timeout_s: seconds to wait for a lock where a call names no timeout.
        pid: process id written into markers.
        started_ms: milliseconds since the epoch written into markers, the same in all of them.
        host: host name written into recovery.marker.

    Raises:
        TypeError: a number of another type.
        ValueError: a number below its least value.
    """

    index_map: bool = True
    auto_truncate_on_snapshot: bool = True
    async_truncation: bool = True
    sync_on_append: bool = True
    retained_log_size: int = field(default=100, validator=_at_least(0))
    chunk_size: int = field(default=1024 * 1024, validator=_at_least(1))
    max_entry_size: int = field(default=64 * 1024 * 1024, validator=_at_least(1))
    lock_timeout_s: float = 5.0
    pid: int = field(default=1111, validator=_at_least(0))
    started_ms: int = field(default=1_700_000_000_000, validator=_at_least(0))
    host: str = "hh"
