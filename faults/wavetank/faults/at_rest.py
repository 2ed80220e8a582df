"""Keep the damage at rest of a run: which files and bytes are damaged, and what they show.

A fault counts the operations that could find its damage. The one that its trigger names finds it,
and from then on everybody sees it, until it is written over. `AtRest` is the damage at one time as
a value; `DamageAtRest` begins and ends it as operations go by. Files are named by their inodes, so
damage stays with a file that is renamed; only a name that is missing is a path. How a filesystem
looks with this damage is in damaged_filesystem.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from attrs import evolve, frozen

from wavetank.engine import FileKind, FileStat, FileSystem
from wavetank.faults.counting import Tally
from wavetank.faults.damages import BlockDamage, FileDamage, Missing, Stale, Unreadable
from wavetank.faults.matching import ByteRange
from wavetank.faults.operations import Operation

__all__ = ["AtRest", "DamageAtRest", "DamagedBlock", "FormerContent", "HiddenName", "WrongLength"]


@frozen(kw_only=True)
class DamagedBlock:
    """Bytes of a file that are damaged.

    Attributes:
        fault: its number in the plan.
        inode: the file.
        places: the bytes not rewritten since, in order.
        content: what they show, by offset; zeros elsewhere.
    """

    fault: int
    inode: int
    places: tuple[ByteRange, ...]
    content: tuple[tuple[int, bytes], ...] = ()


@frozen(kw_only=True)
class WrongLength:
    """A file that is not as long as it was written.

    Attributes:
        fault: its number in the plan.
        inode: the file.
        size_bytes: how long it shows itself.
    """

    fault: int
    inode: int
    size_bytes: int


@frozen
class HiddenName:
    """A name that is missing.

    Attributes:
        fault: its number in the plan.
        path: the name.
    """

    fault: int
    path: str


@frozen(kw_only=True)
class FormerContent:
    """What the bytes that a `Stale` fault may show were before they were last written.

    Attributes:
        fault: its number in the plan.
        inode: the file.
        content: as far as it is known, by offset.
    """

    fault: int
    inode: int
    content: tuple[tuple[int, bytes], ...]

    def with_content(self, start: int, data: bytes) -> FormerContent:
        """Return it with `data` from `start` on."""
        end = start + len(data)
        kept = []
        for at, piece in self.content:
            kept.append((at, piece[: max(0, start - at)]))
            kept.append((max(at, end), piece[max(0, end - at) :]))
        pieces = sorted([*kept, (start, data)])
        return evolve(self, content=tuple((at, piece) for at, piece in pieces if piece))


@frozen(kw_only=True)
class AtRest:
    """All damage on the disk.

    Attributes:
        blocks: damaged bytes.
        lengths: files of a wrong length; each file at most once.
        hidden: missing names.
        former: what stale bytes would show.

    >>> AtRest(hidden=(HiddenName(0, "/f"),)).revealed("/f") == AtRest()
    True
    """

    blocks: tuple[DamagedBlock, ...] = ()
    lengths: tuple[WrongLength, ...] = ()
    hidden: tuple[HiddenName, ...] = ()
    former: tuple[FormerContent, ...] = ()

    def with_block(self, block: DamagedBlock) -> AtRest:
        """Return it with a block that replaces the one of the same fault and file."""
        key = block.fault, block.inode
        rest = tuple(each for each in self.blocks if (each.fault, each.inode) != key)
        return evolve(self, blocks=(*rest, block) if block.places else rest)

    def with_length(self, length: WrongLength) -> AtRest:
        """Return it with a file of a wrong length."""
        return evolve(self, lengths=(*self.without_length(length.inode).lengths, length))

    def without_length(self, inode: int) -> AtRest:
        """Return it with a file of its true length."""
        return evolve(self, lengths=tuple(each for each in self.lengths if each.inode != inode))

    def with_hidden(self, name: HiddenName) -> AtRest:
        """Return it with a name missing."""
        return evolve(self, hidden=(*self.revealed(name.path).hidden, name))

    def revealed(self, path: str) -> AtRest:
        """Return it with a name not missing."""
        return evolve(self, hidden=tuple(each for each in self.hidden if each.path != path))

    def with_former(self, former: FormerContent) -> AtRest:
        """Return it with former content that replaces that of the same fault and file."""
        key = former.fault, former.inode
        rest = tuple(each for each in self.former if (each.fault, each.inode) != key)
        return evolve(self, former=(*rest, former))

    def rewritten(self, inode: int, start: int, end: int | None) -> AtRest:
        """Return it without damage from `start` up to `end` of a file; None for its end."""
        blocks = tuple(
            evolve(
                block, places=tuple(p for place in block.places for p in _cut(place, start, end))
            )
            if block.inode == inode
            else block
            for block in self.blocks
        )
        return evolve(self, blocks=tuple(block for block in blocks if block.places))

    def forgotten(self, inode: int) -> AtRest:
        """Return it without anything about a file whose inode a new one has taken."""
        return AtRest(
            blocks=tuple(each for each in self.blocks if each.inode != inode),
            lengths=self.without_length(inode).lengths,
            hidden=self.hidden,
            former=tuple(each for each in self.former if each.inode != inode),
        )


class DamageAtRest:
    """The damage on the disk of one run.

    Args:
        tally: the counts of the plan.
        state: the damage at the start.
        lock: held while counting.
        on_count: called after each operation that was looked at.

    Attributes:
        state: the damage now.
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

    def find(self, operation: Operation, truth: FileStat | None, below: FileSystem) -> None:
        """Begin the damage to a file that an operation is to find.

        Args:
            operation: that begins now.
            truth: the file as it is below; None if there is none.
            below: the filesystem without faults.
        """
        if truth is None or truth.kind is not FileKind.FILE:
            return
        path = operation.paths[0]
        with self._lock:
            for number, fault in self._tally.in_force():
                what = fault.what
                if (
                    isinstance(what, FileDamage)
                    and operation.kind in what.kinds
                    and self._would_change(what, path, truth)
                    and fault.matcher.matches(operation, below)
                    and self._tally.match(number)
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
        return any(
            each.path == path and self._tally.is_in_force(each.fault) for each in self.state.hidden
        )

    def size_of(self, inode: int) -> int | None:
        """Return how long a file shows itself; None for its true length."""
        for length in self.state.lengths:
            if length.inode == inode and self._tally.is_in_force(length.fault):
                return length.size_bytes
        return None

    def reveal(self, path: str) -> None:
        """Note that something was created under a name."""
        self._change(lambda state: state.revealed(path))

    def settle_size(self, inode: int) -> None:
        """Note that a file is now as long as it shows itself."""
        self._change(lambda state: state.without_length(inode))

    def forget(self, inode: int) -> None:
        """Note that a file is new."""
        self._change(lambda state: state.forgotten(inode))

    def shown(
        self, operation: Operation, inode: int, data: bytes, below: FileSystem
    ) -> bytes | None:
        """Return what a read shows of the bytes that it found; None if some cannot be read."""
        shown = bytearray(data)
        readable = True
        with self._lock:
            for number, fault in self._tally.in_force():
                what = fault.what
                if not isinstance(what, BlockDamage):
                    continue
                block = self._block(number, what, inode)
                if (
                    any(place.overlaps(operation.offset, len(data)) for place in block.places)
                    and fault.matcher.matches(operation, below)
                    and self._tally.match(number)
                ):
                    self.state = self.state.with_block(block)
                if self._show(number, inode, operation.offset, shown):
                    self._tally.fired[number] += 1
                    readable = readable and not isinstance(what, Unreadable)
            self._on_count()
        return bytes(shown) if readable else None

    def rewritten(self, inode: int, start: int, end: int | None) -> None:
        """Note that a file was written from `start` up to `end`, or cut off at `start` (None)."""
        self._change(lambda state: state.rewritten(inode, start, end))

    def remembers(self, path: str) -> tuple[ByteRange, ...]:
        """Return the bytes of files of this name whose former content may be shown."""
        return tuple(place for _, place in self._may_be_stale(path))

    def remember(self, path: str, inode: int, start: int, former: bytes) -> None:
        """Note what bytes were before they were written over."""
        with self._lock:
            for number, place in self._may_be_stale(path):
                first, last = max(start, place.start), min(start + len(former), place.end)
                if first < last:
                    known = self._former(number, inode)
                    piece = former[first - start : last - start]
                    self.state = self.state.with_former(known.with_content(first, piece))
            self._on_count()

    def _change(self, change: Callable[[AtRest], AtRest]) -> None:
        with self._lock:
            self.state = change(self.state)
            self._on_count()

    def _may_be_stale(self, path: str) -> Iterator[tuple[int, ByteRange]]:
        for number, fault in self._tally.in_force():
            if isinstance(fault.what, Stale) and fault.matcher.matches_path(path):
                yield number, fault.what.place

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


def _cut(place: ByteRange, start: int, end: int | None) -> tuple[ByteRange, ...]:
    """Return what is left of some bytes without those from `start` up to `end`."""
    stop = place.end if end is None else min(end, place.end)
    parts = ((place.start, min(start, place.end)), (max(stop, place.start), place.end))
    if start >= place.end or stop <= place.start:
        return (place,)
    return tuple(ByteRange(first, last) for first, last in parts if first < last)
