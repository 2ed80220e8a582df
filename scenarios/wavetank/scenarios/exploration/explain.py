"""A finding told to a person: what was promised, what came, why, and what would have cured it.

`explain` turns a sweep's finding into a `Violation`. The profiles that allow the image and the
cure are found by trying: the same ops are asked of every profile, and each missing sync is put in,
one at a time, until the image is no longer legal.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from attrs import frozen

from wavetank.scenarios.exploration.crash_point import CrashPoint, is_allowed_by
from wavetank.scenarios.exploration.explorer import Finding
from wavetank.scenarios.raft.recording import LiveProblem, Recording
from wavetank.sim import (
    BLOCK_SIZE,
    PROFILES,
    Data,
    Dirent,
    Kept,
    Mark,
    MicroOp,
    PendingOps,
    Profile,
    Size,
    Sync,
    SyncKind,
)

__all__ = ["Violation", "describe_op", "explain", "explain_live"]


@frozen(kw_only=True)
class Violation:
    """One broken promise, with all that a person needs to believe it.

    Attributes:
        id: short name, equal for equal findings.
        invariant: id of the invariant (`wavetank list invariants`).
        kind: what is wrong, without particulars.
        summary: the same with particulars.
        why: one sentence on how it came about.
        steps: the workload up to the crash, numbered.
        lost: the pending ops that the crash lost or tore.
        profiles: which profiles allow the image, the strongest first.
        cure: one sync that would have made the image impossible; "" if no single one does.
        rules: promises that the profile does not make, each of which alone would forbid the image.
        crash: the image; None if it needs no crash.
    """

    id: str
    invariant: str
    kind: str
    summary: str
    why: str
    steps: tuple[str, ...]
    lost: tuple[str, ...]
    profiles: tuple[str, ...]
    cure: str
    rules: tuple[str, ...]
    crash: CrashPoint | None


def explain(recording: Recording, profile: Profile, finding: Finding) -> Violation:
    """Return the story of a finding that `profile` allowed."""
    lost = _LostOps(recording, finding)
    return Violation(
        id=_identify(recording, profile.name, finding.problem.kind, repr(finding.crash)),
        invariant=finding.problem.invariant,
        kind=finding.problem.kind,
        summary=finding.problem.summary,
        why=lost.why(),
        steps=(*_numbered(recording, finding.step), *_crashes(finding.crash)),
        lost=tuple(lost.descriptions()),
        profiles=tuple(
            each.name
            for each in _profiles_with(profile)
            if is_allowed_by(recording, profile, each, finding.crash)
        ),
        cure=lost.cure(profile),
        rules=tuple(_forbidding(recording, profile, finding.crash)),
        crash=finding.crash,
    )


def explain_live(recording: Recording, profile: Profile, live: LiveProblem) -> Violation:
    """Return the story of a problem that needs no crash."""
    problem = live.problem
    return Violation(
        id=_identify(recording, profile.name, problem.kind, str(live.step)),
        invariant=problem.invariant,
        kind=problem.kind,
        summary=problem.summary,
        why="no crash is needed: the running store itself was wrong after this step",
        steps=_numbered(recording, live.step),
        lost=(),
        profiles=tuple(each.name for each in _profiles_with(profile)),
        cure="",
        rules=(),
        crash=None,
    )


def describe_op(op: MicroOp, path: str | None = None) -> str:
    """Return a micro-op in words; `path` is the file's name by then, if it was renamed."""
    name = path or op.path
    if isinstance(op, Data):
        start = op.block * BLOCK_SIZE + op.start
        return f"bytes {start}..{start + len(op.content) - 1} of {name}"
    if isinstance(op, Size):
        return f"size {op.size} of {name}"
    if op.inode is None:
        return f"the removal of the name {op.path}"
    return f"the rename over {op.path}" if op.replaces else f"the name {op.path}"


