"""What would help where no sync does, read from the shape of a failure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from wavetank.scenarios.exploration.causes import Cure, CureKind
from wavetank.scenarios.exploration.explaining.lost_ops import Losses, LostOp
from wavetank.scenarios.exploration.subject import Known, Shown
from wavetank.sim import Data, Dirent, Mark, Record, Size

__all__ = ["cure_without_sync", "end_of_step", "published_by"]


def cure_without_sync(losses: Losses[Shown, Known]) -> Cure:
    """Return what to do about a failure that no sync and no order cures."""
    matter = losses.blamed and losses.matter != frozenset()
    if matter and isinstance(losses.blamed[0].op, (Data, Size)):
        return _for_bytes(losses, losses.blamed[0])
    by = f"step {losses.last.step}"
    if losses.is_of_new_work and not matter:
        return Cure(kind=CureKind.READING, by="the recovery")
    if losses.finding.crash.then:
        rewritten = _cut_off(losses.stretches[-1].log)
        if rewritten:
            return Cure(kind=CureKind.NEW_FILE, target=rewritten, by="the recovery")
        return Cure(kind=CureKind.NONE, by="the recovery")
    is_done = losses.last.acknowledged or any(
        step is not None and losses.is_acknowledged(step)
        for step in (losses.step_of(each) for each in losses.blamed[:1] if matter)
    )
    published = () if is_done else published_by(losses)
    unfinished = "" if is_done or published else _unfinished(losses)
    if unfinished:
        return Cure(kind=CureKind.NEW_FILE, target=unfinished, by=by)
    kind = CureKind.COMMIT_POINT if published else CureKind.NONE
    return Cure(kind=kind, target=", ".join(published), by=by)


def _for_bytes(losses: Losses[Shown, Known], lost: LostOp) -> Cure:
    op = lost.op
    step = losses.step_of(lost)
    if step is not None and (step != losses.last.step or losses.last.acknowledged):
        return Cure(kind=CureKind.NONE, target=lost.file, by=losses.where(lost))
    is_append = (
        op.extends or op.tail_block if isinstance(op, Data) else isinstance(op, Size) and op.extends
    )
    kind = CureKind.CHECKSUM if is_append else CureKind.NEW_FILE
    return Cure(kind=kind, target=lost.file, by=losses.where(lost))


def _unfinished(losses: Losses[Shown, Known]) -> str:
    """Return the file that the interrupted step had made, and was to fill under its name."""
    made = {
        record.inode: record.path
        for position, record in enumerate(losses.stretches[0].log)
        if isinstance(record, Dirent) and losses.run.interval_at(position).step == losses.last.step
    }
    start = losses.finding.crash.position
    for record in islice(losses.run.log, start, end_of_step(losses)):
        if isinstance(record, (Data, Size)):
            return made.get(record.inode, "")
    return ""


def published_by(losses: Losses[Shown, Known]) -> tuple[str, ...]:
    """Return what the interrupted step makes visible, by one call after the other."""
    step, end = losses.last.step, end_of_step(losses)
    names: dict[str, None] = {}
    writes: dict[int, set[int]] = {}
    paths: dict[int, str] = {}
    left: dict[int, None] = {}
    for position, record in enumerate(islice(losses.run.log, end)):
        if isinstance(record, Dirent) and record.inode is None:
            left[record.call] = None
        if losses.run.interval_at(position).step != step:
            continue
        if isinstance(record, Data):
            writes.setdefault(record.inode, set()).add(record.call)
            paths[record.inode] = record.path
        elif isinstance(record, Dirent) and record.inode is not None:
            is_rename = record.joins_next or record.replaces or record.call in left
            names.update({record.path: None} if is_rename else {})
    if len(names) > 1:
        return tuple(names)
    several = [paths[inode] for inode, calls in writes.items() if len(calls) > 1]
    return tuple(names) or tuple(several)


def end_of_step(losses: Losses[Shown, Known]) -> int:
    """Return how many records there are when the interrupted step returns."""
    step, position = losses.last.step, losses.finding.crash.position
    for at, record in enumerate(islice(losses.run.log, position, None), position):
        if isinstance(record, Mark) or losses.run.interval_at(at).step != step:
            return at
    return len(losses.run.log)


def _cut_off(log: Sequence[Record]) -> str:
    """Return the file that a log cuts off in place; "" if there is none."""
    made = {each.inode for each in log if isinstance(each, Dirent)}
    return next(
        (
            each.path
            for each in log
            if isinstance(each, Size) and not each.extends and each.inode not in made
        ),
        "",
    )
