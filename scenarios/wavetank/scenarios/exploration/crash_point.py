"""The name of an image: where the power went, what the crash kept, and how often it went again.

`CrashPoint` is that name as data. `follow` runs it: it returns the image, and every stretch of work
that a power cut ended on the way, from the recorded run and the name alone.
"""

from __future__ import annotations

from enum import Enum
from itertools import islice
from typing import Generic

from attrs import evolve, frozen

from wavetank.faults import InjectorState
from wavetank.scenarios.exploration.subject import (
    Known,
    RecordedRun,
    RecoveryRun,
    Shown,
    Subject,
)
from wavetank.sim import DiskImage, Kept, MicroOp, PendingOps, Profile, Record

__all__ = [
    "Cause",
    "CrashPoint",
    "CrashTrail",
    "Stretch",
    "follow",
    "loses_the_same",
    "pending_at",
    "recover_after_kill",
]


@frozen(kw_only=True)
class CrashPoint:
    """One image of one recording, by name.

    Attributes:
        position: records of the op log before the power cut; after a kill, those of the recovery
            that followed it count on.
        kept: which pending ops the crash kept.
        killed_at: the process was killed at this position, and the store was opened again on the
            surviving cache, before the power went; None if nobody was killed.
        then: power cuts inside the recovery from the one before, by position in its own log.
    """

    position: int
    kept: Kept
    killed_at: int | None = None
    then: tuple[CrashPoint, ...] = ()


class Cause(Enum):
    """What the last power cut interrupted."""

    WORK = "a crash"
    RECOVERY_AFTER_KILL = "a crash after a kill and a restart"
    RECOVERY = "a crash inside recovery"


@frozen(kw_only=True)
class Stretch:
    """Work that ran from one disk on until the power went.

    Attributes:
        image: the disk before it.
        log: what was done to it before the power cut.
        kept: which pending ops the power cut kept.
        recovered_from: how many records of the log come before the recovery that it ends with;
            None if it holds no recovery.
        has_returned: whether that recovery had ended when the power went.
        works_from: how many records of the log come before new work that followed the recovery;
            None if none did.
    """

    image: DiskImage
    log: tuple[Record, ...]
    kept: Kept
    recovered_from: int | None = None
    has_returned: bool = False
    works_from: int | None = None

    def pending(self, profile: Profile) -> PendingOps:
        """Return what is durable and what is pending at its power cut."""
        pending = PendingOps(self.image, profile)
        pending.take_all(self.log)
        return pending

    def lost(self, profile: Profile) -> tuple[MicroOp, ...]:
        """Return the ops that its power cut lost or tore, ascending."""
        whole = set(self.kept.numbers) - {tear.number for tear in self.kept.tears}
        return tuple(op for op in self.pending(profile).ops if op.number not in whole)


@frozen(kw_only=True)
class CrashTrail(Generic[Shown]):
    """How an image came about.

    Attributes:
        image: what the last power cut left.
        since: where the faults stand then.
        stretches: what ran on the way, each until its power cut; never empty.
        cause: what the last power cut interrupted.
        shown_before: what the last recovery had shown, if it had ended; else None.
    """

    image: DiskImage
    since: InjectorState | None
    stretches: tuple[Stretch, ...]
    cause: Cause
    shown_before: Shown | None


def pending_at(run: RecordedRun[Shown, Known], profile: Profile, position: int) -> PendingOps:
    """Return what is durable and what is pending after so many records of the op log."""
    pending = PendingOps(run.image, profile)
    pending.take_all(islice(run.log, position))
    return pending


def recover_after_kill(
    run: RecordedRun[Shown, Known],
    subject: Subject[Shown, Known],
    position: int,
    pending: PendingOps,
) -> RecoveryRun[Shown]:
    """Return the recovery of the next process: all that was done is in the machine's cache.

    Args:
        run: the recorded run.
        subject: recovers.
        position: records of its op log before the kill.
        pending: what is durable and what is not by then.
    """
    since = run.fault_course.at(position)
    return subject.recover(pending.full, first=len(run.log), since=since)


def follow(
    run: RecordedRun[Shown, Known],
    subject: Subject[Shown, Known],
    profile: Profile,
    crash: CrashPoint,
) -> CrashTrail[Shown]:
    """Return how the image of a crash point comes about, by running every recovery before it.

    Raises:
        ValueError: `profile` does not allow one of its power cuts.
    """
    recovery, stretch = _first_stretch(run, subject, profile, crash)
    cause = Cause.WORK if recovery is None else Cause.RECOVERY_AFTER_KILL
    since = run.fault_course.at(crash.position)
    if recovery is not None and crash.killed_at is not None:
        since = recovery.course.at(crash.position - crash.killed_at)
    stretches = [stretch]
    image = _image(stretch, profile)
    for again in crash.then:
        recovery = subject.recover(image, since=since)
        since = recovery.course.at(again.position)
        cause = Cause.RECOVERY
        stretch = Stretch(
            image=image,
            log=recovery.log[: again.position],
            kept=again.kept,
            recovered_from=0,
            has_returned=_has_returned(recovery, again.position),
        )
        stretches.append(stretch)
        image = _image(stretch, profile)
    shown = recovery.observation if recovery is not None and stretch.has_returned else None
    return CrashTrail(
        image=image, since=since, stretches=tuple(stretches), cause=cause, shown_before=shown
    )


def loses_the_same(mine: PendingOps, theirs: PendingOps, kept: Kept) -> Kept | None:
    """Return what `theirs` keeps when it loses what `mine` loses; None if it cannot."""
    lost = {op.number for op in mine.ops} - set(kept.numbers)
    present = {op.number for op in theirs.ops}
    if not lost <= present:
        return None
    same = evolve(kept, numbers=tuple(sorted(present - lost)))
    return same if theirs.is_legal(same) else None


def _first_stretch(
    run: RecordedRun[Shown, Known],
    subject: Subject[Shown, Known],
    profile: Profile,
    crash: CrashPoint,
) -> tuple[RecoveryRun[Shown] | None, Stretch]:
    if crash.killed_at is None:
        log = tuple(islice(run.log, crash.position))
        return None, Stretch(image=run.image, log=log, kept=crash.kept)
    before = tuple(islice(run.log, crash.killed_at))
    pending = pending_at(run, profile, crash.killed_at)
    if not pending.whole:
        raise ValueError(
            f"crash: expected a kill between two calls, got one inside a call, at position "
            f"{crash.killed_at}"
        )
    recovery = recover_after_kill(run, subject, crash.killed_at, pending)
    done = crash.position - crash.killed_at
    stretch = Stretch(
        image=run.image,
        log=(*before, *recovery.log[:done]),
        kept=crash.kept,
        recovered_from=len(before),
        has_returned=_has_returned(recovery, done),
    )
    return recovery, stretch


def _has_returned(recovery: RecoveryRun[Shown], position: int) -> bool:
    return recovery.observation is not None and position >= len(recovery.log)


def _image(stretch: Stretch, profile: Profile) -> DiskImage:
    pending = stretch.pending(profile)
    if not pending.is_legal(stretch.kept):
        raise ValueError(
            f"crash: expected ops that {profile.name} may keep alone at position "
            f"{len(stretch.log)}, got {stretch.kept}"
        )
    return pending.image(stretch.kept)
