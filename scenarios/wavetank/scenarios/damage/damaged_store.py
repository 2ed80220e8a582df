"""A store as bytes, with all that is known of it: the material that is damaged.

`StoreRecord` is what a store's files held when its last run ended, what they had held before, and
what a reader must be shown. Left out: which stores (stores.py), and damage (damages.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final

from attrs import frozen

from wavetank.engine import (
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
    "FRAME_HEADER_BYTES",
    "HEADER_BYTES",
    "INCARNATION",
    "LOG",
    "MARKER",
    "METADATA",
    "SNAPSHOT",
    "SNAPSHOT_META",
    "STATE_COPIES",
    "Files",
    "FrameClaim",
    "LogView",
    "StoreRecord",
    "disk_of",
    "files_of",
    "view_of",
]

DIRECTORY: Final = "/store"
LOG: Final = "log.dat"
MARKER: Final = "recovery.marker"
METADATA: Final = "metadata.json"
SNAPSHOT: Final = "snapshot.dat"
SNAPSHOT_META: Final = "snapshot_meta.json"
STATE_COPIES: Final = ("state.json", "state.copy.json")

Files = Mapping[str, bytes]
"""Content by name."""

HEADER_BYTES: Final = 48
FRAME_HEADER_BYTES: Final = 72
INCARNATION: Final = slice(12, 20)
_BATCH: Final = slice(12, 20)
_WATERMARK: Final = slice(36, 44)
_FIRST_INODE: Final = ROOT_INODE + 2


@frozen
class FrameClaim:
    """What the header of a frame says of the log.

    Attributes:
        batch: its own number, from 1.
        watermark: the highest number known durable when it was written.
    """

    batch: int
    watermark: int


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
        return self.frames[-1].offset + self.frames[-1].size if self.frames else HEADER_BYTES

    @cached_property
    def incarnation(self) -> int:
        """Of the undamaged log."""
        header = self.dump.log_header
        assert header is not None, f"{self.name}: {self.dump.log_damage}"
        return header.incarnation

    @cached_property
    def headers(self) -> Mapping[bytes, FrameClaim]:
        """What every frame header says that this log has held at any time, by its bytes."""
        contents = (self.files[LOG], *self.older.get(LOG, ()))
        mine = self.files[LOG][INCARNATION]
        return {
            header: claim
            for content in contents
            if content is not None and content[INCARNATION] == mine
            for header, claim in _claims(content)
        }

    def says(self, name: str, content: bytes | None) -> Mapping[str, object] | None:
        """Return the payload of a document that is as it was at any time, None of any other."""
        if content is None or content not in (self.files.get(name), *self.older.get(name, ())):
            return None
        payload: Mapping[str, object] = json.loads(content)["payload"]
        return payload

    @cached_property
    def frames_alone(self) -> tuple[LogView, ...]:
        """The log after none of the frames, the first one, the first two, and so on."""
        return tuple(self._views())

    @cached_property
    def log_after(self) -> tuple[LogView, ...]:
        """The same beside the snapshot: a log that ends before it gives way to it."""
        return tuple(self._beside_snapshot(view) for view in self.frames_alone)

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


def _claims(log: bytes) -> Iterator[tuple[bytes, FrameClaim]]:
    dump = dump_directory(DIRECTORY, fs=SimFileSystem(disk_of({LOG: log})))
    for part in dump.frames():
        header = log[part.offset : part.offset + FRAME_HEADER_BYTES]
        # Of an append that was torn the header may be whole.
        if len(header) == FRAME_HEADER_BYTES and header.strip(b"\0"):
            batch, watermark = header[_BATCH], header[_WATERMARK]
            yield (
                header,
                FrameClaim(int.from_bytes(batch, "little"), int.from_bytes(watermark, "little")),
            )


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
