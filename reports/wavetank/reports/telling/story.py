"""A failure told to a person, on one screen.

What was promised and broken, the steps that lead there, what the crash lost, why, what would have
cured it, and how to see it again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import wrap
from typing import Final

from attrs import frozen

from wavetank.reports.telling.lanes import draw_lanes
from wavetank.reports.telling.next_commands import replay_command, run_command, shrink_command
from wavetank.reports.telling.sentences import first_sentence
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
"""Lines of a failure at most, where there are 100 columns."""

_WIDTH: Final = 100
_NARROWEST: Final = 40
_SHELL_WORD: Final = re.compile(r"(?:'[^']*'|[^\s'])+")
_LABEL: Final = 12
_ROOM: Final = _WIDTH - _LABEL
_FIRST_STEPS: Final = 3
_LAST_STEPS: Final = 8
_LOST_SHOWN: Final = 3
_LINES_PER_SENTENCE: Final = 3
_LANE_LINES: Final = 14


def render_story(
    violation: Violation,
    case: Case,
    *,
    found: Case | None = None,
    max_images: int | None = None,
    width: int | None = None,
) -> str:
    """Return one failure in at most `STORY_LINES` lines, or in more on a narrow terminal.

    Args:
        violation: the story.
        case: what brings it back.
        found: the case as it was found, if it has been made smaller.
        max_images: the budget of the run in which it was found; None: all images.
        width: columns of the terminal; None where there is none: 100, and commands in one line.
    """
    case = found or case
    sheet = _Sheet(max(min(width or _WIDTH, _WIDTH), _NARROWEST), width)
    workload = case.workload
    faults = tuple(map(str, workload.faults.faults))
    run_of = (workload.name, f"seed {workload.seed}", case.profile.name, case.store)
    place = ", ".join((*run_of, *workload.overrides, *faults))
    promises = {**INVARIANTS, **CLUSTER_INVARIANTS, **DAMAGE_INVARIANTS}
    promise = promises.get(violation.invariant, "an invariant of another version")
    lines = [
        *sheet.paragraph(f"FAIL {violation.id}: {place}"),
        *_first(violation, sheet),
        *sheet.sentence("promised", f"{violation.invariant}: {promise}"),
        *sheet.sentence("broken", violation.summary),
        *(_lanes(violation, sheet) or sheet.items("steps", _shortened(violation.steps))),
        *_about_the_crash(violation, sheet),
        *_shrunk(violation, sheet),
        *sheet.command(f"Reproduce: {replay_command(violation.id)}"),
        *_elsewhere(violation, case, max_images, sheet),
    ]
    return "\n".join(lines)


@frozen
class _Sheet:
    """What a story is written on.

    Attributes:
        width: columns.
        columns: of the terminal, into which lines without a label fit, too; None: into one line.
    """

    width: int
    columns: int | None

    @property
    def room(self) -> int:
        """Columns behind a label."""
        return self.width - _LABEL

    def paragraph(self, text: str) -> list[str]:
        """Return a text without a label."""
        return wrap(text, self.columns, subsequent_indent="  ") if self.columns else [text]

    def command(self, text: str) -> list[str]:
        """Return a text that ends with a command; where it is broken, a shell reads on."""
        if not self.columns or len(text) <= self.columns:
            return [text]
        lines = [""]
        for word in _SHELL_WORD.findall(text):
            if len(lines[-1]) + len(word) + 3 > self.columns:
                lines.append(" ")
            lines[-1] += f" {word}" if lines[-1] else word
        return [*(f"{line} \\" for line in lines[:-1]), lines[-1]]

    def sentence(self, label: str, sentence: str) -> list[str]:
        """Return a sentence behind its label, cut where 100 columns would need many lines."""
        return self._labelled(label, wrap(" ".join(_fitting(sentence, _ROOM)), self.room))

    def items(self, label: str, lines: Sequence[str]) -> list[str]:
        """Return lines behind a label, each cut where it does not fit into 100 columns."""
        short = (_cut(" ".join(line.split()), _ROOM) for line in lines)
        return self._labelled(
            label, [part for line in short for part in wrap(line, self.room) or [""]]
        )

    def _labelled(self, label: str, lines: Sequence[str]) -> list[str]:
        labels = [label, *[""] * len(lines)]
        return [f"  {name:<{_LABEL - 2}}{line}" for name, line in zip(labels, lines, strict=False)]


def _fitting(sentence: str, room: int) -> list[str]:
    """Return the lines that a sentence has in so many columns, few of them."""
    lines = wrap(sentence, room)
    if len(lines) <= _LINES_PER_SENTENCE:
        return lines
    last = f"{lines[_LINES_PER_SENTENCE - 1][: room - 4]} ..."
    return [*lines[: _LINES_PER_SENTENCE - 1], last]


def _cut(line: str, room: int) -> str:
    return line if len(line) <= room else f"{line[: room - 4]} ..."


def _first(violation: Violation, sheet: _Sheet) -> list[str]:
    """Return the story in one sentence, where it is known how the promise was broken."""
    if violation.chain is None:
        return []
    wide = wrap(first_sentence(violation), _WIDTH - 2)[:_LINES_PER_SENTENCE]
    return [f"  {line}" for line in wrap(" ".join(wide), sheet.width - 2)]


def _elsewhere(
    violation: Violation, case: Case, max_images: int | None, sheet: _Sheet
) -> list[str]:
    """Return what to do where the failure is not stored; a workload that was drawn has no name."""
    workload = case.workload
    if workload.name not in ALL_SCENARIOS and not case.scenario_file:
        return sheet.paragraph(
            f"Elsewhere: the same with a copy of the file .wavetank/failures/{violation.id}.json"
        )
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
    return sheet.command(f"Elsewhere: first {command}")


def _profiles(case: Case) -> tuple[str, ...]:
    if case.profile_file and case.profile_file == case.scenario_file:
        return ()
    return (case.profile_file or case.profile.name,)


def _about_the_crash(violation: Violation, sheet: _Sheet) -> list[str]:
    """Return what was lost, why, and what would have kept it; of a race without a crash, why."""
    if violation.crash is None and violation.history is not None:
        return sheet.sentence("why", f"no crash is needed: {violation.why}")
    return [
        *sheet.items("lost", _first_few(violation.lost)),
        *sheet.sentence("why", violation.why),
        *sheet.sentence("profiles", f"allowed by {', '.join(violation.profiles)}"),
        *sheet.sentence("cure", violation.cure or "no single sync would have prevented it"),
        *sheet.sentence("rules", _rules(violation.rules)),
    ]


def _shrunk(violation: Violation, sheet: _Sheet) -> list[str]:
    """Return how much smaller a failure was made than it was found."""
    note = violation.shrunk
    if note is None:
        return []
    told = (
        f"steps {note.steps_before} -> {note.steps}, lost micro-ops {note.lost_before} -> "
        f"{note.lost}, on {note.judged} images and runs"
    )
    more = "" if note.is_finished else f"; {shrink_command(violation.id)} goes on"
    return sheet.sentence("shrunk", f"{told}{more}")


def _lanes(violation: Violation, sheet: _Sheet) -> list[str]:
    """Return the calls of tasks that ran beside one another, as lanes, and their schedule."""
    history = violation.history
    if history is None or not history.calls:
        return []
    last = max((call.returned_at or 0 for call in history.calls), default=0)
    mark = last if violation.crash is None and violation.invariant == "O13" and last else None
    try:
        drawn = draw_lanes(history, width=sheet.room, mark=mark).splitlines()
    except ValueError:  # the terminal is too narrow for them: the steps are told instead
        return []
    lanes = [line for line in drawn if line]
    if len(lanes) > _LANE_LINES:
        lanes = [*lanes[: _LANE_LINES - 1], f"... {len(lanes) - _LANE_LINES + 1} lines more"]
    indented = [
        f"  {'tasks' if not place else '':<{_LABEL - 2}}{line}" for place, line in enumerate(lanes)
    ]
    return [*indented, *sheet.sentence("schedule", violation.schedule)]


def _rules(rules: Sequence[str]) -> str:
    if not rules:
        return "no single promise of a filesystem would forbid it"
    return f"a filesystem forbids it if {' or '.join(rules)}"


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
