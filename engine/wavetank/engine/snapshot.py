"""A snapshot on disk: which entries it stands for, which data is its own, and reading it.

Replacing it is in snapshot_store.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Final, Self

from attrs import define, field, frozen

from wavetank.engine.directory import (
    SNAPSHOT,
    SNAPSHOT_MARKER,
    SNAPSHOT_META,
    StoreDirectory,
    let_go,
    read_at,
    temporary,
)
from wavetank.engine.document import DamagedDocumentError, DocumentFormat, unsigned
from wavetank.engine.errors import (
    CorruptedSnapshotError,
    StorageClosedError,
    UnsupportedFormatError,
)
from wavetank.engine.filesystem import File, OpenFlag
from wavetank.engine.log.format import SEED, checksum
from wavetank.engine.status import TranslateErrors
from wavetank.engine.values import SnapshotMetadata

__all__ = ["SharedFile", "SnapshotFiles", "SnapshotFinding", "SnapshotRecord", "SnapshotStream"]

_FORMAT: Final = DocumentFormat("wavetank.snapshot")


@frozen
class SnapshotRecord:
    """A snapshot's metadata and what identifies its data.

    Attributes:
        metadata: the index and term it stands for.
        data_length: bytes of data.
        data_checksum: of the data.
    """

    metadata: SnapshotMetadata
    data_length: int
    data_checksum: int

    def encode(self) -> bytes:
        """Return the content of snapshot_meta.json."""
        return _FORMAT.encode(
            {
                "last_included_index": self.metadata.last_included_index,
                "last_included_term": self.metadata.last_included_term,
                "data_length": self.data_length,
                "data_checksum": self.data_checksum,
            }
        )

    @classmethod
    def read(cls, directory: StoreDirectory, name: str) -> SnapshotRecord:
        """Read a record.

        Raises:
            DamagedDocumentError: it is not what was written.
            UnsupportedFormatError: it is of another version.
            OSError: from the filesystem.
        """
        payload = _FORMAT.read(directory, name)
        metadata = SnapshotMetadata(
            unsigned(payload, "last_included_index"), unsigned(payload, "last_included_term")
        )
        return cls(metadata, unsigned(payload, "data_length"), unsigned(payload, "data_checksum"))

    def matches(self, file: File, chunk_size: int) -> bool:
        """Whether `file` holds this snapshot's data, all of it and nothing more."""
        if file.size() != self.data_length:
            return False
        found = SEED
        for offset in range(0, self.data_length, chunk_size):
            length = min(chunk_size, self.data_length - offset)
            found = checksum(read_at(file, length, offset), found)
        return found == self.data_checksum


@frozen
class SnapshotFinding:
    """The snapshot that counts.

    Attributes:
        record: what it is, None for none.
        file: its data, open; the caller closes it.
        renames: names to finish, as pairs of temporary and final name.
    """

    record: SnapshotRecord | None = None
    file: File | None = None
    renames: tuple[tuple[str, str], ...] = ()


@define(eq=False)
class SnapshotFiles:
    """Everything of a snapshot that is in a directory, with the data files open.

    Attributes:
        records: what each metadata file says, or why it cannot be read, by its name; one under the
            temporary name counts as far as it is here.
        data: each data file, by its name.
    """

    records: dict[str, SnapshotRecord | Exception] = field(factory=dict)
    data: dict[str, File] = field(factory=dict)

    def read(self, directory: StoreDirectory, names: Collection[str], *, all_of_it: bool) -> None:
        """Read the metadata and open the data; the owner closes.

        Args:
            directory: where the files lie.
            names: what is in it.
            all_of_it: also what does not count; what cannot be opened is left out.

        Raises:
            UnsupportedFormatError: a metadata file is of another version.
            OSError: from the filesystem.
        """
        self._read_records(directory, names, all_of_it=all_of_it)
        for name in (SNAPSHOT, temporary(SNAPSHOT)) if self.records else ():
            if name in names:
                try:
                    self.data[name] = directory.open(name, OpenFlag.READ)
                except OSError:
                    if not all_of_it:
                        raise

    def _read_records(
        self, directory: StoreDirectory, names: Collection[str], *, all_of_it: bool
    ) -> None:
        for name in (SNAPSHOT_META, temporary(SNAPSHOT_META)):
            counts = all_of_it or name == SNAPSHOT_META or SNAPSHOT_MARKER in names
            if name not in names or not counts:
                continue
            try:
                self.records[name] = SnapshotRecord.read(directory, name)
            except DamagedDocumentError as damage:
                self.records[name] = damage
            except (UnsupportedFormatError, OSError) as error:
                if not all_of_it:
                    raise
                self.records[name] = error

    def judge(
        self, directory: StoreDirectory, names: Collection[str], *, clean: bool, chunk_size: int
    ) -> SnapshotFinding:
        """Decide between what stands under final and temporary names; keep its data file alone.

        Args:
            directory: where the files lie, for errors.
            names: what is in it.
            clean: the last run ended cleanly, so a length check is enough.
            chunk_size: bytes to read at once.

        Raises:
            CorruptedSnapshotError: there was a snapshot, and it is damaged or missing.
            OSError: from the filesystem.
        """
        pending = self.records.get(temporary(SNAPSHOT_META))
        if isinstance(pending, SnapshotRecord):
            held_by = self._held_by(pending, clean=False, chunk_size=chunk_size)
            if held_by is not None:
                meta = (temporary(SNAPSHOT_META), SNAPSHOT_META)
                return self._found(pending, held_by, (meta,))
        if SNAPSHOT_META not in names and SNAPSHOT not in names:
            self.close()
            return SnapshotFinding()
        current = self.records.get(SNAPSHOT_META)
        if not isinstance(current, SnapshotRecord):
            raise _damage(directory, SNAPSHOT_META, "missing or not what was written")
        held_by = self._held_by(current, clean=clean, chunk_size=chunk_size)
        if held_by is None:
            reason = "missing or not the data of this snapshot"
            raise _damage(directory, SNAPSHOT, reason, current.metadata)
        return self._found(current, held_by, ())

    def _held_by(self, record: SnapshotRecord, *, clean: bool, chunk_size: int) -> str | None:
        """Return the name under which exactly this record's data is found."""
        clean = clean and temporary(SNAPSHOT) not in self.data
        for name, file in self.data.items():
            if clean and file.size() == record.data_length:
                return name  # whoever reads it verifies it
            if not clean and record.matches(file, chunk_size):
                return name
        return None

    def _found(
        self, record: SnapshotRecord, name: str, meta: tuple[tuple[str, str], ...]
    ) -> SnapshotFinding:
        file = self.data.pop(name)
        self.close()
        data = ((name, SNAPSHOT),) if name != SNAPSHOT else ()
        return SnapshotFinding(record, file, (*data, *meta))

    def close(self) -> None:
        """Close the data files that are left."""
        while self.data:
            let_go(self.data.popitem()[1])


