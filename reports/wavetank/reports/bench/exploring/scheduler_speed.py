"""How many schedules run a second, and how often tasks are switched.

The same runs are made on greenlets, as `wavetank run` makes them, and on threads that pass a baton.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Final, TypeAlias

from attrs import frozen

from wavetank.reports.bench.comparison import Attempt, Work
from wavetank.scenarios.catalogue import CONCURRENT_SCENARIOS
from wavetank.scenarios.concurrency.concurrent_run import start_of
from wavetank.scenarios.concurrency.schedules import Player, portfolio_runs
from wavetank.scenarios.stores.registry import BUILTIN
from wavetank.sim import SimRuntime
from wavetank.sim.scheduling.strategies import RoundRobin
from wavetank.sim.scheduling.switching import BatonThreads, Greenlets, Switching

__all__ = ["GREENLETS", "SCHEDULED", "THREADS", "Scheduled", "prepare_schedules", "switch_tasks"]

GREENLETS: Final = "greenlets"
THREADS: Final = "threads"
_SCENARIO: Final = "concurrent-readers"
_TASKS: Final = 4


_Work: TypeAlias = Callable[[int, Callable[[], Switching]], int]
"""Does so many units on carriers of a kind, and returns the steps of the tasks."""


@frozen(kw_only=True)
class Scheduled:
    """Work that is done on both kinds of carriers.

    Attributes:
        name: for `--only` and the report.
        title: the same in words.
        units: how many a round of a full run does.
        prepare: makes ready, and returns what does so many and counts their steps.
    """

    name: str
    title: str
    units: int
    prepare: Callable[[], _Work]

    def attempts(self, units: int) -> Mapping[str, Attempt]:
        """Return an attempt at so many units on each kind of carrier, by its name."""
        carriers: dict[str, Callable[[], Switching]] = {
            GREENLETS: Greenlets,
            THREADS: BatonThreads,
        }
        return {name: partial(_attempt, self, units, each) for name, each in carriers.items()}


@contextmanager
def _attempt(scheduled: Scheduled, units: int, carrier: Callable[[], Switching]) -> Iterator[Work]:
    work = scheduled.prepare()
    yield lambda: work(units, carrier)


def prepare_schedules() -> _Work:
    """Return what runs so many schedules of a scenario, judged as in a run."""
    start = start_of(CONCURRENT_SCENARIOS[_SCENARIO].workload(0), BUILTIN)

    def work(count: int, switching: Callable[[], Switching]) -> int:
        with Player(start, switching=switching) as player:
            return sum(run.steps for run in islice(portfolio_runs(player, 0, count), count))

    return work


def switch_tasks(count: int, switching: Callable[[], Switching] = Greenlets) -> int:
    """Let tasks that do nothing take turns until there were so many switches; return the steps.

    Args:
        count: switches, about.
        switching: makes what carries the tasks.
    """

    def work() -> None:
        for _ in range(count // _TASKS):
            runtime.pause()

    with SimRuntime(RoundRobin(), switching=switching()) as runtime:
        tasks = [runtime.spawn(f"task {number}", work) for number in range(_TASKS)]
        for task in tasks:
            task.join()
        return runtime.steps


SCHEDULED: Final = (
    Scheduled(
        name="runs",
        title=f"schedules of {_SCENARIO}, run and judged",
        units=60,
        prepare=prepare_schedules,
    ),
    Scheduled(
        name="switches",
        title=f"switches among {_TASKS} tasks that do nothing",
        units=40_000,
        prepare=lambda: switch_tasks,
    ),
)
