"""The exploration: every crash point of a recorded run, every image there, one verdict each.

The op log is walked once. Wherever it grows, the images that hold the newest op are recovered from
and judged; wherever something is acknowledged, all images of that interval are judged again, since
more is demanded of them. With a depth, the same is asked of every image that a crash inside a
recovery leaves, and of those after a process kill and a restart on the surviving cache.

Here crash points and images are chosen; `ImageJudge` judges them. `explore_part` walks a range of
the op log alone; `partial.py` puts such parts together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from random import Random  # noqa: TID251 - seeded by the caller
from typing import Final, Generic, Protocol, TypeVar

from attrs import evolve

from wavetank.faults import CrashEnd, InjectorState
from wavetank.scenarios.exploration.crash_point import Cause, CrashPoint, recover_after_kill
from wavetank.scenarios.exploration.image_judge import ImageJudge, Root
from wavetank.scenarios.exploration.judging import Finding
from wavetank.scenarios.exploration.partial import (
    Exploration,
    Meeting,
    PartialExploration,
    Positions,
)
from wavetank.scenarios.exploration.recovery_graph import (
    Limits,
    Look,
    RecoveryGraph,
    images_during,
    name_of,
)
from wavetank.scenarios.exploration.subject import (
    Interval,
    Known,
    RecordedRun,
    Shown,
    Subject,
)
from wavetank.sim import (
    Cell,
    Choice,
    CrashImages,
    DiskImage,
    Kept,
    Mark,
    PendingOps,
    Profile,
    Reader,
    Sync,
    Tearing,
    all_images,
    newest_images,
)

__all__ = ["Exploration", "Finding", "explore", "explore_part"]

_Item = TypeVar("_Item")

_PROGRESS_EVERY: Final = 50
_DRAWN_FROM: Final = 8
"""From so many times as many images those are drawn that a look judges."""


class _Choice(Protocol):
    """Chooses the images to look at, at one point: all, or the new ones."""

    def __call__(
        self, pending: PendingOps, *, limit: int, tearing: Tearing, reader: Reader | None
    ) -> CrashImages: ...


def explore(
    run: RecordedRun[Shown, Known],
    profile: Profile,
    *,
    limits: Limits | None = None,
    on_progress: Callable[[int], None] | None = None,
    on_finding: Callable[[Finding], None] | None = None,
    is_over: Callable[[], bool] | None = None,
    subject: Subject[Shown, Known] | None = None,
    on_step: Callable[[int], None] | None = None,
) -> Exploration:
    """Judge the images at every crash point of a recorded run under `profile`.

    Args:
        run: the recorded run.
        profile: what a crash may lose.
        limits: how far to go; by default every image, and no crash inside a recovery.
        on_progress: called with the number of images judged so far, now and then.
        on_finding: called with the first finding of each kind, when it is found.
        is_over: asked now and then whether to stop before the end.
        subject: of this run, to share what it remembers with explorations under other profiles.
        on_step: called with the step of the workload in which crashes are judged from then on.
    """
    limits = limits or Limits()
    with run.runnable() as runnable:
        subject = subject or runnable.subject(limits.disabled)
        if not subject.bears_nested_crashes:
            limits = evolve(limits, depth=0)
        explorer = _Explorer(
            runnable, profile, limits, subject, on_progress, on_finding, is_over or _never, on_step
        )
        explorer.run()
        return explorer.finish()


def explore_part(
    run: RecordedRun[Shown, Known],
    profile: Profile,
    positions: Positions,
    *,
    limits: Limits,
    subject: Subject[Shown, Known],
) -> PartialExploration:
    """Judge the images at some crash points of a recorded run, up to the first problem.

    Args:
        run: the recorded run; its store runs on the simulated disk.
        profile: what a crash may lose.
        positions: of the op log, behind a sync; see `Positions`.
        limits: how far to go; without a budget of images, and without a look.
        subject: of this run.

    Raises:
        ValueError: the limits have a budget or a look, or a planned crash ended the run.
    """
    if limits.max_images is not None or limits.look is not None or run.ended_by is not None:
        raise ValueError("limits: expected no budget, no look and no planned crash in a part")
    if not subject.bears_nested_crashes:
        limits = evolve(limits, depth=0)
    found: list[Finding] = []
    explorer = _Explorer(
        run, profile, limits, subject, None, found.append, lambda: bool(found), None, positions
    )
    explorer.run()
    return explorer.finish_part()


class _Explorer(Generic[Shown, Known]):
    """The walk of one exploration, and its counts."""

    def __init__(  # noqa: PLR0917 - the arguments of `explore`
        self,
        run: RecordedRun[Shown, Known],
        profile: Profile,
        limits: Limits,
        subject: Subject[Shown, Known],
        on_progress: Callable[[int], None] | None,
        on_finding: Callable[[Finding], None] | None,
        is_over: Callable[[], bool],
        on_step: Callable[[int], None] | None,
        positions: Positions | None = None,
    ) -> None:
        self._run = run
        self._positions = positions or Positions(0, len(run.log))
        # How the images of a part were met is told of them, since others may have met them before.
        self._meetings: dict[bytes, Meeting] | None = None if positions is None else {}
        self._profile = profile
        self._limits = limits
        self._subject = subject
        self._recoveries_before = subject.recoveries
        self._on_progress = on_progress
        self._on_finding = on_finding
        self._is_over = is_over
        self._graph = RecoveryGraph(subject, profile, limits, self._tell)
        self._judge = ImageJudge(
            run,
            profile,
            limits=limits,
            subject=subject,
            graph=self._graph,
            on_finding=self._tell_finding,
            on_step=on_step,
        )
        self._crash_points = 0
        self._looked_at = 0
        self._legal = 0
        self._complete = True
        self._forked = 0
        self._choice = Choice()
        self._forks_below: int | None = None
        self._cache_hits = 0

    def run(self) -> None:
        """Walk the op log."""
        if self._run.ended_by is not None:
            pending = PendingOps(self._run.image, self._profile)
            self._judge_last_crash(pending, self._run.ended_by)
            return
        look = self._limits.look
        if look is not None:
            self._look(look)
        if look is None or not look.alone:
            self._walk()
        else:
            self._complete = False

    def _look(self, look: Look) -> None:
        """Judge a few images of many crash points, chosen without enumerating all."""
        pending = PendingOps(self._run.image, self._profile)
        for position, record in enumerate(self._run.log, start=1):
            if self._has_stopped or self._is_over():
                return
            pending.take(record)
            self._graph.crashable = self._crashable_by(position)
            if self._is_before(position) or isinstance(record, Sync) or not pending.whole:
                continue
            chance = None
            if look.seed is not None:
                chance = Random(f"{look.seed}/{position}")  # noqa: S311 - reproducible on purpose
            place = chance.randrange(look.every) if chance else position % look.every
            if place:
                continue
            self._looked_at += 1
            choose = all_images if isinstance(record, Mark) else newest_images
            limit = look.images if chance is None else look.images * _DRAWN_FROM
            images = choose(pending, limit=limit, tearing=self._limits.tearing, reader=None)
            few = images.images[: look.images]
            if chance is not None and len(images.images) > look.images:
                few = tuple(chance.sample(images.images, look.images))
            elif look.spread and len(images.images) > look.images:
                last = len(images.images) - 1
                few = tuple(
                    images.images[(last * (at + 1)) // look.images] for at in range(look.images)
                )
            self._visit(pending, position, evolve(images, images=few))
            if look.alone and self._limits.depth != 0 and not isinstance(record, Mark):
                self._kill(pending, position)
        if not look.alone:
            self._graph.crashable = self._limits.max_crashed
            self._legal = self._cache_hits = 0

    def _spread_crashes(self, position: int) -> None:
        """Let the walk come with recoveries to crash to its end, unless a look has been there."""
        if self._limits.look is None:
            self._graph.crashable = self._crashable_by(position)

    def _crashable_by(self, position: int) -> int | None:
        """Return how many recoveries may have been crashed so far, to spread them over the log."""
        most = self._limits.max_crashed
        return None if most is None else -(-most * (position + 1) // (len(self._run.log) + 1))

    def _walk(self) -> None:
        pending = PendingOps(self._run.image, self._profile)
        self._spread_crashes(0)
        if not self._is_before(0):
            self._visit(pending, 0, self._images(pending, 0, all_images))
        for position, record in enumerate(islice(self._run.log, self._positions.last), start=1):
            if self._has_stopped or self._is_over():
                self._complete = False
                return
            pending.take(record)
            self._spread_crashes(position)
            if self._is_before(position):
                continue
            if isinstance(record, Mark):
                self._visit(pending, position, self._images(pending, position, all_images))
                # Recovery may not tell this disk from another that stands for it.
                nothing = CrashPoint(position=position, kept=Kept(()))
                self._judge.judge_close(pending, nothing, pending.durable)
            elif isinstance(record, Sync):
                self._forks_below = None
            else:
                self._crash_points += 1
                if pending.whole:
                    images = self._images(pending, position, newest_images)
                    self._visit(pending, position, images, new=True)
                    if self._limits.depth != 0:
                        self._kill(pending, position)

    def _is_before(self, position: int) -> bool:
        """Whether crashes here are not to be judged, since the position or step is too early."""
        if position < self._positions.first:
            return True
        first = self._limits.from_step
        return bool(first) and self._run.interval_at(position).step < first

    def finish(self) -> Exploration:
        """Return the counts and findings; each finding is judged again by its crash alone."""
        unjudged = len(self._graph.unjudged)
        choice = sum(self._graph.choices.values(), self._choice)
        counted = self._complete and not self._choice.points and not self._forked
        findings = self._judge.findings()
        again = self._judge.recoveries_again
        recoveries = self._subject.recoveries - self._recoveries_before + again
        return Exploration(
            profile=self._profile,
            crash_points=max(self._crash_points, self._looked_at),
            legal=self._legal if counted else None,
            complete=self._complete
            and not choice.points
            and not unjudged
            and not self._graph.uncrashed,
            forked_points=self._forked,
            choice=choice,
            distinct=len(self._graph) + unjudged,
            judged=len(self._graph),
            cache_hits=self._cache_hits,
            unjudged=unjudged,
            stopped_after_first=self._has_stopped and self._judge.first is not None,
            recoveries=recoveries,
            depth=self._graph.deepest,
            findings=findings,
            points=self._judge.points.all(),
            digest=self._judge.digest,
            faults_fired=self._graph.fired(),
            crashed=len(self._graph.crashed),
            uncrashed=len(self._graph.uncrashed),
        )

    def finish_part(self) -> PartialExploration:
        """Return what the others have to know of this part."""
        assert self._meetings is not None
        names = tuple(self._graph)
        outcomes = [self._graph[name] for name in names]
        return PartialExploration(
            crash_points=self._crash_points,
            legal=self._legal,
            complete=self._complete,
            forked_points=self._forked,
            choice=self._choice,
            cache_hits=self._cache_hits,
            points=self._judge.points.all(),
            digests=self._judge.points.digests(),
            names=names,
            meetings=tuple(self._meetings.get(name, Meeting.INSIDE) for name in names),
            depths=tuple(each.depth for each in outcomes) if self._limits.depth != 0 else (),
            fired=tuple(each.fired for each in outcomes) if self._graph.fired() else (),
            crashed=self._graph.crashed,
            choices=tuple(self._graph.choices.items()),
            has_findings=self._judge.first is not None,
        )

    @property
    def _has_stopped(self) -> bool:
        """Whether the budget has ended, and further crash points would only be counted."""
        if not self._graph.is_spent:
            return False
        # Who waits for one problem alone learns nothing more: no image will be judged any more.
        if self._limits.max_after_first == 0 and self._graph.unjudged:
            return True
        after_first = (
            self._judge.first is not None and self._budget_after_first == self._graph.budget
        )
        # Until an image is left over, everything that was met is among those that were judged.
        return after_first or (self._limits.look is not None and bool(self._graph.unjudged))

    @property
    def _budget_after_first(self) -> int | None:
        """How many images are judged in all, once something has been found."""
        least, first = self._limits.max_after_first, self._judge.first
        if least is None or first is None:
            return None
        return first.judged + (max(first.judged, least) if least else 0)

    def _judge_last_crash(self, pending: PendingOps, ended_by: CrashEnd) -> None:
        """Judge the one crash that the plan has, with every image that it may leave."""
        pending.take_all(self._run.log)
        position = len(self._run.log)
        self._crash_points = 1
        if ended_by is CrashEnd.KILL_THEN_POWER_CUT:
            self._judge.enter(position)
            self._kill(pending, position)
        else:
            self._visit(pending, position, self._images(pending, position, all_images))

    def _images(self, pending: PendingOps, position: int, choose: _Choice) -> CrashImages:
        """Return the images to look at here; where they are too many, by what recovery reads."""
        since = self._run.fault_course.at(position)
        interval = self._run.interval_at(position)
        waiting = sum(1 for _ in pending.ops)
        # Until something is durable, more pending ops can only mean more ways to go.
        hopeless = self._forks_below is not None and waiting >= self._forks_below
        hopeless = hopeless or (
            self._judge.first is not None and not self._limits.forks_after_first
        )
        reader = None if hopeless else self._reader(pending, interval, since)
        images = choose(
            pending,
            limit=self._limits.max_sets_per_point,
            tearing=self._limits.tearing,
            reader=reader,
        )
        if not images.complete and not hopeless:
            self._forks_below = waiting
        self._forked += images.forked
        # What a crash inside a recovery leaves may be read where that recovery did not look.
        deep = images.forked and self._limits.depth != 0
        self._choice += images.choice or Choice()
        self._complete = self._complete and not deep
        return images

    def _reader(
        self, pending: PendingOps, interval: Interval[Known], since: InjectorState | None
    ) -> Reader:
        def read(kept: Kept) -> tuple[Cell, ...]:
            image = pending.image(kept)
            return self._subject.cells_read(image, interval, self._profile, since)

        return read

    def _visit(
        self, pending: PendingOps, position: int, images: CrashImages, *, new: bool = False
    ) -> None:
        """Judge the given images of one crash point; `new`: not legal before it."""
        interval = self._judge.enter(position)
        since = self._run.fault_course.at(position)
        seen: set[bytes] = set()
        for kept, image in self._prepared(pending, images, interval):
            name = name_of(image, since)
            known = name in self._graph or name in self._graph.unjudged
            self._legal += new or not known
            self._cache_hits += known
            if name in seen:
                continue
            seen.add(name)
            self._judge.note(name)
            if self._meetings is not None and not known:
                self._meetings[name] = Meeting.NEW if new else Meeting.AGAIN
            crash = CrashPoint(position=position, kept=kept)
            self._judge.judge(pending, Root(crash, image, since, Cause.WORK), name)
            if name in self._graph:
                self._judge.judge_close(pending, crash, image)

    def _prepared(
        self, pending: PendingOps, images: CrashImages, interval: Interval[Known]
    ) -> Iterator[tuple[Kept, DiskImage]]:
        """Yield the images, each batch after the subject has seen all of it."""
        for batch in _batched(images.images, max(1, self._subject.width)):
            if self._is_over():
                self._complete = False
                return
            met = [(kept, pending.image(kept)) for kept in batch]
            if len(met) > 1 and not self._graph.is_spent:
                self._subject.prepare([image for _, image in met], interval)
            yield from met

    def _kill(self, pending: PendingOps, position: int) -> None:
        """Kill the process here, recover on the cache, and cut the power during that."""
        since = self._run.fault_course.at(position)
        if not self._graph.may_crash(name_of(pending.full, since)):
            return
        recovery = recover_after_kill(self._run, self._subject, position, pending)
        inner, choice = images_during(pending.fork(), recovery.log, self._limits, recovery.course)
        self._choice += choice
        for each in inner:
            crash = CrashPoint(
                position=position + each.position, kept=each.kept, killed_at=position
            )
            cause = Cause.RECOVERY_AFTER_KILL
            self._judge.judge(pending, Root(crash, each.image, each.since, cause), each.name)
            outcome = self._graph.get(each.name)
            shown = recovery.observation
            if each.at_end and shown is not None and outcome is not None:
                self._judge.judge_kept(pending, crash, cause, shown, outcome)

    def _tell_finding(self, finding: Finding) -> None:
        budget = self._budget_after_first
        if budget is not None:
            limit = self._limits.max_images
            self._graph.budget = budget if limit is None else min(limit, budget)
        if self._on_finding is not None:
            self._on_finding(finding)

    def _tell(self, judged: int) -> None:
        if self._on_progress is not None and judged % _PROGRESS_EVERY == 0:
            self._on_progress(judged)


def _batched(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield the items in lists of `size`, the last one perhaps shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _never() -> bool:
    return False
