"""The result of a run in text: first line, table, failures, last lines.

Functions from values to text; only `screen_width` asks the environment.
"""

from __future__ import annotations

import os  # noqa: TID251 - COLUMNS is part of the environment
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from wavetank.reports.outputs.sweep_table import shown_name, sweep_table
from wavetank.reports.runs.session import Session
from wavetank.reports.telling.next_commands import remaining_commands
from wavetank.reports.telling.story import render_story
from wavetank.scenarios import Case, RunPlan, ScenarioResult, Verdict, Violation
from wavetank.sim import Choice

__all__ = ["fault_warnings", "first_line", "render_session", "screen_width"]

_STORIES: Final = 3
"""Failures told in full; the others get a line each."""

_MANY_PROFILES: Final = 3
"""Profiles from which on a line per scenario says on which of them it is safe."""


def screen_width() -> int | None:
    """Return the columns of the terminal on stdout, or what COLUMNS says; None for neither."""
    columns = shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0
    return columns or _typed_columns()


def _typed_columns() -> int | None:
    text = os.environ.get("COLUMNS", "")
    return int(text) if text.isdecimal() and int(text) else None


def first_line(version: str, plan: RunPlan) -> str:
    """Return what a report begins with."""
    seeds = plan.seeds
    is_range = seeds == tuple(range(seeds[0], seeds[-1] + 1))
    several = f"{seeds[0]}:{seeds[-1] + 1}" if is_range else ", ".join(map(str, seeds))
    seed = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {several}"
    profiles = "profile" if len(plan.profiles) == 1 else "profiles"
    return (
        f"wavetank {version}, {seed}, {profiles} {', '.join(plan.profiles)}, "
        f"backend {plan.backend}{_options(plan)}{_faults(plan)}"
    )


def fault_warnings(session: Session) -> list[str]:
    """Return a sentence for each fault that never fired: in no sweep, or not in some of them."""
    warnings = []
    for line in session.result.plan.faults:
        idle = [each for each in session.result.results if not dict(each.faults_fired)[line]]
        if idle and len(idle) == len(session.result.results) and not session.remaining:
            warnings.append(f"warning: never fired: {line}")
        elif idle:
            places = ", ".join(_places(idle, session.result.results))
            warnings.append(f"warning: never fired in {places}: {line}")
    return warnings


def _places(some: Sequence[ScenarioResult], results: Sequence[ScenarioResult]) -> Iterator[str]:
    """Name some sweeps by their scenarios, and by profile where only some are meant."""
    for name in dict.fromkeys(each.name for each in some):
        mine = [each for each in some if each.name == name]
        profiles = " and ".join(dict.fromkeys(each.profile for each in mine))
        is_all = len(mine) == sum(each.name == name for each in results)
        yield name if is_all else f"{name} under {profiles}"


def _faults(plan: RunPlan) -> str:
    if not plan.faults:
        return ""
    return f", fault {plan.faults[0]}" if len(plan.faults) == 1 else f", {len(plan.faults)} faults"


def _fired(session: Session) -> dict[str, int]:
    """Return how often each fault of the plan fired, in all sweeps together."""
    counts = dict.fromkeys(session.result.plan.faults, 0)
    for result in session.result.results:
        for line, count in result.faults_fired:
            # A scenario may have faults of its own.
            if line in counts:
                counts[line] += count
    return counts


def _given_up_by(plan: RunPlan) -> str:
    if any(not holds for own in plan.own_scenarios for _, holds in own.scenario.contract):
        return "Options, faults or scenario files"
    if not plan.faults:
        return "Options"
    return "Faults" if plan.option_sets == ((),) else "Options or faults"


def _options(plan: RunPlan) -> str:
    if plan.option_sets == ((),):
        return ""
    if len(plan.option_sets) == 1:
        return f", options {', '.join(plan.option_sets[0])}"
    return f", {len(plan.option_sets)} sets of options"


def render_session(session: Session, *, found: Case | None = None, width: int | None = None) -> str:
    """Return everything about a finished or interrupted run, but for its first line.

    Args:
        session: the run.
        found: the case of the first finding as it was found, if it has been made smaller.
        width: columns of the terminal; None where there is none.
    """
    results = session.result.results
    blocks = [sweep_table(results, width=width)] if results else []
    answers = list(_where_safe(results))
    if answers:
        blocks.append("\n".join(answers))
    every = session.violations
    limit = session.result.plan.max_images
    told = _different(every)[:_STORIES]
    blocks += [
        render_story(
            violation,
            case,
            found=found if violation.shrunk else None,
            max_images=limit,
            width=width,
        )
        for case, violation in told
    ]
    if len(every) > len(told):
        lines = [
            _one_line((violation.shrunk and found) or case, violation) for case, violation in every
        ]
        blocks.append("\n".join([f"All {len(every)} violations:", *lines]))
    blocks.append("\n".join(_last_lines(session)))
    return "\n\n".join(blocks)


def _different(found: Sequence[tuple[Case, Violation]]) -> list[tuple[Case, Violation]]:
    """Return the first violation of each kind: the same story twice helps nobody."""
    first: dict[tuple[str, str], tuple[Case, Violation]] = {}
    for case, violation in found:
        first.setdefault((violation.invariant, violation.kind), (case, violation))
    return list(first.values())


