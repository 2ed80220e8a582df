"""What was seen of litmus programs on a real filesystem, as values."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from attrs import frozen

from wavetank.sim import LitmusState

__all__ = [
    "ForbiddenState",
    "MachineError",
    "ObservedState",
    "RealOutcome",
    "RealResult",
    "RealVerdict",
    "overall_verdict",
]


class MachineError(Exception):
    """The machine refused something that the experiment needs; the message says what."""


class RealVerdict(Enum):
    """What came of a filesystem."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    SKIPPED = "skipped"


@frozen(kw_only=True)
class ObservedState:
    """One image at one moment.

    Attributes:
        image: which image of all; one image can stand for several moments.
        state: what was read; None if the image could not be mounted or read.
        error: why it could not; "" if it could.
        run: number of the run.
        triggers: what was done between the steps, as text; one per step.
        window: how many flushes of this run came before, counted from 0.
        kept: which blocks written since the flush before were kept, by number.
        written: how many there were.
    """

    image: int
    state: LitmusState | None
    error: str
    run: int
    triggers: tuple[str, ...]
    window: int
    kept: tuple[int, ...]
    written: int


@frozen(kw_only=True)
class ForbiddenState:
    """A state that a profile forbids, or an error, and how it came about.

    Attributes:
        first: where it was seen first.
        images: in how many images it was seen.
    """

    first: ObservedState
    images: int


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
    outside: tuple[ForbiddenState, ...]


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


def overall_verdict(results: Sequence[RealResult]) -> RealVerdict:
    """Return ``fail`` if one failed, ``skipped`` if none could be looked at, else ``pass``."""
    verdicts = {result.verdict for result in results}
    for verdict in (RealVerdict.FAIL, RealVerdict.PASS):
        if verdict in verdicts:
            return verdict
    return RealVerdict.SKIPPED
