"""A plan run for a person: spread over processes, interrupted or stopped early, timed.

Whatever was finished by then is kept, and what was not is known, so that the rest can be run later.
What is kept after an early stop depends on the plan alone, never on which worker was faster.
"""

from __future__ import annotations

import threading  # noqa: TID251 - progress from workers comes in a thread; no run sees it
import time  # noqa: TID251 - people want to know how long a run took; no run sees it
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import zip_longest
from typing import Final

from attrs import evolve, frozen

from wavetank.reports._workers import hash_seed, worker_pool
from wavetank.scenarios import (
    Case,
    Event,
    FindingFound,
    Listener,
    RunPlan,
    RunResult,
    ScenarioFinished,
    ScenarioResult,
    Verdict,
    Violation,
    run,
    tell,
    units_of,
)

__all__ = ["Determinism", "Session", "Unit", "compare", "run_session", "untouched"]

_EVENT_CHARS: Final = 300


@frozen(kw_only=True)
class Unit:
    """A scenario with a seed: what one worker does under all profiles."""

    scenario: str
    seed: int
    options: tuple[str, ...] = ()


@frozen(kw_only=True)
class Determinism:
    """Two runs of one plan under different hash seeds.

    Attributes:
        hash_seeds: what PYTHONHASHSEED was.
        digests: of the runs.
        difference: the first scenario that differs, in words; "" if none does.
    """

    hash_seeds: tuple[int, int]
    digests: tuple[str, str]
    difference: str


@frozen(kw_only=True)
class Session:
    """What came of a plan.

    Attributes:
        result: the units that were finished; its digest is "" unless that is all of them.
        remaining: the units that were not, in the order of the plan.
        interrupted: whether a person stopped it.
        elapsed_s: wall time in seconds.
        workers: processes used; 1 is this one.
        found: what was found in the units that were not finished, with its story.
        determinism: the comparison with a second run, if one was asked for.
    """

    result: RunResult
    remaining: tuple[Unit, ...]
    interrupted: bool
    elapsed_s: float
    workers: int
    found: tuple[tuple[Case, Violation], ...] = ()
    determinism: Determinism | None = None

    @property
    def violations(self) -> tuple[tuple[Case, Violation], ...]:
        """All that was found, with what brings it back."""
        finished = (
            pair
            for result in self.result.results
            for pair in zip(result.cases, result.violations, strict=True)
        )
        return (*finished, *self.found)

    def with_story(self, case: Case, violation: Violation) -> Session:
        """Return the session with another case and story of a finding, which keeps its id."""
        own = (case, violation)

        def told(pairs: Iterable[tuple[Case, Violation]]) -> tuple[tuple[Case, Violation], ...]:
            return tuple(own if each[1].id == violation.id else each for each in pairs)

        results: list[ScenarioResult] = []
        for result in self.result.results:
            pairs = told(zip(result.cases, result.violations, strict=True))
            cases, stories = tuple(each[0] for each in pairs), tuple(each[1] for each in pairs)
            results.append(evolve(result, cases=cases, violations=stories))
        return evolve(
            self, result=evolve(self.result, results=tuple(results)), found=told(self.found)
        )

    @property
    def verdict(self) -> Verdict:
        """The result's, but no pass as long as something remains."""
        verdict = Verdict.FAIL if self.found else self.result.verdict
        return Verdict.INCONCLUSIVE if self.remaining and verdict is Verdict.PASS else verdict


