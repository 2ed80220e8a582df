"""Whether a smaller case still shows a finding: run again, and crashed until it does."""

from __future__ import annotations

from attrs import evolve, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.crash_point import CrashPoint
from wavetank.scenarios.exploration.explorer import Finding, explore
from wavetank.scenarios.exploration.judging import judge_crash
from wavetank.scenarios.exploration.recovery_graph import Limits, Look
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.replay import live_problems
from wavetank.scenarios.reproduction import limits_of, trace_digest
from wavetank.scenarios.runs.unit import found_case
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import Profile
from wavetank.sim.scheduling.schedule import Schedule

__all__ = ["Attempts", "Candidate", "Outcome", "first_shown"]


@frozen
class Candidate:
    """A case that may show the finding.

    Attributes:
        case: judged by its crash alone, if it names one.
        near: else, the step whose crashes are explored first.
        like: else, a crash that is tried before all others; None for none.
        schedule: of tasks, tried before all others; None for none.
        fewer_departures: whether a schedule with fewer departures than that of the case is looked
            for.
    """

    case: Case
    near: int = 0
    like: CrashPoint | None = None
    schedule: Schedule | None = None
    fewer_departures: bool = False


@frozen
class Outcome:
    """What came of one attempt.

    Attributes:
        case: that shows the finding; None if it does not.
        judged: images and runs that were judged.
    """

    case: Case | None
    judged: int


class _ShownError(Exception):
    """Ends an exploration at the finding that is looked for."""

    def __init__(self, finding: Finding) -> None:
        super().__init__()
        self.finding = finding


class Attempts:
    """Tries cases on one store.

    Args:
        wanted: the finding: its invariant, its kind.
        store: on which it shows.
        most_images: judged for one case at most.
        explores: whether crashes of a case that names none are explored; a finding that needs no
            crash is looked for in the run alone.
    """

    def __init__(
        self, wanted: Case, store: StoreAdapter, *, most_images: int, explores: bool = True
    ) -> None:
        self._wanted = wanted
        self._explores = explores
        self._store = store
        self._most_images = most_images
        self._last: Recording | None = None

    def recording(self, case: Case) -> Recording:
        """Return the run of a case's workload; the last one is remembered."""
        if self._last is None or self._last.workload != case.workload:
            self._last = record(case.workload, self._store)
        return self._last

    def __call__(self, candidate: Candidate) -> Outcome:
        """Look for the finding in a case: after its crash, or after any if it names none."""
        case = candidate.case
        recording = self.recording(case)
        if case.crash is not None:
            return Outcome(self._after_crash(case, recording), 1)
        for live in live_problems(recording, case.profile):
            problem = live.problem
            if self._wanted.is_shown_by(problem.invariant, problem.kind):
                found = evolve(case, invariant=problem.invariant, kind=problem.kind)
                return Outcome(found, 1)
        if not self._explores:
            return Outcome(None, 1)
        return self._crashed(candidate, recording)

    def _crashed(self, candidate: Candidate, recording: Recording) -> Outcome:
        """Try a crash like that of the larger case, then those of its step, then all."""
        case, judged = candidate.case, 1
        if candidate.like is not None:
            found = self._after_crash(evolve(case, crash=candidate.like), recording)
            judged += 1
            if found is not None:
                return Outcome(found, judged)
        first = case.workload.crashes_from
        for from_step in dict.fromkeys((max(first, candidate.near), first)):
            outcome = self._explored(case, recording, from_step)
            judged += outcome.judged
            if outcome.case is not None:
                return Outcome(outcome.case, judged)
        return Outcome(None, judged)

    def _after_crash(self, case: Case, recording: Recording) -> Case | None:
        assert case.crash is not None
        wanted = self._wanted
        try:
            problems = judge_crash(recording, case.profile, case.crash)
            if not any(wanted.is_shown_by(each.invariant, each.kind) for each in problems):
                return None
            trace = trace_digest(recording, case.profile, case.crash)
        except ValueError:
            return None  # the profile does not allow it
        return evolve(case, invariant=wanted.invariant, kind=wanted.kind, trace=trace)

    def _explored(self, case: Case, recording: Recording, from_step: int) -> Outcome:
        limits = evolve(
            limits_of(case, max_images=self._most_images), look=Look(), from_step=from_step
        )
        finding, judged = first_shown(recording, case.profile, self._wanted, limits)
        if finding is None:
            return Outcome(None, judged)
        found = found_case(case, recording, finding)
        is_shown = self._after_crash(found, recording) is not None
        return Outcome(found if is_shown else None, judged)


def first_shown(
    recording: Recording,
    profile: Profile,
    wanted: Case,
    limits: Limits,
    subject: RaftSubject | None = None,
) -> tuple[Finding | None, int]:
    """Return the first finding like that of a case, if any, and how many images were judged.

    Args:
        recording: the run.
        profile: what a crash may lose.
        wanted: the case.
        limits: how far to go.
        subject: recovers, to share what it remembers.
    """
    judged = 0

    def note(count: int) -> None:
        nonlocal judged
        judged = count

    def stop(finding: Finding) -> None:
        if wanted.is_shown_by(finding.problem.invariant, finding.problem.kind):
            raise _ShownError(finding)

    try:
        seen = explore(
            recording,
            profile,
            limits=limits,
            on_progress=note,
            on_finding=stop,
            subject=subject,
        )
    except _ShownError as shown:
        return shown.finding, max(judged, shown.finding.judged)
    return None, seen.judged
