"""The scheduler of simulated tasks: one runs, the others are ready or wait; time is virtual.

A task gives others their chance where it pauses (`Scheduler.pause`) and where it waits
(`Scheduler.take_turn`). Both count as one step, at which the strategy may choose another task. Time
passes only where no task is ready: it then jumps to the next timer. Where there is no timer either,
nothing can go on: `DeadlockError` is raised in the run itself, with what each task waits for and
where.
"""

from __future__ import annotations

import heapq
import math
import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import PurePosixPath
from types import FrameType
from typing import Final, Protocol, Self, runtime_checkable

from attrs import frozen

from wavetank.engine.runtime import require_duration
from wavetank.sim.scheduling.strategies import NEVER, Strategy
from wavetank.sim.scheduling.switching import Carrier, Switching
from wavetank.sim.serial_runtime import DeadlockError

__all__ = ["Access", "PowerCutError", "Scheduler", "SimTask", "TaskStoppedError"]

_MAIN: Final = 0
_FRAMES: Final = 3
_NO_LIMIT: Final = (None, math.inf)
_OWN_FOLDER: Final = str(PurePosixPath(__file__).parent.parent)
_DRIVERS: Final = "/wavetank/scenarios/"
"""What runs the code under test."""
_STARTS: Final = frozenset({"Thread._bootstrap", "Thread._bootstrap_inner", "Thread.run"})
_LIBRARY: Final = str(PurePosixPath(heapq.__file__).parent)
_MOST_RETURNS: Final = 100
"""A task that is stopped and goes on is given up after so many further steps."""


class TaskStoppedError(BaseException):
    """The run is over: the task ends here. No ``except Exception`` of the task can keep it."""


class PowerCutError(TaskStoppedError):
    """The power has gone: the task ends here, and what it does on the way has no effect."""


@frozen
class Access:
    """What the next step of a task touches: locks, tasks, files, names.

    Attributes:
        writes: what it changes, so that the order with each other step that touches it matters.
        reads: what it looks at.
        adds: what it changes in a way in which others may do the same in any order.
        holds: locks: what only one task at a time has, and others wait for.
        after: ends of tasks: what it waits for, so that it comes behind whoever adds that.

    >>> Access.to("log.dat").depends_on(Access.reading("log.dat"))
    True
    >>> Access.reading("log.dat").depends_on(Access.reading("log.dat"))
    False
    """

    writes: frozenset[Hashable] = frozenset()
    reads: frozenset[Hashable] = frozenset()
    adds: frozenset[Hashable] = frozenset()
    holds: frozenset[Hashable] = frozenset()
    after: frozenset[Hashable] = frozenset()

    @classmethod
    def to(cls, *resources: Hashable) -> Self:
        """Return an access that changes resources."""
        return cls(writes=frozenset(resources))

    @classmethod
    def reading(cls, *resources: Hashable) -> Self:
        """Return an access that looks at resources."""
        return cls(reads=frozenset(resources))

    @classmethod
    def holding(cls, resource: Hashable) -> Self:
        """Return an access that takes or gives back what others wait for."""
        return cls(holds=frozenset((resource,)))

    def depends_on(self, other: Access) -> bool:
        """Whether the order of two steps can make a difference."""
        return not self.holds.isdisjoint(other.holds) or self.clashes_with(other)

    def follows(self, other: Access) -> bool:
        """Whether it had to wait for another step."""
        return not self.after.isdisjoint(other.adds)

    def clashes_with(self, other: Access) -> bool:
        """Whether it can although neither has to wait for the other."""
        return not (
            self.writes.isdisjoint(other.writes | other.reads | other.adds)
            and other.writes.isdisjoint(self.reads | self.adds)
            and self.adds.isdisjoint(other.reads)
            and other.adds.isdisjoint(self.reads)
        )


@runtime_checkable
class Watching(Protocol):
    """A strategy that looks at what tasks touch next."""

    def begin(self, tasks: Sequence[SimTask]) -> None:
        """Be told of the tasks, before the first choice; later ones are added to the sequence."""
        ...


