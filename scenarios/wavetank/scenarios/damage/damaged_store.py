"""A store as bytes, with all that is known of it: the material that is damaged.

`StoreRecord` is what a store's files held when its last run ended, what they had held before, and
what a reader must be shown. Left out: which stores (stores.py), and damage (damages.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final

from attrs import frozen

from wavetank.engine import (
    DumpedDamage,
    DumpedFrame,
    FileStorageOptions,
    FileSystem,
    LogBounds,
    LogEntry,
    OpenFlag,
    PersistentState,
    SnapshotMetadata,
    StoreDump,
    dump_directory,
)
from wavetank.sim import (
    BLOCK_SIZE,
    ROOT_INODE,
    DirectoryContent,
    DiskImage,
    FileContent,
    Node,
    SimDisk,
    SimFileSystem,
)

__all__ = [
    "DIRECTORY",
    "LOG",
    "METADATA",
    "SNAPSHOT",
    "SNAPSHOT_META",
    "STATE_COPIES",
    "Files",
    "LogView",
    "StoreRecord",
    "disk_of",
    "files_of",
    "view_of",
]

DIRECTORY: Final = "/store"
LOG: Final = "log.dat"
METADATA: Final = "metadata.json"
SNAPSHOT: Final = "snapshot.dat"
SNAPSHOT_META: Final = "snapshot_meta.json"
STATE_COPIES: Final = ("state.json", "state.copy.json")

Files = Mapping[str, bytes]
"""Content by name."""

_HEADER_BYTES: Final = 48
_FRAME_HEADER_BYTES: Final = 72
_WATERMARK: Final = slice(36, 44)
_FIRST_INODE: Final = ROOT_INODE + 2


@frozen
class LogView:
    """A log as its readers see it.

    Attributes:
        first_index: of the first entry, or of the one that would be.
        last_term: of the last entry, or of the base.
        entries: all of it.
    """

    first_index: int
    last_term: int
    entries: tuple[LogEntry, ...]

    @property
    def last_index(self) -> int:
        """The index of the last entry, or of the base."""
        return self.first_index + len(self.entries) - 1


def view_of(bounds: LogBounds, entries: Iterable[LogEntry]) -> LogView:
    """Return what bounds and a read of all entries show together."""
    return LogView(bounds.first_index, bounds.last_term, tuple(entries))


@frozen(kw_only=True, eq=False)
class StoreRecord:
    """A store whose last run is over.

    Attributes:
        name: for people.
        files: what its files hold.
        older: what each file held before, newest first, each content once; None: it was not there.
        closed: whether the last run closed the store cleanly.
        state: the term and vote that were acknowledged.
        log: the log that was.
        snapshot: the snapshot that was, or None.
        options: of the runs that made it.
    """

    name: str
    files: Files
    older: Mapping[str, tuple[bytes | None, ...]]
    closed: bool
    state: PersistentState
    log: LogView
    snapshot: tuple[SnapshotMetadata, bytes] | None
    options: FileStorageOptions

    @cached_property
    def dump(self) -> StoreDump:
        """What is in the undamaged directory."""
        return dump_directory(DIRECTORY, fs=SimFileSystem(disk_of(self.files)))

    @cached_property
    def frames(self) -> tuple[DumpedFrame, ...]:
        """The frames of the undamaged log, in order."""
        return tuple(part for part in self.dump.frames() if isinstance(part, DumpedFrame))

    @cached_property
    def end_of_frames(self) -> int:
        """Where the last frame ends, or the header where there is none."""
        return self.frames[-1].offset + self.frames[-1].size if self.frames else _HEADER_BYTES

    @cached_property
    def has_torn_tail(self) -> bool:
        """Whether remains of an unfinished append lie behind the last frame."""
        return any(isinstance(part, DumpedDamage) for part in self.dump.frames())

    @cached_property
    def torn_watermark(self) -> int | None:
        """The watermark in the header of a torn append, None if there is no such header."""
        end = self.end_of_frames
        if not self.has_torn_tail or len(self.files[LOG]) < end + _FRAME_HEADER_BYTES:
            return None
        return int.from_bytes(self.files[LOG][end:][_WATERMARK], "little")

    @cached_property
    def log_metadata(self) -> Mapping[str, int]:
        """What the undamaged metadata.json says of the log."""
        document = self.dump.metadata
        assert document is not None, f"{self.name}: a store has a metadata.json"
        assert document.fields is not None, f"{self.name}: {document.damage}"
        return {name: value for name, value in document.fields.items() if isinstance(value, int)}

    @cached_property
    def log_after(self) -> tuple[LogView, ...]:
        """The log after none of the frames, the first one, the first two, and so on.

        A log that ends before the snapshot is none: the snapshot stands in its place.
        """
        return tuple(self._beside_snapshot(view) for view in self._views())

    @cached_property
    def ever_logged(self) -> frozenset[LogEntry]:
        """Every entry that the log has held at any time."""
        known: set[LogEntry] = set()
        for content in (self.files[LOG], *self.older.get(LOG, ())):
            if content is not None:
                known.update(_entries(content))
        return frozenset(known)

    def _views(self) -> Iterator[LogView]:
        header = self.dump.log_header
        assert header is not None, f"{self.name}: {self.dump.log_damage}"
        first = header.base_index + 1
        entries: tuple[LogEntry, ...] = ()
        yield LogView(first, header.base_term, entries)
        for frame in self.frames:
            entries = entries[: frame.first_index - first]
            entries += tuple(self.dump.entries(frame))
            yield LogView(first, frame.last_term, entries)

    def _beside_snapshot(self, view: LogView) -> LogView:
        if self.snapshot is None:
            return view
        metadata = self.snapshot[0]
        if metadata.last_included_index <= view.last_index:
            return view
        return LogView(metadata.last_included_index + 1, metadata.last_included_term, ())


def _entries(log: bytes) -> Iterator[LogEntry]:
    dump = dump_directory(DIRECTORY, fs=SimFileSystem(disk_of({LOG: log})))
    for part in dump.frames():
        if isinstance(part, DumpedFrame):
            yield from dump.entries(part)


def files_of(fs: FileSystem) -> dict[str, bytes]:
    """Return the content of every file of the store, by name."""
    return {name: _read(fs, f"{DIRECTORY}/{name}") for name in sorted(fs.listdir(DIRECTORY))}


def _read(fs: FileSystem, path: str) -> bytes:
    file = fs.open(path, OpenFlag.READ)
    try:
        return file.pread(file.size(), 0)
    finally:
        file.close()


def disk_of(files: Files) -> SimDisk:
    """Return a disk on which the store's directory holds these files, all of it durable."""
    nodes: dict[int, Node] = {
        ROOT_INODE: DirectoryContent({DIRECTORY[1:]: ROOT_INODE + 1}),
        ROOT_INODE + 1: DirectoryContent(
            {name: _FIRST_INODE + number for number, name in enumerate(files)}
        ),
    }
    for number, content in enumerate(files.values()):
        blocks = tuple(
            content[begin : begin + BLOCK_SIZE] for begin in range(0, len(content), BLOCK_SIZE)
        )
        nodes[_FIRST_INODE + number] = FileContent(len(content), blocks)
    return SimDisk(DiskImage(nodes, next_inode=_FIRST_INODE + len(files)))
