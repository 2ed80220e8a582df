"""A plan run for a person: spread over processes, interrupted or stopped early, timed.

Whatever was finished by then is kept, and what was not is known, so that the rest can be run later.
What is kept after an early stop depends on the plan alone, never on which worker was faster.
"""

from __future__ import annotations

import signal
import threading  # noqa: TID251 - progress from workers comes in a thread; no run sees it
import time  # noqa: TID251 - people want to know how long a run took; no run sees it
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Final

from attrs import define, evolve, frozen

from wavetank.reports.outputs.event_lines import short_line
from wavetank.reports.runs.cluster import Cluster
from wavetank.reports.runs.differences import first_difference
from wavetank.reports.runs.workers import (
    ProgressQueue,
    hash_seed,
    process_pools,
    worker_pool,
)
from wavetank.scenarios import (
    Case,
    Event,
    EventStream,
    FindingFound,
    FinishedShares,
    Listener,
    News,
    RunningNews,
    RunPlan,
    RunResult,
    ScenarioFinished,
    ScenarioResult,
    Verdict,
    Violation,
    Workers,
    events_of,
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
        difference: the first event in which they part, of both runs; "" if none differs.
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
        error: what ended it too early, if that was no person; None if nothing did.
    """

    result: RunResult
    remaining: tuple[Unit, ...]
    interrupted: bool
    elapsed_s: float
    workers: int
    found: tuple[tuple[Case, Violation], ...] = ()
    determinism: Determinism | None = None
    error: Exception | None = None

    @property
    def is_broken_off(self) -> bool:
        """Whether a person or an error ended it."""
        return self.interrupted or self.error is not None

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
    on_event: Callable[[Event], None] | None = None,
    max_failures: int | None = None,
    with_hash_seed: int | None = None,
    cluster: Cluster | None = None,
    finished: FinishedShares | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Session:
    """Run a plan and keep whatever gets finished, also if an error ends it.

    Args:
        plan: what to run.
        workers: processes; 1 runs here, unless a hash seed is asked for.
        listener: told of everything, by two threads but never by both at once.
        on_event: called with each event of what is kept, in the order of the plan, as soon as all
            before it have happened.
        max_failures: stop after the unit, in the order of the plan, with which so many violations
            have been found; None: run everything.
        with_hash_seed: PYTHONHASHSEED of the workers.
        cluster: where the shares of the plan run, instead of in processes here.
        finished: what came of shares in an earlier run of the plan, and keeps what comes of them.
        clock: gives seconds.
    """
    start_s = clock()
    shown = _OneAtATime(listener)
    collector = _Collector(plan, max_failures, on_event)
    listeners = (shown, collector)
    place = _Place(workers=1)
    interrupted = False
    error: Exception | None = None
    digest = ""
    try:
        if cluster is not None:
            opened = _on_cluster(cluster, len(collector.units))
        else:
            opened = _on_processes(workers, len(collector.units), shown.handle, with_hash_seed)
        with opened as place:
            digest = run(
                plan,
                listeners=listeners,
                executor=place.executor,
                progress=place.progress,
                finished=finished,
            ).digest
    except _EnoughFailures:
        pass
    except KeyboardInterrupt:
        interrupted = True
    except Exception as caught:  # noqa: BLE001 - told by the session, with what there is
        error = caught
    kept, remaining = collector.split()
    result = RunResult(plan=plan, results=kept, digest="" if remaining else digest)
    try:
        collector.tell_rest(result)
    except Exception as caught:  # noqa: BLE001 - the same
        error = error or caught
    return Session(
        result=result,
        remaining=remaining,
        found=tuple((each.case, tell(each.case, each.problem)) for each in collector.found()),
        interrupted=interrupted,
        elapsed_s=clock() - start_s,
        workers=place.workers,
        error=error,
    )


@define(kw_only=True)
class _Place:
    """Where the shares of a plan run.

    Attributes:
        workers: processes used by now; 1 is this one.
        executor: where they run; None: here.
        progress: brings progress from there.
    """

    workers: int
    executor: Workers | None = None
    progress: ProgressQueue | None = None


@contextmanager
def _on_cluster(cluster: Cluster, units: int) -> Iterator[_Place]:
    executor = evolve(cluster.workers, only_parts=units == 1)
    yield _Place(workers=cluster.threads, executor=executor)


@contextmanager
def _on_processes(
    workers: int, units: int, on_progress: Callable[[RunningNews], None], seed: int | None
) -> Iterator[_Place]:
    """Give new processes, or none where a plan of one unit or one worker needs none."""
    if seed is None and workers == 1:
        yield _Place(workers=1)
    elif seed is None and units == 1:
        with process_pools(workers) as pools:
            place = _Place(workers=1, executor=pools.workers(only_parts=True))
            try:
                yield place
            finally:
                place.workers = pools.count if pools.is_used else 1
    else:
        setting = nullcontext() if seed is None else hash_seed(seed)
        with setting, worker_pool(workers, on_progress) as (executor, progress):
            yield _Place(workers=workers, executor=executor, progress=progress)


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
        difference=_told_difference(_events(first), _events(second)),
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

    def handle(self, news: News) -> None:
        with self._lock:
            self._listener.handle(news)

    def finish(self, result: RunResult) -> None:
        with self._lock:
            self._listener.finish(result)


class _Collector:
    """A listener that keeps the results by unit, and tells their events in the plan's order.

    Args:
        plan: what runs.
        max_failures: violations that are enough; None: nothing is.
        on_event: called with each event; None: nobody is.

    Attributes:
        units: of the plan, in its order.
    """

    def __init__(
        self,
        plan: RunPlan,
        max_failures: int | None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
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
        self._on_event = on_event
        self._stream = EventStream()
        self._waiting: deque[Event] = deque()
        self._told = 0

    def start(self, plan: RunPlan) -> None:
        """Tell the first event."""
        self._tell([self._stream.begin(plan)])

    def handle(self, news: News) -> None:
        """Keep a finding or a result, and stop the run if that was enough."""
        if isinstance(news, FindingFound):
            self._found.append(news)
        if not isinstance(news, ScenarioFinished):
            return
        result = news.result
        unit = Unit(scenario=result.name, seed=result.seed, options=result.options)
        self._results.setdefault(unit, []).append(result)
        enough = self._enough()
        if enough is not None and enough < len(self.units):
            raise _EnoughFailures
        while self._told < len(self.units) and self._is_done(self.units[self._told]):
            unit = self.units[self._told]
            self._told += 1
            self._tell_unit(unit)

    def tell_rest(self, result: RunResult) -> None:
        """Tell the events that could not be told yet, since something before them is missing."""
        self._tell(())
        remaining = 0
        kept = {(each.name, each.seed, each.options) for each in result.results}
        for number, unit in enumerate(self.units):
            if (unit.scenario, unit.seed, unit.options) not in kept:
                remaining += 1
            elif number >= self._told:
                self._tell_unit(unit)
        self._tell([self._stream.end(result, remaining=remaining)])

    def _tell_unit(self, unit: Unit) -> None:
        if self._on_event is not None:
            self._tell(self._stream.unit(self._results[unit]))

    def _tell(self, events: Iterable[Event]) -> None:
        if self._on_event is None:
            return
        self._waiting.extend(tuple(events))
        # So that each is told once: a listener that is interrupted may have taken its event or not.
        with _interrupted_later():
            while self._waiting:
                self._on_event(self._waiting.popleft())

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


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Let Ctrl-C come behind the block."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda _, frame: came.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(signal.SIGINT, came[0])


def _digest_of(session: Session) -> str:
    return session.result.digest or "(run not finished)"


def _events(session: Session) -> Iterator[Event]:
    return events_of(session.result, remaining=len(session.remaining))


def _told_difference(one: Iterable[Event], other: Iterable[Event]) -> str:
    """Return the first event that two runs do not share; "" if they are equal."""
    difference = first_difference(one, other)
    if difference is None:
        return ""
    told = ("nothing" if each is None else short_line(each).strip() for each in difference.events)
    return " and ".join(_shortened(each) for each in told)


def _shortened(line: str) -> str:
    return line if len(line) <= _EVENT_CHARS else f"{line[:_EVENT_CHARS]}..."
