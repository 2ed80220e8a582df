"""Checks that run a workload: every crash of it, and every operation of it failing in turn.

The crash images of the workload are judged once, when the first check of the group `crash` is
asked; each of these checks asks whether one kind of promise was broken anywhere. A problem that
breaks two promises fails two checks. A check of the group `faults` runs a shorter workload once for
every operation of one kind, which fails (workload_sweep.py says what is asked then).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Final

from attrs import evolve, frozen

from wavetank.engine import FileStorageOptions, PersistentState, SnapshotMetadata
from wavetank.faults import parse_fault
from wavetank.scenarios.conformance.check import (
    CheckFailure,
    CheckSkipped,
    entries,
    group_of,
)
from wavetank.scenarios.conformance.store_harness import StoreHarness
from wavetank.scenarios.exploration.explaining.explain import explain
from wavetank.scenarios.exploration.explorer import Finding, explore
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.fault_sweep.workload_sweep import sweep_operations
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.raft.steps import (
    Append,
    KillProcess,
    OpenStore,
    Reopen,
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
    Workload,
)
from wavetank.scenarios.raft.workloads.fitted_workload import undeclared_invariants
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.sim import LYING_FSYNC, Profile

__all__ = ["CRASHES", "FAILING", "CrashExploration"]


def crash_workload(capabilities: frozenset[Capability], options: FileStorageOptions) -> Workload:
    """Return a workload with everything that a store can do, restarts in between."""
    return _workload("suite", _crash_steps(capabilities), capabilities, options)


def short_workload(capabilities: frozenset[Capability], options: FileStorageOptions) -> Workload:
    """Return a workload with each kind of step once."""
    return _workload("suite-short", _short_steps(capabilities), capabilities, options)


def _workload(
    name: str,
    steps: Iterator[Step],
    can: frozenset[Capability],
    options: FileStorageOptions,
) -> Workload:
    return Workload(
        name=name,
        seed=0,
        steps=tuple(steps),
        options=options,
        has_votes=Capability.VOTES in can,
    )


def _crash_steps(can: frozenset[Capability]) -> Iterator[Step]:
    yield OpenStore()
    yield from _vote(can, 1, "node-a")
    yield Append(entries(1, 1))
    yield Append(entries(2, 3, size_bytes=300))
    yield from _vote(can, 2, "node-b")
    yield from _conflict(can, 3, 5)
    yield Reopen()
    yield Append(entries(5, 2, term=2))
    yield from _compact(can, 3)
    yield Append(entries(7, 2, term=2, size_bytes=600))
    yield KillProcess()
    yield from _vote(can, 2, "node-b", again=False)
    yield Append(entries(9, 1, term=3))
    yield from _compact(can, 7)
    yield from _conflict(can, 9, 10, term=4)
    yield Append(entries(10, 3, term=4))
    yield from _vote(can, 4, "node-c")
    yield Reopen()
    yield Append(entries(13, 1, term=4))


def _short_steps(can: frozenset[Capability]) -> Iterator[Step]:
    yield OpenStore()
    yield from _vote(can, 1, "node-a")
    yield Append(entries(1, 3))
    yield from _conflict(can, 3, 4)
    yield Append(entries(4, 2, term=2))
    yield from _compact(can, 3)
    yield Append(entries(6, 1, term=2))


def _vote(
    can: frozenset[Capability], term: int, candidate: str, *, again: bool = True
) -> Iterator[Step]:
    if Capability.VOTES in can:
        if again:
            yield SaveState(PersistentState(term, ""))
        yield SaveState(PersistentState(term, candidate))


def _conflict(can: frozenset[Capability], start: int, end: int, *, term: int = 2) -> Iterator[Step]:
    """Another leader replaces the entries ``start <= index < end``."""
    if Capability.TRUNCATE_SUFFIX in can:
        yield TruncateSuffix(start)
        yield Append(entries(start, end - start, term=term))


def _compact(can: frozenset[Capability], index: int) -> Iterator[Step]:
    """The entries before `index` go, under a snapshot where the store has such."""
    if Capability.SNAPSHOTS in can:
        # What entry stands there is known from the steps above: term 1 up to 2, term 2 behind.
        term = 1 if index - 1 < 3 else 2  # noqa: PLR2004
        if Capability.TRUNCATE_SUFFIX not in can:
            term = 1 if index - 1 < 5 else 2  # noqa: PLR2004
        yield SaveSnapshot(SnapshotMetadata(index - 1, term), b"state at %d" % (index - 1))
    if Capability.TRUNCATE_PREFIX in can:
        yield TruncatePrefix(index)


_DEPTH: Final = 1
_SETS_PER_POINT: Final = 128
"""Fewer than a run tries: a store that rewrites a whole file has many at every point."""
_PROCESS_SETS_PER_POINT: Final = 16
_PROCESS_AFTER_FIRST: Final = 50
"""Where each recovery is a process; how many images are judged behind the first finding."""
_LYING_SEARCHES: Final = ((30, 4), (400, _SETS_PER_POINT))
"""Images and sets per point: nearly every store loses something in the first, short search."""


@frozen(kw_only=True)
class CrashProblem:
    """Something that a crash brought to light.

    Attributes:
        profile: under which it came.
        finding: which invariant is broken, how, and by which crash.
        truncating: whether the step at which the power went removes entries.
    """

    profile: Profile
    finding: Finding
    truncating: bool

    @property
    def problem(self) -> Problem:
        """Which invariant is broken, and how."""
        return self.finding.problem

    @property
    def creating(self) -> bool:
        """Whether the store had not been open yet."""
        return self.finding.step == 0

    @property
    def again(self) -> bool:
        """Whether the power went a second time, in or after the recovery."""
        return bool(self.finding.crash.then) or self.finding.crash.killed_at is not None


class CrashExploration:
    """The crash images of the suite's workload on one store.

    Args:
        adapter: the store.
        options: what it is opened with.
        profiles: what a crash may lose.
        max_images: per profile; None for all.

    Attributes:
        adapter: the store.
    """

    def __init__(
        self,
        adapter: StoreAdapter,
        options: FileStorageOptions,
        profiles: Sequence[Profile],
        max_images: int | None = None,
    ) -> None:
        self.adapter = adapter
        self._options = options
        self._profiles = tuple(profiles)
        self._max_images = max_images
        self._left: list[str] = []
        self._is_told = False

    @cached_property
    def recording(self) -> Recording:
        """The workload, run once without a crash.

        Raises:
            CheckFailure: the store is wrong already then; said once.
            CheckSkipped: the same, from the second time on.
        """
        workload = crash_workload(self.adapter.capabilities, self._options)
        recording = record(workload, self.adapter)
        if recording.problems:
            live = recording.problems[0]
            step = recording.workload.steps[live.step]
            wrong = f"without any crash, after '{step}': {live.problem.summary}"
            if self._is_told:
                raise CheckSkipped(f"no crash was tried, since the store is wrong {wrong}")
            self._is_told = True
            raise CheckFailure(wrong)
        return recording

    @cached_property
    def problems(self) -> tuple[CrashProblem, ...]:
        """What the crashes brought to light, under all profiles."""
        limits = Limits(
            depth=_DEPTH,
            max_images=self._max_images,
            max_sets_per_point=_SETS_PER_POINT,
            disabled=undeclared_invariants(self.adapter.capabilities),
        )
        if self.adapter.processes is not None:
            # What a process reads nobody sees: no image stands for another.
            limits = evolve(
                limits,
                max_after_first=_PROCESS_AFTER_FIRST,
                max_sets_per_point=_PROCESS_SETS_PER_POINT,
                forks_after_first=False,
            )
        subject = self.recording.subject(limits.disabled)
        found: list[CrashProblem] = []
        for profile in self._profiles:
            sweep = explore(self.recording, profile, limits=limits, subject=subject)
            if sweep.unjudged:
                self._left.append(
                    f"{sweep.judged} images judged under {profile.name}, {sweep.unjudged} left over"
                )
            for finding in sweep.findings:
                step = self.recording.workload.steps[finding.step]
                truncating = isinstance(step, (TruncateSuffix, TruncatePrefix))
                found.append(CrashProblem(profile=profile, finding=finding, truncating=truncating))
        return tuple(found)

    @property
    def left(self) -> tuple[str, ...]:
        """Where images were left over, a sentence for each profile."""
        return tuple(self._left)

    def tell(self, problem: CrashProblem) -> str:
        """Return the whole story of a problem in one sentence."""
        story = explain(self.recording, problem.profile, problem.finding)
        cure = f"cure: {story.cure}" if story.cure else "no single sync would have prevented it"
        return f"under {problem.profile.name}: {story.summary}: {story.why}; {cure}"

    def finds_lies(self) -> bool:
        """Whether a disk whose syncs lie makes the store lose something, as it must."""
        for images, sets in _LYING_SEARCHES:
            limits = Limits(max_images=images, max_sets_per_point=sets)
            if explore(self.recording, LYING_FSYNC, limits=limits).findings:
                return True
        return False


_INVENTED: Final = frozenset({"entry never submitted", "log of another extent"})
_LOST: Final = frozenset({"acknowledged entry lost", "acknowledged entry altered", "snapshot lost"})


def acked_survives(harness: StoreHarness) -> None:
    """What was acknowledged is there after a crash, and the store opens."""
    _require(
        harness,
        lambda each: (
            each.problem.kind in _LOST | {"log of another extent"}
            or (each.problem.invariant == "O7" and not each.creating)
            or each.problem.kind in ("term went back", "another vote in the same term")
        ),
    )


def unacked_whole_or_absent(harness: StoreHarness) -> None:
    """A batch that was not acknowledged is there as a whole or not at all."""
    _require(harness, lambda each: each.problem.invariant == "O11")


def no_gap_no_invention(harness: StoreHarness) -> None:
    """The log is contiguous, nothing in it was never submitted, and all ways to read it agree."""
    _require(
        harness,
        lambda each: (
            each.problem.invariant in ("O5", "O6")
            or each.problem.kind in _INVENTED
            or each.problem.kind in ("metadata with other data", "another snapshot")
        ),
    )


def truncation_before_or_after_never_mixed(harness: StoreHarness) -> None:
    """A crash in a truncation leaves the log before it or after it, never a mixture."""
    _require(
        harness,
        lambda each: (
            each.problem.kind == "parts of different moments"
            or (each.truncating and each.problem.invariant in ("O2", "O3", "O5", "O11"))
        ),
    )


def term_vote_never_regress(harness: StoreHarness) -> None:
    """Term and vote are the last acknowledged ones, or those in flight."""
    _require(harness, lambda each: each.problem.invariant == "O1")


def recovery_idempotent(harness: StoreHarness) -> None:
    """Crashing inside a recovery and opening again loses nothing."""
    _require(harness, lambda each: each.problem.invariant == "O9")


def writable_after_recovery(harness: StoreHarness) -> None:
    """A recovered store takes the next append and save, and these survive another crash."""
    _require(harness, lambda each: each.problem.invariant == "O8")


def second_crash_after_recovery(harness: StoreHarness) -> None:
    """What a recovered store has shown survives the next crash."""
    _require(harness, lambda each: each.again or each.problem.invariant == "O15")


def removed_never_returns(harness: StoreHarness) -> None:
    """Nothing that an acknowledged truncation removed is back."""
    _require(harness, lambda each: each.problem.invariant == "O3")


def creation_crash_reopens(harness: StoreHarness) -> None:
    """A crash while the store was made leaves one that opens."""
    _require(harness, lambda each: each.creating and each.problem.invariant == "O7")


def nothing_needed_after_ack(harness: StoreHarness) -> None:
    """After a clean close nothing is left that a crash could undo."""
    _require(harness, lambda each: each.problem.invariant == "O12")


def no_litter_after_open(harness: StoreHarness) -> None:
    """A clean open leaves no temporary files behind."""
    _require(harness, lambda each: each.problem.invariant == "O10")


def lying_fsync_is_noticed(harness: StoreHarness) -> None:
    """On a disk whose syncs lie something is lost: a control, which shows that crashes bite."""
    if not harness.crashes.finds_lies():
        raise CheckFailure(
            "nothing was lost on a disk whose syncs lie: the testbed does not see what the store "
            "writes; does it write past the site's filesystem or outside the site's directory?"
        )


def _require(harness: StoreHarness, concerns: Callable[[CrashProblem], bool]) -> None:
    found = [each for each in harness.crashes.problems if concerns(each)]
    if found:
        more = f"; {len(found) - 1} more" if len(found) > 1 else ""
        raise CheckFailure(f"{harness.crashes.tell(found[0])}{more}")


CRASHES: Final = group_of(
    "crash",
    (
        (acked_survives, (Capability.DURABLE_APPENDS,)),
        (unacked_whole_or_absent, (Capability.ATOMIC_BATCHES,)),
        (no_gap_no_invention, ()),
        (
            truncation_before_or_after_never_mixed,
            (Capability.TRUNCATE_SUFFIX, Capability.TRUNCATE_PREFIX),
        ),
        (term_vote_never_regress, (Capability.VOTES,)),
        (recovery_idempotent, ()),
        (writable_after_recovery, ()),
        (second_crash_after_recovery, ()),
        (removed_never_returns, (Capability.TRUNCATE_SUFFIX,)),
        (creation_crash_reopens, ()),
        (nothing_needed_after_ack, ()),
        (no_litter_after_open, (Capability.NO_LITTER,)),
        (lying_fsync_is_noticed, (Capability.DURABLE_APPENDS,)),
    ),
    shares=True,
)
"""Every check of this group."""


def write_error_then_reopen(harness: StoreHarness) -> None:
    """A write that fails, before or after some of its bytes, is told and leaves old or new."""
    _sweep(harness, "write: fail EIO", "write: fail EIO after 7 bytes", "truncate: fail EIO")


def fsync_error_poisons(harness: StoreHarness) -> None:
    """What a failed sync was for is never acknowledged, whatever comes after it."""
    _sweep(harness, "fsync: fail EIO", "fsync_dir: fail EIO", "fsync: fail EIO from now on")


def enospc(harness: StoreHarness) -> None:
    """On a full disk the store says so, and holds what it had acknowledged."""
    _sweep(harness, "any: fail ENOSPC", "write: fail ENOSPC from now on")


def rename_error(harness: StoreHarness) -> None:
    """A rename that fails, before or after it was done, leaves old or new."""
    _sweep(harness, "rename: fail EIO", "rename: fail EIO after effect")


def open_list_unlink_errors(harness: StoreHarness) -> None:
    """Files that cannot be opened, listed or removed for once are told of, and nothing is lost."""
    _sweep(harness, "open: fail EMFILE", "list: fail EIO", "unlink: fail EIO")


def preallocation_error(harness: StoreHarness) -> None:
    """A reservation that fails is reported, or done without."""
    _sweep(harness, "preallocate: fail ENOSPC")


def short_write(harness: StoreHarness) -> None:
    """A write that takes fewer bytes than it was given is gone on with, and so is a read."""
    _sweep(harness, "write: short 7 bytes", "read: short 7 bytes")


def _sweep(harness: StoreHarness, *lines: str) -> None:
    workload = short_workload(harness.adapter.capabilities, harness.options)
    sweep = sweep_operations(
        workload,
        harness.adapter,
        [parse_fault(line) for line in lines],
        names_cause=harness.adapter.has(Capability.TYPED_ERRORS),
    )
    for problem in sweep.problems:
        others = len(sweep.problems) - 1
        raise CheckFailure(f"{problem}; {others} more" if others else str(problem))
    if not sweep.faults:
        raise CheckSkipped("the store does no such operation")


FAILING: Final = group_of(
    "faults",
    tuple(
        (run, (Capability.SITE_FILESYSTEM,))
        for run in (
            write_error_then_reopen,
            fsync_error_poisons,
            enospc,
            rename_error,
            open_list_unlink_errors,
            preallocation_error,
            short_write,
        )
    ),
)
"""Every check of this group."""
