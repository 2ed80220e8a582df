"""A finding told to a person: what was promised, what came, why, and what would have cured it.

`explain` turns a finding into a `Violation`. It reads every stretch of work that a power cut ended:
the workload, the recovery after a kill, and the recoveries that were crashed. The profiles that
allow the image and the cure are found by trying: the same ops are asked of every profile, and each
missing sync is put in, one at a time, until the image is no longer legal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from attrs import evolve, frozen

from wavetank.scenarios.exploration.crash_point import (
    CrashPoint,
    CrashTrail,
    Stretch,
    follow,
    is_allowed_by,
)
from wavetank.scenarios.exploration.explorer import Finding
from wavetank.scenarios.exploration.op_words import describe_ops
from wavetank.scenarios.exploration.second_crash import is_of_new_work, second_crash
from wavetank.scenarios.exploration.subject import Known, Problem, RecordedRun, Shown
from wavetank.scenarios.exploration.violation import Violation
from wavetank.sim import (
    PROFILES,
    Dirent,
    Kept,
    Mark,
    MicroOp,
    PendingOps,
    Profile,
    Sync,
    SyncKind,
)

__all__ = ["explain", "explain_live"]


def explain(run: RecordedRun[Shown, Known], profile: Profile, finding: Finding) -> Violation:
    """Return the story of a finding that `profile` allowed."""
    with run.runnable() as runnable:
        subject = runnable.subject()
        trail = follow(runnable, subject, profile, finding.crash)
        second = second_crash(subject, trail, profile, finding.problem)
    if second is not None:
        trail = evolve(trail, stretches=(*trail.stretches, second))
    story = _Story(run, profile, trail, finding)
    return Violation(
        id="",
        invariant=finding.problem.invariant,
        kind=finding.problem.kind,
        summary=finding.problem.summary,
        why=story.why(),
        steps=(*_numbered(run, finding.step), *_crashes(finding.crash)),
        lost=tuple(story.losses()),
        profiles=tuple(
            each.name for each in _profiles_with(profile) if is_allowed_by(trail, profile, each)
        ),
        cure=story.cure(),
        rules=tuple(
            name
            for name, stronger in profile.with_one_rule_more()
            if not is_allowed_by(trail, profile, stronger)
        ),
        crash=finding.crash,
    )


def explain_live(
    run: RecordedRun[Shown, Known], profile: Profile, step: int, problem: Problem
) -> Violation:
    """Return the story of a problem that needs no crash.

    Args:
        run: the recorded run.
        profile: under which it was met.
        step: after which it showed.
        problem: what was wrong.
    """
    return Violation(
        id="",
        invariant=problem.invariant,
        kind=problem.kind,
        summary=problem.summary,
        why="no crash is needed: the running store itself was wrong after this step",
        steps=_numbered(run, step),
        lost=(),
        profiles=tuple(each.name for each in _profiles_with(profile)),
        cure="",
        rules=(),
        crash=None,
    )


@frozen(kw_only=True)
class _LostOp:
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


class _Story:
    """The ops that the crashes of a trail lost, and the questions one asks about them."""

    def __init__(
        self,
        run: RecordedRun[Shown, Known],
        profile: Profile,
        trail: CrashTrail[Shown],
        finding: Finding,
    ) -> None:
        self._step_at: Callable[[int], int] = lambda position: run.interval_at(position).step
        self._tell_step = run.tell_step
        self._due_step = run.due_step
        crash = finding.crash
        self._last = run.interval_at(crash.position if crash.killed_at is None else crash.killed_at)
        self._profile = profile
        self._stretches = trail.stretches
        self._finding = finding
        self._lost = tuple(
            op
            for number, stretch in enumerate(trail.stretches)
            for op in _lost_in(number, stretch, profile)
        )

    def losses(self) -> Iterator[str]:
        """Yield each lost op once, with what issued it."""
        seen: set[str] = set()
        for lost in self._lost:
            tears = self._stretches[lost.stretch].kept.tears
            torn = " (torn)" if any(tear.number == lost.op.number for tear in tears) else ""
            text = f"{self._issuer(lost)}: {lost.text}{torn}"
            if text not in seen:
                seen.add(text)
                yield text

    def why(self) -> str:
        """Return one sentence: what was acknowledged, and which sync never came."""
        sentence = self._why()
        if self._finding.is_reproduced:
            return sentence
        return (
            f"judged again, the same image showed nothing, so the store is not deterministic; "
            f"{sentence}"
        )

    def cure(self) -> str:
        """Return the first single sync that would have forbidden the image; "" if none does.

        It is asked of whoever had promised it: of the step, unless an option gives up its sync, and
        of a recovery where the step that it found had not returned.
        """
        tried: set[tuple[int, SyncKind, int, int | None]] = set()
        # If new work was lost, what it and the recovery left unsynced is to blame first.
        newest_first = sorted(self._lost, key=lambda lost: -lost.stretch)
        for lost in newest_first if self._is_of_new_work else self._lost:
            key = (lost.stretch, lost.sync.kind, lost.sync.inode, self._step_of(lost))
            if key not in tried:
                tried.add(key)
                for place, after in self._places_of_sync(lost):
                    if self._forbids(lost, after=after):
                        return f"{lost.needed} {place}"
        return ""

    def _places_of_sync(self, lost: _LostOp) -> Iterator[tuple[str, int]]:
        """Yield where an op was promised to be synced, in words, and behind which record."""
        step = self._step_of(lost)
        start = self._stretches[lost.stretch].recovered_from
        is_found = start is not None and lost.position < start
        due = None if step is None else self._due_step(step)
        # A step that a kill has ended early would not have come to its sync.
        if step == due and not (is_found and step is not None and not self._is_acknowledged(step)):
            yield f"right after {lost.text} in {self._where(lost)}", lost.call_end
        elif due is not None and due != step and due <= self._last.step:
            yield from self._within(due)
        if start is not None and is_found:
            yield f"by the recovery, before it lets anybody see {lost.text}", start - 1

    def _within(self, step: int) -> Iterator[tuple[str, int]]:
        """Yield the place right before a step is acknowledged; before it begins if it never was."""
        told = f"step {step} ('{self._tell_step(step)}')"
        positions = [
            (position, isinstance(record, Mark))
            for position, record in enumerate(self._stretches[0].log)
            if self._step_at(position) == step
        ]
        ends = [position for position, is_mark in positions if is_mark]
        if ends:
            yield f"before {told} returns", ends[0] - 1
        elif positions:
            yield f"before {told} does anything else", positions[0][0] - 1

    @property
    def _is_of_new_work(self) -> bool:
        """Whether the problem came with the work that the recovered subject did next."""
        return is_of_new_work(self._finding.problem)

    def _why(self) -> str:
        if self._is_of_new_work:
            return self._why_of_new_work()
        for lost in self._lost:
            step = self._step_of(lost)
            if step is not None and self._is_acknowledged(step):
                return (
                    f"step {step} ('{self._tell_step(step)}') was acknowledged, but {lost.text} "
                    f"needed {lost.needed}, which had not come when the power went"
                )
        step = self._last.step
        for lost in self._lost:
            stretch = self._stretches[lost.stretch]
            if stretch.has_returned:
                return (
                    f"a recovery had returned and showed {lost.text}, which needed {lost.needed}, "
                    f"and that had not come when the power went"
                )
            if self._step_of(lost) is None:
                return (
                    f"the power went inside a recovery: {lost.text} was lost while other work of "
                    f"that recovery was kept"
                )
        if not self._lost:
            return (
                f"nothing was lost: what step {step} ('{self._tell_step(step)}') had done so "
                f"far is already wrong after a restart"
            )
        return (
            f"the power went during step {step} ('{self._tell_step(step)}'): "
            f"{self._lost[0].text} was lost while other work of that step was kept"
        )

    def _step_of(self, lost: _LostOp) -> int | None:
        """Return the step that issued an op; None if a recovery did."""
        start = self._stretches[lost.stretch].recovered_from
        if lost.stretch or (start is not None and lost.position >= start):
            return None
        return self._step_at(lost.position)

    def _why_of_new_work(self) -> str:
        last = self._stretches[-1]
        if last.works_from is None:
            return "the store recovered from this crash, and refused the work that followed"
        lost = next((each for each in self._lost if each.stretch == len(self._stretches) - 1), None)
        if lost is None:
            return (
                "the store recovered from this crash and acknowledged new work; the next opening "
                "did not show it, though nothing more was lost"
            )
        return (
            f"the store recovered from this crash and acknowledged new work; {lost.text} in "
            f"{self._where(lost)} needed {lost.needed}, which had not come at the next power cut"
        )

    def _issuer(self, lost: _LostOp) -> str:
        step = self._step_of(lost)
        if step is not None:
            return f"step {step}"
        if self._is_new(lost):
            return "new work"
        return "recovery" if len(self._stretches) == 1 else f"recovery {lost.stretch or 1}"

    def _where(self, lost: _LostOp) -> str:
        step = self._step_of(lost)
        if step is not None:
            return f"step {step}"
        return "the new work" if self._is_new(lost) else "the recovery"

    def _is_new(self, lost: _LostOp) -> bool:
        """Whether an op belongs to the work that followed the last recovery."""
        start = self._stretches[lost.stretch].works_from
        return start is not None and lost.position >= start

    def _is_acknowledged(self, step: int) -> bool:
        return step < self._last.step or (step == self._last.step and self._last.acknowledged)

    def _forbids(self, lost: _LostOp, *, after: int) -> bool:
        """Whether the image is not legal any more if the op's sync comes where that call ended."""
        stretch = self._stretches[lost.stretch]
        pending = PendingOps(stretch.image, self._profile)
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
        return {lost.op.number for lost in self._lost if lost.stretch == stretch}


def _lost_in(number: int, stretch: Stretch, profile: Profile) -> Iterator[_LostOp]:
    lost = {op.number for op in stretch.lost(profile)}
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
        yield _LostOp(
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


def _is_legal(pending: PendingOps, kept: Kept, gone: set[int]) -> bool:
    present = {op.number for op in pending.ops}
    if not gone <= present:
        return False
    numbers = present - gone | {tear.number for tear in kept.tears}
    return pending.is_legal(evolve(kept, numbers=tuple(sorted(numbers))))


def _profiles_with(profile: Profile) -> tuple[Profile, ...]:
    """Return every profile that ships, and at the end this one if it does not."""
    return PROFILES if profile in PROFILES else (*PROFILES, profile)


def _crashes(crash: CrashPoint) -> Iterator[str]:
    """Yield what happened after the last step, where it was more than one power cut."""
    if crash.killed_at is not None:
        records = crash.position - crash.killed_at
        yield f"the process is killed; the store is opened again; power cut at op {records} of that"
    for again in crash.then:
        yield f"power cut at op {again.position} of the recovery"


def _numbered(run: RecordedRun[Shown, Known], last: int) -> tuple[str, ...]:
    return tuple(f"{number}: {run.tell_step(number)}" for number in range(last + 1))
