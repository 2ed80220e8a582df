"""Time that only passes when somebody looks at it or sleeps: retry loops end, tests do not wait.

A look takes a millisecond, so that a loop that waits for a deadline without sleeping reaches it.
It is the time of the scheduler, in which other threads may run while one sleeps.
Modules whose waiting is done by the operating system keep the real time (`WAITING_MODULES`), and
those whose waiting the scheduler does look for nothing (`SCHEDULED_MODULES`).
Left out: `datetime.now`, which asks the machine itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from wavetank.sim.python_files._limit import OutOfSteps
from wavetank.sim.scheduling.scheduler import Access, Scheduler

__all__ = ["SCHEDULED_MODULES", "START_NS", "WAITING_MODULES", "VirtualClock", "clock_calls"]

WAITING_MODULES: Final = frozenset({"selectors"})
"""Modules, with all below them, that wait in the operating system for as long as they say."""

SCHEDULED_MODULES: Final = frozenset({"threading", "queue", "asyncio", "concurrent"})
"""Modules, with all below them, that wait for locks of the scheduler: a look takes them no time, so
that their time limits are exact."""

START_NS: Final = 1_700_000_000 * 10**9
"""The time at which a process starts unless it is told otherwise, in nanoseconds since 1970."""
_LOOK_S: Final = 1e-3
_CLOCK: Final = Access()


class VirtualClock:
    """The time of one process.

    Args:
        scheduler: of its tasks; counts the seconds since the start.
        limit_s: seconds of virtual time after which each further use raises `OutOfSteps`; None
            for no limit.
        start_ns: the time at which it starts, in nanoseconds since 1970.

    Attributes:
        start_ns: the same.

    >>> from wavetank.sim.scheduling.strategies import UntilItWaits
    >>> from wavetank.sim.scheduling.switching import BatonThreads
    >>> clock = VirtualClock(Scheduler(UntilItWaits(), BatonThreads()))
    >>> clock.sleep(5)
    >>> clock.now_ns - clock.start_ns
    5000000000
    """

    __slots__ = ("_limit_s", "_scheduler", "start_ns")

    def __init__(
        self, scheduler: Scheduler, limit_s: float | None = None, start_ns: int = START_NS
    ) -> None:
        self.start_ns = start_ns
        self._scheduler = scheduler
        self._limit_s = limit_s

    @property
    def now_ns(self) -> int:
        """The time by now, in nanoseconds since 1970."""
        return self.start_ns + round(self._scheduler.now_s * 1e9)

    def look(self) -> int:
        """Return the time in nanoseconds; looking takes some."""
        self._scheduler.pass_time(_LOOK_S)
        return self._within_limit()

    def sleep(self, seconds: float) -> None:
        """Let time pass; other tasks run meanwhile, and no real time passes."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self._scheduler.take_turn(
            lambda: f"{seconds} s of sleep", _CLOCK, is_ready=False, timeout_s=seconds
        )
        self._within_limit()

    def _within_limit(self) -> int:
        if self._limit_s is not None and self._scheduler.now_s > self._limit_s:
            raise OutOfSteps
        return self.now_ns


def clock_calls(clock: Callable[[], VirtualClock]) -> Mapping[str, Callable[..., object]]:
    """Return what stands for the functions of `time`, by name.

    Args:
        clock: gives the clock of the process that is asking.
    """
    real = {name: getattr(time, name) for name in ("localtime", "gmtime", "ctime", "strftime")}

    def sleep(seconds: float, /) -> None:
        clock().sleep(seconds)

    def seconds() -> float:
        return clock().look() / 1e9

    def nanoseconds() -> int:
        return clock().look()

    def at(name: str) -> Callable[..., object]:
        def call(when: float | None = None, /) -> object:
            return real[name](clock().look() / 1e9 if when is None else when)

        return call

    def strftime(form: str, when: time.struct_time | None = None, /) -> str:
        given = time.localtime(clock().look() / 1e9) if when is None else when
        told: str = real["strftime"](form, given)
        return told

    return {
        "sleep": sleep,
        **dict.fromkeys(("time", "monotonic", "perf_counter"), seconds),
        **dict.fromkeys(("time_ns", "monotonic_ns", "perf_counter_ns"), nanoseconds),
        **{name: at(name) for name in ("localtime", "gmtime", "ctime")},
        "strftime": strftime,
    }
