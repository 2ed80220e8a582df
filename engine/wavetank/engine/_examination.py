"""Each file of a store looked at by itself, so that one that is bad hides nothing of the others.

Left out: when to look, and how often (verify.py, `FileStorage.verify`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from attrs import define, field

from wavetank.engine._directory import (
    LOCK,
    LOG,
    METADATA,
    RECOVERY_MARKER,
    SNAPSHOT,
    SNAPSHOT_META,
    STATE,
    STATE_COPY,
    STORE_NAMES,
    StoreDirectory,
    let_go,
)
from wavetank.engine._document import DamagedDocumentError
from wavetank.engine._metadata import LogMetadata, read_metadata
from wavetank.engine._read_only_log import ReadableLog, read_log
from wavetank.engine._snapshot_recovery import judge_snapshot
from wavetank.engine._state import StateRecord, judge_state, read_copy, require_newest
from wavetank.engine.errors import CorruptedError, StorageError, UnsupportedFormatError
from wavetank.engine.filesystem import File, FileKind
from wavetank.engine.verify_report import BadPlace, VerifyReport

__all__ = ["Examination"]

_CHUNK_SIZE: Final = 1 << 18
_KINDS: Final = {FileKind.DIRECTORY: "a directory", FileKind.OTHER: "a link or a special file"}
_CONTENT: Final = frozenset({STATE, STATE_COPY, LOG, METADATA, SNAPSHOT, SNAPSHOT_META})


@define(eq=False)
class Examination:
    """One examination of a directory; each method looks at a part, in the order they stand.

    The log comes before the snapshot: one that is compacted meanwhile then has a snapshot that is
    at least as new as what was seen of it.

    Args:
        directory: of the store.
        in_use: this process has the store open, and its marker belongs there.
        needs_snapshot: a log that begins behind index 1 must have a snapshot of what came before.
    """

    directory: StoreDirectory
    in_use: bool
    needs_snapshot: bool
    names: frozenset[str] = field(init=False, factory=frozenset)
    odd_names: set[str] = field(init=False, factory=set)
    records: dict[str, StateRecord] = field(init=False, factory=dict)
    metadata: LogMetadata | None = field(init=False, default=None)
    log: ReadableLog | None = field(init=False, default=None)
    places: list[BadPlace] = field(init=False, factory=list)
    notes: list[str] = field(init=False, factory=list)
    byte_count: int = field(init=False, default=0)
    snapshot_term: int = field(init=False, default=0)

    def names_there(self) -> None:
        """Look at which names there are, and what kinds of thing they stand for."""
        self.names = self.directory.names()
        for name in (LOCK, *STORE_NAMES):
            if name not in self.names:
                continue
            with self._looking_at(name):
                kind = self.directory.stat(name).kind
                if kind is not FileKind.FILE:
                    self._bad(name, f"expected a regular file but found {_KINDS[kind]}")
                    self.odd_names.add(name)
                    self.names -= {name}
        if RECOVERY_MARKER in self.names and not self.in_use:
            self._note(RECOVERY_MARKER, "in use, or the last run did not end cleanly")
        for name in STORE_NAMES:
            if name in self.names and name not in _CONTENT and name != RECOVERY_MARKER:
                self._note(name, "of a replacement that goes on, or was interrupted")

    def state(self) -> None:
        """Look at both copies of term and vote."""
        records = self.records
        for name in (STATE, STATE_COPY):
            if name not in self.names:
                continue
            with self._looking_at(name):
                records[name] = read_copy(self.directory, name)
        newest = max((record.sequence for record in records.values()), default=0)
        for name, record in records.items():
            if record.sequence < newest:
                self._note(name, "older than the other copy; the next open makes them equal")
        if len({repr(record) for record in records.values() if record.sequence == newest}) > 1:
            self._bad(STATE, f"the two copies of save {newest} differ")

    def read_metadata(self) -> None:
        """Look at metadata.json."""
        if METADATA not in self.names:
            return
        with self._looking_at(METADATA):
            self.metadata = read_metadata(self.directory)

    def read_log(self, opened: tuple[File, int] | None = None) -> None:
        """Look at all of log.dat; or, in this open file, up to the end of the last frame."""
        if LOG not in self.names:
            return
        with self._looking_at(LOG):
            self.log = read_log(
                self.directory,
                self.metadata,
                clean=RECOVERY_MARKER not in self.names,
                chunk_size=_CHUNK_SIZE,
                indexed=False,
                opened=opened,
            )
            self._take_log(self.log)

    def _take_log(self, readable: ReadableLog) -> None:
        log, cut = readable.log, readable.cut
        let_go(log.file)
        self.byte_count += log.end
        if readable.rebuilt:
            reason = "the header is damaged; metadata.json knows what it said"
            self._bad(LOG, reason, offset=0, index=log.first_index)
        for loss in readable.lost:
            self._bad(LOG, loss.reason, offset=loss.offset, index=loss.first_index)
        if cut is not None:
            self.places.append(
                BadPlace(
                    path=cut.path,
                    offset=cut.offset,
                    index=log.last_index + 1,
                    reason=f"{cut.length} bytes that are no frame: {cut.reason}",
                    ambiguous=cut.ambiguous,
                )
            )
        if self.metadata is not None and self.metadata.incarnation != log.header.incarnation:
            self._note(METADATA, "of an older log; the next clean close renews it")

    def snapshot(self) -> None:
        """Look at the snapshot, all of its data."""
        if self.odd_names & {SNAPSHOT, SNAPSHOT_META}:
            return
        with self._looking_at(SNAPSHOT):
            finding = judge_snapshot(
                self.directory, self.names, clean=False, chunk_size=_CHUNK_SIZE
            )
            if finding.file is not None:
                let_go(finding.file)
            record = finding.record
            self.byte_count += record.data_length if record is not None else 0
            self.snapshot_term = record.metadata.last_included_term if record else 0
            self._require_snapshot(record.metadata.last_included_index if record else 0)

    def newest_state(self) -> None:
        """Look whether the copy of the state that is left is older than log or snapshot."""
        try:
            finding = judge_state(self.directory, self.names)
        except (StorageError, OSError):
            return  # its copies have been told of
        terms = [self.snapshot_term]
        terms += [self.log.log.last_term] if self.log is not None else []
        terms += [self.metadata.last_term] if self.metadata is not None else []
        with self._looking_at(STATE):
            require_newest(self.directory, finding, terms)

    def _require_snapshot(self, snapshot_index: int) -> None:
        base_index = self.log.log.header.base_index if self.log is not None else 0
        if snapshot_index >= base_index:
            return
        reason = f"the log begins behind index {base_index}, but there is no snapshot of that"
        if self.needs_snapshot:
            self._bad(SNAPSHOT, reason, index=snapshot_index + 1)
        else:
            self._note(SNAPSHOT, reason)

    def report(self) -> VerifyReport:
        """Return all that was found."""
        for name in (STATE, STATE_COPY, LOG, METADATA):
            if name not in self.names:
                self._missing(name)
        log = self.log.log if self.log is not None else None
        places = sorted(self.places, key=lambda place: (place.path, place.offset or 0))
        return VerifyReport(
            directory=self.directory.path,
            places=tuple(places),
            notes=tuple(self.notes),
            first_index=log.first_index if log else None,
            last_index=log.last_index if log else None,
            frame_count=self.log.frame_count if self.log else 0,
            byte_count=self.byte_count,
        )

    def _missing(self, name: str) -> None:
        """Note or accuse: what is missing is of an unfinished creation, or it is lost."""
        must_be_there = self.names & {METADATA, SNAPSHOT, SNAPSHOT_META} or self._has_work
        if name not in self.odd_names and must_be_there:
            self._bad(name, "missing")

    @property
    def _has_work(self) -> bool:
        """Whether term, vote or log show that the store's creation came to its end."""
        log = self.log.log if self.log is not None else None
        used_log = log is not None and (log.header.generation > 1 or log.last_batch > 0)
        return used_log or any(record.sequence for record in self.records.values())

    @contextmanager
    def _looking_at(self, name: str) -> Iterator[None]:
        try:
            yield
        except DamagedDocumentError as damage:
            self._bad(name, f"damaged: {damage}")
        except CorruptedError as damage:
            path = damage.path or self.directory.path_of(name)
            reason = str(damage).removeprefix(f"{path}: ")
            self.places.append(
                BadPlace(path=path, offset=damage.offset, index=damage.index, reason=reason)
            )
        except UnsupportedFormatError as error:
            reason = str(error).removeprefix(f"{self.directory.path_of(name)}: ")
            self._bad(name, reason)
        except StorageError:
            raise
        except OSError as error:
            path = str(error.filename or self.directory.path_of(name))
            reason = f"cannot be read: {error.strerror or error}"
            self.places.append(BadPlace(path=path, reason=reason))

    def _bad(
        self, name: str, reason: str, *, offset: int | None = None, index: int | None = None
    ) -> None:
        path = self.directory.path_of(name)
        self.places.append(BadPlace(path=path, offset=offset, index=index, reason=reason))

    def _note(self, name: str, text: str) -> None:
        self.notes.append(f"{self.directory.path_of(name)}: {text}")
