"""A store as bytes, with all that is known of it: the material that is damaged.

`StoreRecord` is what a store's files held when its last run ended, what they had held before, and
what a reader must be shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

from attrs import evolve, frozen

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
    "SNAPSHOT_MARKER",
    "SNAPSHOT_META",
    "STATE_COPIES",
    "Files",
    "FrameClaim",
    "LogView",
    "Snapshot",
    "StoreContent",
    "StoreRecord",
    "disk_of",
    "end_of_frames",
    "files_of",
    "view_of",
]

DIRECTORY: Final = "/store"
LOG: Final = "log.dat"
MARKER: Final = "recovery.marker"
METADATA: Final = "metadata.json"
SNAPSHOT: Final = "snapshot.dat"
SNAPSHOT_MARKER: Final = "snapshot.marker"
SNAPSHOT_META: Final = "snapshot_meta.json"
STATE_COPIES: Final = ("state.json", "state.copy.json")

Files = Mapping[str, bytes]
"""Content by name."""

Snapshot = tuple[SnapshotMetadata, bytes]
"""Metadata and data."""

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


@frozen(kw_only=True)
class StoreContent:
    """What a store shows.

    Attributes:
        state: term and vote.
        log: the log.
        snapshot: metadata and data, or None.
    """

    state: PersistentState
    log: LogView
    snapshot: Snapshot | None


@frozen(kw_only=True, eq=False)
class StoreRecord:
    """A store whose last run is over.

    Attributes:
        name: for people.
        files: what its files hold.
        older: what each file held before, newest first, each content once; None: it was not there.
        closed: whether the last run closed the store cleanly.
        content: what must be shown of it, undamaged.
        before: what it held before the call in which its run ended, of which nobody was told that
            it had come to its end; None if no call was under way.
        options: of the runs that made it.
    """

    name: str
    files: Files
    older: Mapping[str, tuple[bytes | None, ...]]
    closed: bool
    content: StoreContent
    before: StoreContent | None
    options: FileStorageOptions

    def named(self, name: str) -> StoreRecord:
        """Return it under another name."""
        return evolve(self, name=name)

    @property
    def state(self) -> PersistentState:
        """The term and vote."""
        return self.content.state

    @property
    def log(self) -> LogView:
        """The log."""
        return self.content.log

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot, or None."""
        return self.content.snapshot

    @property
    def acceptable(self) -> tuple[StoreContent, ...]:
        """What may be shown where damage is repaired: a call that was under way may be undone."""
        return (self.content,) if self.before is None else (self.content, self.before)

    @cached_property
    def dump(self) -> StoreDump:
        """What is in the undamaged directory."""
        return dump_directory(DIRECTORY, fs=SimFileSystem(disk_of(self.files)))

    @cached_property
    def frames(self) -> tuple[DumpedFrame, ...]:
        """The frames of the undamaged log, in order."""
        return _frames(self.dump)

    @cached_property
    def end_of_frames(self) -> int:
        """Where the last frame ends, or the header where there is none."""
        return _end_of(self.frames)

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
        try:
            payload: Mapping[str, object] = json.loads(content)["payload"]
        except ValueError:
            return None  # a temporary file that was not whole yet
        return payload

    @cached_property
    def frames_alone(self) -> tuple[LogView, ...]:
        """The log after none of the frames, the first one, the first two, and so on."""
        return tuple(_views(self.dump))

    def log_after(self, kept: int, snapshot: Snapshot | None) -> LogView:
        """Return the log after so many frames, unless it has to give way to a snapshot."""
        return _beside(self.frames_alone[kept], snapshot)

    def older_log(self, content: bytes, snapshot: Snapshot | None) -> LogView:
        """Return likewise what an older version of log.dat holds."""
        *_, whole = _views(_dump_of(content))
        return _beside(whole, snapshot)

    def snapshot_of(self, index: int) -> Snapshot | None:
        """Return the snapshot that was acknowledged, or under way, and covers just `index`."""
        for content in self.acceptable:
            if content.snapshot is not None and content.snapshot[0].last_included_index == index:
                return content.snapshot
        return None

    @cached_property
    def ever_logged(self) -> frozenset[LogEntry]:
        """Every entry that the log has held at any time."""
        known: set[LogEntry] = set()
        for content in (self.files[LOG], *self.older.get(LOG, ())):
            if content is not None:
                known.update(_entries(content))
        return frozenset(known)


def end_of_frames(log: bytes) -> int:
    """Return where the last frame of a log ends, or the header where there is none."""
    return _end_of(_frames(_dump_of(log)))


def _frames(dump: StoreDump) -> tuple[DumpedFrame, ...]:
    return tuple(part for part in dump.frames() if isinstance(part, DumpedFrame))


def _end_of(frames: Sequence[DumpedFrame]) -> int:
    return frames[-1].offset + frames[-1].size if frames else HEADER_BYTES


def _dump_of(log: bytes) -> StoreDump:
    return dump_directory(DIRECTORY, fs=SimFileSystem(disk_of({LOG: log})))


def _views(dump: StoreDump) -> Iterator[LogView]:
    header = dump.log_header
    assert header is not None, dump.log_damage
    first = header.base_index + 1
    entries: tuple[LogEntry, ...] = ()
    yield LogView(first, header.base_term, entries)
    for frame in _frames(dump):
        entries = entries[: frame.first_index - first]
        entries += tuple(dump.entries(frame))
        yield LogView(first, frame.last_term, entries)


def _beside(view: LogView, snapshot: Snapshot | None) -> LogView:
    if snapshot is None:
        return view
    index, term = snapshot[0].last_included_index, snapshot[0].last_included_term
    return view if index <= view.last_index else LogView(index + 1, term, ())


def _claims(log: bytes) -> Iterator[tuple[bytes, FrameClaim]]:
    for part in _dump_of(log).frames():
        header = log[part.offset : part.offset + FRAME_HEADER_BYTES]
        # Of an append that was torn the header may be whole.
        if len(header) == FRAME_HEADER_BYTES and header.strip(b"\0"):
            batch, watermark = header[_BATCH], header[_WATERMARK]
            yield (
                header,
                FrameClaim(int.from_bytes(batch, "little"), int.from_bytes(watermark, "little")),
            )


def _entries(log: bytes) -> Iterator[LogEntry]:
    dump = _dump_of(log)
    for frame in _frames(dump):
        yield from dump.entries(frame)


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
