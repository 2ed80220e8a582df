"""What a store's directory holds, as values: `StoreDump`.

Frames and entries are read as they are asked for, so that memory does not grow with the log. Left
out: how the rest is read (dump.py), and how it is shown to a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from attrs import asdict, field, frozen

from wavetank.engine.directory import (
    LOCK,
    LOG,
    METADATA,
    SNAPSHOT,
    SNAPSHOT_META,
    STATE,
    STATE_COPY,
    STORE_NAMES,
    StoreDirectory,
    let_go,
    temporary,
)
from wavetank.engine.document import DamagedDocumentError
from wavetank.engine.errors import NotInitializedError, UnsupportedFormatError
from wavetank.engine.filesystem import File, FileKind, FileSystem, OpenFlag
from wavetank.engine.log.format import (
    FRAME_HEADER_SIZE,
    LOG_HEADER_SIZE,
    LOG_VERSION,
    SERIALIZERS,
    Encoding,
    FrameKind,
    LogHeader,
    checksum,
    decode_frame_header,
    decode_log_header,
    encode_log_header,
    log_header_version,
)
from wavetank.engine.log.scanner import DamagedStretch, WalkedFrame, read_around, walk_log
from wavetank.engine.metadata import read_metadata
from wavetank.engine.options import StorageConfig
from wavetank.engine.os_filesystem import OsFileSystem
from wavetank.engine.snapshot import SnapshotRecord
from wavetank.engine.state import read_copy
from wavetank.engine.status import TranslateErrors
from wavetank.engine.values import LogEntry

__all__ = [
    "DumpedDamage",
    "DumpedDocument",
    "DumpedFile",
    "DumpedFrame",
    "DumpedLogHeader",
    "DumpedPart",
    "StoreDump",
    "dump_directory",
]

_KINDS: Final = {int(FrameKind.ENTRIES): "entries", int(FrameKind.TRUNCATE): "truncation"}


@frozen(kw_only=True)
class DumpedFile:
    """A name in the directory.

    Attributes:
        name: as it stands there.
        kind: what it stands for.
        size: in bytes.
        is_own: whether it is one that a store makes.

    >>> DumpedFile(name="LOCK", kind=FileKind.FILE, size=0, is_own=True).size
    0
    """

    name: str
    kind: FileKind
    size: int
    is_own: bool


@frozen(kw_only=True)
class DumpedDocument:
    """A JSON file of the store.

    Attributes:
        name: of the file.
        fields: what it says, None if it is not intact.
        damage: what is wrong with it, "" if nothing.

    >>> DumpedDocument(name="state.json", damage="not JSON").fields is None
    True
    """

    name: str
    fields: dict[str, int | str] | None = None
    damage: str = ""


@frozen(kw_only=True)
class DumpedLogHeader:
    """The head of log.dat.

    Attributes:
        incarnation: 64-bit id of this log.
        generation: how many logs the store has had.
        base_index: index of the entry before the first one.
        base_term: its term.
        source: the file that says so: log.dat, or metadata.json where the log's own is damaged.

    >>> DumpedLogHeader(incarnation=7, generation=1, base_index=0, base_term=0, source="log.dat")
    DumpedLogHeader(incarnation=7, generation=1, base_index=0, base_term=0, source='log.dat')
    """

    incarnation: int
    generation: int
    base_index: int
    base_term: int
    source: str


@frozen(kw_only=True)
class DumpedFrame:
    """An intact frame of log.dat, its checksums found right.

    Attributes:
        offset: of its header, in bytes.
        size: header and payload.
        kind: ``entries``, ``truncation``, or a number that a newer release may know.
        encoding: ``binary``, ``json``, or a number.
        batch: its number.
        first_index: of the first entry, or of the first one removed.
        count: of entries; 0 for a truncation.
        first_term: of the first entry.
        last_term: of the last entry that the log holds after this frame.
        watermark: the highest batch known durable when it was written.

    >>> frame = DumpedFrame(offset=48, size=95, kind="entries", encoding="binary", batch=1,
    ...                     first_index=1, count=1, first_term=1, last_term=1, watermark=0)
    >>> frame.offset + frame.size  # where the next one begins
    143
    """

    offset: int
    size: int
    kind: str
    encoding: str
    batch: int
    first_index: int
    count: int
    first_term: int
    last_term: int
    watermark: int


@frozen(kw_only=True)
class DumpedDamage:
    """Bytes of log.dat that are no intact frame.

    Attributes:
        offset: of the first one.
        length: of the stretch.
        index: the log index that was expected there.
        reason: what is wrong.

    >>> DumpedDamage(offset=48, length=95, index=1, reason="no intact frame header").index
    1
    """

    offset: int
    length: int
    index: int
    reason: str


DumpedPart: TypeAlias = DumpedFrame | DumpedDamage


@frozen(kw_only=True)
class StoreDump:
    """What a directory holds; frames and entries are read when they are asked for.

    Attributes:
        directory: of the store.
        files: every name in it, in the order of the alphabet.
        state: both copies of term and vote.
        metadata: metadata.json.
        snapshot: snapshot_meta.json, and the same under its temporary name if it is there.
        snapshot_data: for each snapshot data file whether its bytes are those that one of these
            documents names.
        log_header: of log.dat, None if it is not legible.
        log_damage: why it is not, or "".

    >>> from wavetank.engine import FileStorage, StorageConfig, dump_directory
    >>> with FileStorage(StorageConfig(directory=directory)) as store:
    ...     store.append_log_entries([LogEntry(1, 1, b"set x 1")])
    >>> dump = dump_directory(directory)
    >>> [file.name for file in dump.files]
    ['LOCK', 'log.dat', 'metadata.json', 'state.copy.json', 'state.json']
    >>> [frame] = dump.frames()
    >>> dump.entries(frame)
    [LogEntry(index=1, term=1, command=b'set x 1')]
    """

    directory: str
    files: tuple[DumpedFile, ...]
    state: tuple[DumpedDocument, ...]
    metadata: DumpedDocument | None
    snapshot: tuple[DumpedDocument, ...]
    snapshot_data: dict[str, bool]
    log_header: DumpedLogHeader | None
    log_damage: str
    _place: StoreDirectory = field(repr=False, eq=False, alias="place")

    def frames(self) -> Iterator[DumpedPart]:
        """Yield frames and damage of log.dat in the order of their offsets.

        Raises:
            StorageIOError: the filesystem refused.
        """
        if self.log_header is None:
            return
        header = _header_of(self.log_header)
        next_index = header.base_index + 1
        with self._open_log() as file:
            parts = walk_log(
                file,
                seed=header.seed,
                header_checksum=encode_log_header(header)[1],
                size=file.size(),
                reserved=self._has_reserved_space,
            )
            for part in parts:
                if isinstance(part, WalkedFrame):
                    next_index = part.header.first_index + part.header.count
                    yield _frame(part)
                elif isinstance(part, DamagedStretch):
                    yield DumpedDamage(
                        offset=part.offset,
                        length=part.length,
                        index=next_index,
                        reason=part.reason,
                    )

    @property
    def _has_reserved_space(self) -> bool:
        fields = self.metadata.fields if self.metadata is not None else None
        return fields is not None and fields.get("reserved_ahead", 0) != 0

    def entries(self, frame: DumpedFrame) -> list[LogEntry]:
        """Return the entries of one frame; none for a truncation, or if its bytes have changed.

        Args:
            frame: one of those that `frames` yields.

        Raises:
            StorageIOError: the filesystem refused.
        """
        if self.log_header is None or frame.kind != "entries":
            return []
        seed = _header_of(self.log_header).seed
        with self._open_log() as file:
            content = read_around(file, frame.size, frame.offset)
        header = decode_frame_header(content[:FRAME_HEADER_SIZE], seed)
        payload = content[FRAME_HEADER_SIZE:]
        if header is None or checksum(payload, seed) != header.payload_checksum:
            return []
        serializer = SERIALIZERS.get(header.encoding)
        if serializer is None:
            return []
        block = serializer.decode(header.first_index, header.count, payload)
        if block is None:
            return []
        end = header.first_index + header.count
        terms, commands = block.rows(header.first_index, end)
        return list(map(LogEntry, range(header.first_index, end), terms, commands))

    @contextmanager
    def _open_log(self) -> Iterator[File]:
        with TranslateErrors("read of the log", self._place.path_of(LOG)):
            file = self._place.open(LOG, OpenFlag.READ)
            try:
                yield file
            finally:
                let_go(file)


def _header_of(header: DumpedLogHeader) -> LogHeader:
    return LogHeader(
        incarnation=header.incarnation,
        generation=header.generation,
        base_index=header.base_index,
        base_term=header.base_term,
    )


def _frame(walked: WalkedFrame) -> DumpedFrame:
    header = walked.header
    encodings = {int(encoding): encoding.name.lower() for encoding in Encoding}
    return DumpedFrame(
        offset=walked.offset,
        size=header.size,
        kind=_KINDS.get(header.kind, str(header.kind)),
        encoding=encodings.get(header.encoding, str(header.encoding)),
        batch=header.batch,
        first_index=header.first_index,
        count=header.count,
        first_term=header.first_term,
        last_term=header.last_term,
        watermark=header.watermark,
    )


_CHUNK_SIZE: Final = 1 << 18

Fields = dict[str, int | str]


def dump_directory(directory: str, *, fs: FileSystem | None = None) -> StoreDump:
    """Return what is in a store's directory, intact or not, and change nothing.

    Args:
        directory: of the store.
        fs: the filesystem; the machine's if omitted.

    Raises:
        NotInitializedError: there is no store in it.
        StorageIOError: the directory cannot be listed.
        TypeError, ValueError: `directory` is no path.

    >>> import tempfile
    >>> from wavetank.engine import FileStorage, LogEntry
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with FileStorage(StorageConfig(directory=directory)) as store:
    ...         store.append_log_entries([LogEntry(1, 1, b"set x 1")])
    ...     dump = dump_directory(directory)
    ...     [(frame.offset, frame.first_index, frame.count) for frame in dump.frames()]
    [(48, 1, 1)]
    """
    path = StorageConfig(directory=directory).directory
    place = StoreDirectory(fs if fs is not None else OsFileSystem(), path)
    with TranslateErrors("look at the store", path):
        names = sorted(place.names())
    if not set(names).intersection(STORE_NAMES):
        raise NotInitializedError(f"{path}: expected a store but found none of its files")
    files = tuple(_file(place, name) for name in names)
    there = {file.name for file in files if file.kind is FileKind.FILE}
    metas = [name for name in (SNAPSHOT_META, temporary(SNAPSHOT_META)) if name in there]
    metadata = (
        _document(METADATA, lambda: asdict(read_metadata(place))) if METADATA in there else None
    )
    header, damage = _log_header(place, metadata) if LOG in there else (None, "missing")
    return StoreDump(
        directory=path,
        files=files,
        state=tuple(_state(place, name) for name in (STATE, STATE_COPY) if name in there),
        metadata=metadata,
        snapshot=tuple(_snapshot(place, name) for name in metas),
        snapshot_data={
            name: any(_matches(place, meta, name) for meta in metas)
            for name in (SNAPSHOT, temporary(SNAPSHOT))
            if name in there
        },
        log_header=header,
        log_damage=damage,
        place=place,
    )


def _file(place: StoreDirectory, name: str) -> DumpedFile:
    try:
        stat = place.stat(name)
    except OSError:
        return DumpedFile(name=name, kind=FileKind.OTHER, size=0, is_own=False)
    is_own = name == LOCK or name in STORE_NAMES
    return DumpedFile(name=name, kind=stat.kind, size=stat.size, is_own=is_own)


def _document(name: str, read: Callable[[], Fields]) -> DumpedDocument:
    try:
        return DumpedDocument(name=name, fields=read())
    except (DamagedDocumentError, UnsupportedFormatError) as damage:
        return DumpedDocument(name=name, damage=str(damage))
    except OSError as error:
        return DumpedDocument(name=name, damage=f"cannot be read: {error.strerror or error}")


def _state(place: StoreDirectory, name: str) -> DumpedDocument:
    def read() -> Fields:
        record = read_copy(place, name)
        state = record.state
        return {
            "sequence": record.sequence,
            "current_term": state.current_term,
            "voted_for": state.voted_for,
        }

    return _document(name, read)


def _snapshot(place: StoreDirectory, name: str) -> DumpedDocument:
    def read() -> Fields:
        record = SnapshotRecord.read(place, name)
        return {
            "last_included_index": record.metadata.last_included_index,
            "last_included_term": record.metadata.last_included_term,
            "data_length": record.data_length,
            "data_checksum": record.data_checksum,
        }

    return _document(name, read)


def _matches(place: StoreDirectory, meta: str, data: str) -> bool:
    try:
        record = SnapshotRecord.read(place, meta)
        file = place.open(data, OpenFlag.READ)
        try:
            return record.matches(file, _CHUNK_SIZE)
        finally:
            let_go(file)
    except (DamagedDocumentError, UnsupportedFormatError, OSError):
        return False


def _log_header(
    place: StoreDirectory, metadata: DumpedDocument | None
) -> tuple[DumpedLogHeader | None, str]:
    """Return the log's header, its own or the one that metadata.json knows, and what is wrong."""
    try:
        file = place.open(LOG, OpenFlag.READ)
        try:
            content = read_around(file, LOG_HEADER_SIZE, 0)
        finally:
            let_go(file)
    except OSError as error:
        return None, f"cannot be read: {error.strerror or error}"
    decoded = decode_log_header(content)
    if decoded is not None:
        header = decoded[0]
        return DumpedLogHeader(
            incarnation=header.incarnation,
            generation=header.generation,
            base_index=header.base_index,
            base_term=header.base_term,
            source=LOG,
        ), ""
    version = log_header_version(content)
    if version is not None and version != LOG_VERSION:
        return None, f"expected log version {LOG_VERSION} but found version {version}"
    damage = f"no intact header of {LOG_HEADER_SIZE} bytes"
    known = metadata.fields if metadata is not None else None
    if known is None:
        return None, damage
    incarnation, generation, base_index, base_term = (
        int(known[name]) for name in ("incarnation", "generation", "base_index", "base_term")
    )
    return DumpedLogHeader(
        incarnation=incarnation,
        generation=generation,
        base_index=base_index,
        base_term=base_term,
        source=METADATA,
    ), damage
