"""What an open found and did: `RecoveryReport`.

Left out: anything that would differ between two openings of equal directories, such as times.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

__all__ = ["CutTail", "RecoveryAction", "RecoveryReport", "RecoveryStep"]


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
    """

    path: str
    offset: int
    length: int
    first_index: int | None
    last_index: int | None
    reason: str
    ambiguous: bool


@frozen(kw_only=True)
class RecoveryReport:
    """What an open found, did, cut, and why.

    Attributes:
        clean: the last run ended with a clean close, and nothing had to be checked beyond it.
        created: the store was new, or its creation had been interrupted.
        steps: everything that was changed, in order.
        cut: the tail that was removed from the log, or None.
    """

    clean: bool
    created: bool
    steps: tuple[RecoveryStep, ...]
    cut: CutTail | None
