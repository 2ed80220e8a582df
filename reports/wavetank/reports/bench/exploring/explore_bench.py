"""Measure the exploration: images judged a second beside other ways, growth, bugs, schedules."""

from __future__ import annotations

import time  # noqa: TID251 - how long the whole run took
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from attrs import evolve, frozen

from wavetank.engine import Storage
from wavetank.reports.bench.comparison import Attempt, Work
from wavetank.reports.bench.environment import MEMORY_FILESYSTEMS, machine_of
from wavetank.reports.bench.exploring.contenders import (
    DRAWING,
    FORK,
    NEW_PROCESS,
    PEERS,
    PYFAKEFS,
    REPLAY,
    TMPFS,
    Contender,
    draw_everywhere,
    explore_all,
)
from wavetank.reports.bench.exploring.growth import measure_growth
from wavetank.reports.bench.exploring.report import (
    ExploreReport,
    RateRow,
    SchedulerRow,
    Shares,
    TraceFacts,
    ZooFacts,
)
from wavetank.reports.bench.exploring.scheduler_speed import GREENLETS, SCHEDULED, THREADS
from wavetank.reports.bench.exploring.trace import (
    MOVES,
    CrashedImage,
    Trace,
    crashed,
    op_count,
    trace_of,
    workload_with,
)
from wavetank.reports.bench.exploring.zoo_search import crash_bugs, search_zoo
from wavetank.reports.bench.report import Peer
from wavetank.reports.bench.rounds import Spread, processor_s, ratios, time_rounds
from wavetank.scenarios.exploration.explorer import Exploration
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.stores.adapter import Site
from wavetank.sim.scheduling.switching import Greenlets

__all__ = ["MEASUREMENTS", "ExploreScale", "WrongVerdictError", "measure_exploration"]

RATES: Final = "images"
GROWTH: Final = "growth"
ZOO: Final = "zoo"
SCHEDULER: Final = "scheduler"

MEASUREMENTS: Final[Mapping[str, str]] = {
    RATES: "distinct images judged a second, shares of the time, pruning",
    GROWTH: "time and memory by length of the trace",
    ZOO: "images until each planted bug is found",
    SCHEDULER: "schedules and switches a second",
}
"""What is measured, by name, in the order in which it is."""

_OURS: Final = "wavetank"
_WHOLE: Final = "wavetank-run"
_TITLES: Final = {
    NEW_PROCESS: "a new process for each image, on tmpfs",
    FORK: "a fork for each image, on tmpfs",
    TMPFS: "each image written to tmpfs, recovered in this process",
    PYFAKEFS: "a copy of a pyfakefs filesystem for each image",
    REPLAY: "each image rebuilt from the start of the op log, nothing remembered",
    DRAWING: "an image drawn at random at each crash point, 50 % of unsynced blocks and names",
    _WHOLE: "wavetank with new work and a second crash after each recovery, as in a run",
}
_GOALS: Final = {NEW_PROCESS: 60.0, FORK: 9.0, TMPFS: 1.5}


class WrongVerdictError(Exception):
    """Contenders did not agree about an image, so that their times mean nothing."""


@frozen(kw_only=True)
class ExploreScale:
    """How much work a run does.

    Attributes:
        quick: do less.
        rounds: in which contenders take turns.
        workload: whose crash images are judged.
        samples: images that a contender judges in a round, by name.
        growth_moves: random moves of the traces of growing length.
        bugs: ids of planted bugs that are hunted.
        seeds: of the drawings that hunt each.
        most_draws: after which such a drawing is given up.
        scheduler_share: of the units of a full run that a round does.
    """

    quick: bool
    rounds: int
    workload: Workload
    samples: Mapping[str, int]
    growth_moves: tuple[int, ...]
    bugs: tuple[str, ...]
    seeds: int
    most_draws: int
    scheduler_share: float

    @classmethod
    def of(cls, *, quick: bool, rounds: int) -> ExploreScale:
        """Return the scale of a full or a quick run.

        Args:
            quick: do less.
            rounds: in which contenders take turns.

        >>> ExploreScale.of(quick=False, rounds=7).growth_moves
        (14, 140, 1400)
        """
        if quick:
            return cls(
                quick=True,
                rounds=rounds,
                workload=workload_with(4),
                samples={NEW_PROCESS: 2, FORK: 20, TMPFS: 80, PYFAKEFS: 6, REPLAY: 20},
                growth_moves=(14, 70),
                bugs=crash_bugs(),
                seeds=3,
                most_draws=200,
                scheduler_share=0.5,
            )
        return cls(
            quick=False,
            rounds=rounds,
            workload=workload_with(MOVES),
            samples={NEW_PROCESS: 10, FORK: 150, TMPFS: 600, PYFAKEFS: 60, REPLAY: 150},
            growth_moves=(14, 140, 1400),
            bugs=crash_bugs(),
            seeds=7,
            most_draws=2_000,
            scheduler_share=1.0,
        )


