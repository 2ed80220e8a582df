"""One disk's durable content as a value: what is there when the power comes back.

A `DiskImage` is never changed; deriving another shares everything that is equal, so that an image
costs what differs from its parent. Content that lies beyond a file's size stays on the medium and
belongs to the image, since a later size without its data shows it again.

Left out: which images a crash may leave (crashes/pending.py), and programs at work
(disk/sim_disk.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import ClassVar, Final, TypeAlias

from attrs import field, frozen

from wavetank.sim.attributes import AttributeReads, Attributes
from wavetank.sim.ops import BLOCK_SIZE

__all__ = [
    "ROOT_INODE",
    "DirectoryContent",
    "DiskImage",
    "FileContent",
    "LinkContent",
    "Node",
    "read_blocks",
    "write_blocks",
]

ROOT_INODE: Final = 1
_FLATTEN_AT: Final = 64
_DIGEST_BYTES: Final = 12


def write_blocks(blocks: list[bytes], block: int, start: int, content: bytes) -> None:
    """Put `content` into block number `block` at byte `start`, growing the list as needed.

    A block shorter than BLOCK_SIZE reads as zeros from its end on.
    """
    while len(blocks) <= block:
        blocks.append(b"")
    old = blocks[block]
    if len(old) < start:
        old = old.ljust(start, b"\0")
    blocks[block] = old[:start] + content + old[start + len(content) :]


@frozen(eq=False)
class FileContent:
    """A file as it stands on the medium.

    Attributes:
        size: length in bytes.
        blocks: content by block number; what lies beyond `size` is stale but still there.
        attributes: mode, owner and times; None where nobody keeps any.
    """

    size: int
    blocks: tuple[bytes, ...]
    attributes: Attributes | None = None

    @classmethod
    def of(cls, content: bytes) -> FileContent:
        """Return a file with a content.

        >>> FileContent.of(b"hi").read(0, 9)
        b'hi'
        """
        starts = range(0, len(content), BLOCK_SIZE)
        return cls(len(content), tuple(content[at : at + BLOCK_SIZE] for at in starts))

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes at `offset`; bytes never written are zeros."""
        return read_blocks(self.blocks, self.size, offset, length)

    @cached_property
    def digest(self) -> bytes:
        """A hash of everything here, stale bytes too, stable across processes."""
        parts = (self.size, len(self.blocks), self._total)
        return blake2b(b"%d %d %d" % parts, digest_size=_DIGEST_BYTES).digest()

    @cached_property
    def _total(self) -> int:
        """The sum of what each block adds to the digest: known for a child from its parent's."""
        return sum(_block_term(number, block) for number, block in enumerate(self.blocks))

    def derive(self, size: int, blocks: tuple[bytes, ...], changed: Iterable[int]) -> FileContent:
        """Return content that differs from this in some blocks; `changed` names all that do."""
        child = FileContent(size, blocks, self.attributes)
        total = self._total
        for number in changed:
            if number < len(self.blocks):
                total -= _block_term(number, self.blocks[number])
            total += _block_term(number, blocks[number])
        # A file of many blocks is hashed once, and its descendants by what was written to them.
        object.__setattr__(child, "_total", total)
        return child

    def with_attributes(self, attributes: Attributes | None) -> FileContent:
        """Return the same content with other attributes."""
        child = FileContent(self.size, self.blocks, attributes)
        object.__setattr__(child, "_total", self._total)
        return child


@lru_cache(maxsize=4096)
def _block_term(number: int, content: bytes) -> int:
    shown = content.rstrip(b"\0")
    if not shown:
        return 0
    return int.from_bytes(blake2b(b"%d " % number + shown, digest_size=16).digest(), "little")


def read_blocks(
    blocks: tuple[bytes, ...] | list[bytes], size: int, offset: int, length: int
) -> bytes:
    """Return the visible bytes of a file of `size` bytes at `offset`, at most `length`."""
    end = min(offset + length, size)
    if end <= offset:
        return b""
    number, start = divmod(offset, BLOCK_SIZE)
    wanted = end - offset
    if start + wanted <= BLOCK_SIZE:
        piece = blocks[number][start : start + wanted] if number < len(blocks) else b""
    else:
        last = (end - 1) // BLOCK_SIZE + 1
        piece = b"".join(block.ljust(BLOCK_SIZE, b"\0") for block in blocks[number:last])
        piece = piece[start : start + wanted]
    return piece if len(piece) == wanted else piece.ljust(wanted, b"\0")


@frozen(eq=False)
class DirectoryContent:
    """A directory as it stands on the medium.

    Attributes:
        entries: inode by name.
        attributes: as for a file.
    """

    entries: Mapping[str, int]
    attributes: Attributes | None = None
    digest: ClassVar[bytes] = b"dir"

    def with_attributes(self, attributes: Attributes | None) -> DirectoryContent:
        """Return the same names with other attributes."""
        return DirectoryContent(self.entries, attributes)

    @cached_property
    def listing(self) -> tuple[tuple[bytes, int], ...]:
        """The inodes by name, sorted by it; each name is bytes that begin with a slash."""
        return tuple(
            (b"/" + name.encode("utf-8", "surrogateescape"), self.entries[name])
            for name in sorted(self.entries)
        )


@frozen
class LinkContent:
    """A symbolic link.

    Attributes:
        target: where it points, a path as it was given.
        attributes: as for a file.
    """

    target: str
    attributes: Attributes | None = field(default=None, eq=False)

    @property
    def digest(self) -> bytes:
        """What stands for it in an image's digest."""
        return f"link {self.target}".encode()

    def with_attributes(self, attributes: Attributes | None) -> LinkContent:
        """Return the same link with other attributes."""
        return LinkContent(self.target, attributes)


