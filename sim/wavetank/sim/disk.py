"""The machine's view of a disk while programs run: page cache, names, and the log of their ops.

A `SimDisk` starts from a durable `DiskImage` and shows what programs see: every write at once.
What is durable is not decided here; the op log says what was done and synced, and pending.py tells,
for a profile, what a power cut may leave. A process kill gives a new `SimDisk` with the same cache
and the same past, and none of the descriptors and locks.

Invariant: applying the whole op log to the starting image gives exactly what programs see, since
both sides change only through `write_blocks`, sizes and directory entries.

Left out: paths, permissions and descriptors (filesystem.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from wavetank.sim.image import (
    DirectoryContent,
    DiskImage,
    FileContent,
    Node,
    read_blocks,
    write_blocks,
)
from wavetank.sim.ops import BLOCK_SIZE, Data, Dirent, Mark, OpLog, Size, Sync, SyncKind

__all__ = ["SimDisk"]


class _CachedFile:
    """A file in the page cache; `blocks` may hold stale content beyond `size`."""

    __slots__ = ("blocks", "size")

    def __init__(self, size: int, blocks: Sequence[bytes]) -> None:
        self.size = size
        self.blocks = list(blocks)


class SimDisk:
    """Inodes as programs see them, and the record of everything done to them.

    Args:
        image: the content to start from; empty if omitted.
        first_call: calls are counted from here, for a log that continues another.
        first_number: micro-ops are numbered from here.

    Attributes:
        image: the durable content at the start of `log`.
        log: every micro-op, sync and mark since then.
        locked: inodes under an exclusive lock.

    >>> from wavetank.sim import ROOT_INODE
    >>> disk = SimDisk()
    >>> inode = disk.create(ROOT_INODE, "f", path="/f")
    >>> disk.write(inode, 0, b"hello", path="/f")
    >>> disk.read(inode, 1, 3)
    b'ell'
    >>> len(disk.log)  # a directory entry, the data, the size
    3
    """

    __slots__ = ("_cache", "_calls", "_micro_ops", "_next_inode", "image", "locked", "log")

    def __init__(
        self, image: DiskImage | None = None, *, first_call: int = 0, first_number: int = 0
    ) -> None:
        self.image = DiskImage.empty() if image is None else image
        self.log = OpLog()
        self.locked: set[int] = set()
        self._cache: dict[int, _CachedFile | dict[str, int]] = {}
        self._next_inode = self.image.next_inode
        self._calls = first_call
        self._micro_ops = first_number

    def process_kill(self) -> SimDisk:
        """Return the disk as the next process finds it: same cache, same pending ops, no locks."""
        twin = SimDisk(self.image)
        twin.log = self.log.fork()
        twin._cache = {
            inode: dict(node) if isinstance(node, dict) else _CachedFile(node.size, node.blocks)
            for inode, node in self._cache.items()
        }
        twin._next_inode = self._next_inode
        twin._calls = self._calls
        twin._micro_ops = self._micro_ops
        return twin

    # What programs see

    def entries(self, inode: int) -> dict[str, int] | None:
        """Return a directory's names and inodes (not to be changed), None for a file."""
        node = self._cache.get(inode)
        if node is None:
            node = self._load(inode)
        return node if isinstance(node, dict) else None

    def size(self, inode: int) -> int:
        """Return a file's length in bytes."""
        return self._file(inode).size

    def read(self, inode: int, offset: int, length: int) -> bytes:
        """Return up to `length` visible bytes at `offset`."""
        node = self._file(inode)
        return read_blocks(node.blocks, node.size, offset, length)

    # What programs do

    def create(self, directory: int, name: str, *, path: str, is_directory: bool = False) -> int:
        """Make an empty file or directory and return its inode."""
        inode = self._next_inode
        self._next_inode += 1
        self._cache[inode] = {} if is_directory else _CachedFile(0, ())
        self._calls += 1
        self._set_entry(directory, name, inode, subject=inode, path=path, is_directory=is_directory)
        return inode

    def link(self, directory: int, name: str, inode: int, *, path: str) -> None:
        """Give an inode one more name."""
        self._calls += 1
        self._set_entry(directory, name, inode, subject=inode, path=path)

    def unlink(self, directory: int, name: str, *, path: str) -> None:
        """Remove a name."""
        self._calls += 1
        subject = self._named((directory, name))
        self._set_entry(directory, name, None, subject=subject, path=path)

    def rename(
        self,
        source: tuple[int, str],
        target: tuple[int, str],
        *,
        source_path: str,
        target_path: str,
    ) -> None:
        """Move an entry, over another if one is there; directory ops of one call."""
        self._calls += 1
        inode = self._named(source)
        is_directory = self.entries(inode) is not None
        names = self.entries(target[0])
        replaces = names is not None and target[1] in names
        if replaces:
            # Where renames are not atomic, a crash can show neither the old file nor the new.
            self._set_entry(*target, None, subject=inode, path=target_path, joins_next=True)
        self._set_entry(
            *target,
            inode,
            subject=inode,
            path=target_path,
            is_directory=is_directory,
            replaces=replaces,
            joins_next=True,
        )
        self._set_entry(*source, None, subject=inode, path=source_path)

    def write(self, inode: int, offset: int, content: bytes, *, path: str) -> None:
        """Write bytes at `offset`: block by block, each followed by the size it makes true."""
        self._calls += 1
        node = self._file(inode)
        if offset > node.size:
            self._hide_stale(inode, node, offset, path)
        position, end = offset, offset + len(content)
        while position < end:
            block, start = divmod(position, BLOCK_SIZE)
            stop = min(end, position - start + BLOCK_SIZE)
            piece = content[position - offset : stop - offset]
            grows = stop > node.size
            tail_block = grows and block * BLOCK_SIZE < node.size
            place = (block, start)
            self._put(inode, place, piece, path=path, grows=grows, tail_block=tail_block)
            if grows:
                self._set_size(inode, node, stop, path, extends=True)
            position = stop

    def truncate(self, inode: int, size: int, *, path: str) -> None:
        """Set the size; growth reads as zeros, and what is cut off stays on the medium."""
        self._calls += 1
        node = self._file(inode)
        if size > node.size:
            self._hide_stale(inode, node, size, path)
        if size != node.size:
            self._set_size(inode, node, size, path, extends=False)

    def sync(self, kind: SyncKind, inode: int, *, path: str) -> None:
        """Record a completed sync of a file, of a directory, or of everything (inode 0)."""
        self._calls += 1
        self.log.append(Sync(kind=kind, call=self._calls, inode=inode, path=path))

    def mark(self, word: str) -> None:
        """Record something visible outside the machine."""
        self.log.append(Mark(word))

    # The two truths, changed together

    def _put(
        self,
        inode: int,
        place: tuple[int, int],
        content: bytes,
        *,
        path: str,
        grows: bool,
        tail_block: bool,
    ) -> None:
        block, start = place
        write_blocks(self._file(inode).blocks, block, start, content)
        self.log.append(
            Data(
                number=self._number(),
                call=self._calls,
                inode=inode,
                block=block,
                start=start,
                content=content,
                extends=grows,
                tail_block=tail_block,
                joins_next=grows,
                path=path,
            )
        )

    def _set_size(
        self, inode: int, node: _CachedFile, size: int, path: str, *, extends: bool
    ) -> None:
        node.size = size
        self.log.append(
            Size(
                number=self._number(),
                call=self._calls,
                inode=inode,
                size=size,
                extends=extends,
                path=path,
            )
        )

    def _set_entry(
        self,
        directory: int,
        name: str,
        inode: int | None,
        *,
        subject: int,
        path: str,
        is_directory: bool = False,
        replaces: bool = False,
        joins_next: bool = False,
    ) -> None:
        names = self.entries(directory)
        assert names is not None
        if inode is None:
            del names[name]
        else:
            names[name] = inode
        self.log.append(
            Dirent(
                number=self._number(),
                call=self._calls,
                directory=directory,
                name=name,
                inode=inode,
                subject=subject,
                replaces=replaces,
                is_directory=is_directory,
                joins_next=joins_next,
                path=path,
            )
        )

    def _hide_stale(self, inode: int, node: _CachedFile, until: int, path: str) -> None:
        """Zero what an earlier truncation left between the size and `until`.

        Kernels do this before they extend a file; a crash may still keep the size alone.
        """
        position, end = node.size, min(until, len(node.blocks) * BLOCK_SIZE)
        while position < end:
            block, start = divmod(position, BLOCK_SIZE)
            stop = min(end, position - start + BLOCK_SIZE)
            stale = node.blocks[block][start : start + stop - position]
            if stale.strip(b"\0"):
                zeros = bytes(len(stale))
                place = (block, start)
                self._put(inode, place, zeros, path=path, grows=False, tail_block=False)
            position = stop

    def _named(self, place: tuple[int, str]) -> int:
        names = self.entries(place[0])
        assert names is not None
        return names[place[1]]

    def _number(self) -> int:
        number = self._micro_ops
        self._micro_ops += 1
        return number

    def _file(self, inode: int) -> _CachedFile:
        node = self._cache.get(inode)
        if node is None:
            node = self._load(inode)
        assert isinstance(node, _CachedFile)
        return node

    def _load(self, inode: int) -> _CachedFile | dict[str, int]:
        durable = self.image.node(inode)
        assert durable is not None, f"inode {inode} was never made"
        node = _cached(durable)
        self._cache[inode] = node
        return node


def _cached(durable: Node) -> _CachedFile | dict[str, int]:
    if isinstance(durable, DirectoryContent):
        return dict(durable.entries)
    assert isinstance(durable, FileContent)
    return _CachedFile(durable.size, durable.blocks)
