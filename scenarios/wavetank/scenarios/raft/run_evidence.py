"""What a recorded run of a Raft store shows, with a power cut or without one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios.evidence import Evidence, Span, StretchSeen
from wavetank.scenarios.exploration.crash_point import CrashPoint, CrashTrail, Stretch, follow
from wavetank.scenarios.exploration.explaining.disk_evidence import (
    changed_files,
    files_seen,
    recovery_spans,
    step_spans,
    stretch_seen,
)
from wavetank.scenarios.exploration.explaining.second_crash import second_crash
from wavetank.scenarios.exploration.subject import Problem, RecoveryRun
from wavetank.scenarios.raft.judging.observation import Observation
from wavetank.scenarios.raft.judging.store_words import promised_lines, shown_lines
from wavetank.scenarios.raft.model import Possible
from wavetank.scenarios.raft.recording import Recording
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.sim import Kept, Profile

__all__ = ["WORKLOAD", "crash_evidence", "uncut_evidence", "uncut_stretch"]

WORKLOAD: Final = "the workload"
"""The title of the stretch in which the steps ran."""


def crash_evidence(
    recording: Recording,
    profile: Profile,
    crash: CrashPoint,
    problem: Problem,
    *,
    spans: Callable[[int], Iterable[Span]],
    step_at: Callable[[int], int | None],
) -> Evidence:
    """Return what a run shows of which the power was cut.

    Args:
        recording: the run.
        profile: the filesystem's promises.
        crash: where the power went, and what was kept.
        problem: what was found.
        spans: gives what was done up to a position of the log.
        step_at: tells which step issued a record of it.

    Raises:
        ValueError: `profile` does not allow the crash.
    """
    with recording.runnable() as runnable:
        subject = runnable.subject()
        trail = follow(runnable, subject, profile, crash)
        second = second_crash(subject, trail, profile, problem)
        answer = _answer(runnable, subject, profile, trail, second, crash, problem)
    stretches = trail.stretches if second is None else (*trail.stretches, second)
    # A later power cut may lose nothing: then what the one before has lost is what is missing.
    losing = next((each for each in reversed(stretches) if each.lost(profile)), stretches[-1])
    before = losing.pending(profile).full
    after = stretches[-1].pending(profile).image(stretches[-1].kept)
    worked = len(recording.log) if crash.killed_at is None else crash.killed_at
    return Evidence(
        stretches=tuple(
            _seen(number, stretch, profile, crash, spans, step_at, worked)
            for number, stretch in enumerate(stretches)
        ),
        before=files_seen(before),
        after=files_seen(after),
        changed=changed_files(before.files(), after.files()),
        promised=promised_lines(answer.possible, answer.run.observation),
        shown=_shown(answer),
    )


def uncut_evidence(recording: Recording, profile: Profile, problem: Problem) -> Evidence:
    """Return what a run shows that was wrong without a power cut.

    Args:
        recording: the run.
        profile: the filesystem's promises.
        problem: what was found.
    """
    stretch = uncut_stretch(
        Stretch(image=recording.image, log=tuple(recording.log), kept=Kept(())), profile
    )
    seen = stretch_seen(
        stretch,
        profile,
        title=WORKLOAD,
        spans=step_spans(recording, len(stretch.log)),
        step_at=lambda position: recording.interval_at(position).step,
        is_cut=False,
    )
    told = [
        live.problem.summary
        for live in recording.problems
        if (live.problem.invariant, live.problem.kind) == (problem.invariant, problem.kind)
    ]
    after = files_seen(stretch.pending(profile).full)
    return Evidence(stretches=(seen,), after=after, shown=tuple(told))


def uncut_stretch(stretch: Stretch, profile: Profile) -> Stretch:
    """Return a stretch of which everything pending is kept."""
    pending = stretch.pending(profile)
    return evolve(stretch, kept=pending.kept(pending.everything))


@frozen
class _Answer:
    """What the last recovery showed, and what it had to show."""

    run: RecoveryRun[Observation]
    possible: Possible


def _answer(  # noqa: PLR0917 - what `crash_evidence` has at hand
    recording: Recording,
    subject: RaftSubject,
    profile: Profile,
    trail: CrashTrail[Observation],
    second: Stretch | None,
    crash: CrashPoint,
    problem: Problem,
) -> _Answer:
    recovered = subject.recover(trail.image, since=trail.since)
    if second is not None:
        assert recovered.observation is not None, "it has done new work"
        known = subject.known_after_work(recovered.observation)
        image = second.pending(profile).image(second.kept)
        return _Answer(subject.recover(image), known.possible)
    position = crash.position if crash.killed_at is None else crash.killed_at
    possible = recording.interval_at(position).knowledge.possible
    if problem.invariant == "O15" and trail.shown_before is not None:
        possible = (trail.shown_before.as_model(),)
    return _Answer(recovered, possible)


def _shown(answer: _Answer) -> tuple[str, ...]:
    run = answer.run
    if run.refusal is not None:
        return (f"the store does not open: {run.refusal.kind}: {run.refusal.text}",)
    assert run.observation is not None
    own = [each.summary for each in run.problems if each.summary not in _summaries(run.observation)]
    return (*shown_lines(run.observation, answer.possible), *own)


def _summaries(shown: Observation) -> set[str]:
    return {each.summary for each in shown.problems}


def _seen(  # noqa: PLR0917 - what `crash_evidence` has at hand
    number: int,
    stretch: Stretch,
    profile: Profile,
    crash: CrashPoint,
    spans: Callable[[int], Iterable[Span]],
    step_at: Callable[[int], int | None],
    worked: int,
) -> StretchSeen:
    """Return one stretch: the first is the workload's, the others are recoveries."""
    if number:
        is_new = stretch.works_from is not None
        title = "the recovery and new work" if is_new else f"recovery {number}"
        return stretch_seen(
            stretch, profile, title=title, spans=recovery_spans(stretch), step_at=lambda _: None
        )
    steps = tuple(spans(min(len(stretch.log), worked)))
    title = WORKLOAD if crash.killed_at is None else f"{WORKLOAD}, and a recovery after a kill"
    return stretch_seen(
        stretch,
        profile,
        title=title,
        spans=(*steps, *recovery_spans(stretch)),
        step_at=lambda position: step_at(position) if position < worked else None,
    )
