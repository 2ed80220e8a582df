"""Time that only passes when somebody looks at it or sleeps: retry loops end, tests do not wait.

A look takes a millisecond, so that a loop that waits for a deadline without sleeping reaches it.
Modules whose waiting is done by the operating system keep the real time (`WAITING_MODULES`).
Left out: `datetime.now`, which asks the machine itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from wavetank.sim.python_files._limit import OutOfSteps

__all__ = ["START_NS", "WAITING_MODULES", "VirtualClock", "clock_calls"]

WAITING_MODULES: Final = frozenset({"threading", "queue", "asyncio", "concurrent", "selectors"})
"""Modules, with all below them, that wait in the operating system for as long as they say."""

START_NS: Final = 1_700_000_000 * 10**9
"""The time at which a process starts unless it is told otherwise, in nanoseconds since 1970."""
_LOOK_NS: Final = 10**6


class VirtualClock:
    """The time of one process.

    Args:
        limit_s: seconds of virtual time after which each further use raises `OutOfSteps`; None
            for no limit.
        start_ns: the time at which it starts, in nanoseconds since 1970.

    Attributes:
        start_ns: the same.
        now_ns: the time by now.

    >>> clock = VirtualClock()
    >>> clock.sleep(5)
    >>> clock.now_ns - clock.start_ns
    5000000000
    """

    __slots__ = ("_end_ns", "now_ns", "start_ns")

    def __init__(self, limit_s: float | None = None, start_ns: int = START_NS) -> None:
        self.start_ns = start_ns
        self.now_ns = start_ns
        self._end_ns = None if limit_s is None else start_ns + int(limit_s * 1e9)

    def look(self) -> int:
        """Return the time in nanoseconds; looking takes some."""
        self._pass(_LOOK_NS)
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self._pass(int(seconds * 1e9))

    def _pass(self, nanoseconds: int) -> None:
        self.now_ns += nanoseconds
        if self._end_ns is not None and self.now_ns > self._end_ns:
            raise OutOfSteps


def clock_calls(clock: Callable[[], VirtualClock]) -> Mapping[str, Callable[..., object]]:
    """Return what stands for the functions of `time`, by name.

    Args:
        clock: gives the clock of the process that is asking.
    """
    yield_to_others = time.sleep
    real = {name: getattr(time, name) for name in ("localtime", "gmtime", "ctime", "strftime")}

    def sleep(seconds: float, /) -> None:
        clock().sleep(seconds)
        yield_to_others(0)

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