def measure_exploration(
    names: Sequence[str],
    scale: ExploreScale,
    directory: Path,
    *,
    on_progress: Callable[[str, int, int], None],
) -> ExploreReport:
    """Measure the exploration and the scheduler.

    Args:
        names: of `MEASUREMENTS`.
        scale: how much work is done.
        directory: an empty one on a tmpfs; left for the caller to remove.
        on_progress: told the measurement, how much of it is over, and of how much.

    Raises:
        WrongVerdictError: contenders did not agree about an image.
    """
    started_s = time.perf_counter()
    machine = machine_of(directory)
    peer = Peer(name=PYFAKEFS, version=_installed(PYFAKEFS))
    notes = []
    if machine.filesystem not in MEMORY_FILESYSTEMS:
        notes.append(
            f"The images are written to {machine.filesystem}, which is no tmpfs: contenders that "
            "write files are slower than they need be. Choose a directory with --directory."
        )
    report = ExploreReport(
        quick=scale.quick,
        rounds=scale.rounds,
        elapsed_s=0.0,
        machine=machine,
        peers=(peer,),
        notes=tuple(notes),
        trace=None,
        rates=(),
        shares=None,
        growth=(),
        zoo=None,
        scheduler=(),
    )
    if RATES in names:
        report = _with_rates(report, scale, directory, partial(on_progress, RATES))
    if GROWTH in names:
        total = len(scale.growth_moves)
        rows = measure_growth(scale.growth_moves, lambda done: on_progress(GROWTH, done, total))
        report = evolve(report, growth=tuple(rows))
    if ZOO in names:
        report = evolve(report, zoo=_zoo(scale, partial(on_progress, ZOO)))
    if SCHEDULER in names:
        rows_of_tasks = tuple(_scheduler_rows(scale, partial(on_progress, SCHEDULER)))
        report = evolve(report, scheduler=rows_of_tasks)
    return evolve(report, elapsed_s=time.perf_counter() - started_s)


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _with_rates(
    report: ExploreReport,
    scale: ExploreScale,
    directory: Path,
    on_progress: Callable[[int, int], None],
) -> ExploreReport:
    on_progress(0, scale.rounds)
    trace = trace_of(scale.workload)
    # The first exploration also loads what is loaded only once, and is not timed.
    explored, whole = explore_all(trace, new_work=False), explore_all(trace, new_work=True)
    if explored.judged != len(trace.images):
        raise WrongVerdictError(
            f"expected the exploration to judge the {len(trace.images)} distinct images of the "
            f"trace, got {explored.judged}"
        )
    peers = {name: each for name, each in PEERS.items() if _is_there(name, report.peers)}
    samples = {name: trace.sample(scale.samples[name]) for name in peers}
    drawn = draw_everywhere(trace, 0).right
    clock = _RecoveryClock(trace)
    attempts: dict[str, Attempt] = {
        _OURS: partial(_works, lambda: explore_all(trace, new_work=False)),
        _WHOLE: partial(_works, clock.explore),
        **{
            name: partial(_judging, name, peer, trace, samples[name], directory)
            for name, peer in peers.items()
        },
        DRAWING: partial(_works, lambda: draw_everywhere(trace, 0)),
        _IMAGES: partial(_works, lambda: crashed(trace.recording, trace.profile)),
    }
    times_s = time_rounds(
        attempts,
        rounds=scale.rounds,
        on_round=lambda done: on_progress(done, scale.rounds),
        clock=processor_s,
    )
    counts = {
        _OURS: explored.judged,
        _WHOLE: whole.judged,
        **{name: len(sample) for name, sample in samples.items()},
        DRAWING: len(drawn),
    }
    return evolve(
        report,
        trace=_facts(trace, whole),
        rates=tuple(_rate_rows(times_s, counts)),
        shares=_shares(times_s, clock.times_s),
    )


_IMAGES: Final = "images alone"
"""The contender that only enumerates and builds the images."""


def _is_there(name: str, peers: Sequence[Peer]) -> bool:
    return all(peer.version is not None for peer in peers if peer.name == name)