class SimTask:
    """One task of a run.

    Attributes:
        number: in the order of the spawns; 0 is the run itself.
        name: for people.
        access: what its next step touches; None if nobody can tell.
        error: the exception that ended it.
        has_ended: whether it has.
        timed_out: whether its wait ended since its time was over.
    """

    __slots__ = (
        "_scheduler",
        "access",
        "carrier",
        "error",
        "has_ended",
        "interrupt",
        "joiners",
        "name",
        "number",
        "resume",
        "timed_out",
        "until_s",
        "waits",
        "waits_for",
    )

    def __init__(self, scheduler: Scheduler, number: int, name: str) -> None:
        self._scheduler = scheduler
        self.number = number
        self.name = name
        self.carrier: Carrier
        self.resume: Callable[[], object]
        self.access: Access | None = None
        self.error: BaseException | None = None
        self.has_ended = False
        self.joiners: list[int] = []
        # Raised in it at each further step: a task that is over does nothing more.
        self.interrupt: BaseException | None = None
        # Of its wait, if it waits: what for, until when, and the how manieth it is, so that the
        # timer of an earlier wait wakes nobody.
        self.waits_for: Callable[[], str] | None = None
        self.until_s: float | None = None
        self.waits = 0
        self.timed_out = False

    def __str__(self) -> str:
        return self.name if self.number == _MAIN else f"task {self.number} {self.name!r}"

    def join(self, timeout_s: float | None = None) -> bool:
        """See `wavetank.engine.Task`."""
        if timeout_s is not None:
            require_duration(timeout_s)
        scheduler = self._scheduler
        if scheduler.running is self:
            raise RuntimeError(f"{self} joins itself")
        me, ends = scheduler.running.number, f"the end of {self}"
        self.joiners.append(me)
        try:
            scheduler.take_turn(
                lambda: ends,
                _end_of(self, awaited=timeout_s in _NO_LIMIT),
                is_ready=self.has_ended or timeout_s == 0,
                timeout_s=timeout_s,
            )
        finally:
            self.joiners.remove(me)
        if not self.has_ended:
            return False
        try:
            if self.error is not None:
                raise self.error
        finally:
            # Else the error, its traceback, this frame and the task would keep each other alive.
            del self
        return True

    def done(self) -> bool:
        """See `wavetank.engine.Task`."""
        return self.has_ended


