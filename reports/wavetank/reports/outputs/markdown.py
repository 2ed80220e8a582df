"""A summary of a run in Markdown, for the pages of continuous integration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from wavetank.reports.runs.session import Session
from wavetank.reports.telling.next_commands import replay_command
from wavetank.scenarios import RunPlan, ScenarioResult

__all__ = ["run_markdown"]

_MARKUP: Final = re.compile(r"[\\|<>`*_\[\]]")


def run_markdown(session: Session, version: str) -> str:
    """Return the summary: the verdict, a table of scenarios by profiles, and the violations.

    Args:
        session: the run.
        version: of wavetank.
    """
    return "\n".join((*_head(session, version), *_table(session), *_violations(session))) + "\n"


def _head(session: Session, version: str) -> Iterator[str]:
    plan, results = session.result.plan, session.result.results
    judged = sum(result.judged for result in results)
    yield f"## wavetank: {session.verdict.value}"
    yield ""
    yield (
        f"wavetank {version}, {_seeds(plan)}, backend `{_cell(plan.backend)}`: "
        f"{len(session.violations)} violations in {len(results)} sweeps, {judged} images judged "
        f"in {session.elapsed_s:.1f} s"
    )
    if session.remaining:
        yield ""
        yield f"Not finished: {len(session.remaining)} scenarios with their seeds remain."


def _seeds(plan: RunPlan) -> str:
    word = "seed" if len(plan.seeds) == 1 else "seeds"
    return f"{word} {', '.join(map(str, plan.seeds))}"


def _table(session: Session) -> Iterator[str]:
    results = session.result.results
    profiles = tuple(dict.fromkeys(result.profile for result in results))
    if not profiles:
        return
    yield ""
    yield f"| scenario | seed | {' | '.join(map(_cell, profiles))} |"
    yield f"|---|---|{'---|' * len(profiles)}"
    for _, group in groupby(results, lambda each: (each.name, each.seed, each.options)):
        yield _row(tuple(group), profiles)


def _row(results: Sequence[ScenarioResult], profiles: Sequence[str]) -> str:
    first = results[0]
    options = f" [{','.join(first.options)}]" if first.options else ""
    by_profile = {result.profile: result for result in results}
    cells = (_verdict(by_profile.get(profile)) for profile in profiles)
    return f"| {_cell(first.name + options)} | {first.seed} | {' | '.join(cells)} |"


def _verdict(result: ScenarioResult | None) -> str:
    if result is None:
        return ""
    word = result.verdict.value
    return f"**{word}** ({len(result.violations)})" if result.violations else word


def _violations(session: Session) -> Iterator[str]:
    if not session.violations:
        return
    yield ""
    yield "| violation | where | what | see it again |"
    yield "|---|---|---|---|"
    for case, violation in session.violations:
        place = f"{case.workload.name} seed {case.workload.seed} {case.profile.name}"
        what = f"{violation.invariant}: {violation.summary}"
        again = f"`{replay_command(violation.id)}`"
        yield f"| {_cell(violation.id)} | {_cell(place)} | {_cell(what)} | {again} |"


def _cell(text: str) -> str:
    """Return a text that stays within its cell, and is no markup."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
