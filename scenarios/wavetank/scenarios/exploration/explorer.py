"""The sweep: every crash point of a recording, every image there, one verdict each.

The op log is walked once. Wherever it grows, the images that hold the newest op are recovered and
judged; wherever something is acknowledged, all images of that moment are judged again, since more
is demanded of them. With a depth, the same is asked of every image that a crash inside a recovery
leaves, and of those after a process kill and a restart on the surviving cache.

Verified here: O9 (crashing inside a recovery and opening again loses nothing), and O12 (right after
a clean close a crash changes nothing that programs saw on the disk).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

from attrs import evolve, frozen

from wavetank.faults import CrashEnd, InjectorState
from wavetank.scenarios.exploration.crash_point import (
    CrashPoint,
    open_after_kill,
    pending_at,
    rebuild_with_faults,
)
from wavetank.scenarios.exploration.recovery_graph import Fates, Limits, images_during, name_of
from wavetank.scenarios.raft.contract import Contract
from wavetank.scenarios.raft.observation import Observation, Problem
from wavetank.scenarios.raft.oracle import Knowledge, judge
from wavetank.scenarios.raft.recording import Moment, Recording
from wavetank.scenarios.raft.recovery import Recovery
from wavetank.scenarios.raft.recovery_run import Openings
from wavetank.sim import (
    Cell,
    CrashImages,
    DiskImage,
    FileContent,
    Kept,
    LinkContent,
    Mark,
    PendingOps,
    Profile,
    Reader,
    Sync,
    all_images,
    newest_images,
)

__all__ = ["Finding", "Limits", "Sweep", "explore", "judge_image", "pending_at"]

_Inodes: TypeAlias = tuple[tuple[str, int], ...]

_DIGEST_BYTES: Final = 16
_PROGRESS_EVERY: Final = 50
_LOST_AFTER_CLOSE: Final = Problem(
    "O12",
    "work pending after a clean close",
    "after a clean close a crash can still change what is on disk",
)


class _Choice(Protocol):
    """Chooses the images to look at, at one point: all, or the new ones."""

    def __call__(
        self, pending: PendingOps, *, limit: int, reader: Reader | None
    ) -> CrashImages: ...


@frozen(kw_only=True)
class Finding:
    """An invariant broken by an image.

    Attributes:
        problem: which, and how.
        crash: the image.
        lost: numbers of the ops that the first power cut lost, ascending; torn ones among them.
        step: the step of the workload at which the power went, or the process was killed.
        judged: how many images had been judged when this kind of problem first came.
    """

    problem: Problem
    crash: CrashPoint
    lost: tuple[int, ...]
    step: int
    judged: int = 0


@frozen(kw_only=True)
class Sweep:
    """What a sweep over one recording under one profile saw.

    Attributes:
        profile: the profile.
        crash_points: positions at which the op log grew.
        legal: how many images the profile allows, each counted at the first point it is allowed
            at; None where they were too many to count.
        complete: whether every legal image was judged, or one that stands for it.
        forked_points: at how many crash points images stand for all that recovery reads alike.
        distinct: different images met, those inside recoveries among them.
        judged: images on which it is known what recovery does.
        cache_hits: images met again, whose fate was known.
        unjudged: images left over when the budget ended.
        recoveries: stores really opened for this sweep, second generations among them.
        depth: at which depth of crashes inside recoveries the last new image came.
        findings: per kind of problem the one that lost least, in the order of their discovery.
        digest: a hash of every image and verdict, in order.
        faults_fired: how often each fault of the workload fired in recoveries, by its line.
    """

    profile: Profile
    crash_points: int
    legal: int | None
    complete: bool
    forked_points: int
    distinct: int
    judged: int
    cache_hits: int
    unjudged: int
    recoveries: int
    depth: int
    findings: tuple[Finding, ...]
    digest: str
    faults_fired: Mapping[str, int] = MappingProxyType({})


def explore(
    recording: Recording,
    profile: Profile,
    *,
    limits: Limits | None = None,
    on_progress: Callable[[int], None] | None = None,
    openings: Openings | None = None,
) -> Sweep:
    """Judge the images at every crash point of `recording` under `profile`.

    Args:
        recording: the run.
        profile: what a crash may lose.
        limits: how far to go; by default every image, and no crash inside a recovery.
        on_progress: called with the number of images judged so far, now and then.
        openings: of this recording, to share with its sweeps under other profiles.
    """
    recovery = Recovery(
        recording.workload,
        recording.backend,
        limits.disabled if limits else frozenset(),
        openings=openings,
    )
    limits = limits or Limits()
    contract = Contract.of(recording.workload.options, recording.workload.faults)
    if not (contract.media_sound and contract.syncs_honest):
        # What a recovery gives up by right, a crash inside it may make true before it is told.
        limits = evolve(limits, depth=0)
    sweeper = _Sweeper(recording, profile, limits, recovery, on_progress)
    sweeper.run()
    return sweeper.finish()


def judge_image(recording: Recording, profile: Profile, crash: CrashPoint) -> tuple[Problem, ...]:
    """Return what is wrong with one image alone, made from nothing but its name.

    Raises:
        ValueError: the crash point names an image that is not legal there.
    """
    image, since = rebuild_with_faults(recording, profile, crash)
    recovery = Recovery(recording.workload, recording.backend)
    options = recording.workload.options
    fates = Fates(recovery, profile, options, Limits(depth=0), lambda _: None)
    name = name_of(image, since)
    fates.meet(name, image, since)
    fate = fates[name]
    killed_at = crash.position if crash.killed_at is None else crash.killed_at
    knowledge = recording.moment_at(killed_at).knowledge
    problems = _verdict(fate.observation, fate.problems, knowledge, recording)
    if not crash.then and crash.killed_at is None:
        moment = recording.moment_at(crash.position)
        honest = Contract.of(options, recording.workload.faults).syncs_honest
        undone = honest and _is_undone(moment, pending_at(recording, profile, crash), image)
        return (*problems, _LOST_AFTER_CLOSE) if undone else problems
    lost_again = _shown_before(recording, profile, crash, fate.observation)
    return (*(_inside(problem, crash.killed_at) for problem in problems), *lost_again)


class _Sweeper:
    """The running counts and findings of one sweep."""

    def __init__(
        self,
        recording: Recording,
        profile: Profile,
        limits: Limits,
        recovery: Recovery,
        on_progress: Callable[[int], None] | None,
    ) -> None:
        self._recording = recording
        self._profile = profile
        self._limits = limits
        self._recovery = recovery
        self._on_progress = on_progress
        self._fates = Fates(self._recovery, profile, recording.workload.options, limits, self._tell)
        self._crash_points = 0
        self._legal = 0
        self._complete = True
        self._forked = 0
        self._forks_below: int | None = None
        self._cache_hits = 0
        self._smallest: dict[tuple[str, str], Finding] = {}
        self._digest = blake2b(digest_size=_DIGEST_BYTES)
        # What is looked at on an image; the inodes count here, since looks are told by inode.
        self._cells: dict[tuple[bytes, _Inodes], tuple[Cell, ...]] = {}
        workload = recording.workload
        self._closes_last = Contract.of(workload.options, workload.faults).syncs_honest
        self._moment: Moment | None = None
        self._verdicts: dict[int, tuple[Problem, ...]] = {}
        self._descended: set[bytes] = set()

    def run(self) -> None:
        pending = PendingOps(self._recording.image, self._profile)
        if self._recording.ended_by is not None:
            self._run_to_its_end(pending, self._recording.ended_by)
            return
        self._visit(pending, 0, self._images(pending, 0, all_images))
        for position, record in enumerate(self._recording.log, start=1):
            pending.take(record)
            if isinstance(record, Mark):
                self._visit(pending, position, self._images(pending, position, all_images))
                # Recovery may not tell this disk from another that stands for it.
                nothing = CrashPoint(position=position, kept=Kept(()))
                self._hold_close(pending, nothing, pending.durable)
            elif isinstance(record, Sync):
                self._forks_below = None
            else:
                self._crash_points += 1
                if pending.whole:
                    images = self._images(pending, position, newest_images)
                    self._visit(pending, position, images, new=True)
                    if self._limits.depth != 0:
                        self._kill(pending, position)

    def _run_to_its_end(self, pending: PendingOps, ended_by: CrashEnd) -> None:
        """Judge the one crash that the plan has, with every image that it may leave."""
        pending.take_all(self._recording.log)
        position = len(self._recording.log)
        self._crash_points = 1
        if ended_by is CrashEnd.KILL_THEN_POWER_CUT:
            self._enter(self._recording.moment_at(position))
            self._kill(pending, position)
        else:
            self._visit(pending, position, self._images(pending, position, all_images))

    def finish(self) -> Sweep:
        unjudged = len(self._fates.unjudged)
        complete = self._complete and self._fates.complete
        return Sweep(
            profile=self._profile,
            crash_points=self._crash_points,
            legal=self._legal if self._complete and not self._forked else None,
            complete=complete and not unjudged,
            forked_points=self._forked,
            distinct=len(self._fates) + unjudged,
            judged=len(self._fates),
            cache_hits=self._cache_hits,
            unjudged=unjudged,
            recoveries=self._recovery.recoveries,
            depth=self._fates.deepest,
            findings=tuple(self._smallest.values()),
            digest=self._digest.hexdigest(),
            faults_fired=self._fates.fired(),
        )

    def _images(self, pending: PendingOps, position: int, choose: _Choice) -> CrashImages:
        """Return the images to look at here; where they are too many, by what recovery reads."""
        since = self._recording.fault_course.at(position)
        waiting = sum(1 for _ in pending.ops)
        # Until something is durable, more pending ops can only mean more ways to go.
        hopeless = self._forks_below is not None and waiting >= self._forks_below
        reader = None if hopeless else self._reader(pending, since)
        images = choose(pending, limit=self._limits.max_sets_per_point, reader=reader)
        if not images.complete and not hopeless:
            self._forks_below = waiting
        self._forked += images.forked
        # What a crash inside a recovery leaves may be read where that recovery did not look.
        deep = images.forked and self._limits.depth != 0
        self._complete = self._complete and images.complete and not deep
        return images

    def _reader(self, pending: PendingOps, since: InjectorState | None) -> Reader:
        def read(kept: Kept) -> tuple[Cell, ...]:
            image = pending.image(kept)
            inodes = tuple((path, inode) for path, inode, _ in image.walk())
            key = (name_of(image, since), inodes)
            if key not in self._cells:
                self._cells[key] = self._recovery.cells_read(image, self._profile, since)
            return self._cells[key]

        return read

    def _visit(
        self, pending: PendingOps, position: int, images: CrashImages, *, new: bool = False
    ) -> None:
        """Recover and judge the given images of one crash point; `new`: not legal before it."""
        self._enter(self._recording.moment_at(position))
        since = self._recording.fault_course.at(position)
        seen: set[bytes] = set()
        for kept in images.images:
            image = pending.image(kept)
            name = name_of(image, since)
            known = name in self._fates or name in self._fates.unjudged
            self._legal += new or not known
            self._cache_hits += known
            if name in seen:
                continue
            seen.add(name)
            self._digest.update(name)
            crash = CrashPoint(position=position, kept=kept)
            self._judge(pending, crash, image, since)
            if name in self._fates:
                self._hold_close(pending, crash, image)

    def _hold_close(self, pending: PendingOps, crash: CrashPoint, image: DiskImage) -> None:
        """Accuse a clean close that left behind what this crash undoes."""
        assert self._moment is not None
        if self._closes_last and _is_undone(self._moment, pending, image):
            self._keep(_LOST_AFTER_CLOSE, crash, pending, self._moment.step)

    def _kill(self, pending: PendingOps, position: int) -> None:
        """Kill the process here, open the store on the cache, and cut the power during that."""
        moment = self._recording.moment_at(position)
        opening = open_after_kill(self._recording, position, pending, self._recovery)
        inner, complete = images_during(pending.fork(), opening.log, self._limits, opening.course)
        self._complete = self._complete and complete
        shown = opening.observation
        durable = Contract.of(self._recording.workload.options).appends_durable
        promised = Knowledge(possible=(shown.as_model(),)) if shown and durable else None
        for each in inner:
            crash = CrashPoint(
                position=position + each.position, kept=each.kept, killed_at=position
            )
            self._judge(pending, crash, each.image, each.since)
            fate = self._fates.get(each.name)
            if each.at_end and promised is not None and fate is not None and fate.observation:
                options = self._recording.workload.options
                for problem in judge(fate.observation, promised, options, self._limits.disabled):
                    self._keep(_lost_again(problem), crash, pending, moment.step)

    def _enter(self, moment: Moment) -> None:
        """Forget the verdicts of another moment: more or less is demanded now."""
        if moment is not self._moment:
            self._moment = moment
            self._verdicts.clear()
            self._descended.clear()

    def _judge(
        self,
        pending: PendingOps,
        crash: CrashPoint,
        image: DiskImage,
        since: InjectorState | None,
    ) -> None:
        name = name_of(image, since)
        self._fates.meet(name, image, since)
        if name not in self._fates:
            return
        assert self._moment is not None
        step = self._moment.step
        killed_at = crash.killed_at
        for problem in self._verdict(name):
            told = problem if killed_at is None else _inside(problem, killed_at)
            self._keep(told, crash, pending, step)
        start = (image, since)
        for problem, child in self._fates.judge_after(name):
            self._keep_inner(problem, crash, pending, start, child)
        for child in self._fates.descendants(name, self._descended):
            for problem in self._verdict(child):
                self._keep_inner(_inside(problem, None), crash, pending, start, child)
            for problem, grandchild in self._fates.judge_after(child):
                self._keep_inner(problem, crash, pending, start, grandchild)

    def _verdict(self, name: bytes) -> tuple[Problem, ...]:
        """Return what is wrong with an image at this moment; equal showings are judged once."""
        fate = self._fates[name]
        if fate.observation is None:
            return fate.problems
        assert self._moment is not None
        known = self._verdicts.get(fate.shown)
        if known is None:
            options = self._recording.workload.options
            disabled = self._limits.disabled
            known = judge(fate.observation, self._moment.knowledge, options, disabled)
            self._verdicts[fate.shown] = known
        return known + fate.problems

    def _keep_inner(
        self,
        problem: Problem,
        crash: CrashPoint,
        pending: PendingOps,
        start: tuple[DiskImage, InjectorState | None],
        target: bytes,
    ) -> None:
        known = (problem.invariant, problem.kind) in self._smallest
        if known or problem.invariant in self._limits.disabled:
            return
        then = self._fates.path(*start, target)
        assert self._moment is not None
        self._keep(problem, evolve(crash, then=then), pending, self._moment.step)

    def _keep(self, problem: Problem, crash: CrashPoint, pending: PendingOps, step: int) -> None:
        """Keep, per kind of problem, the finding that lost the fewest ops; the first of those."""
        if problem.invariant in self._limits.disabled:
            return
        self._digest.update(f"{crash.position} {problem.invariant} {problem.summary}\n".encode())
        key = (problem.invariant, problem.kind)
        best = self._smallest.get(key)
        if crash.killed_at is not None:
            if best is not None:
                return
            # The recovery may have made durable what was pending at the kill.
            pending = pending_at(self._recording, self._profile, crash)
        whole = set(crash.kept.numbers) - {tear.number for tear in crash.kept.tears}
        lost = tuple(op.number for op in pending.ops if op.number not in whole)
        if best is None or len(lost) < len(best.lost):
            judged = len(self._fates) if best is None else best.judged
            self._smallest[key] = Finding(
                problem=problem, crash=crash, lost=lost, step=step, judged=judged
            )

    def _tell(self, judged: int) -> None:
        if self._on_progress is not None and judged % _PROGRESS_EVERY == 0:
            self._on_progress(judged)


def _is_undone(moment: Moment, pending: PendingOps, image: DiskImage) -> bool:
    """Whether a crash right after a clean close changed what programs saw on the disk."""
    if not moment.knowledge.closed or image.digest() == pending.full.digest():
        return False
    return _shown(image) != _shown(pending.full)


def _shown(image: DiskImage) -> dict[str, bytes | str]:
    """Return what programs see by path; stale bytes beyond a file's size are not seen."""
    shown: dict[str, bytes | str] = {}
    for path, _, node in image.walk():
        if isinstance(node, FileContent):
            shown[path] = node.read(0, node.size)
        else:
            shown[path] = node.target if isinstance(node, LinkContent) else "a directory"
    return shown


