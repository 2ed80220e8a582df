"""State store: term and vote, in two copies with a sequence number.

Every save replaces both copies, each durable before it gets its name, and both names are durable
when `save` returns; so one damaged copy never costs a vote. A new store's zero state is written at
creation like any other, so that a missing file is never taken for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen

from wavetank.engine.directory import STATE, STATE_COPY, StoreDirectory, temporary
from wavetank.engine.document import (
    DOCUMENT_LIMIT,
    DamagedDocumentError,
    DocumentFormat,
    Payload,
    text,
    unsigned_fields,
)
from wavetank.engine.errors import CorruptedStateError, StateRegressionError
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.report import FileCondition
from wavetank.engine.status import Part, StoreStatus, is_unreadable
from wavetank.engine.storage import CancelToken
from wavetank.engine.values import PersistentState

__all__ = [
    "INITIAL_STATE",
    "DoubtfulCopy",
    "StateFinding",
    "StateRecord",
    "StateStore",
    "judge_state",
    "read_copy",
    "require_newest",
]

_FORMAT: Final = DocumentFormat("wavetank.state")
_COPIES: Final = (STATE, STATE_COPY)
_NO_WAY_ON: Final = (
    "no recovery mode makes them up, since a node that forgets its vote may vote twice; read the "
    "rest with read_only=True, and let the node join anew under another name"
)


@frozen
class StateRecord:
    """Term and vote as they stand in a copy.

    Attributes:
        sequence: how many saves came before, over the store's whole life.
        state: the term and vote.
    """

    sequence: int
    state: PersistentState

    def encode(self) -> bytes:
        """Return a copy's content."""
        return _FORMAT.encode(self._payload())

    def was(self, content: bytes) -> bool:
        """Whether a damaged copy shows that it was one of this record."""
        return _FORMAT.was(content, self._payload())

    def _payload(self) -> Payload:
        return {
            "sequence": self.sequence,
            "current_term": self.state.current_term,
            "voted_for": self.state.voted_for,
        }


INITIAL_STATE: Final = StateRecord(0, PersistentState(0))


@frozen
class DoubtfulCopy:
    """A copy that is not the newest record, and why."""

    name: str
    condition: FileCondition
    reason: str


@frozen
class StateFinding:
    """What stands in the two copies.

    Attributes:
        record: the newest intact record, None if neither file exists.
        doubtful: the copies to be made equal to it.
        hurt: a copy is as no interrupted save leaves it, so the newest one may be the one that is
            gone: missing, damaged beyond telling what it was, or more than one save behind.
    """

    record: StateRecord | None
    doubtful: tuple[DoubtfulCopy, ...]
    hurt: bool = False


def judge_state(
    directory: StoreDirectory, copies: Mapping[str, StateRecord | DamagedDocumentError]
) -> StateFinding:
    """Choose between the copies that are there.

    Args:
        directory: where they lie.
        copies: each that is there: what it says, or why it cannot be read.

    Raises:
        CorruptedStateError: no intact copy, or two that contradict one another.
    """
    newest, damage = None, None
    for record in copies.values():
        if isinstance(record, DamagedDocumentError):
            damage = damage or record
        elif newest is None or record.sequence > newest.sequence:
            newest = record
    doubtful, hurt = [], False
    for name in _COPIES:
        found = copies.get(name)
        if found is None:
            hurt = newest is not None
            doubtful.append(DoubtfulCopy(name, FileCondition.MISSING, "missing"))
        elif isinstance(found, DamagedDocumentError):
            hurt = newest is not None and not newest.was(found.content)
            doubtful.append(DoubtfulCopy(name, FileCondition.DAMAGED, f"damaged: {found}"))
        elif newest is not None and found.sequence < newest.sequence:
            hurt = found.sequence + 1 < newest.sequence
            reason = "older than the other copy"
            doubtful.append(DoubtfulCopy(name, FileCondition.OUTDATED, reason))
        elif found != newest:
            path = directory.path_of(name)
            raise CorruptedStateError(
                f"{path}: the two copies of save {found.sequence} differ; {_NO_WAY_ON}", path=path
            )
    if newest is None and copies:
        told = "; ".join(f"{copy.name} {copy.reason}" for copy in doubtful)
        path = directory.path_of(STATE)
        raise CorruptedStateError(
            f"{path}: no intact copy of term and vote: {told}; {_NO_WAY_ON}", path=path
        ) from damage
    return StateFinding(newest, tuple(doubtful), hurt)


