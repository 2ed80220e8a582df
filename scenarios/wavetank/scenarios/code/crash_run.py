"""One crash test from its arguments to its report: record, judge, explore, explain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Final, TypeAlias

from attrs import evolve, frozen

from wavetank.scenarios.code.asking.answers import Probing, TooSlowError
from wavetank.scenarios.code.asking.judging import CheckJudge, Judge
from wavetank.scenarios.code.asking.observing import FilesJudge, ObserveJudge
from wavetank.scenarios.code.asking.probing import SimulatedProbing
from wavetank.scenarios.code.crashing.exploration import (
    Key,
)
from wavetank.scenarios.code.crashing.verdicts import (
    Extent,
    Judged,
    explored_under,
    report_of,
    too_slow_at_once,
)
from wavetank.scenarios.code.faulty_calls import MOST_EVERY, Circumstances, Every
from wavetank.scenarios.code.initial import Initial, initial_image
from wavetank.scenarios.code.recording import CodeRecording, record_code
from wavetank.scenarios.code.report import (
    CrashReport,
    ProfileVerdict,
)
from wavetank.scenarios.code.threads.courses import Courses
from wavetank.scenarios.code.user_code import Check, Isolation, Observe, Workload
from wavetank.sim import DiskImage, Profile
from wavetank.sim.python_files import (
    Forks,
    OneProcess,
    Processes,
    PythonFiles,
    SimulatedDirectory,
)
from wavetank.sim.scheduling.schedule import Schedule

__all__ = ["CrashRun", "Settings"]

_EXPLAINED: Final = 16
"""Kinds of complaint under one profile that are explained: each cure is looked for by trying."""
_AFTER_FIRST: Final = 500
"""Images judged at least, once something was found: another kind may come."""
_MOST_IMAGES: Final = 3000
"""Images judged under a profile, unless all are asked for."""
_FOR_A_CURE: Final = 1000
"""Images judged at least for each cure that is tried."""
_ONE_STEP: Final = 2
"""Moments of a workload that is one step: its beginning and its end."""
_RESTART_NS: Final = 10 * 10**9
"""A machine takes so long to come back."""

_Runs: TypeAlias = Sequence[Circumstances | tuple[Every, Circumstances]]


@frozen(kw_only=True)
class Settings:
    """How a crash test explores; see the arguments of `crash_test`."""

    extent: Extent
    check_limit_s: float
    isolation: Isolation | None
    schedules: int
    schedule: Schedule | None

    def processes(self) -> Processes:
        """Return what runs workload and looks.

        Raises:
            ValueError: there is no such isolation.
        """
        isolation = self.isolation
        if isolation is None:
            isolation = "fork" if Forks.are_possible() else "none"
        if isolation not in {"fork", "none"}:
            raise ValueError(f'isolation: expected "fork" or "none" but got {isolation!r}')
        return Forks() if isolation == "fork" else OneProcess()


@frozen(kw_only=True)
class CrashRun:
    """The parts of one crash test.

    Attributes:
        files: the simulation, open.
        processes: where the user's functions run.
        workload: the code under test.
        check: complains of what is wrong; None if nobody does.
        observe: shows what the program makes of the files; None if nobody does.
        settings: how far to go.
    """

    files: PythonFiles
    processes: Processes
    workload: Workload
    check: Check | None
    observe: Observe | None
    settings: Settings

    def report(self, initial: Initial | None, plain: Circumstances, runs: _Runs) -> CrashReport:
        """Run the workload and explore, without faults and then with each.

        Args:
            initial: what is there at the beginning.
            plain: the run without faults.
            runs: those with faults.
        """
        image = initial_image(self.files.empty_image(), self.files.directory, initial)
        courses = Courses(self.files, self.workload, self.processes, image, plain, self.settings)
        recordings = [self._record(image, plain)] if courses.is_usual else courses.record()
        probings: dict[str, Probing] = {}

        def judge_of(recording: CodeRecording) -> Judge:
            return self._judge(recording, recordings, probings)

        refuses = False
        try:
            for recording in recordings:
                refuses |= courses.try_out(recording, judge_of)
        except TooSlowError:
            slow = [Judged(recordings[0], judge_of(recordings[0]))]
            return self._report(slow, too_slow_at_once, refuses=True)
        silent: list[str] = []
        faulty = [each for run in runs for each in self._faulty(image, run, silent)]
        small = [self._smallest(each, judge_of, courses) for each in recordings]
        explored = [Judged(each, judge_of(each)) for each in small]
        explored += [Judged(each, self._judge(each, [each], {}, recordings[0])) for each in faulty]
        report = self._report(explored, None, refuses=refuses, silent=silent)
        return evolve(report, schedules=max(courses.runs, 1), distinct=len(recordings))

    def _record(self, image: DiskImage, about: Circumstances) -> CodeRecording:
        return record_code(self.files, self.workload, self.processes, image, about)

    def _faulty(
        self, image: DiskImage, run: Circumstances | tuple[Every, Circumstances], silent: list[str]
    ) -> Iterator[CodeRecording]:
        """Yield the runs in which a fault fired; tell those in which none did."""
        if isinstance(run, Circumstances):
            recording = self._record(image, run)
            if recording.has_fired:
                yield recording
            else:
                silent.append(str(run))
            return
        each, plain = run
        for number in range(1, MOST_EVERY + 1):
            about = evolve(plain, faults=(each.at(number),))
            recording = self._record(image, about)
            if not recording.has_fired:
                if number == 1:
                    silent.append(str(about))
                return
            yield recording

    def _smallest(
        self,
        recording: CodeRecording,
        judge_of: Callable[[CodeRecording], Judge],
        courses: Courses,
    ) -> CodeRecording:
        """Return a run whose crashes show the same finding with the fewest departures."""
        if not recording.schedule:
            return recording
        extent = self.settings.extent
        for profile in extent.profiles:
            for key in explored_under(
                Judged(recording, judge_of(recording)), profile, extent
            ).found:

                def shows(tried: CodeRecording, key: Key = key, profile: Profile = profile) -> bool:
                    return (
                        key in explored_under(Judged(tried, judge_of(tried)), profile, extent).found
                    )

                return courses.smaller(recording, shows)
        return recording

    def _judge(
        self,
        recording: CodeRecording,
        alike: Sequence[CodeRecording],
        probings: dict[str, Probing],
        beside: CodeRecording | None = None,
    ) -> Judge:
        """Return what judges a run.

        Args:
            recording: the run.
            alike: the runs of the same workload, whose images may be equal.
            probings: what is known of images, by what was acknowledged.
            beside: the run without a fault.
        """

        def probing(name: str, probe: Check) -> Probing:
            key = repr(recording.tokens)
            if key not in probings:
                probings[key] = self._probing(name, probe, recording, alike)
            return probings[key]

        if self.check is not None:
            return CheckJudge(probing("check", self.check), recording)
        if self.observe is None:
            return FilesJudge(recording, beside)
        shows = self.observe

        @wraps(shows)
        def probe(directory: SimulatedDirectory, _acked: list[object]) -> object:
            return shows(directory)

        return ObserveJudge(probing("observe", probe), recording, beside)

    def _probing(
        self, name: str, probe: Check, recording: CodeRecording, alike: Sequence[CodeRecording]
    ) -> Probing:
        return SimulatedProbing(
            self.files,
            probe,
            name=name,
            processes=self.processes,
            start_ns=max(each.end_ns for each in alike) + _RESTART_NS,
            tokens=recording.tokens,
            next_inode=max(each.finished.next_inode for each in alike),
            limit_s=self.settings.check_limit_s,
        )

    def _report(
        self,
        explored: Sequence[Judged],
        verdict: Callable[[Profile], ProfileVerdict] | None,
        *,
        refuses: bool,
        silent: Sequence[str] = (),
    ) -> CrashReport:
        return report_of(
            explored,
            self.settings.extent,
            verdict,
            check_limit_s=self.settings.check_limit_s,
            isolated=not self.processes.keeps_memory,
            refuses=refuses,
            silent_faults=silent,
            has_check=self.check is not None,
        )
