"""What a verification found: `VerifyReport`, with a `BadPlace` for each thing that is not right.

Left out: looking (verify.py).
"""

from __future__ import annotations

from attrs import frozen

__all__ = ["BadPlace", "VerifyReport"]


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
