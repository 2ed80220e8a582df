"""The sweep of a workload's crash images, made once for all checks of the crash group."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from attrs import frozen

from wavetank.engine import FileStorageOptions
from wavetank.scenarios.conformance.assertions import CheckFailure, CheckSkipped
from wavetank.scenarios.conformance.workloads import crash_workload
from wavetank.scenarios.exploration.explain import explain
from wavetank.scenarios.exploration.explorer import explore
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.fitted_workload import undeclared_invariants
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.raft.steps import TruncatePrefix, TruncateSuffix
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import LYING_FSYNC, Profile

__all__ = ["Accusation", "Sweeps"]

_DEPTH: Final = 1
_LYING_IMAGES: Final = 400
_SETS_PER_POINT: Final = 128
"""Fewer than a run tries: a store that rewrites a whole file has many at every point."""


@frozen(kw_only=True)
class Accusation:
    """Something that a crash brought to light.

    Attributes:
        problem: which invariant is broken, and how.
        creating: whether the store had not been open yet.
        truncating: whether that step removes entries.
        again: whether the power went a second time, in or after the recovery.
        told: the whole story in one sentence.
    """

    problem: Problem
    creating: bool
    truncating: bool
    again: bool
    told: str


class Sweeps:
    """The crash images of the suite's workload on one store.

    Args:
        plug: the store.
        options: what it is opened with.
        profiles: what a crash may lose.
        max_images: per profile; None for all.
    """

    def __init__(
        self,
        plug: StoreAdapter,
        options: FileStorageOptions,
        profiles: Sequence[Profile],
        max_images: int | None = None,
    ) -> None:
        self._plug = plug
        self._options = options
        self._profiles = tuple(profiles)
        self._max_images = max_images
        self._left: list[str] = []
        self._is_told = False

    @cached_property
    def recording(self) -> Recording:
        """The workload, run once without a crash.

        Raises:
            CheckFailure: the store is wrong already then; said once.
            CheckSkipped: the same, from the second time on.
        """
        workload = crash_workload(self._plug.capabilities, self._options)
        recording = record(workload, self._plug)
        if recording.problems:
            live = recording.problems[0]
            step = recording.workload.steps[live.step]
            wrong = f"without any crash, after '{step}': {live.problem.summary}"
            if self._is_told:
                raise CheckSkipped(f"no crash was tried, since the store is wrong {wrong}")
            self._is_told = True
            raise CheckFailure(wrong)
        return recording

    @cached_property
    def accusations(self) -> tuple[Accusation, ...]:
        """What the crashes brought to light, under all profiles."""
        limits = Limits(
            depth=_DEPTH,
            max_images=self._max_images,
            max_sets_per_point=_SETS_PER_POINT,
            disabled=undeclared_invariants(self._plug.capabilities),
        )
        subject = self.recording.subject(limits.disabled)
        found: list[Accusation] = []
        for profile in self._profiles:
            sweep = explore(self.recording, profile, limits=limits, subject=subject)
            if sweep.unjudged:
                self._left.append(
                    f"{sweep.judged} images judged under {profile.name}, {sweep.unjudged} left over"
                )
            for finding in sweep.findings:
                story = explain(self.recording, profile, finding)
                step = self.recording.workload.steps[finding.step]
                found.append(
                    Accusation(
                        problem=finding.problem,
                        creating=finding.step == 0,
                        truncating=isinstance(step, (TruncateSuffix, TruncatePrefix)),
                        again=bool(finding.crash.then) or finding.crash.killed_at is not None,
                        told=_told(profile, story.summary, story.why, story.cure),
                    )
                )
        return tuple(found)

    @property
    def left(self) -> tuple[str, ...]:
        """Where images were left over, a sentence for each profile."""
        return tuple(self._left)

    def finds_lies(self) -> bool:
        """Whether a disk whose syncs lie makes the store lose something, as it must."""
        limits = Limits(max_images=_LYING_IMAGES, max_sets_per_point=_SETS_PER_POINT)
        return bool(explore(self.recording, LYING_FSYNC, limits=limits).findings)


def _told(profile: Profile, summary: str, why: str, cure: str) -> str:
    cured = f"; cure: {cure}" if cure else ""
    return f"under {profile.name}: {summary}: {why}{cured}"
