"""The cheapest sync that would have saved what was lost, found by trying each at each place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Generic

from attrs import evolve

from wavetank.scenarios.exploration.causes import Cure, CureKind
from wavetank.scenarios.exploration.crash_point import Stretch
from wavetank.scenarios.exploration.explaining.chains import needed_losses
from wavetank.scenarios.exploration.explaining.curing.added_sync import (
    AddedSync,
    begins_call,
    put_in,
)
from wavetank.scenarios.exploration.explaining.curing.cure_trial import CureTrial
from wavetank.scenarios.exploration.explaining.lost_ops import Losses, LostOp, lost_in
from wavetank.scenarios.exploration.op_words import describe_ops
from wavetank.scenarios.exploration.subject import Known, Shown
from wavetank.sim import Dirent, Kept, Mark, MicroOp, PendingOps, Record, Size, Sync, SyncKind

__all__ = ["SyncSearch"]

_MOST_SYNCS: Final = 20_000
"""Single syncs that are tried in one stretch."""
_MOST_TOGETHER: Final = 4
"""Syncs that are put in together."""
_DIGITS: Final = re.compile(r"\d+")


class SyncSearch(Generic[Shown, Known]):
    """Puts syncs in between any two calls, of every file and directory that was touched.

    Args:
        losses: what was lost.
        trial: judges what is left with a sync put in.

    Attributes:
        syncs: how many were tried.
        impossible: with how many of them the image cannot come about.
    """

    def __init__(self, losses: Losses[Shown, Known], trial: CureTrial[Shown, Known]) -> None:
        self.syncs = self.impossible = 0
        self._losses = losses
        self._trial = trial
        self._last = len(losses.stretches) - 1

    def cheapest(self) -> Cure | None:
        """Return the cheapest single sync that helps, or the fewest together; None if none do."""
        losses = self._losses
        stretches = list(enumerate(losses.stretches))
        # If new work was lost, what it and the recovery left unsynced is to blame first.
        found: list[AddedSync] = []
        for number, _ in stretches[::-1] if losses.is_of_new_work else stretches:
            lost = [
                each for each in losses.blamed if each.stretch == number and losses.matters(each)
            ]
            found += sorted(self._places(number, lost, ()), key=lambda each: each.cost)
        together: tuple[AddedSync, ...] = ()
        for each in found:
            if each.stretch != self._last:
                return self._told((each,), is_verified=False)
            survivor = self._trial.survivor((each,))
            if not isinstance(survivor, Kept):
                return self._told((each,), is_verified=survivor is None)
            together = together or self._together(each, survivor)
        return self._told(together, is_verified=True) if together else None

    def _together(self, first: AddedSync, survivor: Kept) -> tuple[AddedSync, ...]:
        """Return syncs that help together, a further one for each image that is left; or ()."""
        chosen: tuple[AddedSync, ...] = (first,)
        while len(chosen) < _MOST_TOGETHER:
            further = self._further(chosen, survivor)
            if further is None:
                return ()
            chosen = (*chosen, further)
            left = self._trial.survivor(chosen)
            if not isinstance(left, Kept):
                return chosen if left is None else ()
            survivor = left
        return ()

    def _further(self, chosen: Sequence[AddedSync], survivor: Kept) -> AddedSync | None:
        """Return the sync that makes another image impossible, too."""
        pending = self._trial.pending(chosen)
        needed = needed_losses(
            pending, survivor, lambda kept: self._trial.shows(pending.image(kept))
        ) or frozenset(op.number for op in pending.ops if op.number not in survivor.numbers)
        lost = list(lost_in(self._last, self._losses.stretches[-1], needed))
        places = sorted(self._places(self._last, lost, chosen), key=lambda each: each.cost)
        return places[0] if places else None

    def _places(
        self, number: int, lost: Sequence[LostOp], chosen: Sequence[AddedSync]
    ) -> Iterator[AddedSync]:
        """Yield the first and the last place at which a sync of a file saves one of some ops."""
        if not lost:
            return
        stretch = self._losses.stretches[number]
        pending = PendingOps(stretch.image, self._losses.profile)
        touched: dict[int, SyncKind] = {}
        latest: dict[tuple[int, int], AddedSync] = {}
        begin = min(each.call_end for each in lost)
        for position in range(len(stretch.log) + stretch.has_returned):
            put_in(pending, chosen, position)
            record = stretch.log[position] if position < len(stretch.log) else None
            is_place = record is None or begins_call(stretch.log, position)
            if position > begin and pending.whole and is_place:
                for inode, kind in touched.items():
                    if self.syncs >= _MOST_SYNCS:
                        break
                    self.syncs += 1
                    sync = Sync(kind=kind, call=0, inode=inode)
                    saved = self._saved(pending, stretch, position, sync, lost)
                    self.impossible += saved is not None
                    if saved is None or not self._is_due(number, position, saved):
                        continue
                    place = AddedSync(
                        stretch=number,
                        position=position,
                        sync=sync,
                        lost=saved,
                        added=_calls_alike(self._losses.run.log, saved.op),
                    )
                    if (inode, saved.op.number) not in latest:
                        yield place
                    latest[inode, saved.op.number] = place
            if record is not None:
                pending.take(record)
                _touch(touched, record)
        yield from latest.values()

    def _saved(
        self,
        pending: PendingOps,
        stretch: Stretch,
        position: int,
        sync: Sync,
        lost: Sequence[LostOp],
    ) -> LostOp | None:
        """Return the lost op that a sync here would have saved; None if it saves none."""
        twin = pending.fork()
        twin.sync(sync)
        waiting, left = set(pending.numbers), set(twin.numbers)
        saved = next(
            (each for each in lost if each.op.number in waiting and each.op.number not in left),
            None,
        )
        if saved is not None or self._losses.profile.fsync_persists:
            return saved
        # Here syncs only put things in order: what was kept may need what was lost.
        twin.take_all(stretch.log[position:])
        numbers = {op.number for op in twin.ops}
        kept = numbers & set(stretch.kept.numbers)
        is_legal = twin.is_legal(evolve(stretch.kept, numbers=tuple(sorted(kept))))
        return None if is_legal else lost[0]

    def _is_due(self, number: int, position: int, saved: LostOp) -> bool:
        """Whether a sync here comes before whoever issued the op has returned."""
        losses = self._losses
        step = losses.step_of(saved)
        if step is None:
            works = losses.stretches[number].works_from
            return works is None or losses.is_new(saved) or position <= works
        start = losses.stretches[0].recovered_from
        if start is not None and not losses.is_acknowledged(step):
            return position >= start  # a step that a kill has ended would not have come to its sync
        due = losses.run.due_step(step)
        return due is not None and losses.run.interval_at(position - 1).step <= max(step, due)

    def _told(self, chosen: Sequence[AddedSync], *, is_verified: bool) -> Cure:
        first, *others = (self._sync_cure(each, is_verified=is_verified) for each in chosen)
        return evolve(first, also=tuple(others))

    def _sync_cure(self, place: AddedSync, *, is_verified: bool) -> Cure:
        stretch = self._losses.stretches[place.stretch]
        maker = self._maker(place)
        is_of_run = maker == self._losses.where(place.lost)
        return Cure(
            kind=CureKind.SYNC,
            target=_target(stretch.log[: place.position], place.sync),
            is_directory=place.sync.kind is SyncKind.DIRECTORY,
            after=_text_before(stretch.log, place.position),
            by=maker,
            added=place.added if is_of_run and maker.startswith("step") else 1,
            is_verified=is_verified,
        )

    def _maker(self, place: AddedSync) -> str:
        """Return who makes a sync, in words."""
        stretch = self._losses.stretches[place.stretch]
        start, works = stretch.recovered_from, stretch.works_from
        if start is None or place.position < start:
            return self._losses.where(place.lost)
        return "the new work" if works is not None and place.position > works else "the recovery"


def _touch(touched: dict[int, SyncKind], record: Record) -> None:
    """Note which file or directory a record changes."""
    if isinstance(record, Dirent):
        touched[record.directory] = SyncKind.DIRECTORY
    elif not isinstance(record, (Sync, Mark)):
        touched[record.inode] = SyncKind.FILE


def _calls_alike(log: Iterable[Record], op: MicroOp) -> int:
    """Return how many calls of a run are like that of an op: a sync there runs as often."""
    return len({each.call for each in log if type(each) is type(op) and _is_alike(each, op)}) or 1


def _is_alike(record: Record, op: MicroOp) -> bool:
    return not isinstance(record, (Sync, Mark)) and (
        (record.site, _DIGITS.sub("0", record.path)) == (op.site, _DIGITS.sub("0", op.path))
    )


def _text_before(log: Sequence[Record], position: int) -> str:
    """Return the last op before a position in words; of a write its bytes, not its size."""
    texts, before = describe_ops(tuple(log)), log[:position]
    ops = [each for each in before if not isinstance(each, (Sync, Mark))]
    while len(ops) > 1 and isinstance(ops[-1], Size) and ops[-2].call == ops[-1].call:
        ops.pop()
    return texts[ops[-1].number] if ops else ""


def _target(log: Sequence[Record], sync: Sync) -> str:
    """Return the name by then of what a sync names."""
    found = ""
    for record in log:
        if isinstance(record, (Sync, Mark)):
            continue
        if isinstance(record, Dirent):
            if record.inode == sync.inode:
                found = record.path
            elif record.directory == sync.inode and not found:
                found = record.path.rpartition("/")[0] or "/"
        elif record.inode == sync.inode and not found:
            found = record.path
    return found
