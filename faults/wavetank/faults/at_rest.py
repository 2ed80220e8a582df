"""The damage that lies over files at one time, as a value.

Files are named by their inodes, so that damage stays with a file that is renamed; only a name that
is missing is a path. Left out: which damage begins when (_at_rest.py).
"""

from __future__ import annotations

from attrs import evolve, frozen

from wavetank.faults.where import ByteRange

__all__ = ["AtRest", "DamagedBlock", "FormerContent", "HiddenName", "WrongLength"]


@frozen(kw_only=True)
class DamagedBlock:
    """Bytes of a file that are damaged.

    Attributes:
        fault: its number in the plan.
        inode: the file.
        places: the bytes that have not been rewritten since, in order.
        content: what they show, by offset, if that is not in the fault.
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
    """What the bytes that a fault may make stale were before they were last written.

    Attributes:
        fault: its number in the plan.
        inode: the file.
        content: as far as it is known, by offset.
    """

    fault: int
    inode: int
    content: tuple[tuple[int, bytes], ...]

    def with_content(self, start: int, data: bytes) -> FormerContent:
        """Return it with other bytes from `start` on."""
        end = start + len(data)
        kept = []
        for at, piece in self.content:
            kept.append((at, piece[: max(0, start - at)]))
            kept.append((max(at, end), piece[max(0, end - at) :]))
        pieces = sorted([*kept, (start, data)])
        return evolve(self, content=tuple((at, piece) for at, piece in pieces if piece))


@frozen(kw_only=True)
class AtRest:
    """All damage that lies on the disk.

    Attributes:
        blocks: by bytes.
        lengths: by length, of each file at most one.
        hidden: by name.
        former: what stale bytes would show.

    >>> AtRest(hidden=(HiddenName(0, "/f"),)).revealed("/f") == AtRest()
    True
    """

    blocks: tuple[DamagedBlock, ...] = ()
    lengths: tuple[WrongLength, ...] = ()
    hidden: tuple[HiddenName, ...] = ()
    former: tuple[FormerContent, ...] = ()

    def with_block(self, block: DamagedBlock) -> AtRest:
        """Return it with a damaged block in the place of that of the same fault and file."""
        key = block.fault, block.inode
        rest = tuple(each for each in self.blocks if (each.fault, each.inode) != key)
        return evolve(self, blocks=(*rest, block) if block.places else rest)

    def with_length(self, length: WrongLength) -> AtRest:
        """Return it with another length of a file."""
        return evolve(self, lengths=(*self.without_length(length.inode).lengths, length))

    def without_length(self, inode: int) -> AtRest:
        """Return it with a file that is as long as it was written."""
        return evolve(self, lengths=tuple(each for each in self.lengths if each.inode != inode))

    def with_hidden(self, name: HiddenName) -> AtRest:
        """Return it with a name missing."""
        return evolve(self, hidden=(*self.revealed(name.path).hidden, name))

    def revealed(self, path: str) -> AtRest:
        """Return it with a name that is there."""
        return evolve(self, hidden=tuple(each for each in self.hidden if each.path != path))

    def with_former(self, former: FormerContent) -> AtRest:
        """Return it with other former content of the same fault and file."""
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
        """Return it without anything of a file, whose number a new one has."""
        return AtRest(
            blocks=tuple(each for each in self.blocks if each.inode != inode),
            lengths=self.without_length(inode).lengths,
            hidden=self.hidden,
            former=tuple(each for each in self.former if each.inode != inode),
        )


def _cut(place: ByteRange, start: int, end: int | None) -> tuple[ByteRange, ...]:
    """Return what is left of some bytes without those from `start` up to `end`."""
    stop = place.end if end is None else min(end, place.end)
    parts = ((place.start, min(start, place.end)), (max(stop, place.start), place.end))
    if start >= place.end or stop <= place.start:
        return (place,)
    return tuple(ByteRange(first, last) for first, last in parts if first < last)
