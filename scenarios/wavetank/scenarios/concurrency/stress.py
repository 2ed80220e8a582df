"""The same tasks on real threads and in a real directory, where nobody chooses the schedule.

It is the last check that the simulated runtime hides nothing: the history of each run must be
linearizable, too. Time limits and slow calls of the workload are left out, since real time decides
about them, and so is what a store does after it has been closed.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Final

from attrs import evolve

from wavetank.engine import FileSystem, OsFileSystem, ThreadRuntime
from wavetank.scenarios.concurrency.concurrent_run import Start
from wavetank.scenarios.concurrency.history import Call, History
from wavetank.scenarios.concurrency.linearizability import Verdict, check
from wavetank.scenarios.concurrency.specification import StoreState
from wavetank.scenarios.concurrency.store_tasks import SharedStore
from wavetank.scenarios.raft.driving.step_calls import call
from wavetank.scenarios.raft.steps import OpenStore, TaskPlan, TaskStep
from wavetank.scenarios.stores.adapter import Site

__all__ = ["run_on_threads"]

_JOIN_S: Final = 60.0


class _Recorder:
    """Writes down calls of real threads, in one order of beginnings and ends."""

    def __init__(self) -> None:
        self._lock = ThreadRuntime().lock()
        self._events = 0
        self._calls: list[Call] = []

    def begin(self, task: str, step: TaskStep) -> int:
        """Note that a call begins, and return its number."""
        with self._lock:
            self._events += 1
            number = len(self._calls)
            self._calls.append(
                Call(number=number, task=task, operation=step, invoked_at=self._events)
            )
            return number

    def end(self, number: int, result: Hashable) -> None:
        """Note that a call has returned."""
        with self._lock:
            self._events += 1
            self._calls[number] = evolve(
                self._calls[number], returned_at=self._events, result=result
            )

    def history(self) -> History:
        """Return all calls."""
        return History(calls=tuple(self._calls))


def run_on_threads(
    start: Start, directory: str, *, fs: FileSystem | None = None
) -> Verdict[StoreState]:
    """Run the tasks of a workload on real threads, and return the verdict on their history.

    Args:
        start: of the workload; its steps are done again, on the real directory.
        directory: a path where nothing is yet.
        fs: the filesystem; the machine's by default.

    Raises:
        TimeoutError: a task did not end within a minute: a deadlock, or a machine that stands.
    """
    site = Site(
        fs=fs or OsFileSystem(),
        runtime=ThreadRuntime(),
        directory=directory,
        options=start.workload.options,
    )
    _prepare(start, site)
    store, recorder = SharedStore(start.backend, site), _Recorder()

    def work(plan: TaskPlan) -> None:
        for step in plan.steps:
            number = recorder.begin(plan.name, step)
            recorder.end(number, store.perform(step))

    tasks = [site.runtime.spawn(plan.name, partial(work, plan)) for plan in start.workload.tasks]
    for task, plan in zip(tasks, start.workload.tasks, strict=True):
        if not task.join(_JOIN_S):
            raise TimeoutError(f"task {plan.name!r}: expected its end within {_JOIN_S:g} s")
    store.store.close()
    return check(recorder.history(), start.specification)


def _prepare(start: Start, site: Site) -> None:
    """Do the steps of the workload, one after the other, and close the store."""
    store = start.backend.open(site)
    for step in start.workload.steps:
        if not isinstance(step, OpenStore):
            call(store, step)
    store.close()
