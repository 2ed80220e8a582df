"""One hunt: a variant of the engine on one trial under one profile, and the kill if there is one.

A bug is killed by an invariant of the oracle on an image that the profile allows, and by nothing
else: what a variant does wrong without a crash is told apart, and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from attrs import evolve, frozen

from wavetank.scenarios.exploration.explaining.explain import explain, explain_live
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.explorer import Exploration, Finding, explore
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.mutants.mutant_run import Trial, record_trial
from wavetank.scenarios.raft.recording import Recording
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import Profile

__all__ = ["Hunt", "Kill", "TrialRun", "effort", "hunt", "hunts", "reported", "trial_run"]


@frozen(kw_only=True)
class Kill:
    """The finding by which a bug was killed: of all its findings the one that lost least.

    Attributes:
        invariant: which was broken.
        kind: how, without particulars.
        summary: how, with particulars.
        judged: how many images had been judged when the first of the findings came.
        trial: the name of the workload.
        steps: the workload up to the crash, numbered.
        lost: what the crash lost or tore, and only that.
        why: one sentence on how it came about.
        cure: one sync that would have made the image impossible; "" if no single one does.
    """

    invariant: str
    kind: str
    summary: str
    judged: int
    trial: str
    steps: tuple[str, ...]
    lost: tuple[str, ...]
    why: str
    cure: str


@frozen(kw_only=True)
class Hunt:
    """What came of one hunt.

    Attributes:
        profile: the profile's name.
        judged: images judged in sum.
        complete: whether these are all that the profile allows.
        reports: every invariant broken and how, without particulars.
        kill: the kill; None if the bug survived.
        wrong_without_crash: what the variant did wrong without any crash.
    """

    profile: str
    judged: int
    complete: bool
    reports: tuple[tuple[str, str], ...]
    kill: Kill | None
    wrong_without_crash: tuple[str, ...] = ()


def hunt(backend: StoreAdapter, trial: Trial, profile: Profile) -> Hunt:
    """Judge every image of a trial of `backend` under `profile`."""
    return next(hunts(backend, trial, (profile,)))


def hunts(
    backend: StoreAdapter,
    trial: Trial,
    profiles: Iterable[Profile],
    *,
    known: Mapping[str, frozenset[tuple[str, str]]] = MappingProxyType({}),
    max_images: int | None = None,
) -> Iterator[Hunt]:
    """Yield what `hunt` returns for each profile; an image that they share is opened once.

    Args:
        backend: the variant.
        trial: what it runs.
        profiles: under which it is crashed.
        known: by profile what is not told, as invariants and kinds.
        max_images: judged under each profile at most; None: all.
    """
    with trial_run(backend, trial) as run:
        yield from run.hunts(profiles, depth=trial.depth, known=known, max_images=max_images)


@frozen(kw_only=True)
class TrialRun:
    """A trial recorded on a variant, and what the stores opened after its crashes have shown.

    Attributes:
        trial: what ran.
        recording: of the run.
        subject: remembers every image that was recovered from, for all hunts on this run.
        disabled: invariants that are switched off.
    """

    trial: Trial
    recording: Recording
    subject: RaftSubject
    disabled: frozenset[str] = frozenset()

    def hunts(
        self,
        profiles: Iterable[Profile],
        *,
        depth: int | None,
        known: Mapping[str, frozenset[tuple[str, str]]] = MappingProxyType({}),
        max_images: int | None = None,
    ) -> Iterator[Hunt]:
        """Yield what is found under each profile.

        Args:
            profiles: under which the variant is crashed.
            depth: crashes inside recoveries; None: until no new image comes.
            known: by profile what is not told, as invariants and kinds.
            max_images: judged under each profile at most; None: all.
        """
        limits = Limits(depth=depth, max_images=max_images)
        for profile in profiles:
            if self.trial.needs_crash:
                yield _hunt(self, profile, limits, known.get(profile.name, frozenset()))
            else:
                yield _hunt_live(self.recording, profile)

    def reported_under(
        self, profiles: Iterable[Profile], *, depth: int | None
    ) -> Iterator[Profile]:
        """Yield the profiles under which anything is found."""
        if not self.trial.needs_crash:
            broken = {live.problem.invariant for live in self.recording.problems}
            yield from profiles if broken - self.disabled else ()
            return
        limits = Limits(depth=depth, disabled=self.disabled, max_after_first=0)
        for profile in profiles:
            if explore(self.recording, profile, limits=limits, subject=self.subject).findings:
                yield profile


@contextmanager
def trial_run(
    backend: StoreAdapter, trial: Trial, disabled: frozenset[str] = frozenset()
) -> Iterator[TrialRun]:
    """Record a trial on a variant, and give what hunts on it as long as the block lasts."""
    with record_trial(trial, backend).runnable() as runnable:
        subject = runnable.subject(disabled)
        yield TrialRun(trial=trial, recording=runnable, subject=subject, disabled=disabled)


def _hunt(
    run: TrialRun, profile: Profile, limits: Limits, known: frozenset[tuple[str, str]]
) -> Hunt:
    recording = run.recording
    sweep = explore(recording, profile, limits=limits, subject=run.subject)
    new = [
        each for each in sweep.findings if (each.problem.invariant, each.problem.kind) not in known
    ]
    sweep = evolve(sweep, findings=tuple(new))
    return Hunt(
        profile=profile.name,
        judged=sweep.judged,
        complete=sweep.complete,
        reports=tuple((each.problem.invariant, each.problem.kind) for each in sweep.findings),
        kill=_kill(recording, profile, sweep),
        wrong_without_crash=tuple(live.problem.summary for live in recording.problems),
    )


def reported(
    backend: StoreAdapter, trial: Trial, profile: Profile, disabled: frozenset[str] = frozenset()
) -> bool:
    """Whether anything is found, with some invariants switched off."""
    with trial_run(backend, trial, disabled) as run:
        return bool(tuple(run.reported_under((profile,), depth=trial.depth)))


def _hunt_live(recording: Recording, profile: Profile) -> Hunt:
    """Hunt a bug that shows in the running store, whatever the profile."""
    problems = recording.problems
    kill = None
    if problems:
        story = explain_live(recording, profile, problems[0].step, problems[0].problem)
        kill = _kill_of(story, recording, judged=0)
    return Hunt(
        profile=profile.name,
        judged=0,
        complete=True,
        reports=tuple((live.problem.invariant, live.problem.kind) for live in problems),
        kill=kill,
    )


def _kill(recording: Recording, profile: Profile, sweep: Exploration) -> Kill | None:
    if not sweep.findings:
        return None
    finding = min(sweep.findings, key=effort)
    story = explain(recording, profile, finding)
    return _kill_of(story, recording, judged=min(each.judged for each in sweep.findings))


def _kill_of(story: Violation, recording: Recording, *, judged: int) -> Kill:
    return Kill(
        invariant=story.invariant,
        kind=story.kind,
        summary=story.summary,
        judged=judged,
        trial=recording.workload.name,
        steps=story.steps,
        lost=story.lost,
        why=story.why,
        cure=story.cure,
    )


def effort(finding: Finding) -> tuple[int, int, int]:
    """Return how much it takes to see a finding: crashes, steps, lost ops."""
    crashes = len(finding.crash.then) + (finding.crash.killed_at is not None)
    # Work after a recovery shows its fault only by one more crash.
    crashes += finding.problem.invariant == "O8"
    return crashes, finding.step, len(finding.lost)