def run_session(
    plan: RunPlan,
    *,
    workers: int,
    listener: Listener,
    max_failures: int | None = None,
    with_hash_seed: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Session:
    """Run a plan and keep whatever gets finished.

    Args:
        plan: what to run.
        workers: processes; 1 runs here, unless a hash seed is asked for.
        listener: told of everything, by two threads but never by both at once.
        max_failures: stop after the unit, in the order of the plan, with which so many violations
            have been found; None: run everything.
        with_hash_seed: PYTHONHASHSEED of the workers.
        clock: gives seconds.
    """
    start_s = clock()
    shown = _OneAtATime(listener)
    collector = _Collector(plan, max_failures)
    listeners = (shown, collector)
    workers = min(workers, len(collector.units))
    interrupted = False
    digest = ""
    try:
        if workers == 1 and with_hash_seed is None:
            digest = run(plan, listeners=listeners).digest
        else:
            setting = nullcontext() if with_hash_seed is None else hash_seed(with_hash_seed)
            with setting, worker_pool(workers, shown.handle) as (executor, sink):
                digest = run(plan, listeners=listeners, executor=executor, progress=sink).digest
    except _EnoughFailures:
        pass
    except KeyboardInterrupt:
        interrupted = True
    kept, remaining = collector.split()
    return Session(
        result=RunResult(plan=plan, results=kept, digest="" if remaining else digest),
        remaining=remaining,
        found=tuple((each.case, tell(each.case, each.problem)) for each in collector.found()),
        interrupted=interrupted,
        elapsed_s=clock() - start_s,
        workers=workers,
    )


def untouched(plan: RunPlan) -> Session:
    """Return the session of a plan that was interrupted before it began."""
    _, remaining = _Collector(plan, None).split()
    return Session(
        result=RunResult(plan=plan, results=(), digest=""),
        remaining=remaining,
        interrupted=True,
        elapsed_s=0.0,
        workers=1,
    )


def compare(first: Session, second: Session, hash_seeds: tuple[int, int]) -> Determinism:
    """Compare two sessions of one plan, result by result."""
    digests = (_digest_of(first), _digest_of(second))
    return Determinism(
        hash_seeds=hash_seeds,
        digests=digests,
        difference=next(_differences(first.result.results, second.result.results), ""),
    )


class _EnoughFailures(Exception):  # noqa: N818 - a signal to stop, not an error
    """So many violations were found as were asked for."""


class _OneAtATime:
    """A listener that spares another one from being called by two threads at once."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._lock = threading.Lock()

    def start(self, plan: RunPlan) -> None:
        with self._lock:
            self._listener.start(plan)

    def handle(self, event: Event) -> None:
        with self._lock:
            self._listener.handle(event)

    def finish(self, result: RunResult) -> None:
        with self._lock:
            self._listener.finish(result)


class _Collector:
    """A listener that keeps the results by unit.

    Attributes:
        units: of the plan, in its order.
    """

    def __init__(self, plan: RunPlan, max_failures: int | None) -> None:
        self._sweeps = {
            Unit(scenario=each.scenario.name, seed=each.seed, options=each.options): len(
                each.profiles
            )
            for each in units_of(plan)
        }
        self.units = tuple(self._sweeps)
        self._max_failures = max_failures
        self._results: dict[Unit, list[ScenarioResult]] = {}
        self._found: list[FindingFound] = []

    def start(self, plan: RunPlan) -> None:
        """Do nothing: the plan is known."""

    def handle(self, event: Event) -> None:
        """Keep a finding or a result, and stop the run if that was enough."""
        if isinstance(event, FindingFound):
            self._found.append(event)
        if not isinstance(event, ScenarioFinished):
            return
        result = event.result
        unit = Unit(scenario=result.name, seed=result.seed, options=result.options)
        self._results.setdefault(unit, []).append(result)
        enough = self._enough()
        if enough is not None and enough < len(self.units):
            raise _EnoughFailures

    def finish(self, result: RunResult) -> None:
        """Do nothing: every result is there already."""

    def split(self) -> tuple[tuple[ScenarioResult, ...], tuple[Unit, ...]]:
        """Return the results to keep and the units that remain, both in the plan's order."""
        enough = self._enough()
        end = len(self.units) if enough is None else enough
        done = [unit for unit in self.units[:end] if self._is_done(unit)]
        results = tuple(result for unit in done for result in self._results[unit])
        return results, tuple(unit for unit in self.units if unit not in done)

    def found(self) -> Iterator[FindingFound]:
        """Yield what was found in units that were not finished."""
        for each in self._found:
            workload = each.case.workload
            unit = Unit(scenario=workload.name, seed=workload.seed, options=workload.overrides)
            if not self._is_done(unit):
                yield each

    def _enough(self) -> int | None:
        """Return how many units, from the first on, hold as many violations as were asked for."""
        if self._max_failures is None:
            return None
        found = 0
        for number, unit in enumerate(self.units, start=1):
            if not self._is_done(unit):
                return None
            found += sum(len(result.violations) for result in self._results[unit])
            if found >= self._max_failures:
                return number
        return None

    def _is_done(self, unit: Unit) -> bool:
        return len(self._results.get(unit, ())) == self._sweeps[unit]


def _digest_of(session: Session) -> str:
    return session.result.digest or "(run not finished)"


def _differences(
    first: Sequence[ScenarioResult], second: Sequence[ScenarioResult]
) -> Iterator[str]:
    for one, other in zip(first, second, strict=False):
        if one.digest != other.digest or one.name != other.name:
            place = f"{one.name}, seed {one.seed}, {one.profile}: "
            yield place + _first_difference(one, other)
    if len(first) != len(second):
        yield f"{len(first)} results and {len(second)}"


def _first_difference(one: ScenarioResult, other: ScenarioResult) -> str:
    """Return the first event that two results do not share; their digests if all are the same."""
    pairs = zip_longest(one.events, other.events, fillvalue="nothing")
    for event, instead in pairs:
        if event != instead:
            return f"{_shortened(event)} and {_shortened(instead)}"
    return f"digest {one.digest} and {other.digest}"


def _shortened(event: str) -> str:
    return event if len(event) <= _EVENT_CHARS else f"{event[:_EVENT_CHARS]}..."
