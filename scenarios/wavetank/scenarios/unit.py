"""What one process of a run is given: a unit of a plan, and what its findings become."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.events import OwnProfile, RunningEvent
from wavetank.scenarios.exploration.explorer import Finding
from wavetank.scenarios.raft.recording import Recording
from wavetank.scenarios.reproduction import trace_digest

__all__ = ["ProgressSink", "Unit", "found_case"]

ProgressSink = Callable[[RunningEvent], None]
"""Where progress goes while a unit runs; it must be picklable if the executor needs that."""


@frozen(kw_only=True)
class Unit:
    """One scenario with one seed and one set of options, under all profiles of a plan.

    Attributes are those of `RunPlan`, one of each.
    """

    scenario: str
    seed: int
    options: tuple[str, ...]
    faults: tuple[str, ...]
    profiles: tuple[OwnProfile, ...]
    backend: str
    depth: int | None
    max_images: int | None
    max_after_first: int | None
    schedules: int
    cluster_runs: int


def found_case(case: Case, recording: Recording, finding: Finding) -> Case:
    """Return the case of a finding of an exploration."""
    return evolve(
        case,
        crash=finding.crash,
        invariant=finding.problem.invariant,
        kind=finding.problem.kind,
        trace=trace_digest(recording, case.profile, finding.crash),
        is_reproduced=finding.is_reproduced,
    )
