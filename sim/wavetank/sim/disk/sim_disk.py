"""The machine's view of a disk while programs run: page cache, names, and the log of their ops.

A `SimDisk` starts from a durable `DiskImage` and shows what programs see: every write at once.
What is durable is not decided here; the op log says what was done and synced, and
crashes/pending.py tells, for a profile, what a power cut may leave. A process kill gives a new
`SimDisk` with the same cache and the same past, and none of the descriptors and locks.

Invariant: applying the whole op log to the starting image gives exactly what programs see, until
a write fails; then it gives what they see once the clean pages are evicted.

Left out: paths, permissions and descriptors (filesystem.py, sim_file.py).
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection

from wavetank.sim.attributes import AttributeKind, Attributes
from wavetank.sim.disk._errno import fail as _fail
from wavetank.sim.disk._page_cache import CachedFile, PageCache
from wavetank.sim.disk._recorder import Recorder
from wavetank.sim.disk._space import Space
from wavetank.sim.disk._sync_faults import SyncFaults
from wavetank.sim.disk.fsync_failure import FsyncFailure
from wavetank.sim.image import DirectoryContent, DiskImage, FileContent, read_blocks
from wavetank.sim.ops import BLOCK_SIZE, Mark, OpLog, Sync, SyncKind
from wavetank.sim.read_trace import ReadTrace

__all__ = ["SimDisk"]


class SimDisk:
    """Inodes as programs see them, and the record of everything done to them.

    Args:
        image: the content to start from; empty if omitted.
        first_call: calls are counted from here, for a log that continues another.
        first_number: micro-ops are numbered from here.
        reads: told of everything that is looked at; None to keep no account.
        capacity_bytes: room for content and inodes, in whole blocks of 4,096; None for no end of
            it. What is beyond fails with ENOSPC. The image may take more: then it is full.
        site: asked at each change of the disk where in the program it is made (`call_site`); None
            to note no such thing.

    Attributes:
        log: every micro-op, sync and mark since `image`.
        locked: inodes under an exclusive lock.
        read_only: whether the filesystem has given up writing, after its journal failed.

    >>> from wavetank.sim import ROOT_INODE
    >>> disk = SimDisk()
    >>> inode = disk.create(ROOT_INODE, "f", path="/f")
    >>> disk.write(inode, 0, b"hello", path="/f")
    5
    >>> disk.read(inode, 1, 3)
    b'ell'
    >>> len(disk.log)  # a directory entry, the data, the size
    3
    """

    __slots__ = (
        "_cache",
        "_faults",
        "_linkable",
        "_next_inode",
        "_open_paths",
        "_reads",
        "_recorder",
        "_site",
        "_space",
        "locked",
        "log",
        "read_only",
    )

    def __init__(
        self,
        image: DiskImage | None = None,
        *,
        first_call: int = 0,
        first_number: int = 0,
        reads: ReadTrace | None = None,
        capacity_bytes: int | None = None,
        site: Callable[[], str] | None = None,
    ) -> None:
        self.log = OpLog()
        self.locked: set[int] = set()
        self.read_only = False
        self._cache = PageCache(DiskImage.empty() if image is None else image)
        self._faults: SyncFaults | None = None
        self._reads = reads
        self._site = site
        # Inodes made without a name, which may still get one.
        self._linkable: set[int] = set()
        self._open_paths: list[str] = []
        self._next_inode = self.image.next_inode
        self._space = None if capacity_bytes is None else Space(capacity_bytes, self.image)
        self._recorder = Recorder(self._cache, self.log, calls=first_call, micro_ops=first_number)

    def process_kill(self) -> SimDisk:
        """Return the disk as the next process finds it: same cache, same pending ops, no locks."""
        mine = self._recorder
        twin = SimDisk(self.image, site=self._site)
        twin.log = self.log.fork()
        twin.read_only = self.read_only
        twin._reads = self._reads
        twin._cache = self._cache.copy()
        twin._recorder = Recorder(twin._cache, twin.log, calls=mine.calls, micro_ops=mine.micro_ops)
        if self._faults is not None:
            twin._faults = self._faults.copy(twin.log, twin._cache)
        twin._next_inode = self._next_inode
        if self._space is not None:
            twin._space = self._space.after_kill()
        return twin

    def keep_times(self, clock: Callable[[], int]) -> None:
        """Date changes from now on.

        Args:
            clock: gives the time in nanoseconds since 1970.
        """
        self._recorder.clock = clock

    @property
    def image(self) -> DiskImage:
        """The durable content at the start of `log`."""
        return self._cache.image

    @property
    def free_bytes(self) -> int | None:
        """Room that is left, in bytes; None if there is no end of it."""
        return None if self._space is None else self._space.free_bytes

    # What programs see

    def entries(self, inode: int) -> dict[str, int] | None:
        """Return a directory's names and inodes (not to be changed), None for a file."""
        node = self._cache.node(inode)
        if type(node) is dict:
            if self._reads is not None:
                self._reads.names(inode)
            return node
        if self._reads is not None:
            self._reads.size(inode)
        return None

    def is_file(self, inode: int) -> bool:
        """Whether it is a regular file."""
        if self._reads is not None:
            self._reads.size(inode)
        return isinstance(self._cache.node(inode), CachedFile)

    def link_target(self, inode: int) -> str | None:
        """Return where a symbolic link points, None for anything else."""
        if self._reads is not None:
            self._reads.size(inode)
        node = self._cache.node(inode)
        return node if isinstance(node, str) else None

    def size(self, inode: int) -> int:
        """Return a file's length in bytes."""
        if self._reads is not None:
            self._reads.size(inode)
        return self._cache.file(inode).size

    def attributes(self, inode: int) -> Attributes:
        """Return mode, owner, times and extended attributes, as far as they are set.

        It does not count as a look; `look_at_attributes` does.
        """
        return self._cache.attributes(inode)

    def look_at_attributes(self, inode: int, kind: AttributeKind) -> None:
        """Note that attributes of a kind decide how a program goes on."""
        if self._reads is not None:
            self._reads.attributes(inode)
        if self.image.attribute_reads is not None:
            self.image.attribute_reads.note(kind)

    def read(self, inode: int, offset: int, length: int) -> bytes:
        """Return up to `length` visible bytes at `offset`."""
        node = self._cache.file(inode)
        if self._reads is not None:
            self._reads.size(inode)
            end = min(offset + length, node.size)
            self._reads.blocks(inode, range(offset // BLOCK_SIZE, -(-end // BLOCK_SIZE)))
        return read_blocks(node.blocks, node.size, offset, length)

    # What programs do

    def create(
        self,
        directory: int,
        name: str,
        *,
        path: str,
        is_directory: bool = False,
        made: Attributes | None = None,
    ) -> int:
        """Make an empty file or directory and return its inode; ENOSPC without room for it."""
        self._begin(path)
        inode = self._new_inode(path, named=True)
        self._cache.put(inode, {} if is_directory else CachedFile(0, ()), made)
        self._recorder.set_entry(directory, name, inode, subject=inode, path=path)
        return inode

    def create_unnamed(self, *, path: str, made: Attributes | None = None) -> int:
        """Make an empty file without a name (O_TMPFILE) and return its inode."""
        self._begin(path)
        inode = self._new_inode(path, named=False)
        self._cache.put(inode, CachedFile(0, ()), made)
        self._linkable.add(inode)
        return inode

    def is_linkable(self, inode: int) -> bool:
        """Whether a file was made without a name and has had none yet."""
        return inode in self._linkable

    def symlink(
        self,
        directory: int,
        name: str,
        target: str,
        *,
        path: str,
        made: Attributes | None = None,
    ) -> int:
        """Make a symbolic link to `target`, a path, and return its inode."""
        self._begin(path)
        inode = self._new_inode(path, named=True)
        self._cache.put(inode, target, made)
        self._recorder.set_entry(directory, name, inode, subject=inode, path=path)
        return inode

    def set_attributes(self, inode: int, change: Attributes, *, path: str) -> None:
        """Change mode, owner, times or extended attributes of an inode."""
        self._begin(path)
        self._recorder.set_attributes(inode, change, path)

    def link(self, directory: int, name: str, inode: int, *, path: str) -> None:
        """Give an inode one more name, or its first."""
        self._begin(path)
        self._linkable.discard(inode)
        if self._space is not None:
            self._space.name(inode)
        self._recorder.set_entry(directory, name, inode, subject=inode, path=path)

    def unlink(self, directory: int, name: str, *, path: str) -> None:
        """Remove a name."""
        self._begin(path)
        subject = self._named((directory, name))
        self._recorder.set_entry(directory, name, None, subject=subject, path=path)
        if self._space is not None:
            self._space.unname(subject)

    def rename(
        self,
        source: tuple[int, str],
        target: tuple[int, str],
        *,
        source_path: str,
        target_path: str,
    ) -> None:
        """Move an entry, over another if one is there; directory ops of one call."""
        self._begin(source_path)
        inode = self._named(source)
        names = self.entries(target[0])
        assert names is not None
        replaced = names.get(target[1])
        if replaced is not None:
            # Where renames are not atomic, a crash can show neither the old file nor the new.
            self._recorder.set_entry(
                *target, None, subject=inode, path=target_path, joins_next=True
            )
        self._recorder.set_entry(
            *target,
            inode,
            subject=inode,
            path=target_path,
            replaces=replaced is not None,
            joins_next=True,
        )
        self._recorder.set_entry(*source, None, subject=inode, path=source_path)
        if replaced is not None and self._space is not None:
            self._space.unname(replaced)

    def exchange(
        self,
        first: tuple[int, str],
        second: tuple[int, str],
        *,
        first_path: str,
        second_path: str,
    ) -> None:
        """Let two names swap what they stand for, in one step where renames are one."""
        self._begin(first_path)
        one, other = self._named(first), self._named(second)
        self._recorder.set_entry(*first, other, subject=other, path=first_path, joins_next=True)
        self._recorder.set_entry(*second, one, subject=one, path=second_path)

    def write(self, inode: int, offset: int, content: bytes, *, path: str) -> int:
        """Write bytes at `offset`: block by block, each followed by the size it makes true.

        Returns how many bytes were taken: all for which there is room; ENOSPC if that is none.
        """
        self._begin(path)
        if self._space is not None:
            content = content[: self._space.take(inode, offset, len(content), path)]
        node = self._cache.file(inode)
        if self._reads is not None:
            # What a write does depends on the size, and on what lies between that and its start.
            self._reads.size(inode)
            if offset > node.size:
                self._reads.blocks(inode, range(node.size // BLOCK_SIZE, -(-offset // BLOCK_SIZE)))
        if offset > node.size:
            self._recorder.hide_stale(inode, node, offset, path)
        position, end = offset, offset + len(content)
        while position < end:
            block, start = divmod(position, BLOCK_SIZE)
            stop = min(end, position - start + BLOCK_SIZE)
            piece = content[position - offset : stop - offset]
            grows = stop > node.size
            tail_block = grows and block * BLOCK_SIZE < node.size
            self._recorder.put(
                inode,
                (block, start),
                piece,
                path=path,
                grows=grows,
                tail_block=tail_block,
                write_bytes=len(content),
                continues=stop < end,
            )
            if grows:
                self._recorder.set_size(inode, node, stop, path, extends=True)
            position = stop
        return len(content)

    def truncate(self, inode: int, size: int, *, path: str) -> None:
        """Set the size; growth reads as zeros, and what is cut off stays on the medium."""
        self._begin(path)
        node = self._cache.file(inode)
        if self._reads is not None:
            self._reads.size(inode)
            if size > node.size:
                self._reads.blocks(inode, range(node.size // BLOCK_SIZE, -(-size // BLOCK_SIZE)))
        if size > node.size:
            self._recorder.hide_stale(inode, node, size, path)
        if size != node.size:
            self._recorder.set_size(inode, node, size, path, extends=False)
        if self._space is not None:
            self._space.cut(inode, size)

    def adopt(self, directory: int, name: str, content: FileContent | DirectoryContent) -> int:
        """Let something have been there all along, and return its inode.

        It is on disk at the start and in no log: no crash loses it. The directory must have been
        there all along, too.
        """
        durable = self.image.node(directory)
        names = self._cache.node(directory)
        assert isinstance(durable, DirectoryContent)
        assert isinstance(names, dict)
        assert name not in names
        inode = self._next_inode
        self._next_inode += 1
        if isinstance(content, DirectoryContent):
            self._cache.put(inode, {})
        else:
            self._cache.put(inode, CachedFile(content.size, content.blocks))
        names[name] = inode
        entries = DirectoryContent({**durable.entries, name: inode}, durable.attributes)
        self._cache.image = self.image.derive({inode: content, directory: entries})
        if self._space is not None:
            self._space.adopt(inode, content)
        return inode

    def preallocate(self, inode: int, offset: int, length: int, *, path: str) -> None:
        """Reserve room for a range, all or nothing; the file grows where it is shorter."""
        if self._space is not None:
            self._space.reserve(inode, offset, length, path)
        if offset + length > self.size(inode):
            self.truncate(inode, offset + length, path=path)

    @property
    def open_paths(self) -> tuple[str, ...]:
        """The names under which descriptors were opened that are still open, in order.

        >>> from wavetank.engine import OpenFlag
        >>> from wavetank.sim import SimFileSystem
        >>> disk = SimDisk()
        >>> file = SimFileSystem(disk).open("/f", OpenFlag.WRITE | OpenFlag.CREATE)
        >>> disk.open_paths
        ('/f',)
        >>> file.close()
        >>> disk.open_paths
        ()
        """
        return tuple(sorted(self._open_paths))

    def opened(self, inode: int, path: str) -> None:
        """Count one more descriptor; what has no name keeps its room until the last is closed."""
        self._open_paths.append(path)
        if self._space is not None:
            self._space.open(inode)

    def closed(self, inode: int, path: str) -> None:
        """Count one descriptor less, of a file that was opened under a name."""
        self._open_paths.remove(path)
        if self._space is not None:
            self._space.close(inode)

    def sync(self, kind: SyncKind, inode: int, *, path: str, told: int | None = None) -> None:
        """Record a completed sync of a file, of a directory, or of everything (inode 0).

        Args:
            kind: which call.
            inode: what it names.
            path: its name, for people.
            told: of how many write errors the caller's descriptor knows (`errors_told`); None if
                there is no descriptor: then only an error that comes now counts.

        Raises:
            OSError: EIO if writing has failed, EROFS on a filesystem that has given up.
        """
        self._begin(path)
        sync = Sync(kind=kind, call=self._recorder.calls, inode=inode, path=path)
        if self._faults is None:
            self.log.append(sync)
            return
        try:
            self._faults.sync(sync, told)
        finally:
            self.read_only = self._faults.journal_failed

    def note_failed_sync(self, kind: SyncKind, inode: int, *, path: str) -> None:
        """Record a sync that returned an error on a real disk; it covers nothing."""
        self._begin(path)
        call = self._recorder.calls
        self.log.append(Sync(kind=kind, call=call, inode=inode, path=path, failed=True))

    def mark(self, word: str) -> None:
        """Record something visible outside the machine."""
        self.log.append(Mark(word))

    # What goes wrong

    def fail_next_sync(
        self,
        machine: FsyncFailure,
        *,
        inode: int | None = None,
        path: str | None = None,
        skip: int = 0,
        blocks: Collection[int] | None = None,
    ) -> None:
        """Let writing fail at the next matching fsync, fdatasync or F_FULLFSYNC of a file.

        Args:
            machine: what that leaves behind.
            inode: only this file; None for any.
            path: only of a file opened under this name; None for any.
            skip: matching syncs that succeed before.
            blocks: the blocks whose write fails, all if omitted.

        Raises:
            ValueError: `skip` is negative, or `blocks` are given for btrfs, which reverts all.
        """
        if blocks is not None and machine is FsyncFailure.BTRFS:
            raise ValueError(f"blocks: expected None, as btrfs reverts them all, but got {blocks}")
        failing = None if blocks is None else frozenset(blocks)
        self._arm(machine, inode=inode, path=path, skip=skip, blocks=failing)

    def fail_next_commit(
        self, *, inode: int | None = None, path: str | None = None, skip: int = 0
    ) -> None:
        """Let the journal fail at the next matching sync of a file or directory, or of everything.

        It returns EIO; no name and no size that is pending will ever be on disk, and from then on
        the filesystem is read-only (EROFS). Arguments as for `fail_next_sync`.
        """
        self._arm(None, inode=inode, path=path, skip=skip, blocks=None)

    def evict(self, inode: int | None = None) -> None:
        """Drop the clean pages of a file, or of all: what is read next comes from the disk.

        Only after a failed write does this change what programs see.
        """
        if self._faults is not None:
            self._faults.evict(inode)

    def errors_told(self, inode: int, *, opening: bool = False) -> int:
        """Return how many write errors a file has had; on `opening`, those told to anybody."""
        if self._faults is None:
            return 0
        return self._faults.told(inode) if opening else self._faults.count(inode)

    def _arm(
        self,
        machine: FsyncFailure | None,
        *,
        inode: int | None,
        path: str | None,
        skip: int,
        blocks: frozenset[int] | None,
    ) -> None:
        if skip < 0:
            raise ValueError(f"skip: expected syncs >= 0 but got {skip}")
        if self._faults is None:
            self._faults = SyncFaults(self.log, self._cache)
        self._faults.arm(machine, inode=inode, path=path, skip=skip, blocks=blocks)

    def _begin(self, path: str) -> None:
        """Begin a call that changes something."""
        if self.read_only:
            _fail(errno.EROFS, path)
        self._recorder.calls += 1
        if self._site is not None:
            self._recorder.site = self._site()

    def _new_inode(self, path: str, *, named: bool) -> int:
        inode = self._next_inode
        if self._space is not None:
            self._space.make(inode, path)
            if named:
                self._space.name(inode)
        self._next_inode += 1
        return inode

    def _named(self, place: tuple[int, str]) -> int:
        names = self.entries(place[0])
        assert names is not None
        return names[place[1]]
