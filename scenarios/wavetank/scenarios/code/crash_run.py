"""One crash test from its arguments to its report: record, judge, explore, explain."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Final, TypeAlias

from attrs import evolve, frozen

from wavetank.scenarios.code.answers import NotRunError, Probing, TooSlowError
from wavetank.scenarios.code.courses import Courses
from wavetank.scenarios.code.cure import Cures
from wavetank.scenarios.code.explain import explain_code
from wavetank.scenarios.code.exploration import (
    PLAIN,
    CodeExploration,
    FoundImage,
    Key,
    explore_code,
)
from wavetank.scenarios.code.faulty_calls import MOST_EVERY, Circumstances, Every
from wavetank.scenarios.code.initial import Initial, initial_image
from wavetank.scenarios.code.judging import CheckJudge, Judge, everything
from wavetank.scenarios.code.observing import FilesJudge, ObserveJudge
from wavetank.scenarios.code.probing import SimulatedProbing
from wavetank.scenarios.code.recording import CodeRecording, record_code
from wavetank.scenarios.code.report import (
    ComplaintKind,
    CrashReport,
    Outcome,
    ProfileVerdict,
    merged,
)
from wavetank.scenarios.code.user_code import Check, Isolation, Observe, Workload
from wavetank.sim import DiskImage, PendingOps, Profile, Tearing
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

    profiles: tuple[Profile, ...]
    exhaustive: bool
    max_images: int | None
    max_seconds: float | None
    check_limit_s: float
    isolation: Isolation | None
    tearing: Tearing | None
    schedules: int
    schedule: Schedule | None

    @property
    def most_images(self) -> int | None:
        """Distinct images judged per profile at most."""
        return self.max_images if self.exhaustive or self.max_images else _MOST_IMAGES

    @property
    def max_after_first(self) -> int | None:
        """Distinct images judged at least once something was found; None for all."""
        return None if self.exhaustive else _AFTER_FIRST

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
        is_over: whether the time for the whole test is over.
    """

    files: PythonFiles
    processes: Processes
    workload: Workload
    check: Check | None
    observe: Observe | None
    settings: Settings
    is_over: Callable[[], bool]

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
            slow = [(recordings[0], judge_of(recordings[0]))]
            return self._report(slow, _too_slow_at_once, refuses=True)
        silent: list[str] = []
        faulty = [each for run in runs for each in self._faulty(image, run, silent)]
        small = [self._smallest(each, judge_of, courses) for each in recordings]
        explored = [(each, judge_of(each)) for each in small]
        explored += [(each, self._judge(each, [each], {}, recordings[0])) for each in faulty]
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
        for profile in self.settings.profiles:
            for key in self._explored(judge_of(recording), recording, profile).found:

                def shows(tried: CodeRecording, key: Key = key, profile: Profile = profile) -> bool:
                    return key in self._explored(judge_of(tried), tried, profile).found

                return courses.smaller(recording, shows)
        return recording

    def _explored(
        self, judge: Judge, recording: CodeRecording, profile: Profile
    ) -> CodeExploration:
        settings = self.settings
        return explore_code(
            judge,
            recording,
            profile,
            tearing=settings.tearing or PLAIN,
            max_images=settings.most_images,
            max_after_first=settings.max_after_first,
            is_over=self.is_over,
        )

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
        explored: Sequence[tuple[CodeRecording, Judge]],
        verdict: Callable[[Profile], ProfileVerdict] | None,
        *,
        refuses: bool,
        silent: Sequence[str] = (),
    ) -> CrashReport:
        verdicts: dict[str, ProfileVerdict] = {}
        for profile in self.settings.profiles:
            if verdict is not None:
                verdicts[profile.name] = verdict(profile)
                continue
            each = [self._verdict(judge, recording, profile) for recording, judge in explored]
            verdicts[profile.name] = merged(each)
        first, _ = explored[0]
        return CrashReport(
            verdicts=verdicts,
            checks=sum(judge.runs for _, judge in explored),
            check_refuses=refuses or any(each.kinds for each in verdicts.values()),
            check_limit_s=self.settings.check_limit_s,
            acked=len(first.tokens),
            operations=len(first.sites),
            difference=first.difference,
            isolated=not self.processes.keeps_memory,
            faulty_runs=tuple(
                (recording.fault, recording.ended_by)
                for recording, _ in explored
                if recording.fault
            ),
            silent_faults=tuple(silent),
            idle_acks=first.idle_acks,
            one_step=self.check is None and not first.tokens and len(first.moments) <= _ONE_STEP,
        )

    def _verdict(self, judge: Judge, recording: CodeRecording, profile: Profile) -> ProfileVerdict:
        settings, tearing = self.settings, self.settings.tearing or PLAIN
        with _progress(profile.name) as on_progress:
            seen = explore_code(
                judge,
                recording,
                profile,
                tearing=tearing,
                max_images=settings.most_images,
                max_after_first=settings.max_after_first,
                is_over=self.is_over,
                on_progress=on_progress,
            )
            cures = Cures(
                judge,
                recording,
                profile,
                tearing=tearing,
                max_images=max(_FOR_A_CURE, seen.images),
            )
            explained = {
                key: evolve(found, read=_read(judge, recording, profile, found))
                for key, found in list(seen.found.items())[:_EXPLAINED]
            }
            findings = tuple(
                explain_code(judge, recording, profile, found, cures.find(key, found))
                for key, found in explained.items()
            )
        is_open = seen.not_run or seen.too_slow or seen.stopped
        is_open = is_open or (seen.unjudged and settings.max_images is not None)
        open_: Outcome = "inconclusive" if is_open else "pass"
        return ProfileVerdict(
            profile=profile.name,
            outcome="fail" if findings else open_,
            findings=findings,
            kinds=tuple(
                ComplaintKind(found.complaint.kind, found.complaint.sentence, found.count)
                for found in seen.found.values()
            ),
            crash_points=seen.crash_points,
            images=seen.images,
            too_slow=seen.too_slow,
            unjudged=seen.unjudged + seen.not_run,
            stopped=seen.stopped,
            complete=seen.complete,
            choice=seen.choice,
        )


