"""The work of a run in shares: what one worker is given, what it gives back, and how that merges.

A share is a value, and what comes of it is a function of the share alone: any worker may run it,
a second time if need be. The first share of a unit runs all of it; only where the exploration is
large it answers with the parts into which that is cut (`UnitCuts`), each of which is a share by
itself; cut_unit.py makes the unit's results of what they saw.
"""

from __future__ import annotations

import pickle
from functools import lru_cache
from typing import TypeAlias

from attrs import evolve, field, frozen

from wavetank.scenarios.exploration.cuts import parts_of
from wavetank.scenarios.exploration.explorer import explore_part
from wavetank.scenarios.exploration.partial import PartialExploration, Positions
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.raft.workloads.fitted_workload import fitted
from wavetank.scenarios.replay import live_problems
from wavetank.scenarios.runs.cluster_runs import run_clusters_of
from wavetank.scenarios.runs.damage_run import run_damage_of
from wavetank.scenarios.runs.exploring import (
    RecordedFacts,
    explore_profile,
    facts_of,
    limits_of_unit,
)
from wavetank.scenarios.runs.family_run import run_family_of
from wavetank.scenarios.runs.results import ScenarioResult
from wavetank.scenarios.runs.tasks_run import run_tasks_of
from wavetank.scenarios.runs.unit import ProgressSink, Unit, case_of
from wavetank.scenarios.stores.python_stores import on_simulated_disk
from wavetank.scenarios.stores.registry import BUILTIN, find_store

__all__ = [
    "ExploredPart",
    "Share",
    "ShareOutcome",
    "UnitCuts",
    "count_shares",
    "run_share",
]

_KEPT_RECORDINGS = 2


@frozen(kw_only=True)
class Share:
    """What one worker is given.

    Attributes:
        number: of the unit in the plan.
        unit: what is run.
        positions: the crash points to explore; None: all of them.
        is_whole: whether the unit is run without being cut, since a part of it had findings.
        recording: of a part, the recorded run, packed; b"": it is recorded again.
    """

    number: int
    unit: Unit
    positions: Positions | None = None
    is_whole: bool = False
    recording: bytes = field(default=b"", repr=False)

    @property
    def key(self) -> str:
        """A name, different for all shares of one plan."""
        if self.positions is not None:
            return f"{self.number}-{self.positions.first}-{self.positions.last}"
        return f"{self.number}-whole" if self.is_whole else f"{self.number}"

    def __str__(self) -> str:
        options = f" [{','.join(self.unit.options)}]" if self.unit.options else ""
        name = f"{self.unit.scenario.name}{options} seed {self.unit.seed}"
        if self.positions is None:
            return name
        return f"{name}, crash points {self.positions.first} to {self.positions.last}"


@frozen(kw_only=True)
class UnitCuts:
    """The answer of the first share of a unit whose exploration is large: cut it.

    Attributes:
        facts: of the recorded run.
        parts: ranges of positions that are explored each by itself.
        recording: the recorded run, packed; b"" if it cannot be.
    """

    facts: RecordedFacts
    parts: tuple[Positions, ...]
    recording: bytes = field(repr=False)


@frozen(kw_only=True)
class ExploredPart:
    """What a share of some crash points saw.

    Attributes:
        seen: by profile, in the order of the unit's.
        recoveries: stores opened for each.
    """

    seen: tuple[PartialExploration, ...]
    recoveries: tuple[int, ...]

    @property
    def has_findings(self) -> bool:
        """Whether something was wrong."""
        return any(each.has_findings for each in self.seen)


ShareOutcome: TypeAlias = tuple[ScenarioResult, ...] | UnitCuts | ExploredPart
"""What comes of a share: the results of a whole unit, cuts, or what a part saw."""


