"""Whether images are right, and the smallest finding of each kind of problem.

An image is met by its name. What its recovery shows is judged by what was known in the interval of
the crash, once for all images that show the same; so is what crashes inside that recovery leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Generic

from attrs import evolve, frozen

from wavetank.faults import InjectorState
from wavetank.scenarios.exploration.crash_point import Cause, CrashPoint, recover_after_kill
from wavetank.scenarios.exploration.judging import (
    LOST_AFTER_CLOSE,
    Finding,
    is_changed,
    judge_crash,
    problems_of,
)
from wavetank.scenarios.exploration.point_outcomes import PointOutcomes, digest_of_points
from wavetank.scenarios.exploration.recovery_graph import Limits, RecoveryGraph, RecoveryOutcome
from wavetank.scenarios.exploration.subject import (
    Interval,
    Known,
    Problem,
    RecordedRun,
    Shown,
    Subject,
)
from wavetank.sim import DiskImage, PendingOps, Profile

__all__ = ["ImageJudge", "Root"]


@frozen
class Root:
    """A crash of the workload, or of the recovery after a kill, and what is judged by it."""

    crash: CrashPoint
    image: DiskImage
    since: InjectorState | None
    cause: Cause


class ImageJudge(Generic[Shown, Known]):
    """Judges the images of one exploration, in the order in which they come.

    Args:
        run: the recorded run.
        profile: what a crash may lose.
        limits: which invariants are told.
        subject: judges what a recovery shows.
        graph: remembers what recoveries make of images.
        on_finding: called with the first finding of each kind.
        on_step: called with each step to which images belong from then on; None: nobody is.

    Attributes:
        points: what each crash point came to.
        recoveries_again: recoveries that judging findings again took.
    """

    def __init__(
        self,
        run: RecordedRun[Shown, Known],
        profile: Profile,
        *,
        limits: Limits,
        subject: Subject[Shown, Known],
        graph: RecoveryGraph[Shown, Known],
        on_finding: Callable[[Finding], None],
        on_step: Callable[[int], None] | None,
    ) -> None:
        self.points = PointOutcomes()
        self.recoveries_again = 0
        self._run = run
        self._profile = profile
        self._limits = limits
        self._subject = subject
        self._graph = graph
        self._on_finding = on_finding
        self._on_step = on_step
        self._smallest: dict[tuple[str, str], Finding] = {}
        self._interval: Interval[Known] | None = None
        # Both are of this interval; equal observations are judged once.
        self._verdicts: dict[int, tuple[Problem, ...]] = {}
        self._seen: dict[bytes, bool] = {}

    @property
    def first(self) -> Finding | None:
        """The first finding; None as long as nothing was wrong."""
        return next(iter(self._smallest.values()), None)

    @property
    def digest(self) -> str:
        """A hash of every image and problem so far, in order."""
        return digest_of_points(self.points.digests())

    def findings(self) -> tuple[Finding, ...]:
        """Return the smallest finding of each kind, each judged again by its crash alone."""
        return tuple(self._judged_again(each) for each in self._smallest.values())

    def enter(self, position: int) -> Interval[Known]:
        """Come to a crash point, and return what was known there."""
        interval = self._run.interval_at(position)
        self.points.enter(position, interval.step)
        if interval is not self._interval:
            # More or less is demanded now.
            self._interval = interval
            self._verdicts.clear()
            self._seen.clear()
            if self._on_step is not None:
                self._on_step(interval.step)
        return interval

    def note(self, name: bytes) -> None:
        """Take the name of an image into the digest."""
        self.points.take(name)

    def judge(self, pending: PendingOps, root: Root, name: bytes) -> None:
        """Judge an image, and all that crashes inside recoveries make of it."""
        before = len(self._graph)
        expanded = self._graph.meet(name, root.image, root.since)
        self.points.count(len(self._graph) - before)
        if name not in self._graph:
            return
        for problem in problems_of(self._verdict(name), root.cause):
            self._keep(problem, root.crash, pending)
        for start in dict.fromkeys((name, *expanded)):
            self._judge_lost_after(start, root, pending)
            for parent, child in self._prepared(self._graph.descendants(start, self._seen)):
                for problem in problems_of(self._verdict(child), Cause.RECOVERY):
                    self._keep_inner(problem, root, pending, parent, child, at_end=False)
                self._judge_lost_after(child, root, pending)

    def _prepared(self, inner: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
        """Return nested images once the subject has seen all that they show."""
        if self._subject.width <= 1:
            return inner
        assert self._interval is not None
        listed = list(inner)
        shown = [self._graph[child].observation for _, child in listed]
        self._subject.prepare_shown([each for each in shown if each is not None], self._interval)
        return listed

    def judge_close(self, pending: PendingOps, crash: CrashPoint, image: DiskImage) -> None:
        """Report a clean close that left behind what this crash undoes."""
        assert self._interval is not None
        if self._subject.is_settled(self._interval) and is_changed(pending.full, image):
            self._keep(LOST_AFTER_CLOSE, crash, pending)

    def judge_kept(
        self,
        pending: PendingOps,
        crash: CrashPoint,
        cause: Cause,
        before: Shown,
        outcome: RecoveryOutcome[Shown],
    ) -> None:
        """Judge what a recovery had shown that had ended before the crash.

        Args:
            pending: what is durable and what is not, where the process was killed.
            crash: the power cut after that recovery.
            cause: what it interrupted.
            before: what that recovery had shown.
            outcome: of the recovery after the power cut.
        """
        if outcome.observation is None:
            return
        lost = self._subject.judge_kept(before, outcome.observation)
        for problem in problems_of((), cause, lost):
            self._keep(problem, crash, pending)

    def _judge_lost_after(self, name: bytes, root: Root, pending: PendingOps) -> None:
        for lost, child in self._graph.lost_after(name):
            for problem in problems_of((), Cause.RECOVERY, (lost,)):
                self._keep_inner(problem, root, pending, name, child, at_end=True)

    def _verdict(self, name: bytes) -> tuple[Problem, ...]:
        """Return what is wrong with an image in this interval."""
        outcome = self._graph[name]
        if outcome.observation is None:
            return outcome.problems
        assert self._interval is not None
        known = self._verdicts.get(outcome.shown)
        if known is None:
            known = self._subject.judge(outcome.observation, self._interval)
            self._verdicts[outcome.shown] = known
        return known + outcome.problems

    def _keep_inner(
        self,
        problem: Problem,
        root: Root,
        pending: PendingOps,
        parent: bytes,
        child: bytes,
        *,
        at_end: bool,
    ) -> None:
        """Keep the first finding of a kind that takes crashes inside recoveries."""
        if not self._limits.tells(problem.invariant):
            return
        if (problem.invariant, problem.kind) in self._smallest:
            self.points.note(problem.invariant)
            return
        then = self._graph.path(root.image, root.since, parent, child, at_end=at_end)
        self._keep(problem, evolve(root.crash, then=then), pending)

    def _keep(self, problem: Problem, crash: CrashPoint, pending: PendingOps) -> None:
        """Keep, per kind of problem, the finding that lost the fewest ops; the first of those."""
        if not self._limits.tells(problem.invariant):
            return
        assert self._interval is not None
        self.points.note(problem.invariant)
        self.points.take(f"{crash.position} {problem.invariant} {problem.summary}\n".encode())
        key = (problem.invariant, problem.kind)
        best = self._smallest.get(key)
        if best is not None and (crash.killed_at is not None or crash.then):
            return
        lost = self._lost(crash, pending)
        if best is not None and len(lost) >= len(best.lost):
            return
        finding = Finding(
            problem=problem,
            crash=crash,
            lost=lost,
            step=self._interval.step,
            judged=len(self._graph) if best is None else best.judged,
        )
        self._smallest[key] = finding
        if best is None:
            self._on_finding(finding)

    def _lost(self, crash: CrashPoint, pending: PendingOps) -> tuple[int, ...]:
        if crash.killed_at is not None:
            # The recovery may have made durable what was pending at the kill.
            pending = pending.fork()
            recovery = recover_after_kill(self._run, self._subject, crash.killed_at, pending)
            pending.take_all(islice(recovery.log, crash.position - crash.killed_at))
        whole = set(crash.kept.numbers) - {tear.number for tear in crash.kept.tears}
        return tuple(op.number for op in pending.ops if op.number not in whole)

    def _judged_again(self, finding: Finding) -> Finding:
        subject = self._run.subject(self._limits.disabled)
        before = subject.recoveries
        again = judge_crash(self._run, self._profile, finding.crash, subject=subject)
        self.recoveries_again += subject.recoveries - before
        key = (finding.problem.invariant, finding.problem.kind)
        same = any((each.invariant, each.kind) == key for each in again)
        return evolve(finding, is_reproduced=same)
