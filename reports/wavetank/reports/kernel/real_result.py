"""What was seen of litmus programs on a real filesystem, as values."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from wavetank.sim import LitmusState

__all__ = ["MachineError", "RealOutcome", "RealResult", "RealSighting", "RealVerdict"]


class MachineError(Exception):
    """The machine refused something that the experiment needs; the message says what."""


class RealVerdict(Enum):
    """What came of a filesystem."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    SKIPPED = "skipped"


@frozen(kw_only=True)
class RealSighting:
    """A state that a profile forbids, and how it came about.

    Attributes:
        state: what was read; None if the image could not be mounted or read.
        error: why it could not; "" if it could.
        run: number of the run.
        nudges: what was done between the steps, as text; one per step.
        window: how many flushes of this run came before, counted from 0.
        kept: which blocks written since the flush before were kept, by number.
        written: how many there were.
        times: in how many images it was seen.
    """

    state: LitmusState | None
    error: str
    run: int
    nudges: tuple[str, ...]
    window: int
    kept: tuple[int, ...]
    written: int
    times: int


@frozen(kw_only=True)
class RealOutcome:
    """A program on a real filesystem, held against one profile.

    Attributes:
        id: of the litmus test.
        profile: the profile's name.
        images: images mounted and read.
        seen: allowed states that were seen, in order.
        unseen: allowed states that never were, in order.
        outside: what was seen and is forbidden.
    """

    id: str
    profile: str
    images: int
    seen: tuple[LitmusState, ...]
    unseen: tuple[LitmusState, ...]
    outside: tuple[RealSighting, ...]


@frozen(kw_only=True)
class RealResult:
    """Everything about one real filesystem.

    Attributes:
        filesystem: its name.
        kernel: release of the kernel.
        missing: what the machine lacks, by name; then nothing was run.
        make: the command that made the filesystem, without the device.
        mount_options: it was mounted with these.
        runs: of each program.
        images: images mounted and read, in sum.
        outcomes: one per program and profile.
    """

    filesystem: str
    kernel: str
    missing: tuple[str, ...] = ()
    make: str = ""
    mount_options: str = ""
    runs: int = 0
    images: int = 0
    outcomes: tuple[RealOutcome, ...] = ()

    @property
    def verdict(self) -> RealVerdict:
        """Whether all that was seen is allowed."""
        if self.missing:
            return RealVerdict.SKIPPED
        wrong = any(outcome.outside for outcome in self.outcomes)
        return RealVerdict.FAIL if wrong else RealVerdict.PASS
