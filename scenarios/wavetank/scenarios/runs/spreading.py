"""Shares run on an executor, some at once; those whose worker is lost run again.

A worker that ends takes all shares along that it had been given, and nobody can tell which of them
ended it. So each of them runs again: once more beside others, then alone. A share that ends its
worker even alone is told as an error.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import Final, ParamSpec, Protocol, TypeVar

from attrs import define, evolve, field, frozen

from wavetank.scenarios.runs.shares import Share, ShareOutcome, run_share
from wavetank.scenarios.runs.unit import ProgressSink

__all__ = ["HERE", "FinishedShares", "LostShareError", "SharesRun", "Workers"]

_ALONE_AFTER: Final = 2
"""Workers that a share may have lost before it runs alone."""

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class LostShareError(RuntimeError):
    """A share ended its worker each time; the message names it and says what to do."""


class FinishedShares(Protocol):
    """Keeps what came of shares, so that a run that was killed can go on."""

    def load(self, share: Share) -> ShareOutcome | None:
        """Return what came of a share; None if it has not been finished."""
        ...

    def save(self, share: Share, outcome: ShareOutcome) -> None:
        """Keep what came of a share."""
        ...


@frozen(kw_only=True)
class Workers:
    """Where shares run, and what can happen there.

    Attributes:
        executor: runs them; what is submitted can be pickled.
        at_once: how many shares it is given at once; None: all that there are. With fewer, a worker
            that is lost takes fewer along.
        renew: gives another executor when this one is broken, as a process pool is that has lost a
            process; None: there is no other.
        lost: exceptions of a future that say that its worker is gone.
        only_parts: whether only parts of units are submitted, and whole units run here. That suits
            a plan of one unit: nobody waits meanwhile, and where it is not cut nobody is needed.
    """

    executor: Executor
    at_once: int | None = None
    renew: Callable[[], Executor] | None = None
    lost: tuple[type[Exception], ...] = (BrokenExecutor,)
    only_parts: bool = False


class _Here(Executor):
    """Runs what is submitted at once, in the thread that submits it."""

    def submit(
        self,
        fn: Callable[_Arguments, _Result],
        /,
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> Future[_Result]:
        future: Future[_Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - the future tells it
            future.set_exception(error)
        return future


HERE: Final = Workers(executor=_Here(), at_once=1)
"""This process, one share after the other."""


@define
class SharesRun:
    """Runs shares, and those that are added meanwhile.

    Args:
        workers: where they run.
        progress: told of progress from inside whole units.
        finished: keeps what came of shares; None: nobody does.
    """

    _workers: Workers
    _progress: ProgressSink | None
    _finished: FinishedShares | None = None
    _waiting: deque[Share] = field(factory=deque, init=False)
    _running: dict[Future[ShareOutcome], Share] = field(factory=dict, init=False)
    _losses: Counter[str] = field(factory=Counter, init=False)

    def add(self, shares: Iterable[Share], *, first: bool = False) -> None:
        """Add shares, behind those that wait or before them."""
        if first:
            self._waiting.extendleft(reversed(tuple(shares)))
        else:
            self._waiting.extend(shares)

    def drop(self, shares: Iterable[Share]) -> None:
        """Take shares back that still wait."""
        keys = {share.key for share in shares}
        self._waiting = deque(each for each in self._waiting if each.key not in keys)

    @property
    def is_here(self) -> bool:
        """Whether the shares run in this process, one after the other."""
        return self._workers is HERE

    def outcomes(self) -> Iterator[tuple[Share, ShareOutcome]]:
        """Yield what comes of each share, as it comes, until none is left.

        Raises:
            LostShareError: a share ends its worker each time, or the executor broke and there is
                no other.
            Exception: whatever a share raises.
        """
        while self._waiting or self._running:
            while self._waiting:
                yield from self._known()
                if not self._submit_next():
                    break
            if not self._running:
                continue
            wait(self._running, return_when=FIRST_COMPLETED)
            lost: list[tuple[Share, Exception]] = []
            for future in [each for each in self._running if each.done()]:
                share = self._running.pop(future)
                try:
                    outcome = future.result()
                except self._workers.lost as error:
                    lost.append((share, error))
                else:
                    yield share, self._kept(share, outcome)
            if lost:
                self._again(lost)

    def _known(self) -> Iterator[tuple[Share, ShareOutcome]]:
        """Yield what is known of the shares that wait next from an earlier run."""
        while self._finished is not None and self._waiting:
            outcome = self._finished.load(self._waiting[0])
            if outcome is None:
                return
            yield self._waiting.popleft(), outcome

    def _kept(self, share: Share, outcome: ShareOutcome) -> ShareOutcome:
        if self._finished is not None:
            self._finished.save(share, outcome)
        return outcome

    def _submit_next(self) -> bool:
        """Submit the share that waits next; return whether another one may run beside it."""
        at_once = self._workers.at_once
        if not self._waiting or (at_once is not None and len(self._running) >= at_once):
            return False
        if self._running and any(map(self._is_suspect, self._next_and_running())):
            return False
        share = self._waiting[0]
        is_part = share.positions is not None
        is_here = self._workers.only_parts and not is_part
        executor = HERE.executor if is_here else self._workers.executor
        try:
            future = executor.submit(run_share, share, None if is_part else self._progress)
        except BrokenExecutor as error:
            # It broke before the futures of the others told so.
            if not self._running:
                self._again([(self._waiting.popleft(), error)])
            return False
        self._running[future] = self._waiting.popleft()
        return True

    def _next_and_running(self) -> Iterator[Share]:
        yield self._waiting[0]
        yield from self._running.values()

    def _is_suspect(self, share: Share) -> bool:
        return self._losses[share.key] >= _ALONE_AFTER

    def _again(self, lost: list[tuple[Share, Exception]]) -> None:
        """Let the shares of lost workers run again, before all others."""
        error = lost[0][1]
        if isinstance(error, BrokenExecutor):
            # What else it was given is lost with it, or has just been finished.
            still = [each for each in self._running if not each.done() or each.exception()]
            lost = lost + [(self._running.pop(each), error) for each in still]
            if self._workers.renew is None:
                raise LostShareError(_told_end(lost[0][0])) from error
            self._workers = evolve(self._workers, executor=self._workers.renew())
        for share, cause in lost:
            self._losses[share.key] += 1
            if self._losses[share.key] > _ALONE_AFTER:
                raise LostShareError(_told_loss(share, self._losses[share.key])) from cause
        self.add([share for share, _ in lost], first=True)


def _told_loss(share: Share, times: int) -> str:
    return (
        f"share: expected its worker to live, but {times} workers ended while they ran {share}, "
        f"the last with nothing else to do; run it with --workers 1 to see why"
    )


def _told_end(share: Share) -> str:
    return (
        f"executor: expected one that works, but it broke while it ran {share}, and there is no "
        f"other; give Workers a function `renew` that makes one"
    )