class Scheduler:
    """Tasks, their turns, and virtual time.

    Args:
        strategy: chooses.
        switching: passes control.

    Attributes:
        now_s: virtual seconds.
        step: how many pauses and waits there were.
        look_at: the step at which the strategy is asked next, if nobody waits before.
        running: the task that runs.
        ready: numbers of the tasks that can run, the running one among them, the one that became
            ready first at the front.
        tasks: all, by number.
        departures: steps at which another task than the usual one was chosen, and that task.
        places: for each departure, which task stood where and who ran instead; None: not kept.
        is_cut: whether the power has gone.
    """

    __slots__ = (
        "_choose",
        "_cut_at",
        "_is_stopping",
        "_next_look",
        "_on_cut",
        "_switching",
        "_timers",
        "departures",
        "is_cut",
        "look_at",
        "now_s",
        "places",
        "ready",
        "running",
        "step",
        "tasks",
    )

    def __init__(self, strategy: Strategy, switching: Switching) -> None:
        self.now_s = 0.0
        self.step = 0
        self._choose = strategy.choose
        self._next_look = strategy.next_look
        self._switching = switching
        self._cut_at = NEVER
        self._on_cut: Callable[[], None] | None = None
        self._timers: list[tuple[float, int, int]] = []  # when, task, its count of waits
        self.is_cut = False
        self._is_stopping = False
        self.departures: list[tuple[int, int]] = []
        self.places: list[str] | None = None
        main = SimTask(self, _MAIN, "the run")
        main.carrier = switching.adopt()
        main.resume = main.carrier.resume
        self.tasks = [main]
        self.running = main
        self.ready = [_MAIN]
        self.look_at = self._next_look(1)
        if isinstance(strategy, Watching):
            strategy.begin(self.tasks)

    # --- tasks

    def spawn(self, name: str, work: Callable[[], None]) -> SimTask:
        """Make a task that is ready; it begins when it is chosen."""
        self.pause(Access())
        task = SimTask(self, len(self.tasks), name)
        ends = Access(adds=frozenset((("task", task.number),)))

        def run() -> None:
            nonlocal work
            try:
                if task.interrupt is None:
                    work()
                    del work  # an ended task keeps nothing of its work
                    self.pause(ends)
            except BaseException as error:  # noqa: BLE001 - kept for join, whatever it is
                task.error = error
            task.error = task.interrupt or task.error
            self._end(task)

        task.carrier = self._switching.start(name, run)
        task.resume = task.carrier.resume
        self.tasks.append(task)
        self.wake(task.number)
        return task

    def _end(self, task: SimTask) -> None:
        task.has_ended = True
        self.ready.remove(task.number)
        for joiner in task.joiners:
            self.wake(joiner)
        self.step += 1
        following = self._following(None)
        self.running = following
        following.carrier.take_over()

    def stop(self, error: type[TaskStoppedError]) -> None:
        """End every other task at its next step; the run itself calls it.

        A task that catches the error again and again is left where it stands.

        Args:
            error: raised in each.
        """
        for task in self.tasks[1:]:
            if not task.has_ended:
                self._interrupt(task, error(f"{task} was stopped"))
        self._is_stopping = True
        self._cut_at = 0  # from here on each step looks
        for task in self.tasks[1:]:
            for _ in range(_MOST_RETURNS):
                if task.has_ended:
                    break
                self._pass_to(task)

    # --- power

    def cut_power_at(self, step: int, on_cut: Callable[[], None]) -> None:
        """Cut the power at a step: call `on_cut` there, then end each task at its next step.

        Args:
            step: at which pause or wait.
            on_cut: takes the image of the disk, before anything unwinds.
        """
        self._cut_at = step
        self._on_cut = on_cut
        self.look_at = min(self.look_at, step)

    def cut_power(self) -> None:
        """End each task but the run itself at its next step; nothing of it has an effect now."""
        if self._on_cut is not None:
            self._on_cut()
        self._cut_at = 0  # from here on each step looks
        self.is_cut = True
        for task in self.tasks[1:]:
            if not task.has_ended:
                self._interrupt(task, PowerCutError(f"the power went while {task} ran"))

    def _interrupt(self, task: SimTask, error: BaseException) -> None:
        task.interrupt = error
        self.wake(task.number)
        self.look_at = 0

    # --- turns

    def pause(self, access: Access | None = None) -> None:
        """Let another task run, if the strategy says so.

        Args:
            access: what the caller touches next.
        """
        self.step += 1
        if self.step >= self.look_at:
            self.look(access)

    def look(self, access: Access | None = None) -> None:
        """Ask the strategy at this step, which has been counted.

        Args:
            access: what the caller touches next.
        """
        me = self.running
        me.access = access
        if self.step >= self._cut_at and not (self.is_cut or self._is_stopping):
            self.cut_power()
        if me.interrupt is not None:
            raise me.interrupt
        # Written out, not shared with `_following`: half of the time of a forced switch is here.
        ready, usual = self.ready, me.number
        chosen = self._choose(self.step, usual, ready, usual)
        self.look_at = self._next_look(self.step + 1)
        self.look_at = min(self.look_at, self._cut_at)
        if chosen != usual:
            self._depart(chosen, me)
            following = self.tasks[chosen]
            self.running = following
            following.resume()
            if me.interrupt is not None:
                raise me.interrupt

    def take_turn(
        self,
        waits_for: Callable[[], str],
        access: Access,
        *,
        is_ready: bool,
        timeout_s: float | None = None,
    ) -> bool:
        """Go on once what the caller waits for is there and the strategy chooses it.

        Args:
            waits_for: says what that is.
            access: what the caller touches when it goes on.
            is_ready: whether it is there now. Others may take it away (`hold_back`).
            timeout_s: virtual seconds to wait at most.

        Returns:
            Whether it came in time.
        """
        self.step += 1
        return self.take_counted_turn(waits_for, access, is_ready=is_ready, timeout_s=timeout_s)

    def take_counted_turn(
        self,
        waits_for: Callable[[], str],
        access: Access,
        *,
        is_ready: bool,
        timeout_s: float | None,
    ) -> bool:
        """Do as `take_turn` does, at a step that has been counted."""
        me = self.running
        me.access = access
        if self.step >= self._cut_at and not (self.is_cut or self._is_stopping):
            self.cut_power()
        if me.interrupt is not None:
            raise me.interrupt
        me.waits += 1
        me.timed_out = False
        me.waits_for = waits_for
        me.until_s = None if timeout_s in _NO_LIMIT else self.now_s + (timeout_s or 0)
        if not is_ready:
            self.hold_back(me.number)
        following = self._following(me if is_ready else None)
        if following is not me:
            self._pass_to(following)
        me.waits_for = None
        if me.interrupt is not None:
            raise me.interrupt
        if isinstance(me.error, DeadlockError) and me.number == _MAIN:
            error, me.error = me.error, None
            raise error
        return not me.timed_out

    def wake(self, number: int) -> None:
        """Make a task ready, unless it is."""
        if number not in self.ready:
            self.ready.append(number)
            self.look_at = 0

    def hold_back(self, number: int) -> None:
        """Let a task wait, until it is woken or its time is over.

        One that is on its way out, since its time is over or the power has gone, stays ready.
        """
        task = self.tasks[number]
        if number in self.ready and not task.timed_out and task.interrupt is None:
            self.ready.remove(number)
            if task.until_s is not None:
                heapq.heappush(self._timers, (task.until_s, number, task.waits))

    def _pass_to(self, following: SimTask) -> None:
        self.running = following
        following.resume()

    def _following(self, running: SimTask | None) -> SimTask:
        """Return who runs next; advance time if nobody is ready."""
        ready = self.ready
        if not ready:
            self._let_time_pass()
        chosen = ready[0] if running is None else running.number
        if self._is_stopping:
            return self.tasks[_MAIN] if running is None else running
        usual = chosen
        chosen = self._choose(self.step, None if running is None else usual, ready, usual)
        if chosen != usual:
            self._depart(chosen, self.tasks[usual])
        self.look_at = min(self._next_look(self.step + 1), self._cut_at)
        return self.tasks[chosen]

    def _depart(self, chosen: int, usual: SimTask) -> None:
        self.departures.append((self.step, chosen))
        if self.places is not None:
            stands = usual is self.running
            frame = sys._getframe() if stands else usual.carrier.frame()  # noqa: SLF001
            where = " ".join(_lines(frame)[:1])
            self.places.append(
                f"from {usual.name!r} to {self.tasks[chosen].name!r} {where}".rstrip()
            )

    def pass_time(self, duration_s: float) -> None:
        """Let virtual time pass while the caller runs; waits whose time is over end.

        Args:
            duration_s: how much.
        """
        self.now_s += duration_s
        if self._timers and self._timers[0][0] <= self.now_s:
            self._end_waits()
            self.look_at = 0

    def _end_waits(self) -> None:
        """Make the tasks ready whose time is over."""
        while self._timers and self._timers[0][0] <= self.now_s:
            _, number, waits = heapq.heappop(self._timers)
            task = self.tasks[number]
            if task.waits == waits and task.waits_for is not None and number not in self.ready:
                task.timed_out = True
                self.ready.append(number)

    def _let_time_pass(self) -> None:
        while self._timers and not self.ready:
            self.now_s = max(self.now_s, self._timers[0][0])
            self._end_waits()
        if not self.ready:
            main = self.tasks[_MAIN]
            main.error = DeadlockError("\n".join(self._who_waits()))
            self.ready.append(_MAIN)

    def _who_waits(self) -> Iterator[str]:
        yield "deadlock: no task is ready and no timer runs"
        for task in self.tasks:
            if task.waits_for is not None and not task.has_ended:
                frame = sys._getframe() if task is self.running else task.carrier.frame()  # noqa: SLF001
                yield f"  {task} waits for {task.waits_for()}{_where(frame)}"


