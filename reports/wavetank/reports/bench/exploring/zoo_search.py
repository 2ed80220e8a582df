"""Images until each planted bug is found: in wavetank's order, and drawn at random.

Both crash the same recording of the bug's own few steps, under the same profile, and are judged by
the same invariants, new work and a second crash among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random  # noqa: TID251 - seeded
from statistics import median
from typing import Final

from wavetank.reports.bench.exploring.crashable_files import CrashableFiles
from wavetank.reports.bench.exploring.report import BugRow, ZooFacts
from wavetank.scenarios.exploration.explorer import explore
from wavetank.scenarios.exploration.judging import is_changed
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.mutants import BUGS, PlantedBug
from wavetank.scenarios.mutants.hunt import TrialRun, trial_run
from wavetank.sim import POSIX, DiskImage, PendingOps, Settling, Sync

__all__ = ["GOAL", "crash_bugs", "search_zoo"]

GOAL: Final = 0.1


def crash_bugs() -> tuple[str, ...]:
    """Return the ids of the planted bugs that show only after a crash."""
    return tuple(name for name, bug in BUGS.items() if bug.trial.needs_crash)


def search_zoo(
    bugs: Iterable[str],
    *,
    seeds: int,
    most_draws: int,
    on_progress: Callable[[int], None],
) -> ZooFacts:
    """Count images until each bug is found.

    Args:
        bugs: ids of planted bugs.
        seeds: of the drawings.
        most_draws: after which a drawing is given up.
        on_progress: told of the number of bugs that are done.
    """
    rows = []
    for number, name in enumerate(bugs):
        on_progress(number)
        rows.append(_row(BUGS[name], seeds, most_draws))
    found = [row.ratio for row in rows if row.ratio is not None]
    ratio = median(found) if found else None
    return ZooFacts(
        most_draws=most_draws,
        rows=tuple(rows),
        ratio=ratio,
        goal=GOAL,
        met=ratio is not None and ratio <= GOAL and len(found) == len(rows),
    )


def _row(bug: PlantedBug, seeds: int, most_draws: int) -> BugRow:
    with trial_run(bug.backend, bug.trial) as run:
        limits = Limits(depth=bug.trial.depth, max_after_first=0)
        findings = explore(run.recording, POSIX, limits=limits).findings
        drawn = [_draws(run, seed, most_draws) for seed in range(seeds)]
    return BugRow(
        bug=bug.id,
        depth=bug.trial.depth or 0,
        wavetank=min((each.judged for each in findings), default=None),
        drawing=median(most_draws if each is None else each for each in drawn),
        found=sum(each is not None for each in drawn),
        seeds=seeds,
    )


def _draws(run: TrialRun, seed: int, most: int) -> int | None:
    """Return how many images were drawn until one was wrong; None: none of so many was."""
    drawn = _drawn_images(run, Random(f"zoo/{seed}"))  # noqa: S311 - reproducible on purpose
    for number, (position, seen, image) in zip(range(1, most + 1), drawn, strict=False):
        if _is_wrong(run, position, seen, image):
            return number
    return None


def _drawn_images(run: TrialRun, chance: Random) -> Iterator[tuple[int, DiskImage, DiskImage]]:
    """Yield images without end: a crash point, what programs saw there, and what was drawn."""
    recording = run.recording
    states: list[tuple[int, CrashableFiles]] = []
    files = CrashableFiles(recording.image)
    pending = PendingOps(recording.image, POSIX)
    for position, each in enumerate(recording.log, start=1):
        files.take(each)
        pending.take(each)
        if pending.whole and not isinstance(each, Sync):
            states.append((position, files.copy()))
    while True:
        position, state = chance.choice(states)
        yield position, state.seen, state.draw(chance)


def _is_wrong(run: TrialRun, position: int, seen: DiskImage, image: DiskImage) -> bool:
    subject = run.subject
    interval = run.recording.interval_at(position)
    if subject.is_settled(interval) and is_changed(seen, image):
        return True
    recovery = subject.recover(image)
    if recovery.problems or recovery.observation is None:
        return bool(recovery.problems)
    if subject.judge(recovery.observation, interval):
        return True
    return bool(subject.go_on(image, recovery, Settling(POSIX)))
