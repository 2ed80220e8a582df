"""Many schedules of somebody's own threads over the simulated disk, in this process.

The function under test runs once for each schedule, each time on an empty disk. Schedules come from
the portfolio, at both grains in turn. The first that fails is made small: it tells the fewest
departures from running each thread until it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import frozen

from wavetank.scenarios.code.user_code import is_told_by_pytest, user_modules, user_place
from wavetank.sim import SimDisk
from wavetank.sim.scheduling.schedule import Grain, Schedule
from wavetank.sim.scheduling.shrinking import ReplaySwitches, Switches, fewest_departures
from wavetank.sim.scheduling.statements import StatementPauses
from wavetank.sim.scheduling.strategies import Replay, Strategy, UntilItWaits, at_both_grains

if TYPE_CHECKING:
    from wavetank.sim.python_files import PythonFiles, SimulatedDirectory

__all__ = ["Explored", "InterleavedDisk", "InterleavingFinding", "explore_interleavings"]

_T = TypeVar("_T")

_SHRINK_RUNS: Final = 120
_MOST_CALLS: Final = 200_000
_MOST_S: Final = 30 * 86_400.0


class InterleavingFinding(AssertionError):  # noqa: N818 - a finding about the code
    """A schedule in which the code fails; the message tells it, and its cause is the failure.

    Attributes:
        schedule: replays it.
        places: for each of its departures: from which thread to which, and where that stood.
        runs: how many schedules had been run.
    """

    def __init__(
        self,
        error: BaseException,
        schedule: str,
        places: tuple[str, ...],
        *,
        runs: int,
        call: str,
    ) -> None:
        place, line = user_place(error)
        first = str(error).partition("\n")[0]
        told = f"{type(error).__name__}: {first}".rstrip(": ")
        lines = [f"schedule {runs} fails: {told}"]
        lines += [f"  raised    at {place}: {line}"] * bool(place)
        lines += [f"  schedule  {schedule}"]
        steps = [departure.partition(">")[0] for departure in schedule.split()[1:]]
        lines += [
            f"            step {step}: {where}" for step, where in zip(steps, places, strict=True)
        ]
        lines += [f"  again     {call}(..., schedule={schedule!r})"]
        super().__init__("\n".join(lines))
        self.schedule = schedule
        self.places = places
        self.runs = runs


@frozen(kw_only=True)
class Explored:
    """What came of schedules none of which failed.

    Attributes:
        schedules: how many were run.
        distinct: how many of them did something else to the disk than all before.
        steps: pauses and waits of all of them.
        digest: a hash of all they did.
    """

    schedules: int
    distinct: int
    steps: int
    digest: str


class InterleavedDisk:
    """The disk of one run.

    Attributes:
        directory: an empty directory on it.
    """

    def __init__(self, directory: SimulatedDirectory) -> None:
        self.directory = directory

    @staticmethod
    def together(*calls: Callable[[], _T]) -> list[_T]:
        """Make calls at once, each in a thread of its own, and wait for all of them.

        Args:
            calls: functions without arguments.

        Returns:
            What they returned, in their order; what the first of them raised comes out.
        """
        # Nobody who does not ask loads it.
        from wavetank.sim.python_files.threads.together import together  # noqa: PLC0415 - see above

        return together(calls)


def explore_interleavings(
    run: Callable[[InterleavedDisk], object],
    *,
    schedules: int = 200,
    schedule: str | None = None,
    seed: int = 0,
    modules: Sequence[ModuleType] | None = None,
) -> Explored:
    """Run a function under many schedules of the threads that it starts.

    Its threads, locks, queues, pools and waits are scheduled, in virtual time, and files below
    ``disk.directory`` are on a simulated disk. Threads pause at each call of these, and in every
    second run before each statement of the modules under test.

    Args:
        run: called once for each schedule as ``run(disk)``, with an empty disk; fails by raising.
        schedules: how many.
        schedule: runs this one alone, as a failure tells it.
        seed: of the choices.
        modules: whose statements are pauses; by default the module of `run`, and those of the names
            that it uses, but for installed packages.

    Raises:
        InterleavingFinding: it fails under a schedule, or a thread of it ends with an error.
        ScheduleError: `schedule` is none.
        ValueError: `schedules` is less than one.

    >>> def run(disk):
    ...     path = disk.directory / "count"
    ...     def increment():
    ...         number = int(path.read_text()) if path.exists() else 0
    ...         path.write_text(str(number + 1))
    ...     disk.together(increment, increment)
    ...     assert path.read_text() == "2"
    >>> try:
    ...     explore_interleavings(run, modules=[])
    ... except InterleavingFinding as finding:
    ...     print("schedules:", finding.runs, "departures:", len(finding.places))
    schedules: 3 departures: 1
    """
    __tracebackhide__ = True
    if schedules < 1:
        raise ValueError(f"schedules: expected a number >= 1 but got {schedules}")
    wanted = None if schedule is None else Schedule.from_text(schedule)
    from wavetank.sim.python_files import PythonFiles, unused_directory  # noqa: PLC0415 - who asks

    chosen = user_modules(run) if modules is None else tuple(modules)
    with StatementPauses(chosen) as pauses, PythonFiles(unused_directory()) as files:
        runs = _Runs(files, pauses, run)
        if wanted is not None:
            # What a first run loads, and later ones find loaded, would count as steps of it.
            runs.warm_up(wanted.grain)
            return runs.take([(wanted.grain, Replay(wanted))], shrink=False)
        return runs.take(at_both_grains(schedules, seed, lambda: runs.last_steps), shrink=True)


@frozen(kw_only=True)
class _Outcome:
    """What came of one run."""

    schedule: Schedule
    places: tuple[str, ...]
    steps: int
    log: bytes
    error: BaseException | None

    def is_like(self, other: _Outcome) -> bool:
        """Whether it failed in the same way."""
        mine, theirs = self.error, other.error
        if mine is None or theirs is None:
            return mine is theirs
        return type(mine) is type(theirs) and user_place(mine) == user_place(theirs)


class _Runs:
    """Runs a function under schedules, one after the other."""

    def __init__(
        self,
        files: PythonFiles,
        pauses: StatementPauses,
        function: Callable[[InterleavedDisk], object],
    ) -> None:
        self._files = files
        self._pauses = pauses
        self._function = function
        self.last_steps = 0

    def take(self, choices: Iterable[tuple[Grain, Strategy]], *, shrink: bool) -> Explored:
        """Run them all.

        Raises:
            InterleavingFinding: one fails.
        """
        __tracebackhide__ = True
        steps, logs, digest, number = 0, set[bytes](), blake2b(digest_size=16), 0
        for number, (grain, strategy) in enumerate(choices, 1):
            outcome = self._once(grain, strategy)
            if outcome.error is not None:
                small = self._shrunk(outcome) if shrink else outcome
                error = small.error
                assert error is not None, "it fails like the first"
                raise InterleavingFinding(
                    error, str(small.schedule), small.places, runs=number, call="explore"
                ) from error
            steps += outcome.steps
            logs.add(outcome.log)
            digest.update(repr((str(outcome.schedule), outcome.steps)).encode() + outcome.log)
        return Explored(
            schedules=number, distinct=len(logs), steps=steps, digest=digest.hexdigest()
        )

    def warm_up(self, grain: Grain) -> None:
        """Run the usual schedule, as an exploration does first; whatever comes of it is dropped."""
        self._once(grain, UntilItWaits())

    def _shrunk(self, failed: _Outcome) -> _Outcome:
        small = failed

        def replay(strategy: ReplaySwitches) -> tuple[bool, Switches]:
            nonlocal small
            tried = self._once(failed.schedule.grain, strategy)
            fails = tried.is_like(failed)
            small = tried if fails else small
            return fails, strategy.switches

        fewest_departures(failed.schedule.departures, replay, runs=_SHRINK_RUNS)
        return small

    def _once(self, grain: Grain, strategy: Strategy) -> _Outcome:
        from wavetank.sim.python_files import StepLimit  # noqa: PLC0415 - it is loaded by now

        files, disk = self._files, SimDisk(self._files.empty_image())
        threads = files.threads
        error: BaseException | None = None
        limit = StepLimit(calls=_MOST_CALLS, virtual_s=_MOST_S)
        self._pauses.call(threads.pause if grain is Grain.STATEMENTS else _go_on)
        try:
            with files.process(disk, strategy=strategy, steps=limit):
                self._function(InterleavedDisk(files.directory))
        except Exception as raised:  # noqa: BLE001 - what the function raises is its outcome
            error = raised
        except BaseException as raised:
            if not is_told_by_pytest(raised):
                raise
            error = raised
        finally:
            self._pauses.call(_go_on)
        if error is None:
            error = files.refusal or next((each for _, each in threads.uncaught), None)
        self.last_steps = threads.steps
        log = blake2b(digest_size=16)
        for record in disk.log:
            log.update(repr(record).encode())
        return _Outcome(
            schedule=Schedule(grain, threads.departures),
            places=threads.places,
            steps=threads.steps,
            log=log.digest(),
            error=error,
        )


def _go_on() -> None:
    """Pause nowhere."""
