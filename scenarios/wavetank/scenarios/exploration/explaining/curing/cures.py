"""The first sync that would have made an image impossible, found by trying."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic

from attrs import evolve

from wavetank.scenarios.exploration.explaining.lost_ops import Losses, LostOp
from wavetank.scenarios.exploration.subject import Known, Shown
from wavetank.sim import Kept, Mark, PendingOps, SyncKind

__all__ = ["first_cure"]


def first_cure(losses: Losses[Shown, Known]) -> str:
    """Return the first single sync that would have forbidden the image; "" if none does."""
    return _Cures(losses).cure()


class _Cures(Generic[Shown, Known]):
    def __init__(self, losses: Losses[Shown, Known]) -> None:
        self._losses = losses
        self._tell_step = losses.run.tell_step

    def cure(self) -> str:
        """Return the first single sync that would have forbidden the image; "" if none does.

        It is asked of whoever had promised it: of the step, unless an option gives up its sync, and
        of a recovery where the step that it found had not returned.
        """
        tried: set[tuple[int, SyncKind, int, int | None]] = set()
        # If new work was lost, what it and the recovery left unsynced is to blame first.
        newest_first = sorted(self._losses.lost, key=lambda lost: -lost.stretch)
        for lost in newest_first if self._losses.is_of_new_work else self._losses.blamed:
            key = (lost.stretch, lost.sync.kind, lost.sync.inode, self._losses.step_of(lost))
            if key not in tried:
                tried.add(key)
                for place, after in self._places_of_sync(lost):
                    if self._forbids(lost, after=after):
                        return f"{lost.needed} {place}"
        return ""

    def _places_of_sync(self, lost: LostOp) -> Iterator[tuple[str, int]]:
        """Yield where an op was promised to be synced, in words, and behind which record."""
        step = self._losses.step_of(lost)
        start = self._losses.stretches[lost.stretch].recovered_from
        is_found = start is not None and lost.position < start
        due = None if step is None else self._losses.run.due_step(step)
        # A step that a kill has ended early would not have come to its sync.
        if step == due and not (
            is_found and step is not None and not self._losses.is_acknowledged(step)
        ):
            yield f"right after {lost.text} in {self._losses.where(lost)}", lost.call_end
        elif due is not None and due != step and due <= self._losses.last.step:
            yield from self._within(due)
        if start is not None and is_found:
            yield f"by the recovery, before it lets anybody see {lost.text}", start - 1

    def _within(self, step: int) -> Iterator[tuple[str, int]]:
        """Yield the place right before a step is acknowledged; before it begins if it never was."""
        told = f"step {step} ('{self._tell_step(step)}')"
        positions = [
            (position, isinstance(record, Mark))
            for position, record in enumerate(self._losses.stretches[0].log)
            if self._losses.run.interval_at(position).step == step
        ]
        ends = [position for position, is_mark in positions if is_mark]
        if ends:
            yield f"before {told} returns", ends[0] - 1
        elif positions:
            yield f"before {told} does anything else", positions[0][0] - 1

    def _forbids(self, lost: LostOp, *, after: int) -> bool:
        """Whether the image is not legal any more if the op's sync comes where that call ended."""
        stretch = self._losses.stretches[lost.stretch]
        pending = PendingOps(stretch.image, self._losses.profile)
        due = False
        for position, record in enumerate(stretch.log):
            # A sync as the last thing before the power cut would leave the crash before it.
            if due and pending.whole:
                pending.sync(lost.sync)
                due = False
            pending.take(record)
            due = due or position == after
        if due and not stretch.has_returned:
            return False
        if due:
            pending.sync(lost.sync)
        return not _is_legal(pending, stretch.kept, self._gone(lost.stretch))

    def _gone(self, stretch: int) -> set[int]:
        return {lost.op.number for lost in self._losses.lost if lost.stretch == stretch}


def _is_legal(pending: PendingOps, kept: Kept, gone: set[int]) -> bool:
    present = {op.number for op in pending.ops}
    if not gone <= present:
        return False
    numbers = present - gone | {tear.number for tear in kept.tears}
    return pending.is_legal(evolve(kept, numbers=tuple(sorted(numbers))))
