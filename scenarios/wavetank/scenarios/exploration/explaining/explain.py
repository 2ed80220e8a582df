"""A finding told to a person: what was promised, what came, why, and what would have cured it.

`explain` turns a finding into a `Violation`. It reads every stretch of work that a power cut ended:
the workload, the recovery after a kill, and the recoveries that were crashed. The profiles that
allow the image and the cure are found by trying: the same ops are asked of every profile, and each
missing sync is put in, one at a time, until the image is no longer legal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic

from attrs import evolve

from wavetank.scenarios.exploration.crash_point import (
    CrashPoint,
    follow,
)
from wavetank.scenarios.exploration.explaining.allowing import Allowing
from wavetank.scenarios.exploration.explaining.chains import chain_of, live_chain, mattering
from wavetank.scenarios.exploration.explaining.curing.cure_search import search_cure
from wavetank.scenarios.exploration.explaining.curing.cures import first_cure
from wavetank.scenarios.exploration.explaining.lost_ops import Losses
from wavetank.scenarios.exploration.explaining.second_crash import second_crash
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.judging import Finding
from wavetank.scenarios.exploration.subject import Known, Problem, RecordedRun, Shown
from wavetank.sim import (
    PROFILES,
    Profile,
)

__all__ = ["explain", "explain_all", "explain_live"]


def explain_all(
    run: RecordedRun[Shown, Known], profile: Profile, findings: Sequence[Finding]
) -> tuple[Violation, ...]:
    """Return the stories of findings that `profile` allowed, in their order."""
    allowing = Allowing(run)
    stories: dict[int, Violation] = {}
    for number in sorted(range(len(findings)), key=lambda each: findings[each].crash.position):
        stories[number] = explain(run, profile, findings[number], allowing=allowing)
    return tuple(stories[number] for number in range(len(findings)))


def explain(
    run: RecordedRun[Shown, Known],
    profile: Profile,
    finding: Finding,
    *,
    thorough: bool = False,
    allowing: Allowing[Shown, Known] | None = None,
) -> Violation:
    """Return the story of a finding that `profile` allowed.

    Args:
        run: the recorded run.
        profile: the filesystem's promises.
        finding: what was found.
        thorough: whether every sync and order is tried for a cure, and the cure verified, which
            takes as many recoveries as the crash point has images; else the first sync that makes
            the image impossible is told.
        allowing: of this run, to share its walks with findings at earlier positions.
    """
    allows = (allowing or Allowing(run)).allows
    with run.runnable() as runnable:
        subject = runnable.subject()
        trail = follow(runnable, subject, profile, finding.crash)
        second = second_crash(subject, trail, profile, finding.problem)
        matter = None
        if second is None:
            matter = mattering(runnable, subject, profile, trail, finding)
        else:
            trail = evolve(trail, stretches=(*trail.stretches, second))
        losses = Losses(run, profile, trail, finding, matter)
        chain = chain_of(losses)
        if thorough:
            cure, tried = search_cure(losses, runnable, subject, trail)
            chain = evolve(chain, cure=cure, tried=tried)
    return Violation(
        id="",
        invariant=finding.problem.invariant,
        kind=finding.problem.kind,
        summary=finding.problem.summary,
        why=_Story(losses).why(),
        steps=(*_numbered(run, finding.step), *_crashes(finding.crash)),
        lost=tuple(losses.told()),
        profiles=tuple(
            each.name for each in _profiles_with(profile) if allows(trail, profile, each)
        ),
        cure=first_cure(losses),
        rules=tuple(
            name
            for name, stronger in profile.with_one_rule_more()
            if not allows(trail, profile, stronger)
        ),
        crash=finding.crash,
        chain=chain,
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
        chain=live_chain(run, step, problem),
    )


class _Story(Generic[Shown, Known]):
    """Why the image of a finding came about, in one sentence."""

    def __init__(self, losses: Losses[Shown, Known]) -> None:
        self._losses = losses
        self._tell_step = losses.run.tell_step

    def why(self) -> str:
        """Return one sentence: what was acknowledged, and which sync never came."""
        sentence = self._why()
        if self._losses.finding.is_reproduced:
            return sentence
        return (
            f"judged again, the same image showed nothing, so the store is not deterministic; "
            f"{sentence}"
        )

    def _why(self) -> str:
        if self._losses.is_of_new_work:
            return self._why_of_new_work()
        for lost in self._losses.blamed:
            step = self._losses.step_of(lost)
            if step is not None and self._losses.is_acknowledged(step):
                return (
                    f"step {step} ('{self._tell_step(step)}') was acknowledged, but {lost.text} "
                    f"needed {lost.needed}, which had not come when the power went"
                )
        step = self._losses.last.step
        for lost in self._losses.blamed:
            stretch = self._losses.stretches[lost.stretch]
            if stretch.has_returned:
                return (
                    f"a recovery had returned and showed {lost.text}, which needed {lost.needed}, "
                    f"and that had not come when the power went"
                )
            if self._losses.step_of(lost) is None:
                return (
                    f"the power went inside a recovery: {lost.text} was lost while other work of "
                    f"that recovery was kept"
                )
        if not self._losses.lost:
            return (
                f"nothing was lost: what step {step} ('{self._tell_step(step)}') had done so "
                f"far is already wrong after a restart"
            )
        return (
            f"the power went during step {step} ('{self._tell_step(step)}'): "
            f"{self._losses.blamed[0].text} was lost while other work of that step was kept"
        )

    def _why_of_new_work(self) -> str:
        last = self._losses.stretches[-1]
        if last.works_from is None:
            return "the store recovered from this crash, and refused the work that followed"
        lost = next(
            (each for each in self._losses.lost if each.stretch == len(self._losses.stretches) - 1),
            None,
        )
        if lost is None:
            return (
                "the store recovered from this crash and acknowledged new work; the next opening "
                "did not show it, though nothing more was lost"
            )
        return (
            f"the store recovered from this crash and acknowledged new work; {lost.text} in "
            f"{self._losses.where(lost)} needed {lost.needed}, which had not come at the next "
            f"power cut"
        )


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
