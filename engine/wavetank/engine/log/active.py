"""The log in memory: where its frames lie, what the writer has written, and what readers see.

`ActiveLog` is the writer's: it changes as frames are written, under the log's update lock. Readers
see a `LogView`, which never changes; the writer replaces it once what it shows is durable. The file
of an incarnation lives until the last reader has left it (`LogFile`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from wavetank.engine.directory import let_go
from wavetank.engine.filesystem import File
from wavetank.engine.locker import RWOperationLocker, wake_all
from wavetank.engine.log.format import (
    FRAME_HEADER_SIZE,
    LOG_HEADER_SIZE,
    FrameHeader,
    FrameKind,
    FrameRow,
    FrameTable,
    LogHeader,
)
from wavetank.engine.runtime import Runtime
from wavetank.engine.values import LogBounds

__all__ = ["ActiveLog", "FrameLocation", "LogFile", "LogIndex", "LogView", "PublishedLog"]

_WATERMARK: Final = itemgetter(8)


class FrameLocation(NamedTuple):
    """Where a frame lies and which entries of it are alive; a tuple, since every read makes one.

    Attributes:
        offset: of the frame in log.dat, in bytes.
        size: of the frame in bytes.
        checksum: of its header.
        first_index: of its first entry.
        end_index: one behind the last entry of it that is alive.
    """

    offset: int
    size: int
    checksum: int
    first_index: int
    end_index: int


class LogIndex:
    """From a log index to the frame that holds it, in O(log frames).

    One row per live frame in compact arrays, never a command, so that a million entries cost little
    memory.

    Args:
        base_index: index of the entry before the first one.

    Attributes:
        last_index: index of the last entry; the base for an empty log.
    """

    __slots__ = ("_base_index", "_checksums", "_firsts", "_offsets", "_sizes", "last_index")

    def __init__(self, base_index: int) -> None:
        self._base_index = base_index
        self.last_index = base_index
        self._firsts = array("Q")
        self._offsets = array("Q")
        self._sizes = array("Q")
        self._checksums = array("I")

    def __len__(self) -> int:
        """How many frames are live."""
        return len(self._firsts)

    def add(self, first_index: int, count: int, offset: int, size: int, checksum: int) -> None:
        """Add a frame of `count` entries behind the last one.

        The row is complete before `_firsts`, in which readers look, names it.
        """
        self._offsets.append(offset)
        self._sizes.append(size)
        self._checksums.append(checksum)
        self._firsts.append(first_index)
        self.last_index = first_index + count - 1

    def remove_from(self, index: int) -> None:
        """Remove all entries from `index` on; costs the frames that go. No reader may look."""
        while self._firsts and self._firsts[-1] >= index:
            for column in (self._firsts, self._offsets, self._sizes, self._checksums):
                column.pop()
        self.last_index = max(index - 1, self._base_index)

    def extend(
        self,
        *,
        firsts: Iterable[int],
        offsets: Iterable[int],
        sizes: Iterable[int],
        checksums: Iterable[int],
        last_index: int,
    ) -> None:
        """Add frames of entries behind the last one, a column at a time."""
        self._offsets.extend(offsets)
        self._sizes.extend(sizes)
        self._checksums.extend(checksums)
        self._firsts.extend(firsts)
        self.last_index = last_index

    def find(self, index: int, last_index: int) -> FrameLocation:
        """Return the frame that holds an entry of a log that ends at `last_index`."""
        firsts = self._firsts
        row = bisect_right(firsts, index) - 1
        following = firsts[row + 1] if row + 1 < len(firsts) else last_index + 1
        return FrameLocation(
            self._offsets[row], self._sizes[row], self._checksums[row], firsts[row], following
        )

    def offset_of(self, index: int) -> int:
        """Return the offset of the frame that holds an entry of the log."""
        return self._offsets[bisect_right(self._firsts, index) - 1]

    def frames(self, start: int, end: int) -> Iterator[FrameLocation]:
        """Yield the frames that hold the entries with ``start <= index < end``, all in the log."""
        if start >= end:
            return
        row = bisect_right(self._firsts, start) - 1
        rows = len(self._firsts)
        while row < rows and self._firsts[row] < end:
            following = self._firsts[row + 1] if row + 1 < rows else self.last_index + 1
            yield FrameLocation(
                self._offsets[row],
                self._sizes[row],
                self._checksums[row],
                self._firsts[row],
                following,
            )
            row += 1


class LogFile:
    """The open file of one incarnation, closed by whoever leaves it last.

    Args:
        file: open for reading and writing.
        runtime: where the condition for the last reader comes from.

    Attributes:
        file: the file; open as long as there are readers, or it has not been retired.
        readers: one item for each read that uses the file outside of every lock. Appending and
            popping are atomic, so a read costs no lock here. Items are added only under the log's
            read lock while this is the current file, and `retire` is called only after another took
            its place under the exclusive lock (or no call may begin any more), so none is added
            then.
        tables: where the entries of verified frames lie, by the offset of the frame; the reader's.
        table_rows: how many entries they hold together.
    """

    __slots__ = (
        "_closed",
        "_left",
        "_retired",
        "_unclosed",
        "file",
        "readers",
        "table_rows",
        "tables",
    )

    def __init__(self, file: File, runtime: Runtime) -> None:
        self.file = file
        self.readers: list[None] = []
        self.tables: dict[int, FrameTable] = {}
        self.table_rows = 0
        self._left = runtime.condition()
        self._retired = False
        # Whoever takes the file from this list closes it: taking is atomic, so that takes no lock,
        # and no error of a lock can keep the file open.
        self._unclosed = [file]
        self._closed = False

    def leave(self) -> None:
        """End a read."""
        self.readers.pop()
        if self._retired:
            self._close_if_left()

    def retire(self) -> None:
        """Close the file once its last reader has left."""
        self._retired = True
        self._close_if_left()

    def wait_closed(self) -> None:
        """Wait for the last reader of a retired file."""
        with self._left:
            while not self._closed:
                self._left.wait()

    def _close_if_left(self) -> None:
        if self.readers:
            return
        try:
            file = self._unclosed.pop()
        except IndexError:
            return
        try:
            let_go(file)
        finally:
            self._closed = True
            wake_all(self._left)


class LogView(NamedTuple):
    """The log as readers see it at one moment; bytes before its end never change.

    A tuple, since every append makes one.

    Attributes:
        file: where it lies.
        header: of the file.
        header_checksum: of the header, where the chain begins.
        frame_index: where the live frames lie, None if there is no index. It may know later frames.
        batch: number of the last frame.
        checksum: of the last frame, or of the header.
        end: bytes up to the end of the last frame.
        last_truncation: offset of the last frame that is a suffix truncation, 0 for none.
        first_index: of the first entry.
        last_index: of the last entry.
        last_term: of the last entry.
    """

    file: File
    header: LogHeader
    header_checksum: int
    frame_index: LogIndex | None
    batch: int
    checksum: int
    end: int
    last_truncation: int
    first_index: int
    last_index: int
    last_term: int

    def bounds(self) -> LogBounds:
        """Return its first and last entry."""
        return LogBounds(
            first_index=self.first_index, last_index=self.last_index, last_term=self.last_term
        )


class PublishedLog:
    """The log that readers see, and the lock that guards it.

    Args:
        log: the log at open.
        runtime: where locks come from.

    Attributes:
        lock: readers hold it for the instant in which they take the view and enter its file;
            writers hold its update while they check and write, and are alone while frames vanish
            from the index or the file is replaced.
        view: the log. It is replaced as a whole, so it may be read without the lock by who needs no
            file.
        log_file: the view's file.
    """

    __slots__ = ("_runtime", "lock", "log_file", "view")

    def __init__(self, log: ActiveLog, runtime: Runtime) -> None:
        # Work that has passed the point of no return waits without limit; calls bring their own.
        self.lock = RWOperationLocker(runtime, name="log", default_timeout_s=None)
        self._runtime = runtime
        self.log_file = LogFile(log.file, runtime)
        self.view = log.view()

    def replace(self, new: ActiveLog) -> None:
        """Show another incarnation; the caller holds the lock's update."""
        old = self.log_file
        log_file, view = LogFile(new.file, self._runtime), new.view()
        self.lock.acquire_exclusive()
        self.log_file, self.view = log_file, view
        self.lock.release_exclusive()
        old.retire()


