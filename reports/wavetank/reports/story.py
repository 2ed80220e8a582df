"""A failure told to a person, on one screen.

What was promised and broken, the steps that lead there, what the crash lost, why, what would have
cured it, and how to see it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Final

from wavetank.reports.lanes import draw_lanes
from wavetank.reports.next_commands import replay_command, run_command, shrink_command
from wavetank.reports.sentences import first_sentence
from wavetank.scenarios import (
    ALL_SCENARIOS,
    CLUSTER_INVARIANTS,
    DAMAGE_INVARIANTS,
    INVARIANTS,
    Case,
    Violation,
)

__all__ = ["STORY_LINES", "render_story"]

STORY_LINES: Final = 32
"""Lines of a failure at most."""

_WIDTH: Final = 100
_LABEL: Final = 12
_FIRST_STEPS: Final = 3
_LAST_STEPS: Final = 8
_LOST_SHOWN: Final = 3
_LINES_PER_SENTENCE: Final = 3
_LANE_LINES: Final = 14


def render_story(
    violation: Violation, case: Case, *, found: Case | None = None, max_images: int | None = None
) -> str:
    """Return one failure in at most `STORY_LINES` lines.

    Args:
        violation: the story.
        case: what brings it back.
        found: the case as it was found, if it has been made smaller.
        max_images: the budget of the run in which it was found; None: all images.
    """
    case = found or case
    workload = case.workload
    faults = tuple(map(str, workload.faults.faults))
    run_of = (workload.name, f"seed {workload.seed}", case.profile.name, case.store)
    place = ", ".join((*run_of, *workload.overrides, *faults))
    promises = {**INVARIANTS, **CLUSTER_INVARIANTS, **DAMAGE_INVARIANTS}
    promise = promises.get(violation.invariant, "an invariant of another version")
    lines = [
        f"FAIL {violation.id}: {place}",
        *_first(violation),
        *_sentence("promised", f"{violation.invariant}: {promise}"),
        *_sentence("broken", violation.summary),
        *(_lanes(violation) or _list("steps", _shortened(violation.steps))),
        *_about_the_crash(violation),
        *_shrunk(violation),
        f"Reproduce: {replay_command(violation.id)}",
        f"Elsewhere: {_elsewhere(violation, case, max_images)}",
    ]
    return "\n".join(lines)


def _first(violation: Violation) -> list[str]:
    """Return the story in one sentence, where it is known how the promise was broken."""
    if violation.chain is None:
        return []
    lines = wrap(first_sentence(violation), _WIDTH - 2)
    return [f"  {line}" for line in lines[:_LINES_PER_SENTENCE]]


def _elsewhere(violation: Violation, case: Case, max_images: int | None) -> str:
    """Return what to do where the failure is not stored; a workload that was drawn has no name."""
    workload = case.workload
    if workload.name not in ALL_SCENARIOS and not case.scenario_file:
        return f"the same with a copy of the file .wavetank/failures/{violation.id}.json"
    command = run_command(
        scenarios=[case.scenario_file or workload.name],
        seeds=range(workload.seed, workload.seed + 1),
        profiles=_profiles(case),
        backend=case.store,
        max_images=max_images,
        depth=case.depth,
        option_sets=(workload.overrides,),
        # Those of the scenario itself come twice, and count once.
        faults=tuple(map(str, workload.faults.faults)),
        # Each profile has the same numbers of runs, from 0 on.
        cluster_runs=None if workload.cluster is None else workload.cluster.run + 1,
    )
    return f"first {command}"


def _profiles(case: Case) -> tuple[str, ...]:
    if case.profile_file and case.profile_file == case.scenario_file:
        return ()
    return (case.profile_file or case.profile.name,)


def _about_the_crash(violation: Violation) -> list[str]:
    """Return what was lost, why, and what would have kept it; of a race without a crash, why."""
    if violation.crash is None and violation.history is not None:
        return _sentence("why", f"no crash is needed: {violation.why}")
    return [
        *_list("lost", _first_few(violation.lost)),
        *_sentence("why", violation.why),
        *_sentence("profiles", f"allowed by {', '.join(violation.profiles)}"),
        *_sentence("cure", violation.cure or "no single sync would have prevented it"),
        *_sentence("rules", _rules(violation.rules)),
    ]


def _shrunk(violation: Violation) -> list[str]:
    """Return how much smaller a failure was made than it was found."""
    note = violation.shrunk
    if note is None:
        return []
    told = (
        f"steps {note.steps_before} -> {note.steps}, lost micro-ops {note.lost_before} -> "
        f"{note.lost}, on {note.judged} images and runs"
    )
    more = "" if note.is_finished else f"; {shrink_command(violation.id)} goes on"
    return _sentence("shrunk", f"{told}{more}")


def _lanes(violation: Violation) -> list[str]:
    """Return the calls of tasks that ran beside one another, as lanes, and their schedule."""
    history = violation.history
    if history is None or not history.calls:
        return []
    last = max((call.returned_at or 0 for call in history.calls), default=0)
    mark = last if violation.crash is None and violation.invariant == "O13" and last else None
    drawn = draw_lanes(history, width=_WIDTH - _LABEL, mark=mark).splitlines()
    lanes = [line for line in drawn if line]
    if len(lanes) > _LANE_LINES:
        lanes = [*lanes[: _LANE_LINES - 1], f"... {len(lanes) - _LANE_LINES + 1} lines more"]
    indented = [
        f"  {'tasks' if not place else '':<{_LABEL - 2}}{line}" for place, line in enumerate(lanes)
    ]
    return [*indented, *_sentence("schedule", violation.schedule)]


def _rules(rules: Sequence[str]) -> str:
    if not rules:
        return "no single promise of a filesystem would forbid it"
    return f"a filesystem forbids it if {' or '.join(rules)}"


def _sentence(label: str, sentence: str) -> list[str]:
    lines = wrap(sentence, _WIDTH - _LABEL)
    if len(lines) > _LINES_PER_SENTENCE:
        last = lines[_LINES_PER_SENTENCE - 1]
        lines = [*lines[: _LINES_PER_SENTENCE - 1], f"{last[: _WIDTH - _LABEL - 4]} ..."]
    return _list(label, lines)


def _list(label: str, lines: Sequence[str]) -> list[str]:
    room = _WIDTH - _LABEL
    single = [" ".join(line.split()) for line in lines]
    short = [line if len(line) <= room else f"{line[: room - 4]} ..." for line in single]
    labels = [label, *[""] * len(short)]
    return [f"  {name:<{_LABEL - 2}}{line}" for name, line in zip(labels, short, strict=False)]


def _shortened(steps: Sequence[str]) -> list[str]:
    left_out = len(steps) - _FIRST_STEPS - _LAST_STEPS
    if left_out <= 1:
        return list(steps)
    return [*steps[:_FIRST_STEPS], f"... {left_out} more", *steps[-_LAST_STEPS:]]


def _first_few(lost: Sequence[str]) -> list[str]:
    if not lost:
        return ["nothing"]
    left_out = len(lost) - _LOST_SHOWN
    return [*lost[:_LOST_SHOWN], f"... {left_out} more"] if left_out > 1 else list(lost)