def run_share(share: Share, progress: ProgressSink | None = None) -> ShareOutcome:
    """Do what a share asks for.

    Args:
        share: the work.
        progress: told of findings and of images judged, by shares of whole units.
    """
    unit = share.unit
    if share.positions is not None:
        recording = _unpacked(unit, share.recording) if share.recording else _recorded(unit)
        return _explore_part(unit, recording, share.positions)
    if unit.scenario.family is not None:
        return run_family_of(unit, progress)
    if unit.scenario.has_tasks:
        return run_tasks_of(unit, progress)
    workload = next(unit.workloads())
    if workload.cluster is not None:
        return run_clusters_of(unit, workload, progress)
    if unit.scenario.damaged is not None:
        return (run_damage_of(unit, workload, progress),)
    return _explore_unit(unit, progress, may_cut=not share.is_whole)


def count_shares(unit: Unit) -> int:
    """Return into how many shares a unit is cut; it is recorded to find that out."""
    if not unit.scenario.is_life:
        return 1
    return len(_parts(unit, _record(unit)))


def _explore_unit(
    unit: Unit, progress: ProgressSink | None, *, may_cut: bool
) -> tuple[ScenarioResult, ...] | UnitCuts:
    workload = next(unit.workloads())
    faults = bool(workload.faults.faults)
    # A worker process is told the store's name, since a store itself cannot be sent there.
    with on_simulated_disk(find_store(unit.backend), faults=faults) as store:
        recording = record(fitted(workload, store), store)
        facts = facts_of(recording)
        live = [live_problems(recording, each.profile) for each in unit.profiles]
        if may_cut and not any(live):
            parts = _parts(unit, recording)
            if len(parts) > 1:
                return UnitCuts(facts=facts, parts=parts, recording=_packed(recording))
        # What the store does on an image is the same under every profile.
        subject = recording.subject()
        results = tuple(
            explore_profile(unit, recording, facts, profile, subject, progress=progress, live=wrong)
            for profile, wrong in zip(unit.profiles, live, strict=True)
        )
    # Events are those of the recording, which the first profile has for all.
    return (evolve(results[0], events=facts.events), *results[1:])


def _explore_part(unit: Unit, recording: Recording, positions: Positions) -> ExploredPart:
    seen: list[PartialExploration] = []
    recoveries: list[int] = []
    with recording.runnable() as runnable:
        subject = runnable.subject()
        for own in unit.profiles:
            before = subject.recoveries
            limits = limits_of_unit(unit, case_of(unit, recording.workload, own))
            part = explore_part(runnable, own.profile, positions, limits=limits, subject=subject)
            seen.append(part)
            recoveries.append(subject.recoveries - before)
            if part.has_findings:
                break
    return ExploredPart(seen=tuple(seen), recoveries=tuple(recoveries))


def _parts(unit: Unit, recording: Recording) -> tuple[Positions, ...]:
    cases = [case_of(unit, recording.workload, own) for own in unit.profiles]
    profiles = [(case.profile, limits_of_unit(unit, case)) for case in cases]
    return parts_of(recording, profiles, least=unit.part_images)


def _record(unit: Unit) -> Recording:
    store = find_store(unit.backend)
    return record(fitted(next(unit.workloads()), store), store)


# The parts that a process explores one after the other are mostly of one unit, and recording or
# unpacking that for each of them would take as long as some of the parts.
@lru_cache(maxsize=_KEPT_RECORDINGS)
def _recorded(unit: Unit) -> Recording:
    return _record(unit)


@lru_cache(maxsize=_KEPT_RECORDINGS)
def _unpacked(unit: Unit, packed: bytes) -> Recording:
    recording: Recording = pickle.loads(packed)  # noqa: S301 - of this run's own making
    return evolve(recording, backend=find_store(unit.backend))


def _packed(recording: Recording) -> bytes:
    """Return a recorded run as bytes, which take a tenth of the time that recording it takes."""
    try:
        # A worker finds the store by its name.
        return pickle.dumps(evolve(recording, backend=BUILTIN, faults_fired={}))
    except (TypeError, AttributeError, pickle.PicklingError):
        # A step or an error of a store can hold what has no name.
        return b""
