"""The page of `wavetank check`: one scorecard, or several side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from wavetank.reports.page.blocks import (
    Cell,
    Fact,
    Matrix,
    MatrixRow,
    Page,
    Section,
    Table,
    Tone,
)
from wavetank.scenarios.conformance import CheckResult, Outcome, Scorecard, choose_checks

__all__ = ["check_page"]

_TONES: Final = {Outcome.PASS: Tone.GOOD, Outcome.FAIL: Tone.BAD, Outcome.SKIP: Tone.PLAIN}


def check_page(cards: Sequence[Scorecard], version: str, *, command: str) -> Page:
    """Return the page of scorecards.

    Args:
        cards: one for each store; at least one.
        version: of wavetank.
        command: what a person typed.
    """
    failed = sum(card.count(Outcome.FAIL) for card in cards)
    passed = all(card.passed for card in cards)
    return Page(
        title="wavetank check",
        verdict="pass" if passed else "fail",
        sentence=_sentence(cards, failed),
        command=command,
        facts=(
            Fact("version", version),
            Fact("stores", ", ".join(card.backend for card in cards)),
            Fact("profiles", ", ".join(cards[0].profiles)),
        ),
        sections=tuple(_sections(cards)),
    )


def _sentence(cards: Sequence[Scorecard], failed: int) -> str:
    asked = sum(len(card.results) for card in cards)
    skipped = sum(card.count(Outcome.SKIP) for card in cards)
    who = cards[0].backend if len(cards) == 1 else f"{len(cards)} stores"
    told = f"{who}: {asked - failed - skipped} of {asked} checks passed, {failed} failed"
    return f"{told}, {skipped} do not apply." if skipped else f"{told}."


def _sections(cards: Sequence[Scorecard]) -> Iterator[Section]:
    reasons = tuple(_reasons(cards, Outcome.FAIL))
    if reasons:
        yield Section(
            id="failed",
            title="What failed",
            lead="The checks that a store did not pass, and what it did instead.",
            blocks=(Table(columns=("check", "store", "reason"), rows=reasons),),
        )
    for group, results in _groups(cards):
        yield Section(
            id=group,
            title=group,
            lead="Each row asks the store for one thing that a Raft node relies on.",
            blocks=(_matrix(cards, results),),
        )
    skipped = tuple(_reasons(cards, Outcome.SKIP))
    if skipped:
        yield Section(
            id="skipped",
            title="What does not apply",
            lead="Checks that need what a store does not declare.",
            blocks=(Table(columns=("check", "store", "reason"), rows=skipped),),
        )
    yield Section(
        id="stores",
        title="What the stores declare",
        lead="A check is asked only of a store that declares what it needs.",
        blocks=(
            Table(
                columns=("store", "capabilities"),
                rows=tuple((card.backend, ", ".join(card.capabilities)) for card in cards),
            ),
        ),
    )


def _groups(cards: Sequence[Scorecard]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each group with the ids of its checks, in the suite's order."""
    asked = {result.id for card in cards for result in card.results}
    groups: dict[str, list[str]] = {}
    for check in choose_checks(()):
        if check.id in asked:
            groups.setdefault(check.group, []).append(check.id)
    for group, ids in groups.items():
        yield group, tuple(ids)


def _matrix(cards: Sequence[Scorecard], ids: Sequence[str]) -> Matrix:
    summaries = {check.id: check.summary for check in choose_checks(())}
    return Matrix(
        corner="check",
        columns=tuple(card.backend for card in cards),
        rows=tuple(
            MatrixRow(summaries[each], tuple(_cell(card, each) for card in cards)) for each in ids
        ),
    )


def _cell(card: Scorecard, check: str) -> Cell:
    result = next((each for each in card.results if each.id == check), None)
    if result is None:
        return Cell(text="", tone=Tone.NOTHING, note="not asked")
    return Cell(text=result.outcome.value, tone=_TONES[result.outcome], note=_told(result))


def _told(result: CheckResult) -> str:
    return ". ".join(part for part in (result.id, result.reason, *result.notes) if part)


def _reasons(cards: Sequence[Scorecard], outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    for card in cards:
        for result in card.results:
            if result.outcome is outcome:
                yield result.id, card.backend, result.reason