def _verdict(
    observation: Observation | None,
    problems: tuple[Problem, ...],
    knowledge: Knowledge,
    recording: Recording,
) -> tuple[Problem, ...]:
    if observation is None:
        return problems
    return judge(observation, knowledge, recording.workload.options) + problems


def _inside(problem: Problem, killed_at: int | None) -> Problem:
    """Return a problem as one of recovery: without the second crash it would not have come."""
    how = "a crash inside recovery" if killed_at is None else "a crash after a kill and a restart"
    kind = f"{how}: {problem.invariant} {problem.kind}"
    return Problem("O9", kind, f"after {how}, {problem.summary}")


def _lost_again(problem: Problem) -> Problem:
    kind = f"after an opening: {problem.invariant} {problem.kind}"
    summary = f"what the opened store had shown did not survive: {problem.summary}"
    return Problem("O15", kind, summary)


def _shown_before(
    recording: Recording, profile: Profile, crash: CrashPoint, left: Observation | None
) -> Iterator[Problem]:
    """Yield what the opening before the last crash had shown, if it had ended, and is lost."""
    recovery = Recovery(recording.workload, recording.backend)
    if crash.then:
        last = crash.then[-1]
        before, since = rebuild_with_faults(recording, profile, evolve(crash, then=crash.then[:-1]))
        opening, ended_at = recovery.open(before, since=since), last.position
    else:
        assert crash.killed_at is not None
        pending = pending_at(recording, profile, crash.killed_at)
        opening = open_after_kill(recording, crash.killed_at, pending, recovery)
        ended_at = crash.position - crash.killed_at
    shown = opening.observation
    promised = Contract.of(recording.workload.options).appends_durable
    if not promised or shown is None or left is None or ended_at < len(opening.log):
        return
    knowledge = Knowledge(possible=(shown.as_model(),))
    for problem in judge(left, knowledge, recording.workload.options):
        yield _lost_again(problem)