class _LostOps:
    """The ops that a crash lost, and the questions one asks about them."""

    def __init__(self, recording: Recording, finding: Finding) -> None:
        self._recording = recording
        self._crash = finding.crash
        self._step = finding.step
        self._ops: list[tuple[int, MicroOp]] = []
        self._names: dict[int, str] = {}
        lost = set(finding.lost)
        latest: dict[int, str] = {}
        for position, entry in enumerate(recording.log):
            if isinstance(entry, (Sync, Mark)):
                continue
            if isinstance(entry, Dirent) and entry.inode is not None:
                latest[entry.inode] = entry.path
            if entry.number in lost:
                self._ops.append((position, entry))
                if not isinstance(entry, Dirent):
                    # The name it was opened under may be a temporary one of long ago.
                    self._names[entry.number] = latest.get(entry.inode, entry.path)

    def descriptions(self) -> Iterator[str]:
        """Yield each lost op with the step that issued it."""
        torn_ops = {tear.number for tear in self._crash.kept.tears}
        for position, op in self._ops:
            torn = " (torn)" if op.number in torn_ops else ""
            yield f"step {self._step_at(position)}: {self._tell(op)}{torn}"

    def why(self) -> str:
        """Return one sentence: what was acknowledged, and which sync never came."""
        steps = self._recording.workload.steps
        for position, op in self._ops:
            step = self._step_at(position)
            if self._acknowledged(step):
                return (
                    f"step {step} ('{steps[step]}') was acknowledged, but {self._tell(op)} "
                    f"needed {self._needed_sync(op)}, which had not come when the power went"
                )
        if not self._ops:
            return (
                f"nothing was lost: what step {self._step} ('{steps[self._step]}') had done so "
                f"far is already wrong after a restart"
            )
        _, op = self._ops[0]
        return (
            f"the power went during step {self._step} ('{steps[self._step]}'): "
            f"{self._tell(op)} was lost while other work of that step was kept"
        )

    def cure(self, profile: Profile) -> str:
        """Return the first single sync that would have forbidden the image."""
        tried: set[tuple[SyncKind, int, int]] = set()
        for position, op in self._ops:
            step = self._step_at(position)
            sync = _sync_for(op)
            key = (sync.kind, sync.inode, step)
            if key in tried:
                continue
            tried.add(key)
            if not self._is_legal(self._pending_with(profile, sync, after=position)):
                return f"{self._needed_sync(op)} right after {self._tell(op)} in step {step}"
        return ""

    def _is_legal(self, pending: PendingOps) -> bool:
        tears = self._crash.kept.tears
        gone = {op.number for _, op in self._ops}
        present = {op.number for op in pending.ops}
        if not gone <= present:
            return False
        kept = present - gone | {tear.number for tear in tears}
        return pending.is_legal(Kept(tuple(sorted(kept)), tears))

    def _pending_with(self, profile: Profile, sync: Sync, *, after: int) -> PendingOps:
        """Return what is pending at the crash, had `sync` come where op `after`'s call ended."""
        pending = PendingOps(self._recording.image, profile)
        due = False
        for position, record in enumerate(self._recording.log):
            if due and pending.whole:
                pending.sync(sync)
                due = False
            if position >= self._crash.position:
                break
            pending.take(record)
            due = due or position == after
        return pending

    def _tell(self, op: MicroOp) -> str:
        return describe_op(op, self._names.get(op.number))

    def _needed_sync(self, op: MicroOp) -> str:
        if isinstance(op, Dirent):
            return f"a sync of the directory {op.path.rpartition('/')[0] or '/'}"
        return f"a sync of the file {self._names.get(op.number, op.path)}"

    def _step_at(self, position: int) -> int:
        return self._recording.moment_at(position).step

    def _acknowledged(self, step: int) -> bool:
        moment = self._recording.moment_at(self._crash.position)
        return step < moment.step or (step == moment.step and moment.acknowledged)


def _profiles_with(profile: Profile) -> tuple[Profile, ...]:
    """Return every profile that ships, and at the end this one if it does not."""
    return PROFILES if profile in PROFILES else (*PROFILES, profile)


def _sync_for(op: MicroOp) -> Sync:
    if isinstance(op, Dirent):
        return Sync(kind=SyncKind.DIRECTORY, call=op.call, inode=op.directory)
    return Sync(kind=SyncKind.FILE, call=op.call, inode=op.inode)


def _forbidding(recording: Recording, profile: Profile, crash: CrashPoint) -> Iterator[str]:
    """Yield each rule that would forbid the image if the filesystem kept it, by trying."""
    for name, stronger in profile.with_one_rule_more():
        if not is_allowed_by(recording, profile, stronger, crash):
            yield name


def _crashes(crash: CrashPoint) -> Iterator[str]:
    """Yield what happened after the last step, where it was more than one power cut."""
    if crash.killed_at is not None:
        records = crash.position - crash.killed_at
        yield f"the process is killed; the store is opened again; power cut at op {records} of that"
    for again in crash.then:
        yield f"power cut at op {again.position} of the recovery"


def _numbered(recording: Recording, last: int) -> tuple[str, ...]:
    return tuple(
        f"{number}: {step}" for number, step in enumerate(recording.workload.steps[: last + 1])
    )


def _identify(recording: Recording, profile: str, kind: str, place: str) -> str:
    workload = recording.workload
    run_of = (workload.name, str(workload.seed), recording.backend.name, *workload.turned)
    parts = (*run_of, profile, kind, place)
    digest = blake2b("\0".join(parts).encode(), digest_size=4).hexdigest()
    return f"{workload.name}-{digest}"
