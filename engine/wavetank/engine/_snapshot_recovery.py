"""Snapshot recovery: which snapshot a crash left, and the renames that finish it.

Whatever subset of names survived, metadata and data belong together only by length and checksum.
Left out: removal of temporary files, which recovery does for all of them at once.
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen

from wavetank.engine._directory import (
    SNAPSHOT,
    SNAPSHOT_MARKER,
    SNAPSHOT_META,
    StoreDirectory,
    let_go,
    temporary,
)
from wavetank.engine._document import DamagedDocumentError
from wavetank.engine._snapshot import SnapshotRecord
from wavetank.engine.errors import CorruptedSnapshotError
from wavetank.engine.filesystem import File, OpenFlag

__all__ = ["SnapshotFinding", "judge_snapshot"]


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


def judge_snapshot(
    directory: StoreDirectory, names: Collection[str], *, clean: bool, chunk_size: int
) -> SnapshotFinding:
    """Decide between what stands under final and temporary names; changes nothing.

    Args:
        directory: where the files lie.
        names: what is in it.
        clean: the last run ended cleanly, so a length check is enough.
        chunk_size: bytes to read at once.

    Raises:
        CorruptedSnapshotError: there was a snapshot, and it is damaged or missing.
        UnsupportedFormatError: its metadata is of another version.
        OSError: from the filesystem.
    """
    survey = _Survey(directory, names, chunk_size)
    if SNAPSHOT_MARKER in names:
        pending = survey.record(temporary(SNAPSHOT_META))
        file = survey.data_of(pending) if pending else None
        if file is not None:
            return SnapshotFinding(pending, file, survey.renames(with_meta=True))
    if SNAPSHOT_META not in names and SNAPSHOT not in names:
        return SnapshotFinding()
    current = survey.record(SNAPSHOT_META)
    if current is not None:
        settled = clean and temporary(SNAPSHOT) not in names
        file = survey.final_data(current) if settled else survey.data_of(current)
        if file is not None:
            return SnapshotFinding(current, file, survey.renames(with_meta=False))
    if current is None:
        raise survey.damage(SNAPSHOT_META, "missing or not what was written")
    raise survey.damage(SNAPSHOT, "missing or not the data of this snapshot", current)


class _Survey:
    """Reads candidates and remembers under which name the data was found."""

    def __init__(self, directory: StoreDirectory, names: Collection[str], chunk_size: int) -> None:
        self._directory = directory
        self._names = names
        self._chunk_size = chunk_size
        self._data_name = SNAPSHOT

    def record(self, name: str) -> SnapshotRecord | None:
        """Return the record in a file, None if it is missing or damaged."""
        if name not in self._names:
            return None
        try:
            return SnapshotRecord.read(self._directory, name)
        except DamagedDocumentError:
            return None

    def data_of(self, record: SnapshotRecord) -> File | None:
        """Return the open file that holds exactly this record's data, under either name."""
        for name in (SNAPSHOT, temporary(SNAPSHOT)):
            if name not in self._names:
                continue
            file = self._open(name)
            if _checked(file, record, self._chunk_size):
                self._data_name = name
                return file
        return None

    def final_data(self, record: SnapshotRecord) -> File | None:
        """Return the open data file if it has the right length; whoever reads it verifies it."""
        if SNAPSHOT not in self._names:
            return None
        file = self._open(SNAPSHOT)
        try:
            whole = file.size() == record.data_length
        except BaseException:
            let_go(file)
            raise
        if not whole:
            let_go(file)
        return file if whole else None

    def renames(self, *, with_meta: bool) -> tuple[tuple[str, str], ...]:
        """Return the renames that are left to do."""
        pending = []
        if self._data_name != SNAPSHOT:
            pending.append((self._data_name, SNAPSHOT))
        if with_meta:
            pending.append((temporary(SNAPSHOT_META), SNAPSHOT_META))
        return tuple(pending)

    def damage(
        self, name: str, reason: str, record: SnapshotRecord | None = None
    ) -> CorruptedSnapshotError:
        """Return the error for a snapshot that was there and is not."""
        path = self._directory.path_of(name)
        metadata = record.metadata if record else None
        return CorruptedSnapshotError(
            f"{path}: {reason}",
            path=path,
            index=metadata.last_included_index if metadata else None,
            term=metadata.last_included_term if metadata else None,
        )

    def _open(self, name: str) -> File:
        return self._directory.open(name, OpenFlag.READ)


def _checked(file: File, record: SnapshotRecord, chunk_size: int) -> bool:
    """Whether the file holds the record's data; closes it if not."""
    try:
        matches = record.matches(file, chunk_size)
    except BaseException:
        let_go(file)
        raise
    if not matches:
        let_go(file)
    return matches
