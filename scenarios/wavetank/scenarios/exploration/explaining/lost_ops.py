"""The ops that the power cuts of a finding lost: who issued each, and which sync it needed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Generic

from attrs import frozen

from wavetank.scenarios.exploration.crash_point import CrashTrail, Stretch
from wavetank.scenarios.exploration.explaining.second_crash import is_of_new_work
from wavetank.scenarios.exploration.judging import Finding
from wavetank.scenarios.exploration.op_words import describe_ops
from wavetank.scenarios.exploration.subject import Known, RecordedRun, Shown
from wavetank.sim import Dirent, Mark, MicroOp, Profile, Sync, SyncKind

__all__ = ["Losses", "LostOp"]


@frozen(kw_only=True)
class LostOp:
    """An op that a power cut lost or tore.

    Attributes:
        stretch: number of the stretch of work.
        position: of the op in its log.
        call_end: position of the last op there of the call that issued it; no sync can come before.
        op: the op.
        text: the op in words.
        file: the name by then of the file that a sync would name, or the directory.
        later: its last name, if that is another; else "".
    """

    stretch: int
    position: int
    call_end: int
    op: MicroOp
    text: str
    file: str
    later: str = ""

    @property
    def sync(self) -> Sync:
        """The sync that makes it durable."""
        if isinstance(self.op, Dirent):
            return Sync(kind=SyncKind.DIRECTORY, call=self.op.call, inode=self.op.directory)
        return Sync(kind=SyncKind.FILE, call=self.op.call, inode=self.op.inode)

    @property
    def needed(self) -> str:
        """That sync in words."""
        what = "the directory" if isinstance(self.op, Dirent) else "the file"
        later = f" (later {self.later})" if self.later else ""
        return f"a sync of {what} {self.file}{later}"


class Losses(Generic[Shown, Known]):
    """What the power cuts on the way to an image lost.

    Args:
        run: the recorded run.
        profile: the filesystem's promises.
        trail: how the image came about; at its end the power cut after new work, if there was one.
        finding: what is wrong with it.
        matter: numbers of the ops of the first stretch without whose loss nothing is wrong; None if
            nobody knows.

    Attributes:
        run: the same.
        profile: the same.
        stretches: the work between the power cuts.
        finding: the same.
        last: what was known when the power went first, or the process was killed.
        lost: the ops, in order.
        blamed: the same, those first whose loss matters.
    """

    def __init__(
        self,
        run: RecordedRun[Shown, Known],
        profile: Profile,
        trail: CrashTrail[Shown],
        finding: Finding,
        matter: frozenset[int] | None = None,
    ) -> None:
        crash = finding.crash
        self.run = run
        self.profile = profile
        self.stretches = trail.stretches
        self.finding = finding
        self.last = run.interval_at(crash.position if crash.killed_at is None else crash.killed_at)
        self.lost = tuple(
            op
            for number, stretch in enumerate(trail.stretches)
            for op in lost_in(number, stretch, {op.number for op in stretch.lost(profile)})
        )
        self.matter = matter
        # What one call wrote matters as a whole.
        self._calls = {each.op.call for each in self.lost if each.op.number in (matter or ())}
        self.blamed = tuple(sorted(self.lost, key=lambda each: not self.matters(each)))

    @property
    def is_of_new_work(self) -> bool:
        """Whether the problem came with the work that the recovered subject did next."""
        return is_of_new_work(self.finding.problem)

    def matters(self, lost: LostOp) -> bool:
        """Whether the problem needs the loss of an op, as far as that was looked for."""
        return self.matter is None or lost.op.call in self._calls

    @property
    def is_of_reading(self) -> bool:
        """Whether recovery is to blame, not the disk: it contradicts itself, or leaves litter."""
        problem = self.finding.problem
        return not {"O6", "O10"}.isdisjoint({problem.invariant, *problem.kind.split()})

    def told(self) -> Iterator[str]:
        """Yield each lost op once, with what issued it."""
        seen: set[str] = set()
        for lost in self.lost:
            tears = self.stretches[lost.stretch].kept.tears
            torn = " (torn)" if any(tear.number == lost.op.number for tear in tears) else ""
            text = f"{self.issuer(lost)}: {lost.text}{torn}"
            if text not in seen:
                seen.add(text)
                yield text

    def step_of(self, lost: LostOp) -> int | None:
        """Return the step that issued an op; None if a recovery did."""
        start = self.stretches[lost.stretch].recovered_from
        if lost.stretch or (start is not None and lost.position >= start):
            return None
        return self.run.interval_at(lost.position).step

    def issuer(self, lost: LostOp) -> str:
        """Return who issued an op, in few words."""
        step = self.step_of(lost)
        if step is not None:
            return f"step {step}"
        if self.is_new(lost):
            return "new work"
        return "recovery" if len(self.stretches) == 1 else f"recovery {lost.stretch or 1}"

    def where(self, lost: LostOp) -> str:
        """Return in what an op was issued, in words that follow "in"."""
        step = self.step_of(lost)
        if step is not None:
            return f"step {step}"
        return "the new work" if self.is_new(lost) else "the recovery"

    def is_new(self, lost: LostOp) -> bool:
        """Whether an op belongs to the work that followed the last recovery."""
        start = self.stretches[lost.stretch].works_from
        return start is not None and lost.position >= start

    def is_acknowledged(self, step: int) -> bool:
        """Whether a step had returned when the power went first, or the process was killed."""
        return step < self.last.step or (step == self.last.step and self.last.acknowledged)


def lost_in(number: int, stretch: Stretch, lost: Collection[int]) -> Iterator[LostOp]:
    """Yield ops of a stretch as lost ones.

    Args:
        number: of the stretch.
        stretch: the work.
        lost: the numbers of the ops.
    """
    texts = describe_ops(stretch.log)
    names: dict[int, str] = {}
    found: list[tuple[int, MicroOp, str]] = []
    ends: dict[int, int] = {}
    for position, op in enumerate(stretch.log):
        if isinstance(op, (Sync, Mark)):
            continue
        ends[op.call] = position
        if isinstance(op, Dirent) and op.inode is not None:
            names[op.inode] = op.path
        if op.number in lost:
            found.append((position, op, _synced_name(op, names)))
    for position, op, file in found:
        last = _synced_name(op, names)
        yield LostOp(
            stretch=number,
            position=position,
            call_end=ends[op.call],
            op=op,
            text=texts[op.number],
            file=file,
            later="" if last == file else last,
        )


def _synced_name(op: MicroOp, names: Mapping[int, str]) -> str:
    """Return what a sync that covers an op names, if these are the names of the files."""
    if isinstance(op, Dirent):
        return op.path.rpartition("/")[0] or "/"
    return names.get(op.inode, op.path)
