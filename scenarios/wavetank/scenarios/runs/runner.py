"""Running a plan: scenarios by seeds by profiles, one after the other or spread over processes.

A unit is one scenario with one seed: it is recorded once and swept under each profile. It runs as
one share, or as several where its exploration is large (shares.py). Shares have nothing in common,
so that the result, and its digest, is the same wherever they run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from hashlib import blake2b
from typing import Final

from wavetank.scenarios.catalogue import CONCURRENT_SCENARIOS, SCENARIOS
from wavetank.scenarios.cluster.cluster_run import require_fit
from wavetank.scenarios.concurrency.concurrent_run import is_schedulable, require_schedulable
from wavetank.scenarios.runs.cut_unit import CutUnit
from wavetank.scenarios.runs.listening import Listener, News, ScenarioFinished
from wavetank.scenarios.runs.plan import RunPlan
from wavetank.scenarios.runs.results import RunResult, ScenarioResult
from wavetank.scenarios.runs.shares import ExploredPart, Share, UnitCuts
from wavetank.scenarios.runs.spreading import HERE, FinishedShares, SharesRun, Workers
from wavetank.scenarios.runs.unit import ProgressSink, Unit, units_of
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.scenarios.stores.registry import BUILTIN, find_store

__all__ = ["default_scenarios", "run", "runnable_scenarios"]

DEFAULT_FAMILY: Final = "exhaustive-2"
"""Of all families the one that runs in less than half a minute."""


def run(
    plan: RunPlan,
    *,
    listeners: Sequence[Listener] = (),
    executor: Executor | Workers | None = None,
    progress: ProgressSink | None = None,
    finished: FinishedShares | None = None,
) -> RunResult:
    """Run a plan and return everything that was found.

    Args:
        plan: what to run.
        listeners: told of the start, each event and the end.
        executor: where the shares of the plan run (docs/scale.md); None runs them here, one after
            the other.
        progress: told of progress from inside the shares; it must be picklable if the executor
            needs that. Where whole units run here, it may be left out: the listeners are told.
        finished: gives what came of shares in an earlier run of the same plan, and keeps what
            comes of them now; None: nobody does.

    Raises:
        UnknownNameError: the plan names something that does not exist; nothing was run.
        StoreNotFoundError: there is no store of that name.
        TypeError: what has that name is no store; or it is one of plain Python, and the plan has
            faults (`PlainStoreError`).
        OptionError: the plan turns an option that does not exist, or to what it does not take.
        FaultSyntaxError: a line of the plan is no fault.
        UnschedulableStoreError: a scenario has tasks, and the store takes its threads from
            somewhere else than its site.
        UnfitForClusterError: a scenario is a cluster, and the store cannot be that of a node.
        LostShareError: a share ended its worker each time.
    """
    units = _checked_units(plan)
    workers = HERE if executor is None else executor
    if not isinstance(workers, Workers):
        workers = Workers(executor=workers)
    if (workers is HERE or workers.only_parts) and progress is None:
        progress = partial(_tell, listeners)
    for listener in listeners:
        listener.start(plan)
    done: dict[int, tuple[ScenarioResult, ...]] = {}
    spread = SharesRun(workers, progress, finished)
    for number, results in _run_units(units, spread, listeners):
        done[number] = results
        for result in results:
            _tell(listeners, ScenarioFinished(result))
    ordered = tuple(result for number in sorted(done) for result in done[number])
    digest = blake2b(digest_size=16)
    for result in ordered:
        turned_words = "".join(f" {option}" for option in result.options)
        fired = "".join(f" {line!r} {count}" for line, count in result.faults_fired)
        line = (
            f"{result.name} {result.seed} {result.profile} {result.digest}{turned_words}{fired}\n"
        )
        digest.update(line.encode())
    outcome = RunResult(plan=plan, results=ordered, digest=digest.hexdigest())
    for listener in listeners:
        listener.finish(outcome)
    return outcome


def _checked_units(plan: RunPlan) -> list[Unit]:
    """Return the units of a plan, all of which their stores can run; errors as of `run`."""
    units = list(units_of(plan))
    for unit in {(unit.scenario.name, unit.options): unit for unit in units}.values():
        workload = next(unit.workloads())
        store = find_store(unit.backend)
        if workload.faults.faults:
            store.require_simulated(faults=True)
        if workload.tasks:
            require_schedulable(store)
        if workload.cluster is not None:
            require_fit(store)
    return units


def _run_units(
    units: list[Unit], spread: SharesRun, listeners: Sequence[Listener]
) -> Iterator[tuple[int, tuple[ScenarioResult, ...]]]:
    """Yield the number and the results of each unit, as they come."""
    shares = [Share(number=number, unit=unit) for number, unit in enumerate(units)]
    # A family takes longest, and begins first, so that all workers end together.
    if not spread.is_here:
        shares.sort(key=lambda share: share.unit.scenario.family is None)
    spread.add(shares)
    cut: dict[int, CutUnit] = {}
    for share, outcome in spread.outcomes():
        if isinstance(outcome, UnitCuts):
            cut[share.number] = CutUnit(share, outcome)
            spread.add(cut[share.number].shares(), first=True)
        elif isinstance(outcome, ExploredPart):
            unit = cut[share.number]
            if unit.is_given_up:
                continue
            unit.take(share, outcome)
            for news in unit.progress():
                _tell(listeners, news)
            if unit.found_something():
                spread.drop(unit.shares())
                spread.add([unit.give_up()], first=True)
            elif unit.is_complete:
                yield share.number, unit.results()
        else:
            yield share.number, outcome


def runnable_scenarios(store: StoreAdapter) -> tuple[str, ...]:
    """Return the names of the scenarios that a store can run: faults strike `site.fs` alone.

    One that names a store of its own, or damages files, looks at the engine alone.

    >>> runnable_scenarios(BUILTIN) == tuple(SCENARIOS)
    True
    """
    strikes = store.has(Capability.SITE_FILESYSTEM)
    return tuple(
        name
        for name, each in SCENARIOS.items()
        if (strikes or not each.faults) and (not each.is_of_engine or store.name == BUILTIN.name)
    )


def default_scenarios(store: StoreAdapter) -> tuple[str, ...]:
    """Return what runs if nobody says what to: all that a store can run, but of families one."""
    beside = tuple(CONCURRENT_SCENARIOS) if is_schedulable(store) else ()
    return (*runnable_scenarios(store), DEFAULT_FAMILY, *beside)


def _tell(listeners: Sequence[Listener], news: News) -> None:
    for listener in listeners:
        listener.handle(news)