def _end_of(task: SimTask, *, awaited: bool) -> Access:
    """Return the access of a join: one with a limit looks whether the task has ended."""
    end = frozenset((("task", task.number),))
    return Access(after=end) if awaited else Access(reads=end)


def _where(frame: FrameType | None) -> str:
    return "".join(f"\n    {line}" for line in _lines(frame))


def _lines(frame: FrameType | None) -> list[str]:
    """Return the innermost lines of a frame that are neither this package's nor the library's.

    The first tells the function of the library that it has called, if it waits in one.
    """
    lines: list[str] = []
    called = ""
    while frame is not None and len(lines) < _FRAMES:
        code = frame.f_code
        if _is_library(code.co_filename):
            is_start = code.co_qualname in _STARTS
            called = called if lines or is_start else f", in {code.co_qualname}"
        elif not code.co_filename.startswith(_OWN_FOLDER) and _DRIVERS not in code.co_filename:
            name = PurePosixPath(code.co_filename).name
            lines.append(f"at {name}:{frame.f_lineno} in {code.co_name}{called}")
            called = ""
        frame = frame.f_back
    return lines or [called.removeprefix(", ")] * bool(called)


def _is_library(file: str) -> bool:
    return file.startswith("<frozen") or (file.startswith(_LIBRARY) and "site-packages" not in file)