class ActiveLog:
    """A log as far as it has been written.

    Args:
        file: open for reading and writing; owned by whoever owns this.
        header: the file's header.
        header_checksum: the header's checksum, where the chain begins.
        indexed: keep an index of the live frames in memory.

    Attributes:
        index: where the live frames lie, None if there is no index.
        last_index: index of the last entry; the base for an empty log.
        end: bytes up to the end of the last frame.
        durable_end: bytes up to which everything is known durable.
        last_batch: number of the last frame, 0 for none.
        last_truncation: offset of the last frame that is a suffix truncation, 0 for none.
        reserved_end: bytes up to the end of the zeros written ahead for frames to come; 0 for none.
        last_checksum: of the last frame, or of the header.
        header_checksum: the header's checksum.
        durable_batch: highest batch number known durable.
        last_term: term of the last entry, or the base's.
    """

    __slots__ = (
        "durable_batch",
        "durable_end",
        "end",
        "file",
        "header",
        "header_checksum",
        "index",
        "last_batch",
        "last_checksum",
        "last_index",
        "last_term",
        "last_truncation",
        "reserved_end",
    )

    def __init__(
        self, file: File, header: LogHeader, header_checksum: int, *, indexed: bool
    ) -> None:
        self.file = file
        self.header = header
        self.header_checksum = header_checksum
        self.index = LogIndex(header.base_index) if indexed else None
        self.last_index = header.base_index
        self.end = LOG_HEADER_SIZE
        self.durable_end = LOG_HEADER_SIZE
        self.reserved_end = 0
        self.last_batch = 0
        self.last_truncation = 0
        self.last_checksum = header_checksum
        self.durable_batch = 0
        self.last_term = header.base_term

    @property
    def first_index(self) -> int:
        """Index of the first entry; base + 1 for an empty log."""
        return self.header.base_index + 1

    def view(self) -> LogView:
        """Return what readers may see once all of it is durable."""
        return LogView(
            self.file,
            self.header,
            self.header_checksum,
            self.index,
            self.last_batch,
            self.last_checksum,
            self.end,
            self.last_truncation,
            self.header.base_index + 1,
            self.last_index,
            self.last_term,
        )

    def accept(self, frame: FrameHeader) -> None:
        """Take a frame that was read at `end` into the log."""
        if frame.kind == FrameKind.ENTRIES:
            self.add_entries(frame.count, frame.size, frame.checksum, frame.last_term)
        else:
            self.remove_from(frame.first_index, frame.size, frame.checksum, frame.last_term)
        self.last_batch = frame.batch  # behind damage it is not the one before plus one
        self.durable_batch = max(self.durable_batch, frame.watermark)

    def accept_rows(self, offsets: Sequence[int], rows: Sequence[FrameRow]) -> None:
        """Take frames of entries, each in place behind the one before, the first at `end`."""
        last = rows[-1]
        self.end = offsets[-1] + FRAME_HEADER_SIZE + last[7]
        if self.index is not None:
            columns = tuple(zip(*rows, strict=True))
            self.index.extend(
                firsts=columns[6],
                offsets=offsets,
                sizes=[FRAME_HEADER_SIZE + length for length in columns[7]],
                checksums=columns[13],
                last_index=last[6] + last[4] - 1,
            )
        self.last_index = last[6] + last[4] - 1
        self.last_batch = last[5]
        self.last_checksum = last[13]
        self.durable_batch = max(self.durable_batch, *map(_WATERMARK, rows))
        self.last_term = last[10]

    def add_entries(self, count: int, size: int, checksum: int, last_term: int) -> None:
        """Take a frame of entries into the log.

        Args:
            count: how many entries it holds.
            size: of the frame in bytes, header included.
            checksum: of the frame.
            last_term: of its last entry.
        """
        if self.index is not None:
            self.index.add(self.last_index + 1, count, self.end, size, checksum)
        self.last_index += count
        self.end += size
        self.last_batch += 1
        self.last_checksum = checksum
        self.last_term = last_term

    def remove_from(self, index: int, size: int, checksum: int, last_term: int) -> None:
        """Take a truncation frame, which removes the entries from `index` on, into the log.

        Arguments as for `add_entries`. With an index no reader may look meanwhile.
        """
        if self.index is not None:
            self.index.remove_from(index)
        self.last_truncation = self.end
        self.last_index = index - 1
        self.end += size
        self.last_batch += 1
        self.last_checksum = checksum
        self.last_term = last_term

    def bridge(self, end_index: int, *, offset: int, size: int, checksum: int) -> None:
        """Let a log that is only read go on behind damage, at `end_index`.

        The entries missing before it are there, in a frame at `offset` that nobody finds intact.
        """
        if self.index is not None:
            first_index = self.last_index + 1
            self.index.remove_from(end_index)
            if end_index > first_index:
                self.index.add(first_index, end_index - first_index, offset, size, checksum)
        self.last_index = end_index - 1
