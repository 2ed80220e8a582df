"""Worker processes for a run, and the way their progress takes back here.

Workers are new interpreters, so that nothing of this process leaks into a run and a hash seed can
be given to them.
"""

from __future__ import annotations

import multiprocessing
import os  # noqa: TID251 - workers take their hash seed from the environment
import signal
import threading  # noqa: TID251 - one thread brings progress from the workers; no run sees it
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.managers import SyncManager
from queue import Queue
from typing import Final, ParamSpec, TypeAlias, TypeVar

from attrs import frozen

from wavetank.scenarios import RunningNews, Workers

__all__ = [
    "ProcessPools",
    "ProgressQueue",
    "hash_seed",
    "process_pools",
    "work_executor",
    "worker_pool",
]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_HASH_SEED: Final = "PYTHONHASHSEED"

_AT_ONCE: Final = 2
"""Shares given to each process at once, so that none waits for its next; the fewer, the fewer are
lost with a process."""

_Messages: TypeAlias = "Queue[RunningNews | None]"


@frozen
class ProgressQueue:
    """Puts progress into a queue that can be reached from another process."""

    queue: _Messages

    def __call__(self, event: RunningNews) -> None:
        """Send one event on its way."""
        self.queue.put(event)


class ProcessPools:
    """Pools of new processes, one after the other: one that has lost a process is broken.

    Args:
        workers: processes, at least 1; each starts when there is work for it.
    """

    def __init__(self, workers: int) -> None:
        self.count = workers
        self._context = multiprocessing.get_context("spawn")
        self._others = set(multiprocessing.active_children())
        self._was_used = False
        self.current = self._new()

    def workers(self, *, only_parts: bool = False) -> Workers:
        """Return where shares run.

        Args:
            only_parts: see `Workers`.
        """
        return Workers(
            executor=self.current,
            at_once=_AT_ONCE * self.count,
            renew=self.renew,
            only_parts=only_parts,
        )

    @property
    def is_used(self) -> bool:
        """Whether any work was given to them."""
        return self._was_used or self.current.is_used

    def renew(self) -> Executor:
        """Return a new pool instead of the broken one."""
        self.current.shutdown(wait=False, cancel_futures=True)
        self._was_used = True
        self.current = self._new()
        return self.current

    def terminate(self) -> None:
        """End all processes where they stand."""
        self.current.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - self._others:
            process.terminate()

    def _new(self) -> _Pool:
        return _Pool(self.count, self._context, initializer=_begin_work)


class _Pool(ProcessPoolExecutor):
    """A pool that remembers whether it was ever given work."""

    is_used = False

    def submit(
        self,
        fn: Callable[_Arguments, _Result],
        /,
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> Future[_Result]:
        self.is_used = True
        return super().submit(fn, *args, **kwargs)


@contextmanager
def process_pools(workers: int) -> Iterator[ProcessPools]:
    """Give new processes that run shares; they end as those of `worker_pool`.

    Args:
        workers: processes, at least 1.
    """
    pools = ProcessPools(workers)
    try:
        yield pools
    except BaseException:
        pools.terminate()
        raise
    finally:
        pools.current.shutdown(wait=True, cancel_futures=True)


@contextmanager
def worker_pool(
    workers: int, on_progress: Callable[[RunningNews], None]
) -> Iterator[tuple[Workers, ProgressQueue]]:
    """Give new processes that run shares, and the sink by which they tell of their progress.

    When the block ends normally, all work is waited for; when it ends by an exception, the workers
    are ended where they stand.

    Args:
        workers: processes, at least 1.
        on_progress: called for each event, in a thread of its own.
    """
    context = multiprocessing.get_context("spawn")
    manager = SyncManager(ctx=context)
    manager.start(_end_with_parent)
    with manager:
        queue: _Messages = manager.Queue()
        drain = threading.Thread(target=_drain, args=(queue, on_progress), daemon=True)
        drain.start()
        try:
            with process_pools(workers) as pools:
                yield pools.workers(), ProgressQueue(queue)
        finally:
            queue.put(None)
            drain.join()


@contextmanager
def work_executor(workers: int) -> Iterator[Executor | None]:
    """Give an executor of new processes, ended as those of `worker_pool`.

    Args:
        workers: processes; with 1 there is no executor, and all work is done in this process.
    """
    if workers == 1:
        yield None
        return
    with worker_pool(workers, lambda _: None) as (given, _):
        yield given.executor


@contextmanager
def hash_seed(seed: int) -> Iterator[None]:
    """Let processes that are started inside the block hash strings with this seed."""
    before = os.environ.get(_HASH_SEED)
    os.environ[_HASH_SEED] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_HASH_SEED]
        else:
            os.environ[_HASH_SEED] = before


def _drain(queue: _Messages, on_progress: Callable[[RunningNews], None]) -> None:
    while (event := queue.get()) is not None:
        on_progress(event)


def _begin_work() -> None:
    """Leave Ctrl-C to the process that the person sees; it ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()


def _end_with_parent() -> None:
    """End this process when its parent is gone, however that came; nobody else would."""
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
