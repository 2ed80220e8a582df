"""What a store's directory holds, as values: `StoreDump`.

Frames and entries are read as they are asked for, so that memory does not grow with the log. Left
out: how the rest is read (dump.py), and how it is shown to a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from attrs import field, frozen

from wavetank.engine._checksum import checksum
from wavetank.engine._directory import LOG, StoreDirectory, let_go
from wavetank.engine._frame import (
    FRAME_HEADER_SIZE,
    Encoding,
    FrameKind,
    LogHeader,
    decode_frame_header,
    encode_log_header,
)
from wavetank.engine._frame_scan import read_around
from wavetank.engine._health import Reading
from wavetank.engine._log_walk import DamagedStretch, WalkedFrame, walk_log
from wavetank.engine._serializer import SERIALIZERS
from wavetank.engine.filesystem import File, FileKind, OpenFlag
from wavetank.engine.values import LogEntry

__all__ = [
    "DumpedDamage",
    "DumpedDocument",
    "DumpedFile",
    "DumpedFrame",
    "DumpedLogHeader",
    "DumpedPart",
    "StoreDump",
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
        header = _log_header(self.log_header)
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
        seed = _log_header(self.log_header).seed
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
        with Reading("read of the log", self._place.path_of(LOG)):
            file = self._place.open(LOG, OpenFlag.READ)
            try:
                yield file
            finally:
                let_go(file)


def _log_header(header: DumpedLogHeader) -> LogHeader:
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
