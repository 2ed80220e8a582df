"""Another order of what is there already, found by trying: a call behind a sync, or at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic

from wavetank.scenarios.exploration.causes import Cure, CureKind
from wavetank.scenarios.exploration.crash_point import Cause
from wavetank.scenarios.exploration.explaining.curing.added_sync import begins_call
from wavetank.scenarios.exploration.explaining.curing.cure_trial import CureTrial, is_of_call
from wavetank.scenarios.exploration.explaining.curing.no_sync import end_of_step, published_by
from wavetank.scenarios.exploration.explaining.lost_ops import Losses, LostOp
from wavetank.scenarios.exploration.op_words import describe_ops
from wavetank.scenarios.exploration.subject import Known, Shown
from wavetank.sim import Dirent, Mark, Record, Sync

__all__ = ["OrderSearch"]


class OrderSearch(Generic[Shown, Known]):
    """Tries other orders of the calls of an interrupted step.

    Args:
        losses: what was lost.
        trial: judges what an order leaves.
        cause: what the power cut interrupted.

    Attributes:
        orders: how many were tried.
        impossible: with how many of them the image cannot come about.
    """

    def __init__(
        self, losses: Losses[Shown, Known], trial: CureTrial[Shown, Known], cause: Cause
    ) -> None:
        self.orders = self.impossible = 0
        self._losses = losses
        self._trial = trial
        self._cause = cause

    def behind_a_sync(self) -> Iterator[Cure]:
        """Yield what need only come behind a sync that is there already."""
        losses = self._losses
        if self._cause is not Cause.WORK or losses.is_of_new_work:
            return
        [stretch] = losses.stretches
        gone = {op.number for op in stretch.lost(losses.profile)}
        texts = describe_ops(stretch.log)
        for lost in losses.blamed:
            step = losses.step_of(lost)
            sync = None if step is None else self._own_sync(lost, step)
            if sync is None:
                continue
            for position in range(lost.call_end + 1, len(stretch.log)):
                record = stretch.log[position]
                if isinstance(record, (Sync, Mark)) or record.number in gone:
                    continue
                if losses.run.interval_at(position).step != step:
                    continue
                self.orders += 1
                rest = [each for each in stretch.log if not is_of_call(each, record.call)]
                if self._trial.survivor((), rest) is None:
                    self.impossible += 1
                    yield Cure(
                        kind=CureKind.ORDER,
                        target=lost.file,
                        is_directory=isinstance(lost.op, Dirent),
                        after=f"the {sync.kind.value} of {lost.file}",
                        moved=texts[record.number],
                        by=losses.where(lost),
                        is_verified=True,
                    )
                    return

    def behind_its_step(self) -> Iterator[Cure]:
        """Yield which call of an interrupted step need only come last, where nothing was lost.

        Nothing may be wrong with what the step has done without it, nor on the way to its end.
        """
        losses = self._losses
        if self._cause is not Cause.WORK or losses.matter or losses.last.acknowledged:
            return
        log, crash = losses.run.log, losses.finding.crash
        step, end = losses.last.step, end_of_step(losses)
        begin = next(
            at for at in range(crash.position + 1) if losses.run.interval_at(at).step == step
        )
        whole = tuple(islice(log, end))
        texts = describe_ops(whole)
        last = next((each for each in reversed(whole) if not isinstance(each, (Sync, Mark))), None)
        for record in whole[begin : crash.position]:
            if not isinstance(record, Dirent) or last is None or record.call == last.call:
                continue
            self.orders += 1
            ends = [*range(crash.position, end), end]
            if all(self._trial.is_right(whole[:at], record.call) for at in _calls_in(whole, ends)):
                self.impossible += 1
                # One name behind another helps where no older ones are there; else they get mixed.
                is_name = record.inode is not None
                yield Cure(
                    kind=CureKind.COMMIT_POINT if is_name else CureKind.ORDER,
                    target=", ".join(published_by(losses)) if is_name else record.path,
                    after=texts[last.number],
                    moved=texts[record.number],
                    by=f"step {step}",
                    is_verified=True,
                )
                return

    def _own_sync(self, lost: LostOp, step: int) -> Sync | None:
        """Return the sync of what holds a lost op with which its step would have gone on."""
        crash = self._losses.finding.crash
        for position, record in enumerate(islice(self._losses.run.log, crash.position, None)):
            if self._losses.run.interval_at(crash.position + position).step != step:
                return None
            if isinstance(record, Sync) and record.inode == lost.sync.inode:
                return record
        return None


def _calls_in(log: Sequence[Record], positions: Iterable[int]) -> Iterator[int]:
    """Yield those of the positions that stand between two calls."""
    for at in positions:
        if at in {0, len(log)} or begins_call(log, at):
            yield at
