"""A violation of a cluster run told to a person: which store lost what, and what came of it.

What the power cut lost is made as small as it gets: ops whose loss does not matter are put back,
one after the other, as long as the store still shows the same problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen

from wavetank.engine import FileStorageOptions, StorageError
from wavetank.scenarios.cluster.cluster_run import ClusterRun
from wavetank.scenarios.cluster.machine import StorageLoss
from wavetank.scenarios.cluster.node_store import NotedCall
from wavetank.scenarios.exploration.crash_point import Stretch, loses_the_same
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.loss import told_lost
from wavetank.scenarios.exploration.op_words import describe_ops
from wavetank.scenarios.raft.driving.step_calls import refusal
from wavetank.scenarios.raft.judging.observation import observe
from wavetank.scenarios.raft.judging.oracle import Knowledge, judge
from wavetank.scenarios.raft.steps import Append, OpenStore, SaveSnapshot, SaveState
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY, Site, StoreAdapter
from wavetank.sim import (
    PROFILES,
    Dirent,
    DiskImage,
    PendingOps,
    Profile,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
    Sync,
    SyncKind,
)

__all__ = ["cluster_story", "smallest_loss"]

_CALLS_BY_INVARIANT: Final = {
    "O1": (SaveState,),
    "O4": (SaveSnapshot,),
    "O5": (SaveSnapshot,),
    "O7": (SaveState, Append, SaveSnapshot),
}
_LAST_EVENTS: Final = 10


def cluster_story(
    run: ClusterRun, backend: StoreAdapter, options: FileStorageOptions, profile: Profile
) -> Violation:
    """Return the story of the violation of a run.

    Args:
        run: with a violation.
        backend: the store under its nodes.
        options: of the store.
        profile: under which it ran.
    """
    assert run.violated is not None
    problem, cause = run.violated.problem, run.cause
    stretch = None if cause is None else smallest_loss(cause, backend, options, profile)
    return Violation(
        id="",
        invariant=problem.invariant,
        kind=problem.kind,
        summary=problem.summary,
        why="no store had lost anything" if cause is None else _why(cause, stretch, profile),
        steps=tuple(f"{number}: {line}" for number, line in enumerate(_steps(run))),
        lost=() if stretch is None or cause is None else _lost(cause, stretch, profile),
        profiles=tuple(each.name for each in PROFILES if _allows(each, stretch, profile)),
        cure="" if stretch is None else _cure(stretch, profile),
        rules=tuple(
            name
            for name, stronger in profile.with_one_rule_more()
            if not _allows(stronger, stretch, profile)
        ),
        crash=None,
    )


def smallest_loss(
    cause: StorageLoss, backend: StoreAdapter, options: FileStorageOptions, profile: Profile
) -> Stretch | None:
    """Return the work that a power cut ended, which loses no more than it takes to show a loss.

    Args:
        cause: the loss.
        backend: the store that lost something.
        options: of the store.
        profile: under which the cluster ran.

    Returns:
        None if no power was cut.
    """
    if cause.cut is None:
        return None
    return _smallest(cause, cause.cut.stretch, _Opener(backend, options), profile)


def _steps(run: ClusterRun) -> Iterator[str]:
    """Yield how it began, what happened last, and what was wrong."""
    assert run.violated is not None
    cause = run.cause
    since_s = 0.0
    if cause is not None:
        since_s = cause.time_s
        noted = _broken_call(cause)
        if noted is not None:
            yield f"{noted.time_s:.3f} s {cause.node}: its store acknowledged '{noted.step}'"
        if cause.cut is not None:
            yield f"{cause.cut.time_s:.3f} s {cause.node}: loses power"
        yield (
            f"{cause.time_s:.3f} s {cause.node}: starts again; {cause.problem.invariant}: "
            f"{cause.problem.summary}"
        )
    after = [told for told in run.told if told.time_s > since_s]
    for told in after[-_LAST_EVENTS:]:
        yield str(told)
    violated = run.violated
    yield f"{violated.time_s:.3f} s {violated.problem.invariant}: {violated.problem.summary}"


def _broken_call(cause: StorageLoss) -> NotedCall | None:
    """Return the last acknowledged call whose result the store does not show."""
    kinds = _CALLS_BY_INVARIANT.get(cause.problem.invariant, (Append,))
    shown = cause.shown.entries if cause.shown is not None else ()
    for noted in reversed(cause.acknowledged):
        if not isinstance(noted.step, kinds):
            continue
        if isinstance(noted.step, Append) and set(noted.step.entries) <= set(shown):
            continue
        return noted
    return None


def _why(cause: StorageLoss, stretch: Stretch | None, profile: Profile) -> str:
    noted = _broken_call(cause)
    promise = f"'{noted.step}' at {noted.time_s:.3f} s" if noted else "all it had been asked"
    begin = f"the store of {cause.node} had acknowledged {promise}"
    end = f"after the restart at {cause.time_s:.3f} s it broke {cause.problem.invariant}"
    if stretch is None or cause.cut is None:
        return f"{begin}; {end}, though no power had been cut"
    at = f"the power cut at {cause.cut.time_s:.3f} s"
    lost = next(told_lost(stretch.log, stretch.pending(profile), stretch.kept), "")
    if not lost:
        return f"{begin}; {end}, though {at} lost nothing that matters"
    what, _, reason = lost.rpartition(": ")
    return f"{begin}; {at} lost {what}, since {reason}; {end}"


def _lost(cause: StorageLoss, stretch: Stretch, profile: Profile) -> tuple[str, ...]:
    texts = describe_ops(stretch.log)
    lost = dict.fromkeys(texts[op.number] for op in stretch.lost(profile))
    return tuple(f"{cause.node}: {text}" for text in lost)


def _allows(other: Profile, stretch: Stretch | None, profile: Profile) -> bool:
    if stretch is None:
        return True
    mine, theirs = stretch.pending(profile), stretch.pending(other)
    return loses_the_same(mine, theirs, stretch.kept) is not None


def _cure(stretch: Stretch, profile: Profile) -> str:
    """Return the first single sync that would have forbidden the loss; "" if none does."""
    texts = describe_ops(stretch.log)
    pending = stretch.pending(profile)
    for op in stretch.lost(profile):
        is_name = isinstance(op, Dirent)
        inode = op.directory if isinstance(op, Dirent) else op.inode
        kind = SyncKind.DIRECTORY if is_name else SyncKind.FILE
        calls = [
            position
            for position, record in enumerate(stretch.log, 1)
            if isinstance(record, type(op)) and record.call == op.call
        ]
        sync = Sync(kind=kind, call=op.call, inode=inode)
        log = (*stretch.log[: calls[-1]], sync, *stretch.log[calls[-1] :])
        with_sync = evolve(stretch, log=log).pending(profile)
        if loses_the_same(pending, with_sync, stretch.kept) is None:
            what = (
                f"the directory {op.path.rpartition('/')[0] or '/'}"
                if is_name
                else f"the file {op.path}"
            )
            return f"a sync of {what} right after {texts[op.number]}"
    return ""


@frozen
class _Opener:
    """Opens a store on images."""

    backend: StoreAdapter
    options: FileStorageOptions

    def shows(self, image: DiskImage, cause: StorageLoss) -> bool:
        """Whether the store shows the problem of a loss on an image."""
        site = Site(
            fs=SimFileSystem(SimDisk(image)),
            runtime=SerialRuntime(),
            directory=STORE_DIRECTORY,
            options=self.options,
        )
        try:
            seen = observe(self.backend.open(site))
        except (StorageError, OSError, ValueError) as error:
            return refusal(OpenStore(), error, "after a restart").kind == cause.problem.kind
        found = judge(seen, Knowledge(possible=cause.possible), self.options)
        return any(each.invariant == cause.problem.invariant for each in found)


def _smallest(cause: StorageLoss, stretch: Stretch, opener: _Opener, profile: Profile) -> Stretch:
    """Put back whatever need not be lost for the store to show the same problem."""
    pending = stretch.pending(profile)
    kept = stretch.kept
    if not opener.shows(pending.image(kept), cause):
        return stretch  # another power cut, inside the recovery, came between
    if kept.tears:
        whole = evolve(kept, tears=())
        kept = whole if opener.shows(pending.image(whole), cause) else kept
    for op in stretch.lost(profile):
        if op.number in kept.numbers:
            continue
        more = _with(pending, op.number, kept.numbers)
        tried = evolve(kept, numbers=more)
        if pending.is_legal(tried) and opener.shows(pending.image(tried), cause):
            kept = tried
    return evolve(stretch, kept=kept)


def _with(pending: PendingOps, number: int, kept: tuple[int, ...]) -> tuple[int, ...]:
    needed = pending.kept(pending.needs(number)).numbers
    return tuple(sorted({*kept, *needed}))