def require_newest(
    directory: StoreDirectory, finding: StateFinding, terms_seen: Iterable[int]
) -> None:
    """Refuse an intact copy that is older than what was written under its successor.

    A node saves a term before it logs an entry of it. With one copy gone, the other may be one that
    a lost write left behind; that it knows less than the log shows it.

    Args:
        directory: where the copies lie.
        finding: what stands in them.
        terms_seen: those that log, snapshot and metadata.json name.

    Raises:
        CorruptedStateError: the newest copy is lost.
    """
    record, term_seen = finding.record, max(terms_seen, default=0)
    if record is None or not finding.hurt or record.state.current_term >= term_seen:
        return
    found = "; ".join(f"{copy.name} {copy.reason}" for copy in finding.doubtful)
    path = directory.path_of(STATE)
    raise CorruptedStateError(
        f"{path}: the newest copy of term and vote is lost: expected term {term_seen} or higher, "
        f"as log or snapshot show, but the intact one says {record.state.current_term}; {found}; "
        f"{_NO_WAY_ON}",
        path=path,
    )


def read_copy(directory: StoreDirectory, name: str) -> StateRecord:
    """Read one copy.

    Raises:
        DamagedDocumentError: it is not what was written, or cannot be read off the medium.
        UnsupportedFormatError: it is of another version.
        OSError: from the filesystem.
    """
    try:
        payload = _FORMAT.read(directory, name)
    except OSError as error:
        # A sector that cannot be read is damage, since what it held stands somewhere else too; any
        # other refusal (too many open files, no permission) says nothing about the file.
        if not is_unreadable(error):
            raise
        raise DamagedDocumentError("unreadable") from error
    voted_for = text(payload, "voted_for")
    numbers = unsigned_fields({key: payload.get(key) for key in ("sequence", "current_term")})
    return StateRecord(numbers["sequence"], PersistentState(numbers["current_term"], voted_for))


class StateStore:
    """Saves and returns the state.

    Args:
        directory: where the copies lie.
        record: what both copies hold now.
        lock: guards the record.
        status: the store's condition.
        atomic: replace each copy in one step; else in place, which the other copy survives.
    """

    def __init__(
        self,
        directory: StoreDirectory,
        record: StateRecord,
        *,
        lock: RWOperationLocker,
        status: StoreStatus,
        atomic: bool,
    ) -> None:
        self._directory = directory
        self._record = record
        self._atomic = atomic
        self._lock = lock
        self._status = status

    @property
    def record(self) -> StateRecord:
        """What both copies hold; replaced as a whole, so it is read without the lock."""
        return self._record

    def load(self, timeout_s: float | None, cancel: CancelToken | None) -> PersistentState:
        """Return the state as of the last save that succeeded."""
        with self._lock.read(timeout_s, cancel):
            self._status.require_readable(Part.STATE)
            return self._record.state

    def save(
        self, state: PersistentState, timeout_s: float | None, cancel: CancelToken | None
    ) -> None:
        """Replace the state, durably; see `Storage.save_state`."""
        with self._lock.update(timeout_s, cancel):
            self._status.require_writable()
            current = self._record.state
            if state == current:
                return
            _require_progress(current, state)
            record = StateRecord(self._record.sequence + 1, state)
            content = record.encode()
            if len(content) > DOCUMENT_LIMIT:
                raise ValueError(
                    f"PersistentState.voted_for: expected a name that fits {DOCUMENT_LIMIT} bytes "
                    f"but the state takes {len(content)}"
                )
            self._write(record, content)

    def _write(self, record: StateRecord, content: bytes) -> None:
        """Write one copy after the other, so that at any moment one of them is whole.

        Once the first copy may have its name, memory follows or the store is poisoned: a sequence
        number that was on the disk is never used for another state.
        """
        action, directory = "save of the state", self._directory
        path = directory.path_of(STATE)
        if not self._atomic:
            with self._status.poison_on_error(action, path):
                for name in _COPIES:
                    directory.overwrite(name, content)
                self._record = record
            return
        try:
            with self._status.preparing(action, path):
                directory.prepare(STATE, content)
        except BaseException:
            if self._status.cause is None:
                with self._status.poison_on_error(action, path):
                    directory.discard_temporary(STATE)
            raise
        with self._status.poison_on_error(action, path):
            directory.rename(temporary(STATE), STATE)
            directory.replace(STATE_COPY, content)
            directory.sync()
            self._record = record


def _require_progress(current: PersistentState, state: PersistentState) -> None:
    if state.current_term < current.current_term:
        raise StateRegressionError(
            f"current_term: expected at least {current.current_term} but got {state.current_term}"
        )
    if state.current_term == current.current_term and current.voted_for:
        raise StateRegressionError(
            f"voted_for: expected {current.voted_for!r}, the vote of term "
            f"{current.current_term}, but got {state.voted_for!r}"
        )
