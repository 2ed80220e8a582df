"""The cheapest cure of a finding, found by trying every single sync, and orders of what is there.

A sync of each file and directory that was touched is put in between any two calls, and an op that
was kept is moved behind a later sync of what was lost. What makes the image impossible is then held
against all images of that crash point: the cure is the cheapest with which none of them shows the
failure. Where none does, the shape of the failure says what would help instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Generic, Literal

from attrs import evolve, frozen

from wavetank.scenarios.exploration.causes import Cure, CureKind, Tried
from wavetank.scenarios.exploration.crash_point import Cause, CrashTrail, Stretch
from wavetank.scenarios.exploration.explaining.chains import needed_losses
from wavetank.scenarios.exploration.explaining.lost_ops import Losses, LostOp, lost_in
from wavetank.scenarios.exploration.judging import judge_trail
from wavetank.scenarios.exploration.op_words import describe_ops
from wavetank.scenarios.exploration.subject import (
    Known,
    NewWork,
    Problem,
    RecordedRun,
    Shown,
    Subject,
)
from wavetank.sim import (
    Data,
    Dirent,
    DiskImage,
    Kept,
    Mark,
    MicroOp,
    PendingOps,
    Record,
    Size,
    Sync,
    SyncKind,
    all_images,
)

__all__ = ["search_cure"]

_MOST_IMAGES: Final = 1_500
"""Images that are judged to verify cures, in all."""
_PER_CURE: Final = 256
"""Images of one crash point."""
_MOST_SYNCS: Final = 20_000
"""Single syncs that are tried in one stretch."""
_MOST_TOGETHER: Final = 4
"""Syncs that are put in together."""
_DIGITS: Final = re.compile(r"\d+")


def search_cure(
    losses: Losses[Shown, Known],
    runnable: RecordedRun[Shown, Known],
    subject: Subject[Shown, Known],
    trail: CrashTrail[Shown],
) -> tuple[Cure, Tried]:
    """Return the cheapest cure of a finding, and what was tried.

    Args:
        losses: what was lost.
        runnable: the run.
        subject: recovers.
        trail: how the image came about.
    """
    search = _Search(losses, runnable, subject, trail)
    return search.cheapest(), search.tried()


@frozen(kw_only=True)
class _Added:
    """One sync that is put in.

    Attributes:
        stretch: number of the stretch.
        position: of the record before which it comes.
        sync: itself.
        lost: the op that it saves.
        added: how often a sync at such a place would run.
    """

    stretch: int
    position: int
    sync: Sync
    lost: LostOp
    added: int

    @property
    def cost(self) -> tuple[int, bool, int]:
        """What to prefer: few syncs, of what holds the lost op, soon after it."""
        return self.added, self.sync.inode != self.lost.sync.inode, self.position


class _Search(Generic[Shown, Known]):
    def __init__(
        self,
        losses: Losses[Shown, Known],
        runnable: RecordedRun[Shown, Known],
        subject: Subject[Shown, Known],
        trail: CrashTrail[Shown],
    ) -> None:
        self._losses = losses
        self._runnable = runnable
        self._subject = subject
        self._trail = trail
        self._last = len(losses.stretches) - 1
        self._work: NewWork | None = None
        self._syncs = self._orders = self._impossible = self._images = 0

    def tried(self) -> Tried:
        """Return the counts."""
        return Tried(
            syncs=self._syncs,
            orders=self._orders,
            impossible=self._impossible,
            images=self._images,
        )

    def cheapest(self) -> Cure:
        """Return an order if one helps, else the sync that runs least often, else what to do."""
        if self._losses.is_of_reading:
            return Cure(kind=CureKind.READING, by="the recovery")
        for order in (*self._behind_a_sync(), *self._behind_its_step()):
            return order
        return self._by_syncs() or self._without_sync()

    # Syncs

    def _by_syncs(self) -> Cure | None:
        """Return the cheapest single sync that helps, or the fewest together; None if none do."""
        losses = self._losses
        stretches = list(enumerate(losses.stretches))
        # If new work was lost, what it and the recovery left unsynced is to blame first.
        found: list[_Added] = []
        for number, _ in stretches[::-1] if losses.is_of_new_work else stretches:
            lost = [
                each for each in losses.blamed if each.stretch == number and losses.matters(each)
            ]
            found += sorted(self._places(number, lost, ()), key=lambda each: each.cost)
        together: tuple[_Added, ...] = ()
        for each in found:
            if each.stretch != self._last:
                return self._told((each,), is_verified=False)
            survivor = self._survivor((each,))
            if not isinstance(survivor, Kept):
                return self._told((each,), is_verified=survivor is None)
            together = together or self._together(each, survivor)
        return self._told(together, is_verified=True) if together else None

    def _together(self, first: _Added, survivor: Kept) -> tuple[_Added, ...]:
        """Return syncs that help together, a further one for each image that is left; or ()."""
        chosen: tuple[_Added, ...] = (first,)
        while len(chosen) < _MOST_TOGETHER:
            further = self._further(chosen, survivor)
            if further is None:
                return ()
            chosen = (*chosen, further)
            left = self._survivor(chosen)
            if not isinstance(left, Kept):
                return chosen if left is None else ()
            survivor = left
        return ()

    def _further(self, chosen: Sequence[_Added], survivor: Kept) -> _Added | None:
        """Return the sync that makes another image impossible, too."""
        pending = self._pending(chosen)
        needed = needed_losses(
            pending, survivor, lambda kept: self._shows(pending.image(kept))
        ) or frozenset(op.number for op in pending.ops if op.number not in survivor.numbers)
        lost = list(lost_in(self._last, self._losses.stretches[-1], needed))
        places = sorted(self._places(self._last, lost, chosen), key=lambda each: each.cost)
        return places[0] if places else None

    def _places(
        self, number: int, lost: Sequence[LostOp], chosen: Sequence[_Added]
    ) -> Iterator[_Added]:
        """Yield the first and the last place at which a sync of a file saves one of some ops."""
        if not lost:
            return
        stretch = self._losses.stretches[number]
        pending = PendingOps(stretch.image, self._losses.profile)
        touched: dict[int, SyncKind] = {}
        latest: dict[tuple[int, int], _Added] = {}
        begin = min(each.call_end for each in lost)
        for position in range(len(stretch.log) + stretch.has_returned):
            _put_in(pending, chosen, position)
            record = stretch.log[position] if position < len(stretch.log) else None
            is_place = record is None or _begins_call(stretch.log, position)
            if position > begin and pending.whole and is_place:
                for inode, kind in touched.items():
                    if self._syncs >= _MOST_SYNCS:
                        break
                    self._syncs += 1
                    sync = Sync(kind=kind, call=0, inode=inode)
                    saved = self._saved(pending, stretch, position, sync, lost)
                    self._impossible += saved is not None
                    if saved is None or not self._is_due(number, position, saved):
                        continue
                    place = _Added(
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

    def _told(self, chosen: Sequence[_Added], *, is_verified: bool) -> Cure:
        first, *others = (self._sync_cure(each, is_verified=is_verified) for each in chosen)
        return evolve(first, also=tuple(others))

    def _sync_cure(self, place: _Added, *, is_verified: bool) -> Cure:
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

    def _maker(self, place: _Added) -> str:
        """Return who makes a sync, in words."""
        stretch = self._losses.stretches[place.stretch]
        start, works = stretch.recovered_from, stretch.works_from
        if start is None or place.position < start:
            return self._losses.where(place.lost)
        return "the new work" if works is not None and place.position > works else "the recovery"

    # Verification

    def _pending(self, chosen: Sequence[_Added], log: Sequence[Record] | None = None) -> PendingOps:
        """Return what is pending at the last power cut if some syncs are put in."""
        stretch = self._losses.stretches[-1]
        log = stretch.log if log is None else log
        pending = PendingOps(stretch.image, self._losses.profile)
        for position, record in enumerate(log):
            _put_in(pending, chosen, position)
            pending.take(record)
        _put_in(pending, chosen, len(log))
        return pending

    def _survivor(
        self, chosen: Sequence[_Added], log: Sequence[Record] | None = None
    ) -> Kept | Literal["unknown"] | None:
        """Return an image of the crash point that shows the failure all the same; None if none."""
        pending = self._pending(chosen, log)
        if not pending.whole or self._images >= _MOST_IMAGES:
            return "unknown"
        for kept in all_images(pending, limit=_PER_CURE).images[:_PER_CURE]:
            self._images += 1
            if self._shows(pending.image(kept)):
                return kept
        return None

    def _shows(self, image: DiskImage) -> bool:
        wanted = self._losses.finding.problem
        if self._losses.stretches[-1].works_from is None:
            found = self._problems(image)
            return any((p.invariant, p.kind) == (wanted.invariant, wanted.kind) for p in found)
        self._work = self._work or self._subject.new_work(self._trail.image, self._trail.since)
        problems_on = None if self._work is None else self._work.problems_on
        assert problems_on is not None, "the new work has shown the problem"
        return any(wanted.kind.endswith(each.kind) for each in problems_on(image))

    def _problems(self, image: DiskImage) -> tuple[Problem, ...]:
        losses, trail = self._losses, evolve(self._trail, image=image)
        return judge_trail(
            self._runnable, losses.profile, losses.finding.crash, trail, self._subject
        )

    # Orders

    def _behind_a_sync(self) -> Iterator[Cure]:
        """Yield what need only come behind a sync that is there already."""
        losses = self._losses
        if self._trail.cause is not Cause.WORK or losses.is_of_new_work:
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
                self._orders += 1
                rest = [each for each in stretch.log if not _is_of_call(each, record.call)]
                if self._survivor((), rest) is None:
                    self._impossible += 1
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

    def _own_sync(self, lost: LostOp, step: int) -> Sync | None:
        """Return the sync of what holds a lost op with which its step would have gone on."""
        crash = self._losses.finding.crash
        for position, record in enumerate(islice(self._losses.run.log, crash.position, None)):
            if self._losses.run.interval_at(crash.position + position).step != step:
                return None
            if isinstance(record, Sync) and record.inode == lost.sync.inode:
                return record
        return None

    def _behind_its_step(self) -> Iterator[Cure]:
        """Yield which call of an interrupted step need only come last, where nothing was lost.

        Nothing may be wrong with what the step has done without it, nor on the way to its end.
        """
        losses = self._losses
        if self._trail.cause is not Cause.WORK or losses.matter or losses.last.acknowledged:
            return
        log, crash = losses.run.log, losses.finding.crash
        step, end = losses.last.step, _end_of_step(losses)
        begin = next(
            at for at in range(crash.position + 1) if losses.run.interval_at(at).step == step
        )
        whole = tuple(islice(log, end))
        texts = describe_ops(whole)
        last = next((each for each in reversed(whole) if not isinstance(each, (Sync, Mark))), None)
        for record in whole[begin : crash.position]:
            if not isinstance(record, Dirent) or last is None or record.call == last.call:
                continue
            self._orders += 1
            ends = [*range(crash.position, end), end]
            if all(self._is_right(whole[:at], record.call) for at in _calls_in(whole, ends)):
                self._impossible += 1
                # One name behind another helps where no older ones are there; else they get mixed.
                is_name = record.inode is not None
                yield Cure(
                    kind=CureKind.COMMIT_POINT if is_name else CureKind.ORDER,
                    target=", ".join(self._published()) if is_name else record.path,
                    after=texts[last.number],
                    moved=texts[record.number],
                    by=f"step {step}",
                    is_verified=True,
                )
                return

    def _is_right(self, log: Sequence[Record], without: int) -> bool:
        """Whether a disk that holds all of a log but one call is right."""
        stretch = self._losses.stretches[0]
        pending = evolve(
            stretch, log=tuple(each for each in log if not _is_of_call(each, without))
        ).pending(self._losses.profile)
        if not pending.whole:
            return True
        self._images += 1
        return not self._problems(pending.full)

    # What no sync helps

    def _without_sync(self) -> Cure:
        """Return what to do instead."""
        losses = self._losses
        matter = losses.blamed and losses.matter != frozenset()
        if matter and isinstance(losses.blamed[0].op, (Data, Size)):
            return self._for_bytes(losses.blamed[0])
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
        published = () if is_done else self._published()
        unfinished = "" if is_done or published else self._unfinished()
        if unfinished:
            return Cure(kind=CureKind.NEW_FILE, target=unfinished, by=by)
        kind = CureKind.COMMIT_POINT if published else CureKind.NONE
        return Cure(kind=kind, target=", ".join(published), by=by)

    def _for_bytes(self, lost: LostOp) -> Cure:
        losses, op = self._losses, lost.op
        step = losses.step_of(lost)
        if step is not None and (step != losses.last.step or losses.last.acknowledged):
            return Cure(kind=CureKind.NONE, target=lost.file, by=losses.where(lost))
        is_append = (
            op.extends or op.tail_block
            if isinstance(op, Data)
            else isinstance(op, Size) and op.extends
        )
        kind = CureKind.CHECKSUM if is_append else CureKind.NEW_FILE
        return Cure(kind=kind, target=lost.file, by=losses.where(lost))

    def _unfinished(self) -> str:
        """Return the file that the interrupted step had made, and was to fill under its name."""
        losses = self._losses
        made = {
            record.inode: record.path
            for position, record in enumerate(losses.stretches[0].log)
            if isinstance(record, Dirent)
            and losses.run.interval_at(position).step == losses.last.step
        }
        start = losses.finding.crash.position
        for record in islice(losses.run.log, start, _end_of_step(losses)):
            if isinstance(record, (Data, Size)):
                return made.get(record.inode, "")
        return ""

    def _published(self) -> tuple[str, ...]:
        """Return what the interrupted step makes visible, by one call after the other."""
        losses = self._losses
        step, end = losses.last.step, _end_of_step(losses)
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


def _end_of_step(losses: Losses[Shown, Known]) -> int:
    """Return how many records there are when the interrupted step returns."""
    step, position = losses.last.step, losses.finding.crash.position
    for at, record in enumerate(islice(losses.run.log, position, None), position):
        if isinstance(record, Mark) or losses.run.interval_at(at).step != step:
            return at
    return len(losses.run.log)


def _calls_in(log: Sequence[Record], positions: Iterable[int]) -> Iterator[int]:
    """Yield those of the positions that stand between two calls."""
    for at in positions:
        if at in {0, len(log)} or _begins_call(log, at):
            yield at


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


def _text_before(log: Sequence[Record], position: int) -> str:
    """Return the last op before a position in words; of a write its bytes, not its size."""
    texts, before = describe_ops(tuple(log)), log[:position]
    ops = [each for each in before if not isinstance(each, (Sync, Mark))]
    while len(ops) > 1 and isinstance(ops[-1], Size) and ops[-2].call == ops[-1].call:
        ops.pop()
    return texts[ops[-1].number] if ops else ""


def _put_in(pending: PendingOps, chosen: Sequence[_Added], position: int) -> None:
    for each in chosen:
        if each.position == position:
            pending.sync(each.sync)


def _touch(touched: dict[int, SyncKind], record: Record) -> None:
    """Note which file or directory a record changes."""
    if isinstance(record, Dirent):
        touched[record.directory] = SyncKind.DIRECTORY
    elif not isinstance(record, (Sync, Mark)):
        touched[record.inode] = SyncKind.FILE


def _begins_call(log: Sequence[Record], position: int) -> bool:
    """Whether a record is the first of its call: nobody can write anything inside a call."""
    record, before = log[position], log[position - 1]
    if isinstance(record, Mark) or isinstance(before, Mark):
        return True
    return record.call != before.call


def _is_of_call(record: Record, call: int) -> bool:
    return not isinstance(record, Mark) and record.call == call


def _calls_alike(log: Iterable[Record], op: MicroOp) -> int:
    """Return how many calls of a run are like that of an op: a sync there runs as often."""
    return len({each.call for each in log if type(each) is type(op) and _is_alike(each, op)}) or 1


def _is_alike(record: Record, op: MicroOp) -> bool:
    return not isinstance(record, (Sync, Mark)) and (
        (record.site, _DIGITS.sub("0", record.path)) == (op.site, _DIGITS.sub("0", op.path))
    )


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
