"""Run litmus programs on one real filesystem and compare what is seen with the model's sets.

Each program gets a new filesystem. It runs there several times, each time in a directory of its own
and with other writeback triggers between its steps, while the device logs what it is given. Then,
for each stretch of the log between two flushes, images are made of what a power cut may have left,
mounted and read.

Nothing of an earlier run is removed before the next.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Final

from attrs import frozen

from wavetank.reports.kernel.crash_images import (
    CrashPoint,
    Window,
    apply_writes,
    copy_sparse,
    crash_points,
    windows,
)
from wavetank.reports.kernel.machine import (
    RealFilesystem,
    RecordingMachine,
    image_mounted,
    make_filesystem,
    recording,
)
from wavetank.reports.kernel.mounts import (
    enter_private_mounts,
    work_folder,
)
from wavetank.reports.kernel.observed_states import judge, program_letters, read_files
from wavetank.reports.kernel.program_run import ProgramRun, Trigger, plan_triggers, run_program
from wavetank.reports.kernel.results import MachineError, ObservedState, RealOutcome, RealResult
from wavetank.reports.termination import terminated_as_interrupted
from wavetank.sim import LitmusState, LitmusTest

__all__ = ["RealPlan", "observe"]

_TIMEOUT_PER_RUN_S: Final = 5.0
_TIMEOUT_BASE_S: Final = 60.0

_Key = tuple[str, int, tuple[int, ...]]


@frozen(kw_only=True)
class RealPlan:
    """What to look at.

    Attributes:
        tests: the programs.
        runs: of each program.
        most_images: to look at in each window between two flushes.
        seed: of what is done between steps, and of the choice of images.
    """

    tests: tuple[LitmusTest, ...]
    runs: int
    most_images: int
    seed: int = 0


@frozen(kw_only=True)
class _Recorded:
    """One run of one program."""

    test: LitmusTest
    number: int
    folder: str
    triggers: tuple[tuple[Trigger, ...], ...]
    run: ProgramRun

    @property
    def story(self) -> tuple[str, ...]:
        """What was done after each step, as text."""
        return tuple(", ".join(str(trigger) for trigger in after) for after in self.triggers)


def observe(
    filesystem: RealFilesystem, plan: RealPlan, progress: Callable[[str], None]
) -> RealResult:
    """Run the programs on a real filesystem, and judge what power cuts leave of them.

    The process gets a mount namespace of its own and stays in it.

    Args:
        filesystem: which one.
        plan: what to run.
        progress: is told what happens, a line at a time.

    Raises:
        MachineError: the machine refused something.
    """
    outside = enter_private_mounts()
    images = 0
    outcomes: list[RealOutcome] = []
    with terminated_as_interrupted():
        for test in plan.tests:
            with work_folder() as work:
                observed = _look_at(
                    filesystem, test, plan, work, outside=outside, progress=progress
                )
            images += len({each.image for each in observed})
            outcomes += judge(test, filesystem.profiles, observed)
    return RealResult(
        filesystem=filesystem.name,
        kernel=platform.release(),
        make=" ".join(filesystem.make),
        mount_options=filesystem.mount_options,
        runs=plan.runs,
        images=images,
        outcomes=tuple(outcomes),
    )


def _look_at(
    filesystem: RealFilesystem,
    test: LitmusTest,
    plan: RealPlan,
    work: Path,
    *,
    outside: int,
    progress: Callable[[str], None],
) -> list[ObservedState]:
    """Run one program on a new filesystem, and read what power cuts leave of it."""
    device, base = work / "device", work / "base"
    make_filesystem(filesystem, device)
    copy_sparse(device, base)
    timeout_s = _TIMEOUT_BASE_S + _TIMEOUT_PER_RUN_S * plan.runs
    progress(f"{filesystem.name}: {test.id}: running")
    with recording(filesystem, device, work, outside=outside, timeout_s=timeout_s) as machine:
        recorded = [
            _record(machine, filesystem, test, number, plan.seed) for number in range(plan.runs)
        ]
    reader = _Reader(filesystem=filesystem, base=base, work=work)
    progress(f"{filesystem.name}: {test.id}: reading images")
    return list(reader.observed(machine, recorded, plan))


def _record(
    machine: RecordingMachine, filesystem: RealFilesystem, test: LitmusTest, number: int, seed: int
) -> _Recorded:
    triggers = plan_triggers(number, len(test.program), seed, timer=filesystem.timer)
    folder = machine.folder / f"run{number}"
    folder.mkdir()
    try:
        run = run_program(test, folder, triggers, machine.log_length)
    except OSError as error:
        raise MachineError(f"{test.id}, run {number}: {error}") from error
    return _Recorded(test=test, number=number, folder=folder.name, triggers=triggers, run=run)


class _Reader:
    """Images of a log, mounted and read in the order in which it grew.

    Args:
        filesystem: what is in them.
        base: the device's content before anything was logged; it grows with the log.
        work: a folder for images and mounts.
    """

    def __init__(self, *, filesystem: RealFilesystem, base: Path, work: Path) -> None:
        self._filesystem = filesystem
        self._base = base
        self._free: Queue[Path] = Queue()
        for number in range(filesystem.images_at_once):
            place = work / f"image{number}"
            (place / "recovered").mkdir(parents=True)
            self._free.put(place)

    def observed(
        self, machine: RecordingMachine, recorded: Sequence[_Recorded], plan: RealPlan
    ) -> Iterator[ObservedState]:
        """Yield what every image shows, for every run and every moment it may stand for."""
        known: dict[_Key, Future[_Found]] = {}
        flushes = Counter[str]()
        with ThreadPoolExecutor(self._filesystem.images_at_once) as pool:
            for number, window in enumerate(windows(machine.events())):
                found: list[tuple[_Recorded, CrashPoint, Future[_Found]]] = []
                for each in recorded:
                    points = tuple(_points(window, number, each, plan))
                    flushes[each.folder] += bool(points)
                    for point in points:
                        key = (each.folder, *_content(window, number, point))
                        if key not in known:
                            known[key] = pool.submit(self._look, each, window, point, len(known))
                        found.append((each, point, known[key]))
                try:
                    for each, point, seen in found:
                        place = flushes[each.folder] - 1
                        yield from _moments(each, place, window, point, seen.result())
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
                apply_writes(self._base, (write for _, write in window.writes))

    def _look(self, each: _Recorded, window: Window, point: CrashPoint, number: int) -> _Found:
        place = self._free.get()
        try:
            image, folder = place / "device", place / "recovered"
            copy_sparse(self._base, image)
            apply_writes(image, (window.writes[kept][1] for kept in point.kept))
            with image_mounted(self._filesystem, image, folder):
                files = read_files(folder / each.folder, program_letters(each.test))
                return _Found(number, files, "")
        except (MachineError, OSError) as error:
            return _Found(number, {}, str(error))
        finally:
            self._free.put(place)


@frozen
class _Found:
    """What one image shows: its number, its files, or why it cannot be read."""

    image: int
    files: dict[str, str]
    error: str


def _points(window: Window, number: int, each: _Recorded, plan: RealPlan) -> Iterator[CrashPoint]:
    run = each.run
    return crash_points(
        window, run.first, run.last, run.marks, most=plan.most_images, seed=plan.seed + number
    )


def _content(window: Window, number: int, point: CrashPoint) -> tuple[int, tuple[int, ...]]:
    """Return what names an image: all of one window is none of the next."""
    if len(point.kept) == len(window.writes):
        return number + 1, ()
    return number, point.kept


def _moments(
    each: _Recorded, flushes: int, window: Window, point: CrashPoint, found: _Found
) -> Iterator[ObservedState]:
    for marks in point.marks:
        state = LitmusState.of(found.files, *each.run.setup_marks, *marks)
        yield ObservedState(
            image=found.image,
            state=None if found.error else state,
            error=found.error,
            run=each.number,
            triggers=each.story,
            window=flushes,
            kept=point.kept,
            written=len(window.writes),
        )
