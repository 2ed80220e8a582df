"""Which damage at rest begins when, and what of it an operation sees.

A fault counts the operations that could find its damage; that which `Which` names finds it, and
from then on it lies there for everybody, until it is written over. Left out: looking at the
filesystem below (_overlay.py), and the damage as a value (at_rest.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from wavetank.engine import FileKind, FileStat, FileSystem
from wavetank.faults._matching import matches
from wavetank.faults._tally import Tally
from wavetank.faults.at_rest import (
    AtRest,
    DamagedBlock,
    FormerContent,
    HiddenName,
    WrongLength,
)
from wavetank.faults.damages_at_rest import Missing, Stale, Unreadable
from wavetank.faults.fault import BlockDamage, FileDamage
from wavetank.faults.operation import Operation
from wavetank.faults.where import ByteRange

__all__ = ["DamageAtRest"]


class DamageAtRest:
    """The damage on the disk of one run.

    Args:
        tally: the counts of the plan.
        state: the damage that lies there from the start.
        lock: held while counting.
        on_count: called after each operation that was looked at.

    Attributes:
        state: the damage that lies there now.
    """

    def __init__(
        self,
        tally: Tally,
        state: AtRest,
        *,
        lock: AbstractContextManager[object],
        on_count: Callable[[], None],
    ) -> None:
        self.state = state
        self._tally = tally
        self._lock = lock
        self._on_count = on_count

    # Files as a whole

    def find(self, operation: Operation, truth: FileStat | None, below: FileSystem) -> None:
        """Let damage to a file begin, if an operation is to find it.

        Args:
            operation: that begins now.
            truth: what it is about, as it is below; None for nothing.
            below: the filesystem without faults.
        """
        if truth is None or truth.kind is not FileKind.FILE:
            return
        path = operation.paths[0]
        with self._lock:
            for number, fault in self._tally.standing():
                what = fault.what
                if (
                    isinstance(what, FileDamage)
                    and operation.kind in what.kinds
                    and self._would_change(what, path, truth)
                    and matches(fault.where, operation, below)
                    and self._tally.is_struck(number, fault)
                ):
                    self._tally.fired[number] += 1
                    if isinstance(what, Missing):
                        self.state = self.state.with_hidden(HiddenName(number, path))
                    else:
                        size = what.size_of(truth.size)
                        length = WrongLength(fault=number, inode=truth.inode, size_bytes=size)
                        self.state = self.state.with_length(length)
            self._on_count()

    def hides(self, path: str) -> bool:
        """Whether a name is missing."""
        standing = [number for number, _ in self._tally.standing()]
        return any(each.path == path and each.fault in standing for each in self.state.hidden)

    def size_of(self, inode: int) -> int | None:
        """Return how long a file shows itself; None for the truth."""
        standing = [number for number, _ in self._tally.standing()]
        for length in self.state.lengths:
            if length.inode == inode and length.fault in standing:
                return length.size_bytes
        return None

    def reveal(self, path: str) -> None:
        """Note that something was made under a name."""
        with self._lock:
            self.state = self.state.revealed(path)
            self._on_count()

    def settle_size(self, inode: int) -> None:
        """Note that a file is as long now as it shows itself."""
        with self._lock:
            self.state = self.state.without_length(inode)
            self._on_count()

    def forget(self, inode: int) -> None:
        """Note that a file is new."""
        with self._lock:
            self.state = self.state.forgotten(inode)
            self._on_count()

    # Bytes of files

    def shown(
        self, operation: Operation, inode: int, data: bytes, below: FileSystem
    ) -> bytes | None:
        """Return what a read shows of the bytes that it found; None if some cannot be read."""
        shown = bytearray(data)
        readable = True
        with self._lock:
            for number, fault in self._tally.standing():
                what = fault.what
                if not isinstance(what, BlockDamage):
                    continue
                block = self._block(number, what, inode)
                if (
                    any(place.overlaps(operation.offset, len(data)) for place in block.places)
                    and matches(fault.where, operation, below)
                    and self._tally.is_struck(number, fault)
                ):
                    self.state = self.state.with_block(block)
                if self._show(number, inode, operation.offset, shown):
                    self._tally.fired[number] += 1
                    readable = readable and not isinstance(what, Unreadable)
            self._on_count()
        return bytes(shown) if readable else None

    def rewritten(self, inode: int, start: int, end: int | None) -> None:
        """Note that a file was written from `start` up to `end`, or cut off (None)."""
        with self._lock:
            self.state = self.state.rewritten(inode, start, end)
            self._on_count()

    def remembers(self, path: str) -> tuple[ByteRange, ...]:
        """Return the bytes of files of this name whose former content may be shown."""
        return tuple(
            fault.what.place
            for _, fault in self._tally.standing()
            if isinstance(fault.what, Stale) and fault.where.matches_path(path)
        )

    def remember(self, path: str, inode: int, start: int, former: bytes) -> None:
        """Note what bytes were before they were written over."""
        with self._lock:
            for number, fault in self._tally.standing():
                if not isinstance(fault.what, Stale) or not fault.where.matches_path(path):
                    continue
                place = fault.what.place
                first, last = max(start, place.start), min(start + len(former), place.end)
                if first < last:
                    known = self._former(number, inode)
                    piece = former[first - start : last - start]
                    self.state = self.state.with_former(known.with_content(first, piece))
            self._on_count()

    def _would_change(self, what: FileDamage, path: str, truth: FileStat) -> bool:
        if isinstance(what, Missing):
            return all(each.path != path for each in self.state.hidden)
        # A file that is not as long as it should be is not made so twice.
        is_true = all(length.inode != truth.inode for length in self.state.lengths)
        return is_true and what.size_of(truth.size) != truth.size

    def _block(self, number: int, what: BlockDamage, inode: int) -> DamagedBlock:
        """Return the damage as it would begin now; without places if there is nothing to show."""
        if not isinstance(what, Stale):
            return DamagedBlock(fault=number, inode=inode, places=(what.place,))
        content = self._former(number, inode).content
        places = tuple(ByteRange(start, start + len(piece)) for start, piece in content)
        return DamagedBlock(fault=number, inode=inode, places=places, content=content)

    def _former(self, number: int, inode: int) -> FormerContent:
        for former in self.state.former:
            if (former.fault, former.inode) == (number, inode):
                return former
        return FormerContent(fault=number, inode=inode, content=())

    def _show(self, number: int, inode: int, offset: int, shown: bytearray) -> bool:
        """Put damaged bytes over those from `offset` on; False if none of them is damaged."""
        touched = False
        for block in self.state.blocks:
            if (block.fault, block.inode) != (number, inode):
                continue
            for place in block.places:
                start, end = max(place.start, offset), min(place.end, offset + len(shown))
                if start >= end:
                    continue
                touched = True
                shown[start - offset : end - offset] = bytes(end - start)
                for at, piece in block.content:
                    first, last = max(start, at), min(end, at + len(piece))
                    if first < last:
                        shown[first - offset : last - offset] = piece[first - at : last - at]
        return touched
