"""`SimRuntime`: the engine's `Runtime` under a scheduler that chooses who runs, and when.

Each call of a lock, a condition, a task or a clock is a pause, at which another task may run. Time
is virtual: it passes only while all tasks wait.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random  # noqa: TID251 - seeded by the run
from types import TracebackType
from typing import Final, Self

from wavetank.engine.runtime import Condition, Lock, Task, require_duration
from wavetank.sim.scheduling.locks import SimCondition, SimLock
from wavetank.sim.scheduling.schedule import Departure, Grain, Schedule
from wavetank.sim.scheduling.scheduler import Access, Scheduler, TaskStoppedError
from wavetank.sim.scheduling.strategies import Strategy, UntilItWaits
from wavetank.sim.scheduling.switching import Greenlets, Switching

__all__ = ["SimRuntime"]

_PROCESS_ID: Final = 1
_CLOCK: Final = Access()


class SimRuntime:
    """Implements the engine's `Runtime` with tasks that a strategy switches.

    Whoever makes it is the run itself, task 0, which may spawn and join others and waits as they
    do. At the end it calls `stop`, or leaves a ``with`` block.

    Args:
        strategy: chooses who runs; by default each task runs until it waits.
        seed: start of the random stream.
        grain: where tasks pause; told in `schedule`, and made true by the code under test.
        switching: what carries the tasks; greenlets by default.

    Attributes:
        pause: lets another task run, if the strategy says so; its argument, an `Access`, tells what
            the caller touches next, if that is known.
        slept_s: seconds of all sleeps so far. Time that passes beyond them passes since every task
            waits for another one until its time is over.

    >>> with SimRuntime() as runtime:
    ...     lock = runtime.lock()
    ...     task = runtime.spawn("greet", lambda: print("hello at", runtime.monotonic()))
    ...     runtime.sleep(2.0)
    ...     task.join()
    hello at 0.0
    True
    >>> runtime.monotonic()
    2.0
    """

    def __init__(
        self,
        strategy: Strategy | None = None,
        *,
        seed: int = 0,
        grain: Grain = Grain.CALLS,
        switching: Switching | None = None,
    ) -> None:
        self._scheduler = Scheduler(strategy or UntilItWaits(), switching or Greenlets())
        self.pause = self._scheduler.pause
        self._seed = seed
        self._grain = grain
        self._random: Random | None = None
        self._wall_clock_ahead_s = 0.0
        self._locks = 0
        self.slept_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- the seam

    def lock(self) -> Lock:
        """See `Runtime.lock`."""
        self._locks += 1
        return SimLock(self._scheduler, "lock", self._locks, reentrant=False)

    def rlock(self) -> Lock:
        """See `Runtime.rlock`."""
        self._locks += 1
        return SimLock(self._scheduler, "rlock", self._locks, reentrant=True)

    def condition(self) -> Condition:
        """See `Runtime.condition`."""
        self._locks += 1
        return SimCondition(self._scheduler, self._locks)

    def spawn(self, name: str, work: Callable[[], None]) -> Task:
        """See `Runtime.spawn`; the work begins when the strategy chooses it."""
        return self._scheduler.spawn(name, work)

    def monotonic(self) -> float:
        """See `Runtime.monotonic`; begins at zero."""
        self._scheduler.pause(_CLOCK)
        return self._scheduler.now_s

    def wall_clock(self) -> float:
        """See `Runtime.wall_clock`; the simulated epoch begins at zero."""
        self._scheduler.pause(_CLOCK)
        return self._scheduler.now_s + self._wall_clock_ahead_s

    def jump_wall_clock(self, jump_s: float) -> None:
        """Set the wall clock `jump_s` seconds forwards, or back if negative."""
        self._wall_clock_ahead_s += jump_s

    def sleep(self, duration_s: float) -> None:
        """See `Runtime.sleep`; others run meanwhile, and no real time passes."""
        require_duration(duration_s)
        self.slept_s += duration_s
        until_s = self._scheduler.now_s + duration_s
        self._scheduler.take_turn(
            lambda: f"the time {until_s} s", _CLOCK, is_ready=False, timeout_s=duration_s
        )

    def random_bits(self, count: int) -> int:
        """See `Runtime.random_bits`; the same numbers for the same seed and schedule."""
        if self._random is None:
            self._random = Random(self._seed)  # noqa: S311 - reproducible on purpose
        self._scheduler.pause(Access.to("random"))
        return self._random.getrandbits(count)

    def process_id(self) -> int:
        """See `Runtime.process_id`; always the same number, as nothing in simulation forks."""
        return _PROCESS_ID

    # --- the run

    def stop(self) -> None:
        """End all other tasks at their next step; what they then raise is dropped."""
        self._scheduler.stop(TaskStoppedError)

    def cut_power(self) -> None:
        """End all other tasks at their next step, as a power cut does."""
        self._scheduler.cut_power()

    def cut_power_at(self, step: int, on_cut: Callable[[], None]) -> None:
        """Cut the power at a step.

        Args:
            step: at which pause or wait.
            on_cut: called there before anything unwinds; it takes the image of the disk.
        """
        self._scheduler.cut_power_at(step, on_cut)

    @property
    def is_cut(self) -> bool:
        """Whether the power has gone."""
        return self._scheduler.is_cut

    @property
    def steps(self) -> int:
        """How many pauses and waits there were so far."""
        return self._scheduler.step

    @property
    def now_s(self) -> float:
        """Virtual seconds so far; no pause, unlike `monotonic`."""
        return self._scheduler.now_s

    @property
    def schedule(self) -> Schedule:
        """The schedule so far; it replays this run."""
        departures = self._scheduler.departures
        return Schedule(self._grain, tuple(Departure(*each) for each in departures))

    def keep_places(self) -> None:
        """Note from now on where each departure leaves a task, for `places`."""
        self._scheduler.places = []

    @property
    def places(self) -> tuple[str, ...]:
        """For each departure since `keep_places`: from which task to which, and where it stood."""
        return tuple(self._scheduler.places or ())

    @property
    def running(self) -> str:
        """The name of the task that runs."""
        return self._scheduler.running.name
