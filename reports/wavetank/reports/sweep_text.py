"""What came of the sweeps of failing operations, for people: counts by scenario and kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from wavetank.scenarios import OperationCounts, OperationSweep, SweptScenario

__all__ = ["sweep_text"]

_SHOWN_PROBLEMS: Final = 20


def sweep_text(swept: Sequence[SweptScenario], *, seed: int, version: str) -> str:
    """Return everything as text."""
    whole = OperationSweep.of_all(
        part for each in swept for part in (each.workload, each.recoveries)
    )
    lines = [f"wavetank {version}, failing operations of the backend builtin, seed {seed}", ""]
    lines += _table("scenario", _by_scenario(swept))
    lines += _table("fault", whole.kinds)
    lines += [f"WRONG  {problem}" for problem in whole.problems[:_SHOWN_PROBLEMS]]
    hidden = len(whole.problems) - _SHOWN_PROBLEMS
    if hidden > 0:
        lines.append(f"and {hidden} more; --format json gives all")
    lines += [""] if whole.problems else []
    return "\n".join([*lines, _verdict(whole)])


def _by_scenario(swept: Iterable[SweptScenario]) -> dict[str, OperationCounts]:
    rows: dict[str, OperationCounts] = {}
    for each in swept:
        rows[each.name] = each.workload.counts
        rows[f"{each.name}, {each.recoveries.images} recoveries"] = each.recoveries.counts
    return rows


def _table(title: str, counted: Mapping[str, OperationCounts]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [(title, "injected", "refused", "problems")]
    for name, counts in counted.items():
        numbers = (counts.faults, counts.refused, counts.problems)
        rows.append((name, *(str(number or "-") for number in numbers)))
    width = max(len(row[0]) for row in rows)
    for name, *cells in rows:
        yield f"  {name:<{width}}" + "".join(f"  {cell:>8}" for cell in cells)
    yield ""


def _verdict(whole: OperationSweep) -> str:
    counts = whole.counts
    word = "FAIL" if whole.problems else "PASS"
    return (
        f"{word}: {counts.faults} faults injected, one at a time, {counts.refused} refused, "
        f"problems: {counts.problems}"
    )
