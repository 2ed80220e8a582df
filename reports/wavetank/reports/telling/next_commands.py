"""Commands for a person to type next, as text that a shell takes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from wavetank.reports.runs.session import Session, Unit
from wavetank.scenarios import OwnProfile, RunPlan, units_of

__all__ = [
    "recheck_command",
    "remaining_commands",
    "replay_command",
    "run_command",
    "shrink_command",
]


def recheck_command(run: str) -> str:
    """Return the command that runs a kept run again, and tells what has changed."""
    return shlex.join(["wavetank", "recheck", run])


def replay_command(failure: str) -> str:
    """Return the command that looks for a stored failure again."""
    return shlex.join(["wavetank", "replay", failure])


def shrink_command(failure: str) -> str:
    """Return the command that makes a stored failure smaller."""
    return shlex.join(["wavetank", "shrink", failure])


def run_command(
    *,
    scenarios: Sequence[str],
    seeds: range,
    profiles: Sequence[str],
    backend: str,
    max_images: int | None = None,
    depth: int | None = 0,
    option_sets: Sequence[Sequence[str]] = ((),),
    faults: Sequence[str] = (),
    cluster_runs: int | None = None,
) -> str:
    """Return the command that runs scenarios.

    >>> run_command(scenarios=["mixed"], seeds=range(3, 4), profiles=["posix"], backend="builtin")
    'wavetank run mixed --seed 3 --profile posix --backend builtin'
    """
    words = ["wavetank", "run", *scenarios]
    if len(seeds) == 1:
        words += ["--seed", str(seeds.start)]
    else:
        words += ["--seeds", f"{seeds.start}:{seeds.stop}"]
    for profile in profiles:
        words += ["--profile", profile]
    words += ["--backend", backend]
    if max_images is not None:
        words += ["--max-images", str(max_images)]
    if depth != 0:
        words += ["--depth", "fixpoint" if depth is None else str(depth)]
    for options in option_sets:
        if options or len(option_sets) > 1:
            words += ["--options", ",".join(options)]
    for fault in faults:
        words += ["--fault", fault]
    if cluster_runs is not None:
        words += ["--cluster-runs", str(cluster_runs)]
    return shlex.join(words)


def remaining_commands(session: Session) -> tuple[str, ...]:
    """Return the commands that run what a session left; one if seeds and settings allow it."""
    plan = session.result.plan
    groups: dict[tuple[range, tuple[tuple[str, ...], ...], _Settings], list[str]] = {}
    for scenario, settings in _settings_of(plan).items():
        by_seeds: dict[range, list[tuple[str, ...]]] = {}
        for options in plan.option_sets:
            units = [unit for unit in session.remaining if unit.options == options]
            for seeds in _ranges(units, scenario):
                by_seeds.setdefault(seeds, []).append(options)
        for seeds, option_sets in by_seeds.items():
            group = (seeds, tuple(option_sets), settings)
            groups.setdefault(group, []).append(settings.file or scenario)
    return tuple(
        run_command(
            scenarios=scenarios,
            seeds=seeds,
            profiles=settings.profiles,
            backend=settings.backend,
            max_images=settings.max_images,
            depth=settings.depth,
            option_sets=option_sets,
            faults=plan.faults,
        )
        for (seeds, option_sets, settings), scenarios in groups.items()
    )


@frozen(kw_only=True)
class _Settings:
    """How a scenario is run, and the file that it was read from."""

    file: str
    profiles: tuple[str, ...]
    backend: str
    max_images: int | None
    depth: int | None


def _settings_of(plan: RunPlan) -> dict[str, _Settings]:
    """Return the settings of each scenario of a plan, by its name."""
    return {
        unit.scenario.name: _Settings(
            file=unit.file,
            profiles=_typed(unit.profiles, unit.file),
            backend=unit.backend,
            max_images=unit.max_images,
            depth=unit.depth,
        )
        for unit in units_of(plan)
    }


def _typed(profiles: Sequence[OwnProfile], file: str) -> tuple[str, ...]:
    """Return what is typed for the profiles of a scenario; nothing if its file holds some."""
    if file and any(each.file == file for each in profiles):
        return ()
    return tuple(each.file or each.profile.name for each in profiles)


def _ranges(units: Iterable[Unit], scenario: str) -> Iterator[range]:
    """Yield the runs of consecutive seeds that one scenario still needs."""
    seeds = sorted(unit.seed for unit in units if unit.scenario == scenario)
    first = 0
    for number, seed in enumerate(seeds):
        if number + 1 == len(seeds) or seeds[number + 1] != seed + 1:
            yield range(seeds[first], seed + 1)
            first = number + 1