def _read(
    judge: Judge, recording: CodeRecording, profile: Profile, found: FoundImage
) -> frozenset[int]:
    """Return the files and directories that are looked at on an image."""
    pending = PendingOps(recording.image, profile)
    pending.take_all(recording.log[: found.position])
    image = pending.image(found.kept)
    try:
        cells = judge.cells(image, found.demand)
    except NotRunError:
        cells = everything(image)
    return frozenset(cell[1] for cell in cells)


def _too_slow_at_once(profile: Profile) -> ProfileVerdict:
    """Return the verdict where the check is too slow on what no crash has touched."""
    return ProfileVerdict(
        profile=profile.name,
        outcome="inconclusive",
        findings=(),
        kinds=(),
        crash_points=0,
        images=1,
        too_slow=1,
        unjudged=0,
        stopped=False,
        complete=False,
    )


@contextmanager
def _progress(profile: str) -> Iterator[Callable[[int], None] | None]:
    """Keep one line on a terminal that says how far it has come; nothing anywhere else."""
    stream = sys.stderr
    if stream is None or not stream.isatty():
        yield None
        return

    def tell(images: int) -> None:
        stream.write(f"\rcrash_test: {profile}, {images} images judged ")
        stream.flush()

    try:
        yield tell
    finally:
        stream.write("\r\x1b[K")
        stream.flush()


def _clock(max_seconds: float | None) -> Callable[[], bool]:
    from wavetank.sim.python_files import Deadline  # noqa: PLC0415 - as above

    if max_seconds is None:
        return bool
    return Deadline(max_seconds).is_over


def _plain() -> Tearing:
    from wavetank.scenarios.code.exploration import PLAIN  # noqa: PLC0415 - as above

    return PLAIN
