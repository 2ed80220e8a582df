"""Showing what is in a store's directory: `dump_directory`.

Everything is told with whether it is intact; nothing is judged beyond that (verify.py), nothing is
changed, and no lock is needed, so that the store may be damaged or in use. Left out: the values
(store_dump.py), and how a person sees them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import asdict

from wavetank.engine._directory import (
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
from wavetank.engine._document import DamagedDocumentError
from wavetank.engine._frame import (
    LOG_HEADER_SIZE,
    LOG_VERSION,
    decode_log_header,
    log_header_version,
)
from wavetank.engine._frame_scan import read_around
from wavetank.engine._health import Reading
from wavetank.engine._metadata import read_metadata
from wavetank.engine._snapshot import SnapshotRecord
from wavetank.engine._state import read_copy
from wavetank.engine.errors import NotInitializedError, UnsupportedFormatError
from wavetank.engine.filesystem import FileKind, FileSystem, OpenFlag
from wavetank.engine.options import StorageConfig
from wavetank.engine.os_filesystem import OsFileSystem
from wavetank.engine.store_dump import DumpedDocument, DumpedFile, DumpedLogHeader, StoreDump

__all__ = ["dump_directory"]

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
    with Reading("look at the store", path):
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
