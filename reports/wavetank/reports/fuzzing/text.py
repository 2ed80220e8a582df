"""The result of a fuzzing run in text: failures, what was reached, last lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from wavetank.reports.fuzzing.session import FuzzSession
from wavetank.reports.telling.story import render_story
from wavetank.scenarios import Feature, FuzzPlan

__all__ = ["PARTS", "fuzz_first_line", "render_fuzz"]

_STORIES: Final = 3
_SHOWN: Final = 6

PARTS: Final[Mapping[str, Callable[[Feature], str]]] = {
    "operations": lambda feature: feature.operation,
    "faults": lambda feature: feature.fault,
    "branches": lambda feature: feature.branch,
    "options": lambda feature: feature.option,
}
"""The parts of what runs reach, by what they are called."""


def fuzz_first_line(version: str, plan: FuzzPlan, max_time_s: float | None) -> str:
    """Return what a report begins with."""
    limits = [
        *([] if max_time_s is None else [f"{max_time_s:g} s"]),
        *([] if plan.runs is None else [_counted(plan.runs, "run")]),
    ]
    return (
        f"wavetank {version}, fuzz, seed {plan.seed}, {_counted(len(plan.profiles), 'profile')}, "
        f"backend {plan.backend}, {' or '.join(limits)}"
    )


def render_fuzz(session: FuzzSession, kept: str, *, width: int | None = None) -> str:
    """Return everything about a run but for its first line.

    Args:
        session: what came of it.
        kept: a sentence on where its inputs are.
        width: columns of the terminal; None where there is none.
    """
    findings = session.result.findings
    blocks = [render_story(each.violation, each.case, width=width) for each in findings[:_STORIES]]
    if len(findings) > _STORIES:
        lines = [
            f"  {each.violation.id}  {each.key[0]}  {each.key[2]}: {each.key[1]}"
            for each in findings
        ]
        blocks.append("\n".join([f"All {len(findings)} violations:", *lines]))
    blocks += ["\n".join(_reached(session)), "\n".join(_last_lines(session, kept))]
    return "\n\n".join(blocks)


def _reached(session: FuzzSession) -> Iterator[str]:
    coverage = session.result.coverage
    yield (
        f"Reached {_counted(len(coverage), 'combination')} of operation, fault, recovery branch "
        f"and option:"
    )
    for name, part in PARTS.items():
        counts = coverage.by(part)
        most = ", ".join(f"{value} {count}" for value, count in list(counts.items())[:_SHOWN])
        yield f"  {name:<11}{len(counts):>5}  {_short(most)}"


def _short(text: str) -> str:
    room = 78
    return text if len(text) <= room else f"{text[: room - 4]} ..."


def _last_lines(session: FuzzSession, kept: str) -> Iterator[str]:
    result, counts = session.result, session.result.counts
    yield (
        f"{session.verdict.upper()}: {_counted(len(result.findings), 'violation')} in "
        f"{_counted(counts.runs, 'run')}, {_counted(counts.steps, 'step')}, "
        f"{_counted(counts.images, 'image')} judged in {session.elapsed_s:.1f} s "
        f"({_counted(session.workers, 'worker')})"
    )
    yield kept
    if result.broken:
        yield f"{_counted(len(result.broken), 'run')} broke off, which is an error of wavetank:"
        yield from (f"  run {each.number}: {each.error}" for each in result.broken[:_STORIES])
    if session.is_whole:
        yield f"digest {result.digest}"
    if session.interrupted:
        yield "Interrupted: what was found until then is above."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
