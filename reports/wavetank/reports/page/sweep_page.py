"""The page of `wavetank sweep`: every filesystem operation fails once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wavetank.reports.page.blocks import (
    Cell,
    Fact,
    Matrix,
    MatrixRow,
    Notice,
    Page,
    Section,
    Table,
    Tone,
)
from wavetank.scenarios import OperationCounts, OperationProblem, OperationSweep, SweptScenario

__all__ = ["sweep_page"]

_SHOWN_PROBLEMS: Final = 200


def sweep_page(swept: Sequence[SweptScenario], *, seed: int, version: str, command: str) -> Page:
    """Return the page of a fault sweep.

    Args:
        swept: what came of each scenario; at least one.
        seed: of the workloads.
        version: of wavetank.
        command: what a person typed.
    """
    parts = {each.name: each.workload for each in swept}
    parts |= {f"{each.name}, recovery": each.recoveries for each in swept}
    whole = OperationSweep.of_all(parts.values())
    counts = whole.counts
    return Page(
        title="wavetank sweep",
        verdict="fail" if whole.problems else "pass",
        sentence=(
            f"{counts.faults:,} operations failed, one at a time; {counts.refused:,} calls were "
            f"refused for it, and {counts.problems or 'nothing'} "
            f"{'things were' if counts.problems > 1 else 'was'} wrong afterwards."
        ),
        command=command,
        facts=(Fact("version", version), Fact("seed", str(seed)), Fact("store", "builtin")),
        sections=(
            *(_problems(whole.problems),) * bool(whole.problems),
            Section(
                id="coverage",
                title="Faults and scenarios",
                lead="A row is what went wrong with an operation, a column the scenario, or its "
                "recoveries, in which each operation suffered it in turn. A cell says how often.",
                blocks=(_matrix(parts, tuple(whole.kinds)),),
            ),
        ),
    )


def _problems(problems: Sequence[OperationProblem]) -> Section:
    hidden = len(problems) - _SHOWN_PROBLEMS
    return Section(
        id="problems",
        title="Problems",
        lead="What was wrong after a fault.",
        blocks=(
            Table(
                columns=("fault", "step", "crash", "wrong"),
                rows=tuple(
                    (str(each.fault), str(each.step), each.crash, each.problem)
                    for each in problems[:_SHOWN_PROBLEMS]
                ),
            ),
            *(Notice(f"{hidden:,} more are not shown; --format json gives all."),) * (hidden > 0),
        ),
    )


def _matrix(parts: dict[str, OperationSweep], faults: Sequence[str]) -> Matrix:
    return Matrix(
        corner="fault",
        columns=tuple(parts),
        rows=tuple(
            MatrixRow(fault, tuple(_cell(sweep.kinds.get(fault)) for sweep in parts.values()))
            for fault in faults
        ),
        legend="Green: the store refused or went on, and was right. Red: something was wrong.",
    )


def _cell(counts: OperationCounts | None) -> Cell:
    if counts is None or not counts.faults:
        return Cell(text="", tone=Tone.NOTHING, note="never injected")
    note = f"{counts.faults:,} injected, {counts.refused:,} refused, {counts.problems:,} problems"
    if counts.problems:
        return Cell(text=f"{counts.problems:,}", tone=Tone.BAD, note=note, target="problems")
    return Cell(text=f"{counts.faults:,}", tone=Tone.GOOD, note=note)
