"""The sweep: every crash point of a recording, every image there, one verdict each.

The op log is walked once per profile. Wherever it grows, the images that hold the newest op are
recovered and judged; wherever something is acknowledged, all images of that moment are judged
again, since more is demanded of them. Equal images are recovered once.

Left out: how one image is recovered (recovery.py), how a finding is explained (explanation.py).
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from itertools import islice
from typing import Final

from attrs import frozen

from wavetank.scenarios.observation import Problem
from wavetank.scenarios.oracle import judge
from wavetank.scenarios.recording import Moment, Recording
from wavetank.scenarios.recovery import Outcome, Recovery
from wavetank.sim import (
    CrashImages,
    DiskImage,
    Kept,
    Mark,
    PendingOps,
    Profile,
    Sync,
    all_images,
    newest_images,
)

__all__ = [
    "MAX_SETS_PER_POINT",
    "CrashPoint",
    "Finding",
    "Sweep",
    "explore",
    "judge_image",
    "pending_at",
]

MAX_SETS_PER_POINT: Final = 512
"""Legal sets of pending ops at one crash point up to which all of them are tried."""

_DIGEST_BYTES: Final = 16
_PROGRESS_EVERY: Final = 50


@frozen(kw_only=True)
class CrashPoint:
    """One image of one recording, by name.

    Attributes:
        position: records of the op log before the crash.
        kept: which pending ops the crash kept.
    """

    position: int
    kept: Kept


@frozen(kw_only=True)
class Finding:
    """An invariant broken by an image.

    Attributes:
        problem: which, and how.
        crash: the image.
        lost: numbers of the ops that the crash lost, ascending; the torn op is among them.
        step: the step of the workload at which the power went.
    """

    problem: Problem
    crash: CrashPoint
    lost: tuple[int, ...]
    step: int


@frozen(kw_only=True)
class Sweep:
    """What a sweep over one recording under one profile saw.

    Attributes:
        profile: the profile.
        crash_points: positions at which the op log grew.
        legal: how many images the profile allows, each counted at the first point it is allowed
            at; None where they were too many to count.
        complete: whether every legal image was judged.
        distinct: different images met.
        judged: images on which recovery ran.
        cache_hits: images met again, whose outcome was known.
        unjudged: images left over when the budget ended.
        recoveries: stores opened in sum, second generations among them.
        findings: per kind of problem the one that lost least, in the order of their discovery.
        digest: a hash of every image and verdict, in order.
    """

    profile: Profile
    crash_points: int
    legal: int | None
    complete: bool
    distinct: int
    judged: int
    cache_hits: int
    unjudged: int
    recoveries: int
    findings: tuple[Finding, ...]
    digest: str


def explore(
    recording: Recording,
    profile: Profile,
    *,
    max_images: int | None = None,
    max_sets_per_point: int = MAX_SETS_PER_POINT,
    on_progress: Callable[[int], None] | None = None,
) -> Sweep:
    """Judge the images at every crash point of `recording` under `profile`.

    Args:
        recording: the run.
        profile: what a crash may lose.
        max_images: recover at most so many distinct images; the others are counted as unjudged.
        max_sets_per_point: with more legal sets of pending ops at a crash point than this, a
            catalogue stands in for them, and the sweep is not complete.
        on_progress: called with the number of images judged so far, now and then.
    """
    sweeper = _Sweeper(recording, profile, max_images, on_progress)
    pending = PendingOps(recording.image, profile)
    limit = max_sets_per_point
    sweeper.visit(pending, 0, all_images(pending, limit=limit))
    for number, record in enumerate(recording.log):
        position = number + 1
        pending.take(record)
        if isinstance(record, Mark):
            sweeper.visit(pending, position, all_images(pending, limit=limit))
        elif not isinstance(record, Sync):
            sweeper.crash_points += 1
            if pending.whole:
                images = newest_images(pending, limit=limit)
                sweeper.visit(pending, position, images, new=True)
    return sweeper.finish()


class _Sweeper:
    """The running counts and findings of one sweep."""

    def __init__(
        self,
        recording: Recording,
        profile: Profile,
        max_images: int | None,
        on_progress: Callable[[int], None] | None,
    ) -> None:
        self.crash_points = 0
        self._recording = recording
        self._profile = profile
        self._max_images = max_images
        self._on_progress = on_progress
        self._recovery = Recovery(recording.workload, recording.backend, profile)
        self._outcomes: dict[bytes, Outcome] = {}
        self._unjudged: set[bytes] = set()
        self._smallest: dict[tuple[str, str], Finding] = {}
        self._legal = 0
        self._complete = True
        self._cache_hits = 0
        self._recoveries = 0
        self._digest = blake2b(digest_size=_DIGEST_BYTES)

    def visit(
        self, pending: PendingOps, position: int, images: CrashImages, *, new: bool = False
    ) -> None:
        """Recover and judge the given images of one crash point; `new`: not legal before it."""
        moment = self._recording.moment_at(position)
        verdicts: dict[bytes, tuple[Problem, ...]] = {}
        self._complete = self._complete and images.complete
        for kept in images.images:
            image = pending.image(kept)
            name = image.digest()
            self._legal += new or (name not in self._outcomes and name not in self._unjudged)
            outcome = self._outcome(name, image)
            if outcome is None:
                continue
            if name not in verdicts:
                verdicts[name] = _verdict(outcome, moment, self._recording)
                self._digest.update(name)
            for problem in verdicts[name]:
                self._digest.update(f"{position} {problem.invariant} {problem.summary}\n".encode())
                crash = CrashPoint(position=position, kept=kept)
                self._keep_smallest(problem, crash, pending, moment.step)

    def finish(self) -> Sweep:
        return Sweep(
            profile=self._profile,
            crash_points=self.crash_points,
            legal=self._legal if self._complete else None,
            complete=self._complete and not self._unjudged,
            distinct=len(self._outcomes) + len(self._unjudged),
            judged=len(self._outcomes),
            cache_hits=self._cache_hits,
            unjudged=len(self._unjudged),
            recoveries=self._recoveries,
            findings=tuple(self._smallest.values()),
            digest=self._digest.hexdigest(),
        )

    def _outcome(self, name: bytes, image: DiskImage) -> Outcome | None:
        """Return what becomes of an image, recovering it once; None if the budget is used up."""
        known = self._outcomes.get(name)
        if known is not None:
            self._cache_hits += 1
            return known
        if self._max_images is not None and len(self._outcomes) >= self._max_images:
            self._unjudged.add(name)
            return None
        outcome = self._outcomes[name] = self._recovery.outcome(image)
        self._recoveries += outcome.recoveries
        if self._on_progress is not None and len(self._outcomes) % _PROGRESS_EVERY == 0:
            self._on_progress(len(self._outcomes))
        return outcome

    def _keep_smallest(
        self, problem: Problem, crash: CrashPoint, pending: PendingOps, step: int
    ) -> None:
        """Keep, per kind of problem, the finding that lost the fewest ops; the first of those."""
        whole = set(crash.kept.numbers) - {tear.number for tear in crash.kept.tears}
        lost = tuple(op.number for op in pending.ops if op.number not in whole)
        key = (problem.invariant, problem.kind)
        best = self._smallest.get(key)
        if best is None or len(lost) < len(best.lost):
            self._smallest[key] = Finding(problem=problem, crash=crash, lost=lost, step=step)


def pending_at(recording: Recording, profile: Profile, position: int) -> PendingOps:
    """Return what is durable and what is pending when `position` records have been written."""
    pending = PendingOps(recording.image, profile)
    pending.take_all(islice(recording.log, position))
    return pending


def judge_image(recording: Recording, profile: Profile, crash: CrashPoint) -> tuple[Problem, ...]:
    """Return what is wrong with one image alone.

    Raises:
        ValueError: the crash point names an image that is not legal there.
    """
    pending = pending_at(recording, profile, crash.position)
    if not pending.is_legal(crash.kept):
        raise ValueError(
            f"crash: expected ops that {profile.name} may keep alone at position "
            f"{crash.position}, got {crash.kept}"
        )
    recovery = Recovery(recording.workload, recording.backend, profile)
    outcome = recovery.outcome(pending.image(crash.kept))
    return _verdict(outcome, recording.moment_at(crash.position), recording)


def _verdict(outcome: Outcome, moment: Moment, recording: Recording) -> tuple[Problem, ...]:
    if outcome.observation is None:
        return outcome.problems
    known = judge(outcome.observation, moment.knowledge, recording.workload.options)
    return known + outcome.problems
