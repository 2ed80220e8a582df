"""What an open found, did, cut and lost: `RecoveryReport`.

Every part prints as one sentence. Nothing in it differs between two openings of equal
directories, so there are no times.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from wavetank.engine.options import RecoveryMode

__all__ = [
    "BadPlace",
    "CutTail",
    "FileCondition",
    "FoundFile",
    "LostData",
    "RecoveryAction",
    "RecoveryReport",
    "RecoveryStep",
    "VerifyReport",
]


class FileCondition(Enum):
    """What a file was like when the store was opened.

    Attributes:
        INTACT: every checksum held.
        UNFINISHED: as an interrupted operation leaves it.
        OUTDATED: intact, but something newer was there.
        DAMAGED: not what was written.
        MISSING: not there, though a store has it.
    """

    INTACT = "intact"
    UNFINISHED = "unfinished"
    OUTDATED = "outdated"
    DAMAGED = "damaged"
    MISSING = "missing"


@frozen(kw_only=True)
class FoundFile:
    r"""One file as an open found it.

    Attributes:
        path: of the file.
        condition: what it was like.
        detail: what it held, or what was wrong with it.

    >>> print(*store.recovery_report.found, sep="\n")
    found /store/state.json missing: missing
    found /store/state.copy.json missing: missing
    found /store/log.dat missing: there is no log to read
    found /store/metadata.json missing: missing
    """

    path: str
    condition: FileCondition
    detail: str

    def __str__(self) -> str:
        return f"found {self.path} {self.condition.value}: {self.detail}"


class RecoveryAction(Enum):
    """What recovery can do to a file."""

    CREATED = "created"
    REPAIRED = "repaired"
    REBUILT = "rebuilt"
    REMOVED = "removed"
    ADOPTED = "adopted"
    CUT = "cut"
    ROLLED_FORWARD = "rolled forward"
    REPLACED = "replaced"


@frozen(kw_only=True)
class RecoveryStep:
    """One thing that recovery did.

    Attributes:
        action: what was done.
        path: to which file.
        reason: why.

    >>> print(store.recovery_report.steps[0])
    created /store/state.json: missing
    """

    action: RecoveryAction
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.action.value} {self.path}: {self.reason}"


@frozen(kw_only=True)
class CutTail:
    """Bytes behind the last intact frame that were removed.

    Attributes:
        path: of the log.
        offset: of the first byte removed.
        length: bytes removed.
        first_index: of the entries in it where legible.
        last_index: likewise.
        reason: what was wrong with the first frame in it.
        ambiguous: the last run did not end cleanly, so these are the remains of an unfinished
            append or of the newest acknowledged one: nothing on one node can tell them apart.

    >>> print(CutTail(path="/store/log.dat", offset=48, length=90, first_index=1, last_index=1,
    ...               reason="the file ends inside the frame", ambiguous=False))
    cut 90 bytes at offset 48 of /store/log.dat, with entry 1: the file ends inside the frame
    """

    path: str
    offset: int
    length: int
    first_index: int | None
    last_index: int | None
    reason: str
    ambiguous: bool

    def __str__(self) -> str:
        held = _indices(self.first_index, self.last_index)
        doubt = ", perhaps of an acknowledged append" if self.ambiguous else ""
        return (
            f"cut {self.length} bytes at offset {self.offset} of {self.path}{held}{doubt}: "
            f"{self.reason}"
        )


@frozen(kw_only=True)
class LostData:
    """What had been acknowledged and is gone: given up, or not to be read.

    A node with such a loss has forgotten promises that it made to others. Until it has caught up
    with its leader it must not vote and must not count for a majority.

    Attributes:
        path: the file that held it.
        offset: where in the file the loss begins, None for the whole file.
        length: bytes of the file from there on that are given up, None for the whole file.
        first_index: of the first log entry lost, None if no entry is.
        last_index: the highest index that anything legible still names, None if nothing does; there
            may have been more.
        reason: what was wrong, and what showed that it had been acknowledged.

    >>> print(LostData(path="/store/log.dat", reason="it is missing"))
    lost /store/log.dat as a whole: it is missing
    """

    path: str
    offset: int | None = None
    length: int | None = None
    first_index: int | None = None
    last_index: int | None = None
    reason: str

    def __str__(self) -> str:
        place = f"{self.path} as a whole"
        if self.offset is not None:
            place = f"{self.length} bytes at offset {self.offset} of {self.path}"
        return f"lost {place}{_indices(self.first_index, self.last_index)}: {self.reason}"


@frozen(kw_only=True)
class RecoveryReport:
    """What an open found, did, cut and lost, and why.

    Attributes:
        clean: the last run ended with a clean close, and nothing had to be checked beyond it.
        created: the store was new, or its creation had been interrupted.
        steps: everything that was changed, in order.
        cut: the tail that was removed from the log, or None; with ``read_only`` it is still there
            and only left out of what is read.
        mode: what the open was allowed to do with damage.
        found: the store's files as they were before.
        lost: what had been acknowledged and is gone; empty unless damage was given up.

    >>> report = RecoveryReport(clean=True, created=False, steps=(), cut=None)
    >>> report.sentences()
    ()
    """

    clean: bool
    created: bool
    steps: tuple[RecoveryStep, ...]
    cut: CutTail | None
    mode: RecoveryMode = RecoveryMode.NORMAL
    found: tuple[FoundFile, ...] = ()
    lost: tuple[LostData, ...] = ()

    def sentences(self) -> tuple[str, ...]:
        """Return the whole report in words: what was found, then done, then lost.

        >>> store.recovery_report.sentences()[-1]
        'created /store/metadata.json: missing'
        """
        return tuple(str(part) for part in (*self.found, *self.steps, *self.lost))


def _indices(first: int | None, last: int | None) -> str:
    if first is None:
        return ""
    if last is None:
        return f", with the entries from index {first} on"
    if first == last:
        return f", with entry {first}"
    return f", with the entries from index {first} to {last}"


@frozen(kw_only=True)
class BadPlace:
    """Something in a store that is not what was written.

    Attributes:
        path: the file.
        offset: of the damaged frame in it, in bytes; None for the whole file.
        index: the first log index that is damaged or missing there, None if none is known.
        reason: what is wrong.
        ambiguous: it may also be the remains of an append that was never acknowledged; the next
            open would cut it.

    >>> print(BadPlace(path="/raft/log.dat", offset=48, index=1, reason="no intact frame header"))
    /raft/log.dat, offset 48, index 1: no intact frame header
    """

    path: str
    offset: int | None = None
    index: int | None = None
    reason: str
    ambiguous: bool = False

    def __str__(self) -> str:
        offset = "" if self.offset is None else f", offset {self.offset}"
        index = "" if self.index is None else f", index {self.index}"
        doubt = " (perhaps an append that was never acknowledged)" if self.ambiguous else ""
        return f"{self.path}{offset}{index}: {self.reason}{doubt}"


@frozen(kw_only=True)
class VerifyReport:
    """What was looked at, and what is wrong with it.

    Attributes:
        directory: of the store.
        places: what is wrong, by file and offset; empty for a sound store.
        notes: what is not wrong but worth knowing, such as the marker of a run that was killed.
        first_index: of the log, None if it cannot be read.
        last_index: of the log, likewise.
        frame_count: intact frames in the log.
        byte_count: bytes of log and snapshot that were checked.

    >>> VerifyReport(directory="/raft").sound
    True
    """

    directory: str
    places: tuple[BadPlace, ...] = ()
    notes: tuple[str, ...] = ()
    first_index: int | None = None
    last_index: int | None = None
    frame_count: int = 0
    byte_count: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.places
