"""Many schedules of a workload's threads: those that differ on the disk, and what each leads to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from wavetank.scenarios.code.asking.judging import Judge
from wavetank.scenarios.code.errors import CheckError, WorkloadError
from wavetank.scenarios.code.faulty_calls import Circumstances
from wavetank.scenarios.code.recording import (
    CodeRecording,
    Course,
    FailedCourseError,
    record_code,
)
from wavetank.scenarios.code.threads.interleavings import InterleavingFinding
from wavetank.scenarios.code.user_code import Workload, user_modules
from wavetank.sim import DiskImage
from wavetank.sim.python_files import Processes, PythonFiles
from wavetank.sim.scheduling.schedule import Grain, Schedule
from wavetank.sim.scheduling.shrinking import ReplaySwitches, Switches, fewest_departures
from wavetank.sim.scheduling.statements import StatementPauses
from wavetank.sim.scheduling.strategies import Replay, Strategy, at_both_grains

if TYPE_CHECKING:
    from wavetank.scenarios.code.crash_run import Settings

__all__ = ["Courses"]

_SHRINK_RUNS: Final = 150


class Courses:
    """The schedules of one crash test.

    Args:
        files: the simulation.
        workload: whose threads are scheduled.
        processes: where it runs.
        image: the disk before it.
        about: in which circumstances.
        settings: which schedules.

    Attributes:
        runs: how many have been run.
    """

    def __init__(  # noqa: PLR0917 - what runs, where, on what, and how
        self,
        files: PythonFiles,
        workload: Workload,
        processes: Processes,
        image: DiskImage,
        about: Circumstances,
        settings: Settings,
    ) -> None:
        self._files = files
        self._workload = workload
        self._processes = processes
        self._image = image
        self._about = about
        self._settings = settings
        self._steps = 0
        self.runs = 0

    @property
    def is_usual(self) -> bool:
        """Whether there is but one schedule, in which each thread runs until it waits."""
        return self._settings.schedules == 1 and self._settings.schedule is None

    def record(self) -> list[CodeRecording]:
        """Run the workload under each schedule; return the runs that differ.

        Raises:
            InterleavingFinding: it fails under one that is not the usual one.
            WorkloadError: it fails under the usual one.
        """
        recordings: list[CodeRecording] = []
        for each in self._runs():
            if isinstance(each, FailedCourseError):
                raise self._finding(WorkloadError(str(each)), each)
            if all((each.log, each.tokens) != (known.log, known.tokens) for known in recordings):
                recordings.append(each)
        return recordings

    def _runs(self) -> Iterator[CodeRecording | FailedCourseError]:
        """Yield what comes of each schedule, to the first that fails."""
        with self._pauses() as pauses:
            for grain, strategy in self._chosen():
                self.runs += 1
                each = self._once(grain, strategy, pauses)
                if isinstance(each, FailedCourseError):
                    break
                self._steps = each.steps
                yield each
            else:
                return
        yield each

    def try_out(self, recording: CodeRecording, judge_of: Callable[[CodeRecording], Judge]) -> bool:
        """Let a judge look at what a run left without any crash.

        Args:
            recording: the run.
            judge_of: makes the judge of a run.

        Returns:
            Whether the judge was seen to refuse anything.

        Raises:
            InterleavingFinding: it is wrong, in a schedule that is not the usual one.
            CheckError: the check is wrong by itself.
        """
        try:
            return judge_of(recording).try_out()
        except CheckError as error:
            if not recording.schedule:
                raise
            wrong = error

        def fails(tried: CodeRecording) -> bool:
            if tried.log == recording.log and tried.tokens == recording.tokens:
                return True
            try:
                judge_of(tried).try_out()
            except CheckError:
                return True
            return False

        raise self._finding(wrong, self.smaller(recording, fails))

    def smaller(
        self, recording: CodeRecording, fails: Callable[[CodeRecording], bool]
    ) -> CodeRecording:
        """Return a run that fails as another one does, with as few departures as can be found.

        Args:
            recording: of the other one.
            fails: whether a run does.
        """
        found = self._smaller(
            recording, lambda tried: isinstance(tried, CodeRecording) and fails(tried)
        )
        assert isinstance(found, CodeRecording), "else it does not fail so"
        return found

    def _finding(
        self, error: Exception, failed: CodeRecording | FailedCourseError
    ) -> InterleavingFinding:
        if isinstance(failed, FailedCourseError):
            kind = failed.kind
            failed = self._smaller(
                failed, lambda tried: isinstance(tried, FailedCourseError) and tried.kind == kind
            )
        return InterleavingFinding(
            error, failed.schedule, failed.departures, runs=self.runs, call="crash_test"
        )

    def _smaller(
        self,
        failed: CodeRecording | FailedCourseError,
        fails: Callable[[CodeRecording | FailedCourseError], bool],
    ) -> CodeRecording | FailedCourseError:
        small, schedule = failed, Schedule.from_text(failed.schedule)

        def replay(strategy: ReplaySwitches) -> tuple[bool, Switches]:
            nonlocal small
            tried = self._once(schedule.grain, strategy, pauses)
            is_failure = fails(tried)
            small = tried if is_failure else small
            return is_failure, tried.switches

        if self._settings.schedule is None:
            with self._pauses() as pauses:
                fewest_departures(schedule.departures, replay, runs=_SHRINK_RUNS)
        return small

    def _chosen(self) -> Iterator[tuple[Grain, Strategy]]:
        schedule = self._settings.schedule
        if schedule is not None:
            return iter([(schedule.grain, Replay(schedule))])
        return at_both_grains(self._settings.schedules, 0, lambda: self._steps)

    def _pauses(self) -> StatementPauses:
        schedule = self._settings.schedule
        only_calls = schedule is not None and schedule.grain is Grain.CALLS
        return StatementPauses(() if only_calls else user_modules(self._workload))

    def _once(
        self, grain: Grain, strategy: Strategy, pauses: StatementPauses
    ) -> CodeRecording | FailedCourseError:
        course = Course(grain=grain, strategy=strategy, pauses=pauses)
        try:
            return record_code(
                self._files, self._workload, self._processes, self._image, self._about, course
            )
        except FailedCourseError as error:
            return error
