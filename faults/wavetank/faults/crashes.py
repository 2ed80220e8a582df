"""Crashes: at an operation the power goes, or the process is killed.

Nothing below the seam knows of it: the operation happens or does not, `CrashSignal` goes up
through the store, and every further operation of that `FaultyFileSystem` raises it again. Whoever
runs the store catches the signal and goes on as its `crash` says: after a kill with a new process
on the same page cache (`SimDisk.process_kill`), after a power cut with one of the images that it
may leave (`PendingOps`). Left out: all of that, which is the business of the run.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from wavetank.faults.operations import OperationKind

__all__ = ["Crash", "CrashEnd", "CrashSignal", "Moment"]


class CrashEnd(Enum):
    """What ends. KILL_THEN_POWER_CUT: the process, and the power while the next one recovers."""

    POWER_CUT = "crash"
    KILL = "kill"
    KILL_THEN_POWER_CUT = "kill then power cut"


class Moment(Enum):
    """How far the operation has come.

    INSIDE: a write has taken the first half of its bytes. A sync has not been done: what a power
    cut inside it may leave is what one before it may leave. What is one step for the filesystem
    below has been done, and nobody has been told.
    """

    BEFORE = "before"
    INSIDE = "inside"
    AFTER = "after"


@frozen
class Crash:
    """The process ends at the operation.

    Attributes:
        end: how.
        moment: how far the operation has come.

    >>> print(Crash(CrashEnd.KILL_THEN_POWER_CUT, Moment.BEFORE))
    kill before then power cut
    """

    end: CrashEnd
    moment: Moment

    @property
    def kinds(self) -> tuple[OperationKind, ...] | None:
        """The kinds of operation to which it can be done; None for all."""
        return None

    def __str__(self) -> str:
        verb, _, then = self.end.value.partition(" ")
        return " ".join(word for word in (verb, self.moment.value, then) if word)


class CrashSignal(BaseException):
    """The process has ended here, by a `Crash` of the plan.

    Args:
        crash: how it ended.
        operation: at which operation, in words.

    Attributes:
        crash: how it ended.

    >>> raise CrashSignal(Crash(CrashEnd.KILL, Moment.AFTER), "rename /store/state.tmp")
    Traceback (most recent call last):
        ...
    wavetank.faults.crashes.CrashSignal: kill after rename /store/state.tmp
    """

    def __init__(self, crash: Crash, operation: str) -> None:
        super().__init__(f"{crash} {operation}")
        self.crash = crash
