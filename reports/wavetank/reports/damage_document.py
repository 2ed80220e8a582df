"""What came of the damage matrix as a JSON document, ``wavetank.damage/1``.

docs/json.md says what it means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wavetank.scenarios.corruption import CellKey, DamageResult, Outcome, WrongCell

__all__ = ["damage_document"]


def damage_document(result: DamageResult, version: str) -> dict[str, object]:
    """Return the document."""
    return {
        "schema": "wavetank.damage/1",
        "version": version,
        "verdict": "pass" if result.passed else "fail",
        "cells": result.cells,
        "right": result.cells - len(result.wrong),
        "pairs": result.pairs,
        "wrong": [_wrong(each) for each in result.wrong],
        "outcomes": result.outcomes(),
        "stores": _counts(result, lambda key: (key.store,)),
        "modes": _counts(result, lambda key: (key.mode,)),
        "damages": _counts(result, lambda key: () if key.pair else (key.damage,)),
        "rules": _counts(result, lambda key: key.rules),
    }


def _counts(
    result: DamageResult, part: Callable[[CellKey], Iterable[str]]
) -> dict[str, dict[str, int]]:
    words = [outcome.value for outcome in Outcome]
    return {
        name: {word: counted[word] for word in words} for name, counted in result.by(part).items()
    }


def _wrong(cell: WrongCell) -> dict[str, object]:
    return {
        "store": cell.store,
        "damages": list(cell.damages),
        "mode": cell.mode,
        "rules": list(cell.rules),
        "outcome": cell.outcome,
        "problem": cell.problem,
    }