Node: TypeAlias = FileContent | DirectoryContent | LinkContent


class DiskImage:
    """A whole disk: inodes with their content, reachable from `ROOT_INODE`.

    Args:
        nodes: content by inode.
        changes: content that replaces some of it.
        next_inode: the first number that no inode has had.
        attribute_reads: which attributes tell two images apart, for this and all that derive from
            it; None if none do.

    Attributes:
        next_inode: the same.
        attribute_reads: the same.

    >>> image = DiskImage.empty()
    >>> grown = image.derive({2: FileContent(2, (b"hi",)), 1: DirectoryContent({"f": 2})})
    >>> [image.files(), grown.files()]
    [{}, {'/f': b'hi'}]
    """

    __slots__ = ("_changes", "_digest", "_nodes", "attribute_reads", "next_inode")

    def __init__(
        self,
        nodes: Mapping[int, Node],
        *,
        changes: Mapping[int, Node] | None = None,
        next_inode: int,
        attribute_reads: AttributeReads | None = None,
    ) -> None:
        self._nodes = nodes
        self._changes: Mapping[int, Node] = changes or {}
        self.next_inode = next_inode
        self.attribute_reads = attribute_reads
        self._digest: tuple[tuple[int, ...], bytes] | None = None

    @classmethod
    def empty(cls, attribute_reads: AttributeReads | None = None) -> DiskImage:
        """Return a disk with an empty root directory."""
        root = {ROOT_INODE: DirectoryContent({})}
        return cls(root, next_inode=ROOT_INODE + 1, attribute_reads=attribute_reads)

    def node(self, inode: int) -> Node | None:
        """Return the content of an inode, or None if the disk never saw it."""
        return self._changes.get(inode) or self._nodes.get(inode)

    def derive(self, changes: Mapping[int, Node]) -> DiskImage:
        """Return an image that differs from this one in `changes` only."""
        if not changes:
            return self
        merged = {**self._changes, **changes}
        following = max(self.next_inode, max(changes) + 1)
        nodes, reads = self._nodes, self.attribute_reads
        if len(merged) > _FLATTEN_AT:
            nodes, merged = {**nodes, **merged}, {}
        return DiskImage(nodes, changes=merged, next_inode=following, attribute_reads=reads)

    def numbered_from(self, next_inode: int) -> DiskImage:
        """Return the same disk, on which the next new file gets this number or a higher one."""
        following = max(self.next_inode, next_inode)
        reads = self.attribute_reads
        nodes, changes = self._nodes, self._changes
        return DiskImage(nodes, changes=changes, next_inode=following, attribute_reads=reads)

    def files(self) -> dict[str, bytes]:
        """Return the visible content of every file by path, in the order of the paths."""
        return {
            path: node.read(0, node.size)
            for path, _, node in self.walk()
            if isinstance(node, FileContent)
        }

    def walk(self) -> Iterator[tuple[str, int, Node]]:
        """Yield path, inode and content of everything reachable, sorted by name at each level.

        A crash that splits a rename can leave a directory inside itself. The name that closes the
        circle is yielded, and nothing below it.
        """
        way = [_Level(ROOT_INODE, self._directory(ROOT_INODE))]
        while way:
            level = way[-1]
            below = next(level.listing, None)
            if below is None:
                way.pop()
                continue
            path, inode = level.path + below[0], below[1]
            node = self.node(inode)
            assert node is not None, f"{path!r} names inode {inode}, which was never made"
            yield path.decode("utf-8", "surrogateescape"), inode, node
            if type(node) is DirectoryContent and all(inode != each.inode for each in way):
                way.append(_Level(inode, node, path))

    def digest(self) -> bytes:
        """Return a hash of all that is reachable, equal for equal disks in any process.

        Inode numbers do not count, only which names share an inode. Attributes count as far as
        somebody has looked at their kind.
        """
        seen = () if self.attribute_reads is None else self.attribute_reads.seen
        if self._digest is None or self._digest[0] != seen:
            parts: list[bytes] = []
            self._describe(parts)
            if seen:
                self._describe_attributes(parts)
            self._digest = (seen, blake2b(b"".join(parts), digest_size=_DIGEST_BYTES).digest())
        return self._digest[1]

    def _describe_attributes(self, parts: list[bytes]) -> None:
        reads = self.attribute_reads
        assert reads is not None
        for _, _, node in (("/", ROOT_INODE, self._directory(ROOT_INODE)), *self.walk()):
            shown = reads.shown(node.attributes or Attributes())
            parts.append(repr(shown).encode())

    def _describe(self, parts: list[bytes]) -> None:
        changes, nodes = self._changes, self._nodes
        seen: dict[int, int] = {}
        way = [_Level(ROOT_INODE, self._directory(ROOT_INODE))]
        while way:
            level = way[-1]
            for name, inode in level.listing:
                child = changes.get(inode) or nodes.get(inode)
                path = level.path + name
                assert child is not None, f"{path!r} names inode {inode}, which was never made"
                number = seen.setdefault(inode, len(seen))
                parts.append(b"%s\0%d\0%s\0" % (path, number, child.digest))
                if type(child) is DirectoryContent and all(inode != each.inode for each in way):
                    way.append(_Level(inode, child, path))
                    break
            else:
                way.pop()

    def _directory(self, inode: int) -> DirectoryContent:
        node = self.node(inode)
        assert isinstance(node, DirectoryContent)
        return node


class _Level:
    """A directory on the way down, and what of it is still to be visited."""

    __slots__ = ("inode", "listing", "path")

    def __init__(self, inode: int, content: DirectoryContent, path: bytes = b"") -> None:
        self.inode = inode
        self.listing = iter(content.listing)
        self.path = path
