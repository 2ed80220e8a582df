"""The name of an image: where the power went, what the crash kept, and how often it went again.

`CrashPoint` says it as data; `rebuild` makes the image from it alone, with nothing remembered from
the sweep that found it.
"""

from __future__ import annotations

from itertools import islice

from attrs import evolve, frozen

from wavetank.faults import InjectorState
from wavetank.scenarios.raft.recording import Recording
from wavetank.scenarios.raft.recovery import Recovery
from wavetank.scenarios.raft.recovery_run import Opening
from wavetank.sim import DiskImage, Kept, PendingOps, Profile

__all__ = [
    "CrashPoint",
    "faults_at",
    "is_allowed_by",
    "loses_the_same",
    "open_after_kill",
    "pending_at",
    "rebuild",
    "rebuild_with_faults",
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


def pending_at(recording: Recording, profile: Profile, crash: CrashPoint | int) -> PendingOps:
    """Return what is durable and what is pending at a crash point (the first of a chain)."""
    pending = PendingOps(recording.image, profile)
    if isinstance(crash, int):
        pending.take_all(islice(recording.log, crash))
        return pending
    if crash.killed_at is None:
        return pending_at(recording, profile, crash.position)
    pending.take_all(islice(recording.log, crash.killed_at))
    recovery = Recovery(recording.workload, recording.backend)
    opening = open_after_kill(recording, crash.killed_at, pending, recovery)
    pending.take_all(opening.log[: crash.position - crash.killed_at])
    return pending


def open_after_kill(
    recording: Recording, position: int, pending: PendingOps, recovery: Recovery
) -> Opening:
    """Open a store as the next process does: all that was done is in the machine's cache.

    Args:
        recording: the run.
        position: records of its op log before the kill.
        pending: what is durable and what is not by then.
        recovery: opens the store.
    """
    since = recording.fault_course.at(position)
    return recovery.open(pending.full, first=len(recording.log), since=since)


def rebuild(recording: Recording, profile: Profile, crash: CrashPoint) -> DiskImage:
    """Return the image of a crash point.

    Raises:
        ValueError: `profile` does not allow it.
    """
    return rebuild_with_faults(recording, profile, crash)[0]


def rebuild_with_faults(
    recording: Recording, profile: Profile, crash: CrashPoint
) -> tuple[DiskImage, InjectorState | None]:
    """Return the image of a crash point, and where the faults stand then.

    Raises:
        ValueError: `profile` does not allow it.
    """
    pending = pending_at(recording, profile, crash)
    image = _image(pending, crash)
    recovery = Recovery(recording.workload, recording.backend)
    since = faults_at(recording, profile, crash, recovery)
    for again in crash.then:
        opening = recovery.open(image, since=since)
        since = opening.course.at(again.position)
        pending = PendingOps(image, profile)
        pending.take_all(opening.log[: again.position])
        image = _image(pending, again)
    return image, since


def faults_at(
    recording: Recording, profile: Profile, crash: CrashPoint, recovery: Recovery
) -> InjectorState | None:
    """Return where the faults stand at a crash point, the first of a chain; None without any."""
    if crash.killed_at is None or not recording.workload.faults.faults:
        return recording.fault_course.at(crash.position)
    pending = pending_at(recording, profile, crash.killed_at)
    opening = open_after_kill(recording, crash.killed_at, pending, recovery)
    return opening.course.at(crash.position - crash.killed_at)


def is_allowed_by(
    recording: Recording, profile: Profile, other: Profile, crash: CrashPoint
) -> bool:
    """Whether a crash point that `profile` allows, with all its crashes, is one of `other` too."""
    mine, theirs = pending_at(recording, profile, crash), pending_at(recording, other, crash)
    recovery = Recovery(recording.workload, recording.backend)
    since = faults_at(recording, profile, crash, recovery)
    for again in (*crash.then, None):
        kept = loses_the_same(mine, theirs, crash.kept)
        if kept is None:
            return False
        if again is None:
            return True
        image = mine.image(crash.kept)
        opening = recovery.open(image, since=since)
        since = opening.course.at(again.position)
        log = opening.log[: again.position]
        mine, theirs = PendingOps(image, profile), PendingOps(image, other)
        mine.take_all(log)
        theirs.take_all(log)
        crash = again
    return True


def loses_the_same(mine: PendingOps, theirs: PendingOps, kept: Kept) -> Kept | None:
    """Return what `theirs` keeps when it loses what `mine` loses; None if it cannot."""
    lost = {op.number for op in mine.ops} - set(kept.numbers)
    present = {op.number for op in theirs.ops}
    if not lost <= present:
        return None
    same = evolve(kept, numbers=tuple(sorted(present - lost)))
    return same if theirs.is_legal(same) else None


def _image(pending: PendingOps, crash: CrashPoint) -> DiskImage:
    if not pending.is_legal(crash.kept):
        raise ValueError(
            f"crash: expected ops that {pending.profile.name} may keep alone at position "
            f"{crash.position}, got {crash.kept}"
        )
    return pending.image(crash.kept)
