"""What a person sees while a run goes on: bars on a terminal, elsewhere a line now and then.

All of it goes to one stream, stderr; the result itself is shown by text.py and documents.py.
"""

from __future__ import annotations

import time  # noqa: TID251 - rates and intervals are for people; no run sees them
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from wavetank.scenarios import (
    FindingFound,
    Listener,
    News,
    RunPlan,
    RunResult,
    ScenarioFinished,
    ScenarioProgress,
    units_of,
)

__all__ = ["LINE_EVERY_S", "BarProgress", "LineProgress", "Tally", "found_line", "progress_on"]

LINE_EVERY_S: Final = 10.0
"""Seconds between two lines where there is no terminal."""

Clock = Callable[[], float]


@contextmanager
def progress_on(stream: TextIO, *, color: bool, silent: bool = False) -> Iterator[Listener]:
    """Give a listener that shows progress on `stream` as long as the block lasts.

    Args:
        stream: usually stderr; bars if it is a terminal, lines if not.
        color: whether bars may be coloured.
        silent: show nothing.
    """
    if silent:
        yield _Silence()
        return
    if not stream.isatty():
        yield LineProgress(stream)
        return
    console = Console(file=stream, no_color=not color)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        yield BarProgress(bars)


_Unit: TypeAlias = tuple[int, tuple[str, ...]]
"""A seed and the overrides of options."""


class Tally:
    """The counts of one scenario over all its seeds, options and profiles.

    A sweep is one seed and one set of options under one profile; those of one seed and set follow
    one another.
    """

    def __init__(self) -> None:
        self.violations = 0
        self._judged: dict[tuple[_Unit, str], int] = {}
        self._finished: set[tuple[_Unit, str]] = set()

    def take(self, news: News) -> None:
        """Count one piece of news of the scenario."""
        if isinstance(news, FindingFound):
            self.violations += 1
            return
        if isinstance(news, ScenarioProgress):
            self._judged[(news.seed, news.options), news.profile] = news.judged
            return
        result = news.result
        unit = (result.seed, result.options)
        self._judged[unit, result.profile] = result.judged
        self._finished.add((unit, result.profile))

    @property
    def judged(self) -> int:
        """Images judged so far."""
        return sum(self._judged.values())

    @property
    def sweeps_done(self) -> int:
        """Sweeps that are over: told as finished, or followed by another one of their seed."""
        units = {unit for unit, _ in self._judged}
        return max(len(self._finished), len(self._judged) - len(units))


class _Silence:
    """A listener that does nothing."""

    def start(self, plan: RunPlan) -> None: ...
    def handle(self, news: News) -> None: ...
    def finish(self, result: RunResult) -> None: ...


class BarProgress:
    """A bar per scenario: sweeps done, images judged, rate, violations.

    Args:
        bars: where the bars are drawn; the caller starts and stops it.
        clock: gives seconds.
    """

    def __init__(self, bars: Progress, clock: Clock = time.monotonic) -> None:
        self._bars = bars
        self._clock = clock
        self._tasks: dict[str, TaskID] = {}
        self._tallies: dict[str, Tally] = {}
        self._began_s: dict[str, float] = {}

    def start(self, plan: RunPlan) -> None:
        """Draw every scenario's bar, empty."""
        for name, sweeps in _sweeps(plan).items():
            self._tallies[name] = Tally()
            self._tasks[name] = self._bars.add_task(name, total=sweeps, start=False, told="waits")

    def handle(self, news: News) -> None:
        """Move the bar that news belongs to."""
        name = _name(news)
        now_s = self._clock()
        if name not in self._began_s:
            self._began_s[name] = now_s
            self._bars.start_task(self._tasks[name])
        tally = self._tallies[name]
        tally.take(news)
        if isinstance(news, FindingFound):
            self._bars.console.print(found_line(news), markup=False, highlight=False)
        rate = _rate(tally.judged, now_s - self._began_s[name])
        self._bars.update(
            self._tasks[name],
            completed=tally.sweeps_done,
            told=f"{tally.judged} images judged{rate}, {tally.violations} violations",
        )

    def finish(self, result: RunResult) -> None:
        """Do nothing: the bars stay as they are."""


class LineProgress:
    """A line every ten seconds at most, without any control characters.

    Args:
        stream: where the lines go.
        clock: gives seconds.
    """

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._start_s = self._last_s = clock()
        self._tallies: dict[str, Tally] = {}
        self._sweeps = 0

    def start(self, plan: RunPlan) -> None:
        """Note what there is to do."""
        self._sweeps = sum(_sweeps(plan).values())

    def handle(self, news: News) -> None:
        """Count news; write a line for a finding, and if the last line is long ago."""
        name = _name(news)
        self._tallies.setdefault(name, Tally()).take(news)
        if isinstance(news, FindingFound):
            print(found_line(news), file=self._stream, flush=True)
        now_s = self._clock()
        if now_s - self._last_s < LINE_EVERY_S:
            return
        self._last_s = now_s
        tallies = self._tallies.values()
        judged = sum(tally.judged for tally in tallies)
        elapsed_s = now_s - self._start_s
        print(
            f"{elapsed_s:.0f} s: {sum(tally.sweeps_done for tally in tallies)} of {self._sweeps} "
            f"sweeps done, {judged} images judged{_rate(judged, elapsed_s)}, "
            f"{sum(tally.violations for tally in tallies)} violations; now {name}",
            file=self._stream,
            flush=True,
        )

    def finish(self, result: RunResult) -> None:
        """Do nothing: the result is shown elsewhere."""


def found_line(news: FindingFound) -> str:
    """Return what is shown of a finding as soon as it is found; its story comes at the end."""
    workload = news.case.workload
    options = f" [{','.join(workload.overrides)}]" if workload.overrides else ""
    return (
        f"FOUND {news.problem.invariant} in {workload.name}{options} seed {workload.seed} under "
        f"{news.case.profile.name} after {news.judged} images: {news.problem.summary}"
    )


def _sweeps(plan: RunPlan) -> dict[str, int]:
    """Return how many sweeps each scenario has, by its name."""
    sweeps: Counter[str] = Counter()
    for unit in units_of(plan):
        sweeps[unit.scenario.name] += len(unit.profiles)
    return dict(sweeps)


def _name(news: News) -> str:
    if isinstance(news, FindingFound):
        return news.case.workload.name
    return news.result.name if isinstance(news, ScenarioFinished) else news.name


def _rate(judged: int, elapsed_s: float) -> str:
    return f" ({judged / elapsed_s:.0f}/s)" if elapsed_s > 0 else ""
