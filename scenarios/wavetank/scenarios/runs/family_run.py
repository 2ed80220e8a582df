"""Running a family of workloads as one: what they share is explored once, and counted once.

The workloads of a family differ in their last steps. Each explores only the crashes that the one
before it did not have, and all recover through one memory, since what a store does on an image
does not depend on how it came about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b

from attrs import define, evolve, field

from wavetank.scenarios.case import Case
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.raft.workloads.fitted_workload import fitted
from wavetank.scenarios.runs.exploring import explore_profile, facts_of
from wavetank.scenarios.runs.listening import FindingFound, RunningNews
from wavetank.scenarios.runs.results import ScenarioResult
from wavetank.scenarios.runs.unit import ProgressSink, Unit
from wavetank.scenarios.stores.python_stores import on_simulated_disk
from wavetank.scenarios.stores.registry import find_store

__all__ = ["FamilyRun", "run_family_of"]


@define
class FamilyRun:
    """The results of the workloads of a family under one profile, as they come.

    Attributes:
        max_after_first: once something is wrong, as many images are judged as before, and at least
            this many; 0: none; None: all.
        results: one a workload.
    """

    max_after_first: int | None
    results: list[ScenarioResult] = field(factory=list)
    _judged_at_first: int | None = None

    def add(self, result: ScenarioResult) -> None:
        """Take the result of one more workload."""
        self.results.append(result)
        if self._judged_at_first is None and result.violations:
            self._judged_at_first = self._judged

    @property
    def is_over(self) -> bool:
        """Whether enough has been judged since something was found wrong."""
        first, least = self._judged_at_first, self.max_after_first
        if first is None or least is None:
            return False
        return self._judged >= first + (max(first, least) if least else 0)

    @property
    def _judged(self) -> int:
        return sum(result.judged for result in self.results)

    def as_one(self, *, planned: int, distinct: int) -> ScenarioResult:
        """Return all results as one, with each kind of violation once.

        Args:
            planned: how many workloads the family has.
            distinct: different images that all of them met together.
        """
        results = self.results
        legal = [result.legal for result in results]
        found = _first_of_each_kind(results)
        digest = blake2b("".join(result.digest for result in results).encode(), digest_size=16)
        met = self._total(lambda result: result.judged + result.cache_hits)
        return evolve(
            results[0],
            steps=self._total(lambda result: result.steps),
            compactions=self._total(lambda result: result.compactions),
            crash_points=self._total(lambda result: result.crash_points),
            legal=None if None in legal else sum(each or 0 for each in legal),
            distinct=distinct,
            judged=distinct,
            unjudged=self._total(lambda result: result.unjudged),
            cache_hits=met - distinct,
            recoveries=self._total(lambda result: result.recoveries),
            depth=max(result.depth for result in results),
            complete=len(results) == planned and all(result.complete for result in results),
            forked_points=self._total(lambda result: result.forked_points),
            stopped_after_first=len(results) < planned,
            violations=tuple(violation for each in found for violation in each.violations),
            cases=tuple(case for each in found for case in each.cases),
            digest=digest.hexdigest(),
            workloads=len(results),
        )

    def _total(self, count: Callable[[ScenarioResult], int]) -> int:
        return sum(count(result) for result in self.results)


def _first_of_each_kind(results: Sequence[ScenarioResult]) -> list[ScenarioResult]:
    """Return the results with those violations alone that no earlier one has a kind of."""
    seen: set[tuple[str, str]] = set()
    kept: list[ScenarioResult] = []
    for result in results:
        pairs = []
        for violation, case in zip(result.violations, result.cases, strict=True):
            if _kind_of(case) not in seen:
                seen.add(_kind_of(case))
                pairs.append((violation, case))
        violations, cases = tuple(zip(*pairs, strict=True)) if pairs else ((), ())
        kept.append(evolve(result, violations=violations, cases=cases))
    return kept


def _kind_of(case: Case) -> tuple[str, str]:
    return case.invariant, case.kind


def run_family_of(unit: Unit, progress: ProgressSink | None) -> tuple[ScenarioResult, ...]:
    """Run each workload of a family, and explore what it does not share with the one before."""
    results: list[ScenarioResult] = []
    faults = bool(unit.faults or unit.scenario.faults)
    with on_simulated_disk(find_store(unit.backend), faults=faults) as store:
        asked = [
            workload
            for each in unit.workloads()
            if len((workload := fitted(each, store)).steps) == len(each.steps)
        ]
        recordings: list[Recording] = [record(asked[0], store)]
        facts = [facts_of(recordings[0])]
        subject = recordings[0].subject()
        for profile in unit.profiles:
            subject.images.clear()
            together = FamilyRun(unit.max_after_first)
            told = _each_kind_once(progress)
            for number, workload in enumerate(asked):
                # Recorded as far as it is explored: a run may end with its first finding.
                if number == len(recordings):
                    recordings.append(record(workload, store))
                    facts.append(facts_of(recordings[number], number=number))
                live = recordings[number].problems
                one = (recordings[number], facts[number], profile, subject)
                together.add(explore_profile(unit, *one, progress=told, live=live))
                if together.is_over:
                    break
            result = together.as_one(planned=len(asked), distinct=len(subject.images))
            # Positions in many op logs, one after the other, name no crash point.
            results.append(evolve(result, points=()))
        events = tuple(event for each in facts for event in each.events)
        results[0] = evolve(results[0], events=events)
    return tuple(results)


def _each_kind_once(progress: ProgressSink | None) -> ProgressSink:
    """Return a sink that passes on of each kind of finding the first alone."""
    kinds: set[tuple[str, str]] = set()

    def tell(news: RunningNews) -> None:
        if isinstance(news, FindingFound):
            kind = news.case.invariant, news.case.kind
            if kind in kinds:
                return
            kinds.add(kind)
        if progress is not None:
            progress(news)

    return tell
