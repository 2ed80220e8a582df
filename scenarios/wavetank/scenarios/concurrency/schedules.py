"""Many schedules of one workload: the portfolio, and the fewest departures that still fail.

`Player` runs schedules of one workload at either grain. `explore_schedules` lets the portfolio
choose them; of each kind of problem it keeps the first run, made small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import cycle, islice
from types import ModuleType, TracebackType
from typing import Final, Self

from attrs import frozen

from wavetank.scenarios.concurrency.concurrent_run import ConcurrentRun, Start, run_tasks
from wavetank.sim.scheduling.runtime import SimRuntime
from wavetank.sim.scheduling.schedule import Grain, Schedule
from wavetank.sim.scheduling.shrinking import ReplaySwitches, Switches, fewest_departures
from wavetank.sim.scheduling.statements import StatementPauses, modules_below
from wavetank.sim.scheduling.strategies import Replay, Strategy, UntilItWaits, portfolio
from wavetank.sim.scheduling.switching import Switching
from wavetank.sim.scheduling.systematic import Certificate, explore_all

__all__ = [
    "Player",
    "ScheduleRun",
    "Schedules",
    "explore_every_schedule",
    "explore_schedules",
    "portfolio_runs",
    "shrunk",
]

_ENGINE: Final = "wavetank.engine"
_GRAINS: Final = (Grain.CALLS, Grain.STORES, Grain.CALLS, Grain.STORES, Grain.STATEMENTS)
"""Where the tasks of one run after the other pause."""
_THOROUGH_EVERY: Final = 10
"""Of so many runs one also opens the store again."""
_SHRINK_RUNS: Final = 400
_LATER_SHRINK_RUNS: Final = 60
"""For further kinds of problems of the same workload, which a person looks at later."""
_AFTER_FIRST: Final = 25
_PROGRESS_EVERY: Final = 50


class Player:
    """Runs schedules of one workload; used as a context manager.

    Args:
        start: where each run begins.
        switching: makes what carries the tasks, for each run anew; greenlets by default.

    Attributes:
        start: where the next run begins; another workload of the same store may take its place.
        runs: how many schedules it has run.
    """

    def __init__(self, start: Start, *, switching: Callable[[], Switching] | None = None) -> None:
        self.start = start
        self.runs = 0
        self._switching = switching
        self._pauses: StatementPauses | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pauses is not None:
            self._pauses.__exit__(kind, error, trace)
            self._pauses = None

    def run(
        self,
        strategy: Strategy,
        grain: Grain = Grain.CALLS,
        *,
        thorough: bool = True,
        sites: bool = False,
    ) -> ConcurrentRun:
        """Run the tasks once; arguments as for `run_tasks`."""
        self.runs += 1
        if grain is not Grain.CALLS and self._pauses is None:
            self._pauses = StatementPauses(_modules(self.start)).__enter__()
        pauses = self._pauses

        def begin(runtime: SimRuntime) -> None:
            if pauses is not None:
                at_statement = _go_on if grain is Grain.CALLS else runtime.pause
                pauses.call(at_statement, at_stores=grain is Grain.STORES)

        try:
            return run_tasks(
                self.start,
                strategy,
                grain=grain,
                switching=None if self._switching is None else self._switching(),
                thorough=thorough,
                sites=sites,
                on_runtime=begin,
            )
        finally:
            if pauses is not None:
                pauses.call(_go_on)

    def replay(self, schedule: Schedule, *, sites: bool = False) -> ConcurrentRun:
        """Run a schedule again."""
        return self.run(Replay(schedule), schedule.grain, sites=sites)


@frozen(kw_only=True)
class ScheduleRun:
    """One run under one schedule.

    Attributes:
        run: its number, from 1 on.
        schedule: replays it.
        digest: of `ConcurrentRun`.
        broken: the invariant that did not hold; "" if all held.
    """

    run: int
    schedule: str
    digest: str
    broken: str


@frozen(kw_only=True)
class Schedules:
    """What came of many schedules.

    Attributes:
        runs: how many there were, those for making failures small not among them.
        steps: pauses and waits of all of them.
        failures: the first run of each kind of problem, made small.
        distinct: runs without a problem whose effects differ, in the order in which they came; at
            most as many as were asked for.
        digest: a hash of all runs.
        events: each run, in order.
        certificate: what was covered, if every schedule that can differ was to be run; else None.
    """

    runs: int
    steps: int
    failures: tuple[ConcurrentRun, ...]
    distinct: tuple[ConcurrentRun, ...]
    digest: str
    events: tuple[ScheduleRun, ...]
    certificate: Certificate | None = None


class _Collector:
    """Takes runs as they come.

    Args:
        player: of the workload.
        keep: runs that are kept.
        on_failure: called with the first run of each kind of problem, made small.
        on_progress: called with the number of runs so far, now and then.
    """

    def __init__(
        self,
        player: Player,
        keep: int,
        on_failure: Callable[[ConcurrentRun], None] | None,
        on_progress: Callable[[int], None] | None,
    ) -> None:
        self._player = player
        self._keep = keep
        self._on_failure = on_failure
        self._on_progress = on_progress
        self._failures: dict[tuple[str, str], ConcurrentRun] = {}
        self._distinct: dict[str, ConcurrentRun] = {}
        self._digest = blake2b(digest_size=16)
        self._events: list[ScheduleRun] = []
        self._steps = 0
        self.runs = 0
        self.failed_at = 0
        """At which run the first problem came; 0 if none did."""

    def take(self, run: ConcurrentRun) -> None:
        """Take one run."""
        self.runs += 1
        self._steps += run.steps
        self._digest.update(run.digest.encode())
        told = ScheduleRun(
            run=self.runs,
            schedule=str(run.schedule),
            digest=run.digest,
            broken="" if run.problem is None else run.problem.invariant,
        )
        self._events.append(told)
        if run.problem is not None:
            self._take_failure(run, (run.problem.invariant, run.problem.kind))
        elif len(self._distinct) < self._keep:
            self._distinct.setdefault(run.effects, run)
        if self._on_progress is not None and self.runs % _PROGRESS_EVERY == 0:
            self._on_progress(self.runs)

    def _take_failure(self, run: ConcurrentRun, kind: tuple[str, str]) -> None:
        if kind in self._failures:
            return
        self.failed_at = self.failed_at or self.runs
        budget = _LATER_SHRINK_RUNS if self._failures else _SHRINK_RUNS
        small = self._failures[kind] = shrunk(self._player, run, budget=budget)
        if self._on_failure is not None:
            self._on_failure(small)

    def result(self, certificate: Certificate | None = None) -> Schedules:
        """Return all that came."""
        return Schedules(
            runs=self.runs,
            steps=self._steps,
            failures=tuple(self._failures.values()),
            distinct=tuple(self._distinct.values()),
            digest=self._digest.hexdigest(),
            events=tuple(self._events),
            certificate=certificate,
        )


def explore_schedules(
    player: Player,
    *,
    seed: int,
    count: int,
    keep: int = 0,
    keep_going: bool = False,
    on_failure: Callable[[ConcurrentRun], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Schedules:
    """Run schedules that the portfolio chooses.

    Args:
        player: of the workload.
        seed: of the portfolio.
        count: how many runs at most.
        keep: runs without a problem and with effects of their own that are returned.
        keep_going: whether to go on to the end once a run has failed; else about as many follow as
            came before it.
        on_failure: called with the first run of each kind of problem, made small.
        on_progress: called with the number of runs so far, now and then.
    """
    collector = _Collector(player, keep, on_failure, on_progress)
    for run in portfolio_runs(player, seed, count):
        collector.take(run)
        failed_at = collector.failed_at
        if failed_at and not keep_going and collector.runs >= 2 * failed_at + _AFTER_FIRST:
            break
    return collector.result()


def explore_every_schedule(
    player: Player,
    *,
    limit: int,
    keep: int = 0,
    on_failure: Callable[[ConcurrentRun], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Schedules:
    """Run every schedule that can differ, where tasks pause at calls.

    Two schedules differ if calls of the store begin or end in another order, or if steps that touch
    the same lock or file change places. What the store's own code does in memory between two such
    steps is one with the step before it.

    Args:
        player: of a small workload.
        limit: runs after which to stop; the certificate then says that it is not complete.
        keep: as for `explore_schedules`.
        on_failure: the same.
        on_progress: the same.
    """
    collector = _Collector(player, keep, on_failure, on_progress)
    certificate = explore_all(lambda strategy: collector.take(player.run(strategy)), limit=limit)
    return collector.result(certificate)


def portfolio_runs(player: Player, seed: int, count: int) -> Iterator[ConcurrentRun]:
    """Yield runs that the portfolio chooses, those of all grains mixed.

    Args:
        player: of the workload.
        seed: of the portfolio.
        count: how many.
    """
    grains = {grain: _runs_at(player, grain, seed) for grain in Grain}
    for grain in islice(cycle(_GRAINS), count):
        yield next(grains[grain])


def _runs_at(player: Player, grain: Grain, seed: int) -> Iterator[ConcurrentRun]:
    usual = player.run(UntilItWaits(), grain)
    yield usual
    begin, end = usual.beside
    chosen = islice(portfolio(grain, seed, steps=end - begin, begin=begin), 1, None)
    for number, strategy in enumerate(chosen):
        yield player.run(strategy, grain, thorough=number % _THOROUGH_EVERY == 0)


def shrunk(player: Player, run: ConcurrentRun, *, budget: int = _SHRINK_RUNS) -> ConcurrentRun:
    """Return a run with the same problem and as few departures as can be found.

    No departure of it can be left out alone, unless the budget of runs ended before.

    Args:
        player: of the workload.
        run: has a problem.
        budget: runs that it may take.
    """
    assert run.problem is not None, "only failures are made small"
    wanted = run.problem.invariant, run.problem.kind
    small = run

    def replay(strategy: ReplaySwitches) -> tuple[bool, Switches]:
        nonlocal small
        tried = player.run(strategy, run.schedule.grain)
        problem = tried.problem
        fails = problem is not None and (problem.invariant, problem.kind) == wanted
        small = tried if fails else small
        return fails, strategy.switches

    fewest_departures(run.schedule.departures, replay, runs=budget)
    return small


def _modules(start: Start) -> tuple[ModuleType, ...]:
    """Return the modules whose statements are pauses: the engine's, and those of the store."""
    module = getattr(start.backend.factory, "__module__", _ENGINE)
    package = module.partition(".")[0]
    return modules_below(_ENGINE, module if package == "wavetank" else package)


def _go_on() -> None:
    """Pause nowhere."""
