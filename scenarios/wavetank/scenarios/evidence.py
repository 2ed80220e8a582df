"""What a finding shows, as values: what the disk was told, what a crash left, what came back.

Reports draw it: the timeline and its disk lane, the directory before and after, the bytes that
differ. It holds data and no layout.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

__all__ = [
    "ChangedFile",
    "DiskOp",
    "Evidence",
    "Fate",
    "FileSeen",
    "Span",
    "StretchSeen",
    "SyncCall",
]


class Fate(Enum):
    """What became of a micro-op at the power cut that ended its stretch of work."""

    DURABLE = "durable"
    KEPT = "kept"
    LOST = "lost"
    TORN = "torn"


@frozen(kw_only=True)
class DiskOp:
    """One micro-op.

    Attributes:
        position: of its record in the log of its stretch.
        call: which system call issued it; the ops of one call share the number.
        kind: ``data``, ``size``, ``name`` or ``attribute``.
        path: the file or name, as it was called by then.
        text: the op in words.
        fate: what became of it; ``kept`` means that it was pending, and reached the disk by luck.
        durable_at: position of the sync that made it durable, or of the op with which the
            filesystem did so unasked; None if nothing did.
        step: which step of the workload issued it; None for a recovery's.
    """

    position: int
    call: int
    kind: str
    path: str
    text: str
    fate: Fate
    durable_at: int | None
    step: int | None


@frozen(kw_only=True)
class SyncCall:
    """One request for durability.

    Attributes:
        position: of its record in the log of its stretch.
        kind: ``fsync``, ``fdatasync``, ``fsync_dir``, ``sync`` or ``F_FULLFSYNC``.
        path: what it named.
        failed: whether it returned an error.
        step: which step of the workload issued it; None for a recovery's.
    """

    position: int
    kind: str
    path: str
    failed: bool
    step: int | None


@frozen(kw_only=True)
class Span:
    """A step of the workload, or a recovery, from its first record to its last.

    Attributes:
        label: the step in words, its number first; a recovery's is ``recovery``.
        start: position of its first record.
        end: position behind its last record.
        acknowledged: whether it had returned when the power went.
        lane: who did it: ``client``, ``engine``, a task's or a node's name.
    """

    label: str
    start: int
    end: int
    acknowledged: bool
    lane: str


@frozen(kw_only=True)
class StretchSeen:
    """Work that ran from one disk on until the power went.

    Attributes:
        title: ``the workload``, ``the recovery after the kill``, ``recovery 1`` and so on.
        spans: what was done, in order.
        ops: all micro-ops, in order.
        syncs: all syncs, in order.
        crash_at: records before the power cut.
        is_cut: whether the power went there; else the finding needs no crash.
    """

    title: str
    spans: tuple[Span, ...]
    ops: tuple[DiskOp, ...]
    syncs: tuple[SyncCall, ...]
    crash_at: int
    is_cut: bool = True


@frozen(kw_only=True)
class FileSeen:
    """An entry of the directory.

    Attributes:
        path: below the simulated root.
        size: bytes; None for a directory.
        digest: a hash of its bytes, or where a link points; "" for a directory.
    """

    path: str
    size: int | None
    digest: str


@frozen(kw_only=True)
class ChangedFile:
    """A file whose bytes after the crash differ from those the program had written.

    Attributes:
        path: its name.
        start: offset of the first byte that is shown; a multiple of 16.
        before: the bytes from there on that the program had written, a few KiB at most.
        after: the bytes from there on that the crash left.
        size_before: bytes in all.
        size_after: bytes in all; None if the file is gone.
    """

    path: str
    start: int
    before: bytes
    after: bytes
    size_before: int
    size_after: int | None


@frozen(kw_only=True)
class Evidence:
    """All that one finding shows.

    Attributes:
        stretches: from the workload to the last power cut. If the finding needs no crash, one of
            which the end is no power cut, or () if there is no such record of what was done.
        before: the directory as the program saw it when the power went, by path.
        after: the directory that the crash left, by path.
        changed: files that both hold and that differ, or that are gone, by path.
        promised: what a recovery had to show, one line each.
        shown: what the recovered store showed, or the error with which it refused, one line each.
    """

    stretches: tuple[StretchSeen, ...] = ()
    before: tuple[FileSeen, ...] = ()
    after: tuple[FileSeen, ...] = ()
    changed: tuple[ChangedFile, ...] = ()
    promised: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
