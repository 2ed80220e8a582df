"""Text of the damage matrix: counts by store, damage, mode and rule, and the wrong cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from wavetank.scenarios.corruption import CellKey, DamageResult, Outcome, WrongCell

__all__ = ["damage_text"]

_SHOWN_WRONG: Final = 20


def damage_text(result: DamageResult, version: str) -> str:
    """Return everything as text."""
    lines = [f"wavetank {version}, damage to stores of the backend builtin", ""]
    lines += _table(result, "store", lambda key: (key.store,))
    lines += _table(result, "damage", lambda key: () if key.pair else (key.damage,))
    lines += _table(result, "recovery mode", lambda key: (key.mode,))
    lines += _table(result, "rule that applies", lambda key: key.rules)
    for cell in result.wrong[:_SHOWN_WRONG]:
        lines += _wrong(cell)
    hidden = len(result.wrong) - _SHOWN_WRONG
    if hidden > 0:
        lines += [f"and {hidden} more wrong cells; --format json gives all", ""]
    return "\n".join([*lines, _verdict(result)])


def _table(
    result: DamageResult, title: str, part: Callable[[CellKey], Iterable[str]]
) -> Iterator[str]:
    words = [outcome.value for outcome in Outcome]
    rows = [[title, *words]]
    for name, counted in result.by(part).items():
        rows.append([name, *(str(counted[word] or "-") for word in words)])
    width = max(len(row[0]) for row in rows)
    for row in rows:
        yield f"  {row[0]:<{width}}" + "".join(f"  {cell:>12}" for cell in row[1:])
    yield ""


def _wrong(cell: WrongCell) -> Sequence[str]:
    first, *rest = cell.damages
    return (
        f"WRONG  {cell.store}, {cell.mode}: {cell.problem}",
        f"  damage  {first}",
        *(f"  and     {each}" for each in rest),
        *(f"  rule    {each}" for each in cell.rules),
        "",
    )


def _verdict(result: DamageResult) -> str:
    counted = ", ".join(f"{count} {word}" for word, count in result.outcomes().items())
    right = result.cells - len(result.wrong)
    pairs = f" ({result.pairs} of two damages)" if result.pairs else ""
    word = "PASS" if result.passed else "FAIL"
    return f"{word}: {right} of {result.cells} cells{pairs} right: {counted}"
