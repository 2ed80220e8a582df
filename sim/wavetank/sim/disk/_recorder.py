"""The two truths of a disk, changed together: the page cache and the op log.

Each method does one micro-op. Left out: which micro-ops a call consists of (sim_disk.py).
"""

from __future__ import annotations

from collections.abc import Callable

from wavetank.sim.attributes import Attributes
from wavetank.sim.disk._page_cache import CachedFile, PageCache
from wavetank.sim.image import write_blocks
from wavetank.sim.ops import BLOCK_SIZE, Attribute, Data, Dirent, OpLog, Size

__all__ = ["Recorder"]


class Recorder:
    """Changes a cache and writes down what was done.

    Args:
        cache: what programs see.
        log: where it is written down.
        calls: system calls so far; the ops of one call share the count.
        micro_ops: micro-ops so far.

    Attributes:
        site: where in a program the call is made that goes on; "" if nobody knows.
        clock: gives the time in nanoseconds since 1970; None where nobody keeps times.
    """

    __slots__ = ("cache", "calls", "clock", "log", "micro_ops", "site")

    def __init__(self, cache: PageCache, log: OpLog, *, calls: int, micro_ops: int) -> None:
        self.cache = cache
        self.log = log
        self.calls = calls
        self.micro_ops = micro_ops
        self.site = ""
        self.clock: Callable[[], int] | None = None

    def put(
        self,
        inode: int,
        place: tuple[int, int],
        content: bytes,
        *,
        path: str,
        grows: bool,
        tail_block: bool,
        write_bytes: int = 0,
        continues: bool = False,
    ) -> None:
        """Write bytes into one block; `place` is its number and the first byte in it."""
        block, start = place
        node = self.cache.file(inode)
        write_blocks(node.blocks, block, start, content)
        if node.unsaved and block in node.unsaved:
            # The page is dirty again, and whatever it holds will be written with it.
            node.unsaved.discard(block)
            start, content = 0, node.blocks[block]
        self.log.append(
            Data(
                number=self._next_number(),
                call=self.calls,
                inode=inode,
                block=block,
                start=start,
                content=content,
                extends=grows,
                tail_block=tail_block,
                joins_next=grows,
                write_bytes=write_bytes,
                continues=continues,
                path=path,
                site=self.site,
                modified_ns=self._touch(inode),
            )
        )

    def set_size(
        self, inode: int, node: CachedFile, size: int, path: str, *, extends: bool
    ) -> None:
        """Set a file's length."""
        node.size = size
        self.log.append(
            Size(
                number=self._next_number(),
                call=self.calls,
                inode=inode,
                size=size,
                extends=extends,
                path=path,
                site=self.site,
                modified_ns=self._touch(inode),
            )
        )

    def set_attributes(self, inode: int, change: Attributes, path: str) -> None:
        """Change attributes of an inode."""
        self.cache.set_attributes(inode, change)
        number = self._next_number()
        self.log.append(
            Attribute(number=number, call=self.calls, inode=inode, change=change, path=path)
        )

    def set_entry(
        self,
        directory: int,
        name: str,
        inode: int | None,
        *,
        subject: int,
        path: str,
        replaces: bool = False,
        joins_next: bool = False,
    ) -> None:
        """Let a name stand for an inode, or for nothing."""
        names = self.cache.node(directory)
        assert isinstance(names, dict)
        if inode is None:
            del names[name]
        else:
            names[name] = inode
        named = None if inode is None else self.cache.node(inode)
        self.log.append(
            Dirent(
                number=self._next_number(),
                call=self.calls,
                directory=directory,
                name=name,
                inode=inode,
                subject=subject,
                replaces=replaces,
                is_directory=isinstance(named, dict),
                joins_next=joins_next,
                symlink_target=named if isinstance(named, str) else None,
                path=path,
                site=self.site,
                made=None if inode is None else self.cache.made.get(inode),
                modified_ns=self._touch(directory),
            )
        )

    def hide_stale(self, inode: int, node: CachedFile, until: int, path: str) -> None:
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
                self.put(inode, place, zeros, path=path, grows=False, tail_block=False)
            position = stop

    def _touch(self, inode: int) -> int | None:
        """Set the time of an inode's change to now, if there is a clock, and return it."""
        if self.clock is None:
            return None
        now = self.clock()
        self.cache.set_attributes(inode, Attributes(modified_ns=now))
        return now

    def _next_number(self) -> int:
        number = self.micro_ops
        self.micro_ops += 1
        return number
