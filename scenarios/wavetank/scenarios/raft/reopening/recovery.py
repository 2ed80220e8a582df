"""What becomes of a store on one image: it is opened, asked everything, and given work to do.

`Recovery.open` restarts the store and looks; `Recovery.work` lets it go on, crashes it again and
looks at what is left of that work. Both are functions of the image, and of where the faults stand,
since stores are deterministic. New work is done while no operation fails; the opening after the
second crash is struck again. Verified here, because they are questions about a whole recovery: O8
(it takes work, which survives a second crash), and with recovery_run.py O7 (it opens) and O10 (no
litter).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

from attrs import evolve, frozen

from wavetank.faults import InjectorState
from wavetank.scenarios.exploration.causes import Breach, BrokenPromise, PromiseKind
from wavetank.scenarios.exploration.subject import Interval, NewWork, Problem, RecoveryRun
from wavetank.scenarios.raft.driving.step_calls import call
from wavetank.scenarios.raft.judging.observation import Observation, check_points
from wavetank.scenarios.raft.judging.oracle import Knowledge, judge
from wavetank.scenarios.raft.model import Possible, acknowledge
from wavetank.scenarios.raft.reopening.recovery_run import LiveStore, RecoveryCache
from wavetank.scenarios.raft.steps import Step, Workload
from wavetank.scenarios.raft.workloads.actions import new_work
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import Cell, DiskImage, MicroOp, PendingOps, Profile, ReadTrace, Settling

__all__ = ["RaftSubject"]


_Read: TypeAlias = tuple[bytes, tuple[tuple[str, int], ...], str, InjectorState | None]
"""An image with its inodes, the name of a profile, and where the faults stand."""


class RaftSubject:
    """Recovers the images of one workload on one backend, and remembers what it saw.

    Args:
        workload: whose options the store is opened with.
        backend: the store.
        disabled: invariants that are not judged, to test the tester.
        cache: where stores are opened, to share with other explorations of the same recording.
        on_recovery: told of what each recovery came to, remembered ones among them.

    Attributes:
        images: digests of the images that were recovered from, second crashes aside.
    """

    def __init__(
        self,
        workload: Workload,
        backend: StoreAdapter,
        disabled: frozenset[str] = frozenset(),
        *,
        cache: RecoveryCache | None = None,
        on_recovery: Callable[[RecoveryRun[Observation]], None] | None = None,
    ) -> None:
        self._on_recovery = on_recovery
        self.images: set[bytes] = set()
        self._cache = cache or RecoveryCache(workload, backend)
        self._workload = workload
        self._backend = backend
        self._disabled = disabled
        self._worked: dict[_Settled, tuple[Problem, ...]] = {}
        self._cells: dict[_Read, tuple[Cell, ...]] = {}

    @property
    def recoveries(self) -> int:
        """How many times a store was opened."""
        return self._cache.count

    def recover(
        self,
        image: DiskImage,
        *,
        first: int = 0,
        since: InjectorState | None = None,
        is_crashed: bool = True,
    ) -> RecoveryRun[Observation]:
        """Open a store on `image`; arguments as for `RecoveryCache.open`; it always has its log."""
        del is_crashed
        self.images.add(image.digest())
        recovered = self._cache.open(image, first=first, since=since)
        if self._on_recovery is not None:
            self._on_recovery(recovered)
        if not self._disabled:
            return recovered
        return evolve(recovered, problems=self._enabled(recovered.problems))

    def work(
        self, image: DiskImage, recovered: RecoveryRun[Observation], pending: PendingOps
    ) -> tuple[Problem, ...]:
        """Let an opened store work, crash it again, and tell what was wrong with that.

        Args:
            image: where the store was opened.
            recovered: of a store that did open; if it is live, it is used up.
            pending: what is durable and what is not after the opening.

        Stores that show the same on the same disk do the same from here on: each is done once.
        """
        assert recovered.observation is not None
        key = _settled(pending.profile, pending.durable, tuple(pending.ops), recovered)
        if key not in self._worked:
            since = recovered.course.start
            live = recovered.live or self._cache.open_anew(image, since=since).live
            assert isinstance(live, LiveStore), "it has just been opened"
            problems = [*_point_reads(live, recovered.observation)]
            pending = pending.fork()
            pending.take_all(tuple(live.disk.log)[len(recovered.log) :])
            problems += self._work_and_crash(live, recovered.observation, pending)
            self._worked[key] = self._enabled(problems)
        return self._worked[key]

    def go_on(
        self, image: DiskImage, recovered: RecoveryRun[Observation], settling: Settling
    ) -> tuple[Problem, ...]:
        """Do the same where nothing was pending before the opening.

        Args:
            image: where the store was opened.
            recovered: as for `work`.
            settling: of the profile.
        """
        profile = settling.profile
        durable = settling.image_after(image, recovered.log)
        if durable is not None:
            known = self._worked.get(_settled(profile, durable, (), recovered))
            if known is not None:
                return known
        pending = PendingOps(image, profile)
        pending.take_all(recovered.log)
        return self.work(image, recovered, pending)

    @property
    def width(self) -> int:
        """Stores share one interpreter: nothing is gained by judging several at once."""
        return 1

    def prepare(self, images: Sequence[DiskImage], interval: Interval[Knowledge]) -> None:
        """See `Subject`: there is nothing to prepare."""

    def prepare_shown(self, shown: Sequence[Observation], interval: Interval[Knowledge]) -> None:
        """See `Subject`: there is nothing to prepare."""

    @property
    def bears_nested_crashes(self) -> bool:
        """Whether crashes inside recoveries can be judged.

        A crash inside recovery may make a permitted loss permanent before it is reported, so
        nested crashes are skipped where the disk lies.
        """
        contract = self._workload.promises
        return contract.media_sound and contract.syncs_honest

    def judge(self, shown: Observation, interval: Interval[Knowledge]) -> tuple[Problem, ...]:
        """Hold what a store shows after a crash in an interval against all that is possible."""
        return self._judged(shown, interval.knowledge)

    def judge_kept(self, before: Observation, shown: Observation) -> tuple[Problem, ...]:
        """Return what an opened store had shown and the next one lacks."""
        if not self._workload.promises.appends_durable:
            return ()
        known = Knowledge(possible=(before.as_model(),))
        return self._judged(shown, known)

    def is_settled(self, interval: Interval[Knowledge]) -> bool:
        """Whether the last thing acknowledged was a clean close, on a disk whose syncs are true."""
        contract = self._workload.promises
        return interval.knowledge.closed and contract.syncs_honest

    def cells_read(
        self,
        image: DiskImage,
        interval: Interval[Knowledge],
        profile: Profile,
        since: InjectorState | None = None,
    ) -> tuple[Cell, ...]:
        """Return all that is read, in this order, to recover from an image and judge it.

        It is done with nothing remembered, since what is remembered is not read again.
        """
        del interval  # What a store reads does not depend on what was known of it.
        # Reads are told by inode, which equal images need not share.
        inodes = tuple((path, inode) for path, inode, _ in image.walk())
        key = (image.digest(), inodes, profile.name, since)
        if key not in self._cells:
            self._cells[key] = self._read_cells(image, profile, since)
        return self._cells[key]

    def _read_cells(
        self, image: DiskImage, profile: Profile, since: InjectorState | None
    ) -> tuple[Cell, ...]:
        trace = ReadTrace()
        cache = RecoveryCache(self._workload, self._backend, reads=trace)
        twin = RaftSubject(self._workload, self._backend, self._disabled, cache=cache)
        run = twin.recover(image, since=since)
        if run.observation is not None:
            twin.go_on(image, run, Settling(profile))
        self._cache.count += cache.count
        return trace.cells

    def new_work(self, image: DiskImage, since: InjectorState | None) -> NewWork | None:
        """Open a store on `image` and let it work; see `Subject.new_work`."""
        recovered = self._cache.open_anew(image, since=since)
        live, seen = recovered.live, recovered.observation
        if not isinstance(live, LiveStore) or seen is None:
            return None
        tuple(_point_reads(live, seen))
        done = self._work(live, seen)
        problems_on = None
        if isinstance(done, Knowledge):
            problems_on = partial(self._second_crash, knowledge=done, since=live.timeline.state)
        return NewWork(
            log=tuple(live.disk.log), recovered=len(recovered.log), problems_on=problems_on
        )

    def _work_and_crash(
        self, live: LiveStore, seen: Observation, pending: PendingOps
    ) -> Iterator[Problem]:
        before = len(live.disk.log)
        done = self._work(live, seen)
        if not isinstance(done, Knowledge):
            yield from done
            return
        pending.take_all(tuple(live.disk.log)[before:])
        found: dict[str, Problem] = {}
        since = live.timeline.state
        for image in dict.fromkeys((pending.durable, pending.full)):
            for problem in self._second_crash(image, done, since):
                found.setdefault(problem.kind, problem)
        yield from found.values()

    def _work(self, live: LiveStore, seen: Observation) -> Knowledge | tuple[Problem, ...]:
        """Let a store work; return what must be true of it then, or why it refused."""
        try:
            for step in self._new_work(seen):
                call(live.store, step)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            if live.timeline.explains(error):
                return ()
            kind = type(error).__name__
            summary = f"the recovered store refused new work: {kind}: {error}"
            refused = BrokenPromise(kind=PromiseKind.STORE, breach=Breach.REFUSED, came=kind)
            return (Problem("O8", f"new work refused: {kind}", summary, refused),)
        return self.known_after_work(seen)

    def known_after_work(self, seen: Observation) -> Knowledge:
        """Return what is known of a store that showed this, and has then done the new work."""
        possible: Possible = (seen.as_model(),)
        earlier: Possible = ()
        for step in self._new_work(seen):
            earlier += possible
            possible = acknowledge(possible, step, self._workload.options, self._workload.promises)
        return Knowledge(possible=possible, earlier=earlier)

    def _new_work(self, seen: Observation) -> tuple[Step, ...]:
        return new_work(seen.as_model(), b"after the crash", has_votes=self._workload.has_votes)

    def _second_crash(
        self, image: DiskImage, knowledge: Knowledge, since: InjectorState | None
    ) -> tuple[Problem, ...]:
        """Return what is wrong with the new work if the second crash leaves an image."""
        recovered = self._cache.open(image, since=since)
        if recovered.observation is None:
            assert recovered.refusal is not None
            if recovered.refusal.is_allowed:
                return ()
            kind, text = recovered.refusal.kind, recovered.refusal.text
            return (
                Problem(
                    "O8",
                    f"does not open after a second crash: {kind}",
                    f"after a second crash the store does not open: {kind}: {text}",
                    BrokenPromise(kind=PromiseKind.STORE, breach=Breach.REFUSED, came=kind),
                ),
            )
        problems = self._judged(recovered.observation, knowledge)
        return tuple(
            Problem(
                "O8",
                f"second crash: {each.invariant} {each.kind}",
                f"work done after the crash did not survive a second one: {each.summary}",
                each.broken,
            )
            for each in problems
        )

    def _judged(self, shown: Observation, knowledge: Knowledge) -> tuple[Problem, ...]:
        workload = self._workload
        return judge(shown, knowledge, workload.options, self._disabled, promises=workload.promises)

    def _enabled(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        return tuple(each for each in problems if each.invariant not in self._disabled)


@frozen
class _Settled:
    """A disk after a recovery, what the store on it shows, and what may still go wrong."""

    profile: str
    durable: bytes
    pending: tuple[MicroOp, ...]
    seen: Observation
    faults: InjectorState | None


def _settled(
    profile: Profile,
    durable: DiskImage,
    pending: tuple[MicroOp, ...],
    recovered: RecoveryRun[Observation],
) -> _Settled:
    assert recovered.observation is not None
    return _Settled(
        profile.name, durable.digest(), pending, recovered.observation, recovered.course.end
    )


def _point_reads(live: LiveStore, seen: Observation) -> Iterator[Problem]:
    try:
        yield from check_points(live.store, seen)
    except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
        if live.timeline.explains(error):
            return
        kind = type(error).__name__
        yield Problem("O6", f"point read refused: {kind}", f"a point read was refused: {error}")
