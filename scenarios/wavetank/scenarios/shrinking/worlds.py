"""Simpler worlds for one crash: a stronger filesystem, an untorn device, a shallower search.

The crash stays the same: it loses what it lost. So the finding is not blamed on a promise that the
filesystem need not break for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import evolve

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.crash_point import CrashPoint, Stretch, follow, loses_the_same
from wavetank.scenarios.raft.recording import Recording
from wavetank.sim import LAZYFS, PROCESS_KILL, SAFE_PROFILES, AtomicUnit, Profile, Tearing

__all__ = ["simpler_worlds"]

_STRENGTHS: Final = tuple(each for each in SAFE_PROFILES if each not in (PROCESS_KILL, LAZYFS))
"""The strongest first; the other two stand apart."""
_UNTORN: Final = Tearing(atomic_unit=AtomicUnit.WRITE)


def simpler_worlds(case: Case, recording: Recording) -> Iterator[Case]:
    """Yield cases with the same crash in a simpler world, each to be judged by that crash.

    Raises:
        ValueError: the profile of the case does not allow its crash.
    """
    crash = case.crash
    if crash is None:
        if case.profile != _STRENGTHS[0]:
            yield evolve(case, profile=_STRENGTHS[0], profile_file="")
        return
    cuts = (crash, *crash.then)
    depth = max(len(crash.then), int(crash.killed_at is not None))
    if case.depth is None or case.depth > depth:
        yield evolve(case, depth=depth)
    if case.tearing != _UNTORN and not any(each.kept.tears or each.kept.stale for each in cuts):
        yield evolve(case, tearing=_UNTORN)
    with recording.runnable() as runnable:
        stretches = follow(runnable, runnable.subject(), case.profile, crash).stretches
    for profile in _stronger(case.profile):
        same = _same_loss(crash, stretches, case.profile, profile)
        if same is not None:
            yield evolve(case, profile=profile, profile_file="", crash=same)


def _stronger(profile: Profile) -> tuple[Profile, ...]:
    if profile in (PROCESS_KILL, LAZYFS):
        return ()
    return _STRENGTHS[: _STRENGTHS.index(profile)] if profile in _STRENGTHS else _STRENGTHS


def _same_loss(
    crash: CrashPoint, stretches: tuple[Stretch, ...], mine: Profile, other: Profile
) -> CrashPoint | None:
    """Return the crash that loses the same under another profile; None if that cannot."""
    cuts: list[CrashPoint] = []
    for cut, stretch in zip((crash, *crash.then), stretches, strict=True):
        kept = loses_the_same(stretch.pending(mine), stretch.pending(other), cut.kept)
        if kept is None:
            return None
        cuts.append(evolve(cut, kept=kept))
    return evolve(cuts[0], then=tuple(cuts[1:]))