@contextmanager
def _works(work: Work) -> Iterator[Work]:
    yield work


@contextmanager
def _judging(
    name: str,
    contender: Contender,
    trace: Trace,
    images: Sequence[CrashedImage],
    parent: Path,
) -> Iterator[Work]:
    with (
        TemporaryDirectory(dir=parent) as directory,
        contender(trace, images, Path(directory)) as judge,
    ):
        verdicts = []

        def work() -> None:
            verdicts.extend(judge())

        yield work
        # The engine is right on every image of this trace, as the exploration has found.
        wrong = [each for each in verdicts if each]
        if wrong or len(verdicts) != len(images):
            raise WrongVerdictError(
                f"{name}: expected {len(images)} images to be right, as the exploration found, "
                f"got {len(verdicts)} verdicts, of which {len(wrong)} are wrong: {wrong[:1]}"
            )


class _RecoveryClock:
    """Explores a trace and notes how long the engine's opens took in each exploration."""

    def __init__(self, trace: Trace) -> None:
        self.times_s: list[float] = []
        backend = trace.recording.backend

        def timed(site: Site) -> Storage:
            started_s = time.process_time()
            try:
                return backend.open(site)
            finally:
                self.times_s[-1] += time.process_time() - started_s

        recording = evolve(trace.recording, backend=evolve(backend, factory=timed))
        self._trace = evolve(trace, recording=recording)

    def explore(self) -> Exploration:
        """Explore the trace, as in a run."""
        self.times_s.append(0.0)
        return explore_all(self._trace, new_work=True)


def _facts(trace: Trace, explored: Exploration) -> TraceFacts:
    workload = trace.recording.workload
    return TraceFacts(
        scenario=workload.name,
        profile=trace.profile.name,
        steps=len(workload.steps),
        ops=op_count(trace.recording),
        crash_points=explored.crash_points,
        legal=trace.legal,
        distinct=explored.distinct,
        judged=explored.judged,
        recoveries=explored.recoveries,
    )


def _rate_rows(
    times_s: Mapping[str, Sequence[float]], counts: Mapping[str, int]
) -> Iterator[RateRow]:
    """Yield wavetank's row, then one for each contender."""
    ours_s = [each / counts[_OURS] for each in times_s[_OURS]]
    for name, count in counts.items():
        own_s = [each / count for each in times_s[name]]
        ratio = Spread.of(ratios(own_s, ours_s))
        goal = _GOALS.get(name)
        yield RateRow(
            name=name,
            title=_TITLES.get(name, "wavetank, the same checks as the others"),
            images=count,
            per_s=Spread.of([1 / each for each in own_s]),
            ratio=ratio,
            goal=goal,
            met=None if goal is None else ratio.median >= goal,
        )


def _shares(times_s: Mapping[str, Sequence[float]], recovery_s: Sequence[float]) -> Shares:
    whole_s, images_s = times_s[_WHOLE], times_s[_IMAGES]
    images = ratios(images_s, whole_s)
    recovery = ratios(recovery_s, whole_s)
    rest = [1 - one - other for one, other in zip(images, recovery, strict=True)]
    return Shares(images=Spread.of(images), recovery=Spread.of(recovery), rest=Spread.of(rest))


def _zoo(scale: ExploreScale, on_progress: Callable[[int, int], None]) -> ZooFacts:
    return search_zoo(
        scale.bugs,
        seeds=scale.seeds,
        most_draws=scale.most_draws,
        on_progress=lambda done: on_progress(done, len(scale.bugs)),
    )


def _scheduler_rows(
    scale: ExploreScale, on_progress: Callable[[int, int], None]
) -> Iterator[SchedulerRow]:
    total = scale.rounds * len(SCHEDULED)
    for number, each in enumerate(SCHEDULED):
        before = number * scale.rounds
        units = max(1, int(each.units * scale.scheduler_share))
        each.prepare()(1, Greenlets)  # loads what is loaded only once
        times_s = time_rounds(
            each.attempts(units),
            rounds=scale.rounds,
            on_round=partial(_progress_from, on_progress, before, total),
            clock=processor_s,
        )
        yield SchedulerRow(
            name=each.name,
            title=each.title,
            per_s=Spread.of([units / took_s for took_s in times_s[GREENLETS]]),
            ratio=Spread.of(ratios(times_s[THREADS], times_s[GREENLETS])),
        )


def _progress_from(
    on_progress: Callable[[int, int], None], before: int, total: int, done: int
) -> None:
    on_progress(before + done, total)
