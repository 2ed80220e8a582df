"""What a stretch of work did to the disk and what became of it, as the values of evidence.py.

`stretch_seen` tells of each micro-op what made it durable, or whether the power cut kept it.
`files_seen` and `changed_files` compare what a program had written with what the crash left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import groupby
from typing import Final

from attrs import frozen

from wavetank.scenarios.evidence import (
    ChangedFile,
    DiskOp,
    Fate,
    FileSeen,
    Span,
    StretchSeen,
    SyncCall,
)
from wavetank.scenarios.exploration.crash_point import Stretch
from wavetank.scenarios.exploration.op_words import describe_ops, names_in
from wavetank.scenarios.exploration.subject import Known, RecordedRun, Shown
from wavetank.sim import (
    Attribute,
    Data,
    DirectoryContent,
    DiskImage,
    FileContent,
    Kept,
    LinkContent,
    Mark,
    MicroOp,
    Node,
    PendingOps,
    Profile,
    Size,
    Sync,
)

__all__ = [
    "changed_files",
    "files_seen",
    "recovery_spans",
    "step_spans",
    "stretch_seen",
]

_RECOVERY: Final = "recovery"
_NEW_WORK: Final = "new work"
_MOST_OPS: Final = 10_000
"""Ops of a stretch that are told: the newest."""
_MOST_FILES: Final = 16
"""Changed files whose bytes are told."""
_SHOWN_BYTES: Final = 2048
_ROW_BYTES: Final = 16
_ROWS_BEFORE: Final = 2
"""Rows of bytes before the first that differs."""


def stretch_seen(
    stretch: Stretch,
    profile: Profile,
    *,
    title: str,
    spans: Iterable[Span],
    step_at: Callable[[int], int | None],
    is_cut: bool = True,
) -> StretchSeen:
    """Return a stretch of work with what became of each of its ops.

    Args:
        stretch: the work, up to its power cut.
        profile: the filesystem's promises.
        title: of the work.
        spans: what was done, in order.
        step_at: tells which step of the workload issued a record; None for a recovery's.
        is_cut: whether the power went at its end.
    """
    settled = _Settled.of(stretch, profile)
    texts, names = describe_ops(stretch.log), tuple(names_in(stretch.log))
    ops = [
        DiskOp(
            position=position,
            call=op.call,
            kind=_kind(op),
            path=names[position],
            text=texts[op.number],
            fate=settled.fate(op, stretch.kept),
            durable_at=settled.durable_at.get(op.number),
            step=step_at(position),
        )
        for position, op in enumerate(stretch.log)
        if not isinstance(op, (Sync, Mark)) and op.number not in settled.hidden
    ]
    syncs = [
        SyncCall(
            position=position,
            kind=sync.kind.value,
            path=names[position],
            failed=sync.failed,
            step=step_at(position),
        )
        for position, sync in enumerate(stretch.log)
        if isinstance(sync, Sync)
    ]
    return StretchSeen(
        title=title,
        spans=tuple(spans),
        ops=tuple(ops[-_MOST_OPS:]),
        syncs=tuple(syncs[-_MOST_OPS:]),
        crash_at=len(stretch.log),
        is_cut=is_cut,
    )


@frozen(kw_only=True)
class _Settled:
    """How far the ops of a log had come when it ended.

    Attributes:
        durable_at: position of the record that made an op durable, by the op's number.
        pending: numbers of the ops that were not durable at the end.
        hidden: numbers of those of them that no image shows.
    """

    durable_at: Mapping[int, int]
    pending: frozenset[int]
    hidden: frozenset[int]

    @classmethod
    def of(cls, stretch: Stretch, profile: Profile) -> _Settled:
        pending = PendingOps(stretch.image, profile)
        durable_at: dict[int, int] = {}
        known: set[int] = set()
        for position, record in enumerate(stretch.log):
            pending.take(record)
            dropped: tuple[int, ...] = ()
            if isinstance(record, Sync):
                dropped = record.dropped
            elif not isinstance(record, Mark):
                known.add(record.number)
            if len(pending) == len(known):
                continue
            gone = known.difference(pending.numbers)
            known -= gone
            durable_at.update(dict.fromkeys(gone.difference(dropped), position))
        shown = {op.number for op in pending.ops}
        return cls(durable_at=durable_at, pending=frozenset(known), hidden=frozenset(known - shown))

    def fate(self, op: MicroOp, kept: Kept) -> Fate:
        """Return what became of an op at a power cut at the end."""
        if op.number in self.durable_at:
            return Fate.DURABLE
        if any(tear.number == op.number for tear in kept.tears):
            return Fate.TORN
        # An op that is neither durable nor pending is one whose write has failed for good.
        is_kept = op.number in self.pending and op.number in kept.numbers
        return Fate.KEPT if is_kept else Fate.LOST


def _kind(op: MicroOp) -> str:
    if isinstance(op, Data):
        return "data"
    if isinstance(op, Size):
        return "size"
    return "attribute" if isinstance(op, Attribute) else "name"


def step_spans(run: RecordedRun[Shown, Known], end: int) -> Iterator[Span]:
    """Yield the steps of a recorded run that began before `end` records of its log.

    Args:
        run: the recorded run.
        end: records before the power cut or the kill.
    """
    last = run.interval_at(end)
    steps = [run.interval_at(position).step for position in range(end)]
    starts: dict[int, tuple[int, int]] = {}
    position = 0
    for step, records in groupby(steps):
        length = len(list(records))
        begin, _ = starts.get(step, (position, 0))
        starts[step] = (begin, position + length)
        position += length
    behind = end
    spans: list[Span] = []
    for step in range(last.step, -1, -1):
        # A step that did nothing to the disk stands where the next one begins.
        begin, stop = starts.get(step, (behind, behind))
        behind = begin
        spans.append(
            Span(
                label=f"{step}: {run.tell_step(step)}",
                start=begin,
                end=stop,
                acknowledged=step < last.step or last.acknowledged,
                lane="client",
            )
        )
    yield from reversed(spans)


def recovery_spans(stretch: Stretch) -> Iterator[Span]:
    """Yield the recovery of a stretch, and the new work behind it, as far as it holds any."""
    start, end, works = stretch.recovered_from, len(stretch.log), stretch.works_from
    if start is None:
        return
    yield Span(
        label=_RECOVERY,
        start=start,
        end=end if works is None else works,
        acknowledged=stretch.has_returned,
        lane="engine",
    )
    if works is not None:
        yield Span(label=_NEW_WORK, start=works, end=end, acknowledged=True, lane="client")


def files_seen(image: DiskImage) -> tuple[FileSeen, ...]:
    """Return all that a disk holds, by path."""
    return tuple(_file_seen(path, node) for path, _, node in image.walk())


def _file_seen(path: str, node: Node) -> FileSeen:
    if isinstance(node, FileContent):
        content = node.read(0, node.size)
        digest = blake2b(content, digest_size=8).hexdigest()
        return FileSeen(path=path, size=node.size, digest=digest)
    if isinstance(node, LinkContent):
        return FileSeen(path=path, size=len(node.target), digest=node.target)
    assert isinstance(node, DirectoryContent)
    return FileSeen(path=path, size=None, digest="")


def changed_files(
    before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> tuple[ChangedFile, ...]:
    """Return the files that are gone or hold other bytes, each from just before the difference.

    Args:
        before: content by path.
        after: the same later.

    >>> [changed] = changed_files({"/log": b"a" * 20}, {"/log": b"a" * 18})
    >>> changed.start, changed.size_before, changed.size_after
    (0, 20, 18)
    """
    changed = [
        _changed(path, content, after.get(path))
        for path, content in sorted(before.items())
        if after.get(path) != content
    ]
    return tuple(changed[:_MOST_FILES])


def _changed(path: str, before: bytes, after: bytes | None) -> ChangedFile:
    left = b"" if after is None else after
    pairs = enumerate(zip(before, left, strict=False))
    differs = next((at for at, (old, new) in pairs if old != new), min(len(before), len(left)))
    start = max(0, differs // _ROW_BYTES - _ROWS_BEFORE) * _ROW_BYTES
    shown = slice(start, start + _SHOWN_BYTES)
    return ChangedFile(
        path=path,
        start=start,
        before=before[shown],
        after=left[shown],
        size_before=len(before),
        size_after=None if after is None else len(after),
    )
