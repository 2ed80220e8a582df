"""Micro-ops in words: what each call did, and to which file, by the name that it had then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from wavetank.sim import (
    BLOCK_SIZE,
    Attribute,
    Attributes,
    Data,
    Dirent,
    Mark,
    MicroOp,
    Record,
    Size,
    Sync,
)

__all__ = ["describe_op", "describe_ops", "names_in"]


def describe_op(op: MicroOp, path: str | None = None) -> str:
    """Return a micro-op in words; `path` is the file's name by then, if it was renamed."""
    name = path or op.path
    if isinstance(op, Data):
        start = op.block * BLOCK_SIZE + op.start
        return f"bytes {start}..{start + len(op.content) - 1} of {name}"
    if isinstance(op, Size):
        return f"size {op.size} of {name}"
    if isinstance(op, Attribute):
        return f"{_told_attributes(op.change)} of {name}"
    if op.inode is None:
        return f"the removal of the name {op.path}"
    return f"the rename over {op.path}" if op.replaces else f"the name {op.path}"


def _told_attributes(change: Attributes) -> str:
    if change.mode is not None:
        return f"the mode {change.mode:04o}"
    if change.owner is not None:
        return f"the owner {change.owner[0]}:{change.owner[1]}"
    if change.extended:
        return f"the extended attribute {change.extended[0][0]}"
    return "the times"


def describe_ops(log: tuple[Record, ...]) -> Mapping[int, str]:
    """Return the ops of a log in words, by number; what one call wrote is told as one.

    A file has the name that it had by then: the one it was opened under may be of long ago.
    """
    calls: dict[tuple[int, int], list[Data]] = {}
    moves: dict[int, list[Dirent]] = {}
    names: dict[int, str] = {}
    for op in log:
        if isinstance(op, Data):
            calls.setdefault((op.call, op.inode), []).append(op)
        elif isinstance(op, Dirent):
            moves.setdefault(op.call, []).append(op)
    texts: dict[int, str] = {}
    for op in log:
        if isinstance(op, (Sync, Mark)):
            continue
        if isinstance(op, Dirent):
            if op.inode is not None:
                names[op.inode] = op.path
            texts[op.number] = _move(moves[op.call], op)
        elif isinstance(op, Data):
            written = calls[op.call, op.inode]
            start = min(each.block * BLOCK_SIZE + each.start for each in written)
            end = max(each.block * BLOCK_SIZE + each.start + len(each.content) for each in written)
            texts[op.number] = f"bytes {start}..{end - 1} of {names.get(op.inode, op.path)}"
        else:
            texts[op.number] = describe_op(op, names.get(op.inode))
    return texts


def names_in(log: Iterable[Record]) -> Iterator[str]:
    """Yield what each record of a log is about, by the name that it had then; "" for a mark."""
    names: dict[int, str] = {}
    for record in log:
        if isinstance(record, Mark):
            yield ""
        elif isinstance(record, (Dirent, Sync)):
            known = isinstance(record, Sync) and names.get(record.inode)
            yield known or record.path
        else:
            yield names.get(record.inode, record.path)
        if isinstance(record, Dirent) and record.inode is not None:
            names[record.inode] = record.path


def _move(call: list[Dirent], op: Dirent) -> str:
    """Return a change of a name in words; a rename changes two in one call."""
    came = next((each for each in call if each.inode is not None), None)
    if came is None:
        return describe_op(op)
    # What was there is removed first, by a change of the same name.
    gone = next((each.path for each in call if each.inode is None and each.path != came.path), None)
    if gone is None:
        return describe_op(op)
    over = " over what was there" if came.replaces else ""
    return f"the rename of {gone} to {came.path}{over}"
