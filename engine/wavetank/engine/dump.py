"""What a store's directory holds, as values: `StoreDump`.

Frames and entries are read as they are asked for, so that memory does not grow with the log.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from wavetank.engine.document import LogMetadata
from wavetank.engine.errors import (
    CorruptedLogError,
    NotInitializedError,
    StorageError,
    UnsupportedFormatError,
)
from wavetank.engine.filesystem import File, FileKind, FileSystem, OpenFlag
from wavetank.engine.inspection import Inspection, Look, inspect, settled
from wavetank.engine.log.format import (
    FRAME_HEADER_SIZE,
    LOG_HEADER_SIZE,
    SERIALIZERS,
    Encoding,
    FrameHeader,
    FrameKind,
    LogHeader,
    checksum,
    decode_frame_header,
    decode_log_header,
    encode_log_header,
    frame_header,
)
from wavetank.engine.log.repair import read_log_header
from wavetank.engine.log.scanner import (
    SHOW,
    DamagedStretch,
    FrameRun,
    ScanStart,
    read_around,
    scan_log,
)
from wavetank.engine.options import StorageConfig
from wavetank.engine.os_filesystem import OsFileSystem
from wavetank.engine.snapshot import SnapshotRecord
from wavetank.engine.state import StateRecord
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

        Of a log that a running node has replaced since the dump, they are those of the new one.

        Raises:
            StorageIOError: the filesystem refused.
        """
        if self.log_header is None:
            return
        path = self._place.path_of(LOG)
        with self._open_log() as file:
            decoded = decode_log_header(read_around(file, LOG_HEADER_SIZE, 0))
            header = decoded[0] if decoded is not None else _header_of(self.log_header)
            next_index = header.base_index + 1
            parts = scan_log(
                file,
                path,
                SHOW,
                ScanStart(LOG_HEADER_SIZE, 0, encode_log_header(header)[1]),
                seed=header.seed,
                size=file.size(),
                grows=True,
                reserved=self._has_reserved_space,
                chunk_size=_CHUNK_SIZE,
            )
            for part in parts:
                if isinstance(part, FrameRun):
                    for offset, row in zip(part.offsets, part.rows, strict=True):
                        next_index = row[6] + row[4]
                        yield _frame(offset, frame_header(row))
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


def _frame(offset: int, header: FrameHeader) -> DumpedFrame:
    encodings = {int(encoding): encoding.name.lower() for encoding in Encoding}
    return DumpedFrame(
        offset=offset,
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
_DAMAGED_HEADER: Final = f"no intact header of {LOG_HEADER_SIZE} bytes"

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
        if place.names().isdisjoint(STORE_NAMES):
            raise NotInitializedError(f"{path}: expected a store but found none of its files")
        return settled(place, lambda: _dumped(place), problems=_problems_of, needs_rest=True)


def _problems_of(dump: StoreDump) -> list[str]:
    documents = [*dump.state, *dump.snapshot]
    documents += [dump.metadata] if dump.metadata is not None else []
    problems = [f"{document.name} {document.damage}" for document in documents if document.damage]
    problems += [name for name, matches in dump.snapshot_data.items() if not matches]
    return problems + ([dump.log_damage] if dump.log_damage else [])


def _dumped(place: StoreDirectory) -> StoreDump:
    files = tuple(_file(place, name) for name in sorted(place.names()))
    there = frozenset(file.name for file in files if file.kind is FileKind.FILE)
    odd = frozenset(file.name for file in files) - there
    found = inspect(place, Look(mode=None, chunk_size=_CHUNK_SIZE, ignored=odd, shows=True))
    try:
        header, damage = _log_header(found)
        metas = [name for name in (SNAPSHOT_META, temporary(SNAPSHOT_META)) if name in found.names]
        records, opened = found.snapshot_files.records, found.snapshot_files.data
        data = {
            name: name in opened and any(_matches(each, opened[name]) for each in records.values())
            for name in (SNAPSHOT, temporary(SNAPSHOT))
            if name in found.names
        }
    finally:
        found.close()
    errors, metadata = found.errors, found.metadata
    return StoreDump(
        directory=place.path,
        files=files,
        state=tuple(
            _document(name, found.copies.get(name, errors.get(name)))
            for name in (STATE, STATE_COPY)
            if name in found.names
        ),
        metadata=_document(METADATA, metadata or errors.get(METADATA))
        if METADATA in found.names
        else None,
        snapshot=tuple(_document(name, records[name]) for name in metas),
        snapshot_data=data,
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


def _document(name: str, found: object) -> DumpedDocument:
    """Return what a document says, or the error that says why not."""
    fields: Fields | None = None
    if isinstance(found, StateRecord):
        fields = {
            "sequence": found.sequence,
            "current_term": found.state.current_term,
            "voted_for": found.state.voted_for,
        }
    elif isinstance(found, LogMetadata):
        fields = asdict(found)
    elif isinstance(found, SnapshotRecord):
        fields = {
            "last_included_index": found.metadata.last_included_index,
            "last_included_term": found.metadata.last_included_term,
            "data_length": found.data_length,
            "data_checksum": found.data_checksum,
        }
    if fields is not None:
        return DumpedDocument(name=name, fields=fields)
    if isinstance(found, OSError) and not isinstance(found, StorageError):
        return DumpedDocument(name=name, damage=f"cannot be read: {found.strerror or found}")
    return DumpedDocument(name=name, damage=str(found))


def _matches(record: object, file: File) -> bool:
    try:
        return isinstance(record, SnapshotRecord) and record.matches(file, _CHUNK_SIZE)
    except OSError:
        return False


def _log_header(found: Inspection) -> tuple[DumpedLogHeader | None, str]:
    """Return the log's header, its own or the one that metadata.json knows, and what is wrong."""
    if found.log_file is None:
        error = found.errors.get(LOG)
        if not isinstance(error, OSError):
            return None, "missing"
        return None, f"cannot be read: {error.strerror or error}"
    path = found.directory.path_of(LOG)
    try:
        content = read_around(found.log_file, LOG_HEADER_SIZE, 0)
        header, _, rebuilt = read_log_header(path, content, found.metadata)
    except OSError as error:
        return None, f"cannot be read: {error.strerror or error}"
    except UnsupportedFormatError as error:
        return None, str(error).removeprefix(f"{path}: ")
    except CorruptedLogError:
        return None, _DAMAGED_HEADER
    shown = DumpedLogHeader(
        incarnation=header.incarnation,
        generation=header.generation,
        base_index=header.base_index,
        base_term=header.base_term,
        source=METADATA if rebuilt else LOG,
    )
    return shown, _DAMAGED_HEADER if rebuilt else ""
