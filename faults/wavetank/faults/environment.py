"""Describe environment faults: what happens to the process, the cache or the clock.

An operation is only their occasion. After `Crash` the process is gone: the operation happens or
does not, `CrashSignal` propagates through the store, and every further operation of that
`FaultyFileSystem` raises it again. Whoever runs the store catches the signal and continues as its
`crash` says: after a kill with a new process on the same page cache (`SimDisk.process_kill`), after
a power cut with one of the images it may leave (`PendingOps`). With `Evict`, `Stall` and
`ClockJump` the operation goes on. `kinds` of each value names the operations it can apply to; None
for all.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Protocol, TypeAlias

from attrs import field, frozen
from attrs.validators import ge, instance_of

from wavetank.faults.operations import Kinds, When
from wavetank.sim import FsyncFailure

__all__ = [
    "ClockHooks",
    "ClockJump",
    "Crash",
    "CrashEnd",
    "CrashSignal",
    "DiskHooks",
    "EnvironmentFault",
    "Evict",
    "Stall",
]


class CrashEnd(Enum):
    """What ends. KILL_THEN_POWER_CUT: the process, and the power while the next one recovers."""

    POWER_CUT = "crash"
    KILL = "kill"
    KILL_THEN_POWER_CUT = "kill then power cut"


@frozen
class Crash:
    """The process ends at the operation.

    Attributes:
        end: how.
        when: how much of the operation has taken effect. INSIDE, a write has taken the first half
            of its bytes; a sync has not been done, since a power cut inside it leaves what one
            before it may leave; everything else, one step for the filesystem, has been done.

    >>> print(Crash(CrashEnd.KILL_THEN_POWER_CUT, When.BEFORE))
    kill before then power cut
    """

    kinds: ClassVar[Kinds] = None

    end: CrashEnd
    when: When

    def __str__(self) -> str:
        verb, _, then = self.end.value.partition(" ")
        return " ".join(word for word in (verb, self.when.value, then) if word)


class CrashSignal(BaseException):
    """The process ends here, by a `Crash` of the plan.

    Args:
        crash: how it ends.
        operation: at which operation, in words.

    Attributes:
        crash: how it ends.

    >>> raise CrashSignal(Crash(CrashEnd.KILL, When.AFTER), "rename /store/state.tmp")
    Traceback (most recent call last):
        ...
    wavetank.faults.environment.CrashSignal: kill after rename /store/state.tmp
    """

    def __init__(self, crash: Crash, operation: str) -> None:
        super().__init__(f"{crash} {operation}")
        self.crash = crash


@frozen
class Evict:
    """The page cache drops its clean pages before the operation.

    >>> print(Evict())
    evict
    """

    kinds: ClassVar[Kinds] = None

    def __str__(self) -> str:
        return "evict"


@frozen
class Stall:
    """The operation begins late.

    Attributes:
        duration_ms: by how much, in milliseconds of the run's virtual time.

    >>> print(Stall(250))
    stall 250 ms
    """

    kinds: ClassVar[Kinds] = None

    duration_ms: int = field(validator=[instance_of(int), ge(1)])

    def __str__(self) -> str:
        return f"stall {self.duration_ms} ms"


@frozen
class ClockJump:
    """The wall clock is set before the operation; the monotonic clock goes on.

    Attributes:
        jump_s: by how many seconds, forwards if positive.

    Raises:
        ValueError: the jump is 0.

    >>> print(ClockJump(3600), ClockJump(-5), sep="; ")
    clock jumps +3600 s; clock jumps -5 s
    """

    kinds: ClassVar[Kinds] = None

    jump_s: int = field(validator=instance_of(int))

    def __attrs_post_init__(self) -> None:
        if not self.jump_s:
            raise ValueError(f"jump_s: expected seconds other than 0 but got {self.jump_s}")

    def __str__(self) -> str:
        return f"clock jumps {self.jump_s:+} s"


class DiskHooks(Protocol):
    """A disk whose syncs can fail as a filesystem's do, such as `SimDisk`."""

    def fail_next_sync(self, machine: FsyncFailure, *, path: str | None = None) -> None:
        """Make writeback fail at the next sync of a file opened under `path`."""
        ...

    def evict(self) -> None:
        """Drop the clean pages of the page cache."""
        ...


class ClockHooks(Protocol):
    """A virtual clock, such as `SerialRuntime`."""

    def sleep(self, duration_s: float) -> None:
        """Let `duration_s` seconds pass."""
        ...

    def jump_wall_clock(self, jump_s: float) -> None:
        """Set the wall clock `jump_s` seconds forwards, or back if negative."""
        ...


EnvironmentFault: TypeAlias = Evict | Stall | ClockJump
"""Cache or clock do something they may do at any time; the operation goes on."""
