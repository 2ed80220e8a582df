"""The page of `wavetank damage`: what the engine makes of damaged files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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
from wavetank.scenarios.corruption import CellKey, DamageResult, Outcome, WrongCell

__all__ = ["damage_page"]

_SHOWN_WRONG: Final = 200


def damage_page(result: DamageResult, version: str, *, command: str) -> Page:
    """Return the page of the damage matrix.

    Args:
        result: what came of it.
        version: of wavetank.
        command: what a person typed.
    """
    right = result.cells - len(result.wrong)
    single = {key: count for key, count in result.counts.items() if not key.pair}
    wrong = Counter((each.store, each.mode) for each in result.wrong)
    return Page(
        title="wavetank damage",
        verdict="pass" if result.passed else "fail",
        sentence=f"{right:,} of {result.cells:,} damaged stores were answered as they should be.",
        command=command,
        facts=(
            Fact("version", version),
            Fact("store", "builtin"),
            *(Fact(word, f"{count:,}") for word, count in result.outcomes().items()),
        ),
        sections=(
            *(_wrong_section(result.wrong),) * bool(result.wrong),
            Section(
                id="damages",
                title="Stores and damages",
                lead="Each file of each store was damaged in every region. A cell says how many "
                "damaged stores were opened; hover for what came of them.",
                blocks=(
                    _matrix("store", single, lambda key: (key.store, key.damage), {}),
                    Notice(
                        "correct: all that was acknowledged is shown. detected: an error or a "
                        "report names the loss. ambiguous: the end may be an unfinished append, "
                        "and the engine says so. undetectable: nothing is left that could show it."
                    ),
                ),
            ),
            Section(
                id="modes",
                title="Stores and recovery modes",
                lead="The same by the mode in which the store was opened.",
                blocks=(_matrix("store", result.counts, lambda key: (key.store, key.mode), wrong),),
            ),
            Section(
                id="rules",
                title="Rules",
                lead="What is right for a damage follows from these rules (docs/damage.md).",
                blocks=(_rules(result),),
            ),
        ),
    )


def _wrong_section(wrong: tuple[WrongCell, ...]) -> Section:
    hidden = len(wrong) - _SHOWN_WRONG
    return Section(
        id="wrong",
        title="Wrong answers",
        lead="What the engine did that is not right.",
        blocks=(
            Table(
                columns=("store", "mode", "damage", "wrong", "rule"),
                rows=tuple(
                    (
                        each.store,
                        each.mode,
                        " and ".join(each.damages),
                        each.problem,
                        ", ".join(each.rules),
                    )
                    for each in wrong[:_SHOWN_WRONG]
                ),
            ),
            *(Notice(f"{hidden:,} more are not shown; --format json gives all."),) * (hidden > 0),
        ),
    )


def _matrix(
    corner: str,
    counts: Mapping[CellKey, int],
    place_of: Callable[[CellKey], tuple[str, str]],
    wrong: Mapping[tuple[str, str], int],
) -> Matrix:
    cells: dict[tuple[str, str], Counter[str]] = {}
    for key, count in counts.items():
        cells.setdefault(place_of(key), Counter())[key.outcome] += count
    columns = tuple(dict.fromkeys(column for _, column in sorted(cells)))
    rows = tuple(dict.fromkeys(row for row, _ in cells))
    return Matrix(
        corner=corner,
        columns=columns,
        rows=tuple(
            MatrixRow(
                row,
                tuple(
                    _cell(cells.get((row, column)), wrong.get((row, column), 0))
                    for column in columns
                ),
            )
            for row in rows
        ),
        legend="Green: correct or detected. Amber: some are ambiguous or undetectable, as the "
        "rules allow. Red: some are wrong.",
    )


def _cell(outcomes: Counter[str] | None, wrong: int) -> Cell:
    if outcomes is None:
        return Cell(text="", tone=Tone.NOTHING, note="no such damage")
    told = ", ".join(f"{count:,} {word}" for word, count in sorted(outcomes.items()))
    if wrong:
        return Cell(
            text=f"{wrong:,} wrong", tone=Tone.BAD, note=f"{wrong:,} wrong; {told}", target="wrong"
        )
    safe = {Outcome.CORRECT.value, Outcome.DETECTED.value}
    tone = Tone.GOOD if safe.issuperset(outcomes) else Tone.DOUBTFUL
    return Cell(text=f"{outcomes.total():,}", tone=tone, note=told)


def _rules(result: DamageResult) -> Table:
    words = [outcome.value for outcome in Outcome]
    by_rule: Callable[[CellKey], Iterable[str]] = lambda key: key.rules  # noqa: E731 - typed
    return Table(
        columns=("rule", *words),
        rows=tuple(
            (rule, *(f"{counted[word]:,}" for word in words))
            for rule, counted in result.by(by_rule).items()
        ),
    )
