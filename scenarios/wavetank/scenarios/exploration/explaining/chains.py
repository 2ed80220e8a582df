"""The chain from a promise to its loss, read from what the power cuts of a finding lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from attrs import evolve

from wavetank.scenarios.exploration.causes import Action, Chain, LostWork
from wavetank.scenarios.exploration.crash_point import CrashTrail, Stretch
from wavetank.scenarios.exploration.explaining.lost_ops import Losses, LostOp
from wavetank.scenarios.exploration.judging import Finding, judge_trail
from wavetank.scenarios.exploration.op_words import describe_ops
from wavetank.scenarios.exploration.subject import Known, Problem, RecordedRun, Shown, Subject
from wavetank.sim import Data, Dirent, Kept, Mark, MicroOp, PendingOps, Profile, Size, Sync

__all__ = ["chain_of", "live_chain", "mattering", "needed_losses"]

_MOST_PUT_BACK: Final = 48
"""Lost ops that are put back one by one, to see whether their loss matters."""


def mattering(
    runnable: RecordedRun[Shown, Known],
    subject: Subject[Shown, Known],
    profile: Profile,
    trail: CrashTrail[Shown],
    finding: Finding,
) -> frozenset[int] | None:
    """Return the ops without whose loss nothing is wrong; None where that is not looked for.

    Args:
        runnable: the run.
        subject: recovers.
        profile: the filesystem's promises.
        trail: how the image came about; only one with a single power cut is looked at.
        finding: what is wrong with it.
    """
    if len(trail.stretches) > 1:
        return None
    [stretch] = trail.stretches
    pending = stretch.pending(profile)

    def shows(kept: Kept) -> bool:
        again = evolve(trail, image=pending.image(kept))
        found = judge_trail(runnable, profile, finding.crash, again, subject)
        return _shows(found, finding.problem)

    return needed_losses(pending, stretch.kept, shows)


def needed_losses(
    pending: PendingOps, kept: Kept, shows: Callable[[Kept], bool]
) -> frozenset[int] | None:
    """Return which ops must be lost for a problem to show; None if there are too many to try.

    Each is put back with all that it needs, and stays if the problem does.

    Args:
        pending: what was pending.
        kept: of it, by a crash that shows the problem.
        shows: whether another crash there does.
    """
    torn = {tear.number for tear in kept.tears}
    lost = [op.number for op in pending.ops if op.number not in kept.numbers]
    if len(lost) > _MOST_PUT_BACK:
        return None
    if torn:
        whole = evolve(kept, tears=())
        if pending.is_legal(whole) and shows(whole):
            kept, torn = whole, set()
    for number in lost:
        if number in kept.numbers:
            continue
        needed = pending.kept(pending.needs(number)).numbers
        more = evolve(kept, numbers=tuple(sorted({*kept.numbers, *needed})))
        if pending.is_legal(more) and shows(more):
            kept = more
    return frozenset(_roots(pending, frozenset(lost).difference(kept.numbers))) | torn


def _roots(pending: PendingOps, lost: frozenset[int]) -> Iterator[int]:
    """Yield the ops that are not lost merely because they may not be there without another."""
    for number in lost:
        needs = {each for each in pending.kept(pending.needs(number)).numbers if each in lost}
        if all(number in pending.kept(pending.needs(each)).numbers for each in needs):
            yield number


def _shows(problems: tuple[Problem, ...], wanted: Problem) -> bool:
    return any((each.invariant, each.kind) == (wanted.invariant, wanted.kind) for each in problems)


def live_chain(run: RecordedRun[Shown, Known], step: int, problem: Problem) -> Chain:
    """Return the chain of a problem that needs no crash.

    Args:
        run: the recorded run.
        step: after which it showed.
        problem: what was wrong.
    """
    return Chain(
        broken=problem.broken,
        step=step,
        step_text=run.tell_step(step),
        returned=True,
        promised_in=_promised_in(run, problem, step),
        crashed=False,
    )


def chain_of(losses: Losses[Shown, Known]) -> Chain:
    """Return the chain of a finding, without a cure."""
    run, last, finding = losses.run, losses.last, losses.finding
    floor = last.step if last.acknowledged else last.step - 1
    return Chain(
        broken=finding.problem.broken,
        step=last.step,
        step_text=run.tell_step(last.step),
        returned=last.acknowledged,
        promised_in=None if losses.is_of_new_work else _promised_in(run, finding.problem, floor),
        lost=tuple(_lost_work(losses)),
        killed=finding.crash.killed_at is not None,
        recoveries=len(finding.crash.then),
        is_of_new_work=losses.is_of_new_work,
        is_of_reading=losses.is_of_reading,
        next_call=_next_call(losses),
    )


def _promised_in(
    run: RecordedRun[Shown, Known], problem: Problem, last: int
) -> tuple[int, str] | None:
    step = None if problem.broken is None else run.promising_step(problem.broken, last)
    return None if step is None else (step, run.tell_step(step))


def _next_call(losses: Losses[Shown, Known]) -> str:
    """Return the op with which the interrupted step would have gone on; "" if there is none."""
    crash, last = losses.finding.crash, losses.last
    if last.acknowledged or crash.killed_at is not None or crash.then:
        return ""
    for position, record in enumerate(islice(losses.run.log, crash.position, None)):
        at = crash.position + position
        if losses.run.interval_at(at).step != last.step or isinstance(record, Mark):
            return ""
        if not isinstance(record, Sync):
            return describe_ops(tuple(islice(losses.run.log, at + 32)))[record.number]
    return ""


def _lost_work(losses: Losses[Shown, Known]) -> Iterator[LostWork]:
    """Yield what was lost and matters, what one call did to one file as one."""
    seen: set[tuple[int, int, str]] = set()
    for lost in losses.blamed:
        if not losses.matters(lost):
            continue
        key = (lost.stretch, lost.op.call, lost.text if isinstance(lost.op, Dirent) else lost.file)
        if key not in seen:
            seen.add(key)
            yield _work(losses, lost)


def _work(losses: Losses[Shown, Known], lost: LostOp) -> LostWork:
    stretch, step = losses.stretches[lost.stretch], losses.step_of(lost)
    action, path, source = _action(stretch, lost)
    returned = stretch.has_returned if step is None else losses.is_acknowledged(step)
    return LostWork(
        action=action,
        path=path,
        source=source,
        text=lost.text,
        needs=lost.file,
        step=step,
        by=losses.where(lost),
        acknowledged=returned,
        torn=any(tear.number == lost.op.number for tear in stretch.kept.tears),
        synced_in=_synced_in(losses, lost),
        failed_sync=_failed_sync(stretch, lost),
        renamed_to=_renamed_to(stretch, losses.profile, lost),
        outlived_by=_outlived_by(losses, lost),
    )


def _action(stretch: Stretch, lost: LostOp) -> tuple[Action, str, str]:
    op = lost.op
    if isinstance(op, Dirent):
        call = [each for each in stretch.log if isinstance(each, Dirent) and each.call == op.call]
        came = next((each.path for each in call if each.inode is not None), None)
        gone = next((each.path for each in call if each.inode is None and each.path != came), None)
        if came is None:
            return Action.REMOVED, op.path, ""
        return (Action.CREATED, came, "") if gone is None else (Action.RENAMED, came, gone)
    if isinstance(op, Data):
        return Action.WRITTEN, lost.file, ""
    if isinstance(op, Size):
        is_write = op.extends or op.size > 0
        return (Action.WRITTEN if is_write else Action.RESIZED), lost.file, ""
    return Action.CHANGED, lost.file, ""


def _synced_in(losses: Losses[Shown, Known], lost: LostOp) -> int | None:
    """Return the step in which an op of the workload was synced too late; None if it never was."""
    crash = losses.finding.crash
    if lost.stretch or crash.killed_at is not None or losses.step_of(lost) is None:
        return None
    for position, record in enumerate(islice(losses.run.log, crash.position, None)):
        if isinstance(record, Sync) and record.inode == lost.sync.inode and not record.failed:
            return losses.run.interval_at(crash.position + position).step
    return None


def _failed_sync(stretch: Stretch, lost: LostOp) -> bool:
    return any(
        isinstance(record, Sync)
        and (
            lost.op.number in record.dropped or (record.failed and record.inode == lost.sync.inode)
        )
        for record in stretch.log[lost.position :]
    )


def _renamed_to(stretch: Stretch, profile: Profile, lost: LostOp) -> str:
    """Return the name under which a file was published before its bytes were durable."""
    if isinstance(lost.op, Dirent):
        return ""
    gone = {op.number for op in stretch.lost(profile)}
    return next(
        (
            record.path
            for record in stretch.log[lost.position :]
            if isinstance(record, Dirent)
            and record.inode == lost.op.inode
            and record.number not in gone
            and record.path != lost.file
        ),
        "",
    )


def _outlived_by(losses: Losses[Shown, Known], lost: LostOp) -> str:
    """Return later work of the same step that was kept; "" if there was none."""
    stretch, step = losses.stretches[lost.stretch], losses.step_of(lost)
    gone = {op.number for op in stretch.lost(losses.profile)}
    texts = describe_ops(stretch.log)
    for position, record in enumerate(stretch.log):
        if position <= lost.call_end or isinstance(record, (Sync, Mark)):
            continue
        if not lost.stretch and losses.run.interval_at(position).step != step:
            continue
        if record.number not in gone and _is_other(record, lost.op):
            return texts[record.number]
    return ""


def _is_other(record: MicroOp, op: MicroOp) -> bool:
    return record.call != op.call
