"""What it takes to judge a case again: its limits, digests of what was done, and the answer."""

from __future__ import annotations

from enum import Enum
from hashlib import blake2b
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.crash_point import CrashPoint, CrashTrail, follow
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.exploration.subject import Known, RecordedRun, Shown
from wavetank.scenarios.raft.recording import Recording
from wavetank.sim import Profile

__all__ = [
    "ReplayResult",
    "ReplayVerdict",
    "diverged",
    "fixed",
    "limits_of",
    "log_digest",
    "trace_digest",
]

_UNSYNCED_SETS: Final = 16
"""Where appends are not synced, ops pile up, and every point would have all the sets it may."""


class ReplayVerdict(Enum):
    """The answer of a replay."""

    FIXED = "fixed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    DIVERGED = "diverged"


@frozen(kw_only=True)
class ReplayResult:
    """What a replay found.

    Attributes:
        verdict: FAILED or FIXED; INCONCLUSIVE if it was not found again but not all images were
            judged; ERROR if the case names a store that is not there; DIVERGED if two runs of the
            same case differ, so that no answer can be trusted.
        explanation: one sentence on what was done and seen.
        violation: the finding as it shows today, if a new search found it; None if the same image
            was judged again (its story has not changed) or nothing was found.
    """

    verdict: ReplayVerdict
    explanation: str
    violation: Violation | None = None


def diverged(why: str) -> ReplayResult:
    """Return the answer for a case that did not run twice alike.

    Args:
        why: in what it differed.
    """
    return ReplayResult(
        verdict=ReplayVerdict.DIVERGED,
        explanation=f"{why}: the store is not deterministic, and no answer can be trusted",
    )


def fixed(case: Case, how: str) -> ReplayResult:
    """Return the answer for a case whose problem is gone.

    Args:
        case: the case.
        how: what was done to see that.
    """
    return ReplayResult(
        verdict=ReplayVerdict.FIXED, explanation=f"{how}: it no longer breaks {case.invariant}"
    )


def limits_of(case: Case, *, max_images: int | None = None) -> Limits:
    """Return how far the exploration of a case goes.

    Args:
        case: any.
        max_images: distinct images recovered at most; None: all.
    """
    limits = Limits(
        depth=case.depth,
        max_images=max_images,
        tearing=case.tearing,
        from_step=case.workload.crashes_from,
        reported=frozenset(case.workload.invariants),
    )
    # Ops pile up just the same where every sync lies.
    lies_on = any(
        fault.is_lying_sync and fault.trigger.times is None for fault in case.workload.faults.faults
    )
    if case.workload.promises.appends_durable and not lies_on:
        return limits
    return evolve(limits, max_sets_per_point=_UNSYNCED_SETS)


def log_digest(recording: Recording) -> str:
    """Return a hash of everything a recorded run did to its disk."""
    digest = blake2b(digest_size=16)
    for entry in recording.log:
        digest.update(repr(entry).encode())
    return digest.hexdigest()


def trace_digest(run: RecordedRun[Shown, Known], profile: Profile, crash: CrashPoint | None) -> str:
    """Return a hash of all that was done to the disk on the way to a crash; "" without a crash.

    Raises:
        ValueError: `profile` does not allow the crash.
    """
    if crash is None:
        return ""
    with run.runnable() as runnable:
        return _digest_of(follow(runnable, runnable.subject(), profile, crash))


def _digest_of(trail: CrashTrail[Shown]) -> str:
    digest = blake2b(digest_size=16)
    for stretch in trail.stretches:
        for entry in stretch.log:
            digest.update(repr(entry).encode())
        digest.update(repr((stretch.recovered_from, stretch.has_returned)).encode())
    return digest.hexdigest()