def _damage(
    directory: StoreDirectory, name: str, reason: str, metadata: SnapshotMetadata | None = None
) -> CorruptedSnapshotError:
    """Return the error for a snapshot that was there and is not."""
    path = directory.path_of(name)
    return CorruptedSnapshotError(
        f"{path}: {reason}",
        path=path,
        index=metadata.last_included_index if metadata else None,
        term=metadata.last_included_term if metadata else None,
    )


class SharedFile:
    """An open file with several users; the maker is the first.

    Args:
        file: closed with the last user.
    """

    __slots__ = ("_unclosed", "_users", "file")

    def __init__(self, file: File) -> None:
        self.file = file
        # One item for each user. Appending and popping are atomic, so they take no lock, in whose
        # calls an error could leave a user counted for ever.
        self._users: list[None] = [None]
        self._unclosed = [file]  # whoever takes the file from here closes it

    def acquire(self) -> SharedFile:
        """Become one more user; the caller knows of one that does not leave meanwhile."""
        self._users.append(None)
        return self

    def release(self) -> None:
        """Stop being a user; once per user."""
        self._users.pop()
        if self._users:
            return
        try:
            file = self._unclosed.pop()
        except IndexError:
            return
        let_go(file)


class SnapshotStream:
    """An iterator over the chunks of one snapshot, made by `FileStorage.open_snapshot`.

    It keeps its snapshot readable even when a newer one replaces it, until it ends or is closed;
    use it as a context manager. The last chunk is followed by the check of the whole: an iteration
    that ends without `CorruptedSnapshotError` has delivered what was saved.

    Args:
        record: what the data must be.
        shared: the data's file, of which this stream becomes a user.
        path: of the data, for errors.
        chunk_size: bytes per chunk.

    >>> from wavetank.engine.values import SnapshotMetadata
    >>> store.save_snapshot(SnapshotMetadata(9, 2), b"x=1")
    >>> with store.open_snapshot() as stream:
    ...     stream.metadata.last_included_index, stream.size, next(stream)
    (9, 3, b'x=1')
    >>> stream.close()  # a second time, which does nothing
    """

    def __init__(
        self, record: SnapshotRecord, shared: SharedFile, *, path: str, chunk_size: int
    ) -> None:
        self._record = record
        self._shared: SharedFile | None = shared.acquire()
        self._path = path
        self._chunk_size = chunk_size
        self._offset = 0
        self._found = SEED
        self._ended = False
        self._reason = ""

    @property
    def metadata(self) -> SnapshotMetadata:
        """Which log entries the snapshot stands for."""
        return self._record.metadata

    @property
    def size(self) -> int:
        """Length of the data in bytes."""
        return self._record.data_length

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """Return the next chunk.

        Raises:
            CorruptedSnapshotError: the data is not what was saved; from then on at every call.
            StorageClosedError: the stream was closed before its end.
            StorageIOError: the filesystem refused; another call tries the same chunk again.
        """
        if self._reason:
            raise self._damage()
        if self._ended:
            raise StopIteration
        if self._shared is None:
            raise StorageClosedError("the stream was closed before its end")
        length = min(self._chunk_size, self.size - self._offset)
        if not length:
            self._finish()
            raise StopIteration
        with TranslateErrors("read of the snapshot", self._path):
            chunk = read_at(self._shared.file, length, self._offset)
        if len(chunk) < length:
            raise self._damaged(f"expected {self.size} bytes but the file ends early")
        self._found = checksum(chunk, self._found)
        self._offset += length
        return chunk

    def _finish(self) -> None:
        assert self._shared is not None
        with TranslateErrors("read of the snapshot", self._path):
            size = self._shared.file.size()
        if size != self.size:
            raise self._damaged(f"expected {self.size} bytes but the file has {size}")
        if self._found != self._record.data_checksum:
            raise self._damaged("the data fails its checksum")
        self._ended = True
        self.close()

    def _damaged(self, reason: str) -> CorruptedSnapshotError:
        self._reason = reason
        self.close()
        return self._damage()

    def _damage(self) -> CorruptedSnapshotError:
        metadata = self._record.metadata
        return CorruptedSnapshotError(
            f"{self._path}: the snapshot of index {metadata.last_included_index} is damaged: "
            f"{self._reason}",
            path=self._path,
            index=metadata.last_included_index,
            term=metadata.last_included_term,
        )

    def close(self) -> None:
        """Let go of the file; there are no more chunks. A second call does nothing."""
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