def _where_safe(results: Sequence[ScenarioResult]) -> Iterator[str]:
    """Yield, for each scenario run under many profiles, on which of them it is safe."""
    scenarios: dict[tuple[str, int], list[ScenarioResult]] = {}
    for result in results:
        scenarios.setdefault((shown_name(result), result.seed), []).append(result)
    for (name, seed), group in scenarios.items():
        if len(group) >= _MANY_PROFILES:
            wrong = [result.profile for result in group if result.verdict is not Verdict.PASS]
            right = [result.profile for result in group if result.verdict is Verdict.PASS]
            answer = f"safe on {', '.join(right) or 'none of them'}"
            not_safe = f"; not shown safe on {', '.join(wrong)}" if wrong else ""
            depth = max(result.depth for result in group)
            yield f"{name} seed {seed}: {answer}{not_safe}; last new image at depth {depth}"
    for result in results:
        if result.schedules and result.verdict is Verdict.PASS:
            yield _schedules_line(result)
        elif result.workloads > 1 and result.verdict is Verdict.PASS:
            yield _family_line(result)


def _schedules_line(result: ScenarioResult) -> str:
    """Return what passed of a scenario whose tasks run beside one another."""
    told = f"{result.name} under {result.profile}: no violation in {result.schedules} schedules"
    if result.workloads == 1:
        return f"{told}, {result.judged} images of crashes in the first that differ"
    return (
        f"{told} of {result.workloads} workloads: all that can differ for {result.every_schedule} "
        f"of them; {result.judged} images of their crashes"
    )


def _family_line(result: ScenarioResult) -> str:
    """Return what passed of a family of workloads."""
    ops = result.name.rpartition("-")[2]
    judged = "all judged" if result.complete else "not all judged"
    return (
        f"{result.name} under {result.profile}: no violation up to {ops} ops: {result.workloads} "
        f"workloads, {result.distinct} distinct images, {judged}"
    )


def _one_line(case: Case, violation: Violation) -> str:
    workload = case.workload
    name = (
        f"{workload.name} [{','.join(workload.overrides)}]" if workload.overrides else workload.name
    )
    return (
        f"  {violation.id}  {violation.invariant}  "
        f"{name} seed {workload.seed} {case.profile.name}: {violation.kind}"
    )


def _last_lines(session: Session) -> Iterator[str]:
    results = session.result.results
    violations = len(session.violations)
    judged = sum(result.judged for result in results)
    unjudged = sum(result.unjudged for result in results)
    yield (
        f"{session.verdict.value.upper()}: {_counted(violations, 'violation')} "
        f"in {_counted(len(results), 'sweep')}, {_counted(judged, 'image')} judged "
        f"in {session.elapsed_s:.1f} s ({_counted(session.workers, 'worker')})"
    )
    if unjudged and session.result.plan.max_images is not None:
        yield f"The budget ended with {_counted(unjudged, 'image')} unjudged (--max-images)."
    stopped = sum(result.stopped_after_first for result in results)
    if stopped:
        yield (
            f"{_counted(stopped, 'sweep')} ended early after the first violation "
            f"(--keep-going judges every image)."
        )
    if any(not result.complete for result in results):
        yield "Rows with complete=no skipped some legal crash images."
        yield from _choices(results)
    yield from _clusters(results)
    relaxed = sorted({clause for result in results for clause in result.relaxed})
    if relaxed:
        given_by = _given_up_by(session.result.plan)
        yield f"{given_by} gave up the promises {', '.join(relaxed)} (docs/oracle.md)."
    for line, count in _fired(session).items():
        if count:
            yield f"fired {count} {'time' if count == 1 else 'times'}: {line}"
    yield from fault_warnings(session)
    if session.result.digest:
        yield f"digest {session.result.digest}"
    yield from _determinism_lines(session)
    yield from _remaining_lines(session)


def _choices(results: Sequence[ScenarioResult]) -> Iterator[str]:
    """Yield, for each profile with too many images, how large the choice of them was."""
    chosen: dict[str, Choice] = {}
    for result in results:
        if result.choice.points:
            chosen[result.profile] = chosen.get(result.profile, Choice()) + result.choice
    for profile, choice in chosen.items():
        yield (
            f"  {profile}: at {_counted(choice.points, 'crash point')} up to "
            f"{_counted(choice.ops, 'pending op')} were taken for up to "
            f"{_counted(choice.groups, 'group')} of ops made alike; "
            f"{_counted(choice.sets, 'set')} of ops chosen"
        )


def _clusters(results: Sequence[ScenarioResult]) -> Iterator[str]:
    """Yield what the runs of each cluster came to."""
    for result in results:
        counts = result.cluster
        if counts is not None:
            yield (
                f"{shown_name(result)} {result.profile}: {_counted(counts.runs, 'run')}, "
                f"{counts.simulated_s} simulated seconds, "
                f"{_counted(counts.power_cuts, 'power cut')}, {_counted(counts.kills, 'kill')}, "
                f"{_counted(counts.elections, 'election')}, "
                f"{_counted(counts.commits, 'commit')}"
            )


def _determinism_lines(session: Session) -> Iterator[str]:
    check = session.determinism
    if check is None:
        return
    seeds = " and ".join(map(str, check.hash_seeds))
    if check.difference:
        yield f"NOT DETERMINISTIC: two runs under PYTHONHASHSEED {seeds} differ."
        yield f"  digests {check.digests[0]} and {check.digests[1]}"
        yield f"  first in {check.difference}"
    else:
        yield f"deterministic: the digest is the same under PYTHONHASHSEED {seeds}"


def _remaining_lines(session: Session) -> Iterator[str]:
    if not session.remaining:
        return
    left = len({unit.scenario for unit in session.remaining})
    stopped = "Ended by an error" if session.error else "Stopped at --max-failures"
    reason = "Interrupted" if session.interrupted else stopped
    yield f"{reason}: {_counted(left, 'scenario')} left. To run the rest:"
    for command in remaining_commands(session):
        yield f"  {command}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
