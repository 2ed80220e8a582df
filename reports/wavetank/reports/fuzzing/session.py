"""A fuzzing run for a person: spread over processes, with a limit of time, interrupted."""

from __future__ import annotations

import time  # noqa: TID251 - how long a run may take, and how it goes on; no run sees it
from collections.abc import Callable
from typing import Final

from attrs import frozen

from wavetank.reports.runs.workers import work_executor
from wavetank.scenarios import Case, FuzzCounts, Fuzzer, FuzzFinding, FuzzPlan, FuzzResult

__all__ = ["FuzzSession", "run_fuzz_session"]

_LINE_EVERY_S: Final = 10.0


@frozen(kw_only=True)
class FuzzSession:
    """What came of a fuzzing run.

    Attributes:
        result: all of it.
        max_time_s: how long it was to take; None: until its runs had ended.
        elapsed_s: wall time in seconds.
        workers: processes used; 1 is this one.
        interrupted: whether a person stopped it.
        loaded: inputs that it began with.
    """

    result: FuzzResult
    max_time_s: float | None
    elapsed_s: float
    workers: int
    interrupted: bool
    loaded: int

    @property
    def verdict(self) -> str:
        """Whether anything was wrong."""
        return "fail" if self.result.findings else "pass"

    @property
    def is_whole(self) -> bool:
        """Whether it ended by the number of its runs, so that another one is equal."""
        return self.result.counts.runs == self.result.plan.runs


def run_fuzz_session(
    plan: FuzzPlan,
    *,
    workers: int,
    max_time_s: float | None,
    corpus: tuple[Case, ...],
    tell: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> FuzzSession:
    """Run a plan until its end, the end of its time, or Ctrl-C.

    Args:
        plan: what to do.
        workers: processes; 1 runs here.
        max_time_s: seconds; None: as long as the plan says.
        corpus: inputs of earlier runs.
        tell: takes a line for a person now and then.
        clock: gives seconds.

    Raises:
        StoreNotFoundError: there is no store of that name.
    """
    start_s = clock()
    fuzzer = Fuzzer(plan, corpus)
    progress = _Progress(tell, clock)
    interrupted = False

    def is_over() -> bool:
        return max_time_s is not None and clock() - start_s >= max_time_s

    try:
        with work_executor(workers) as executor:
            fuzzer.run(is_over=is_over, executor=executor, on_trial=progress.take)
            if executor is not None and is_over():
                raise _TimeIsOver  # noqa: TRY301 - ends the workers where they stand
    except _TimeIsOver:
        pass
    except KeyboardInterrupt:
        interrupted = True
    return FuzzSession(
        result=fuzzer.result(),
        max_time_s=max_time_s,
        elapsed_s=clock() - start_s,
        workers=workers,
        interrupted=interrupted,
        loaded=len(corpus),
    )


class _TimeIsOver(Exception):  # noqa: N818 - a signal to stop, not an error
    """The limit of time has come while runs were under way."""


class _Progress:
    """Tells each finding at once, and how far the run is every ten seconds."""

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._tell = tell
        self._clock = clock
        self._begun_s = self._told_s = clock()

    def take(self, counts: FuzzCounts, new: tuple[FuzzFinding, ...], reached: int) -> None:
        for finding in new:
            self._tell(
                f"FOUND {finding.key[0]} in run {finding.case.workload.seed} under "
                f"{finding.case.profile.name}: {finding.violation.summary}"
            )
        now_s = self._clock()
        if now_s - self._told_s >= _LINE_EVERY_S:
            self._told_s = now_s
            self._tell(
                f"{now_s - self._begun_s:.0f} s: {counts.runs} runs, {counts.images} images "
                f"judged, {reached} combinations reached, {counts.wrong} runs with violations"
            )
