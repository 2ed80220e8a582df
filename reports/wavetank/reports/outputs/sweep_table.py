"""The table of a run: a line for each sweep, in as many columns as fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from wavetank.reports.outputs.tables import table
from wavetank.scenarios import ScenarioResult

__all__ = ["shown_name", "sweep_table"]


def shown_name(result: ScenarioResult) -> str:
    """Return a scenario's name with its options."""
    return f"{result.name} [{','.join(result.options)}]" if result.options else result.name


_COLUMNS: Final[Mapping[str, Callable[[ScenarioResult], str]]] = MappingProxyType(
    {
        "scenario": shown_name,
        "seed": lambda result: str(result.seed),
        "profile": lambda result: result.profile,
        "verdict": lambda result: result.verdict.value,
        "crash points": lambda result: str(result.crash_points),
        "legal": lambda result: "?" if result.legal is None else str(result.legal),
        "distinct": lambda result: str(result.distinct),
        "judged": lambda result: str(result.judged),
        "complete": lambda result: "yes" if result.complete else "no",
        "violations": lambda result: str(len(result.violations)),
    }
)
_WORDS: Final = frozenset({"scenario", "profile", "verdict"})
"""Columns that are aligned to the left."""
_LEAST_NEEDED: Final = ("legal", "distinct", "crash points", "complete", "judged")
"""Columns that are left out one after the other until the others fit."""


def sweep_table(results: Sequence[ScenarioResult], *, width: int | None = None) -> str:
    """Return the table.

    Args:
        results: one a line.
        width: columns of the terminal; None: as many as it takes. Where not even the fewest
            columns fit, each sweep has lines of its own.
    """
    columns = list(_COLUMNS)
    for left_out in (*_LEAST_NEEDED, None):
        lines = _lines(results, columns)
        if width is None or max(map(len, lines)) <= width:
            return "\n".join(lines)
        if left_out is not None:
            columns.remove(left_out)
    return "\n".join(line for result in results for line in _stacked(result))


def _lines(results: Sequence[ScenarioResult], columns: Sequence[str]) -> list[str]:
    rows = [tuple(_COLUMNS[column](result) for column in columns) for result in results]
    align = "".join("<" if column in _WORDS else ">" for column in columns)
    return table([tuple(columns), *rows], align=align, indent=0)


def _stacked(result: ScenarioResult) -> Iterator[str]:
    yield shown_name(result)
    yield f"  seed {result.seed}, {result.profile}"
    yield f"  {result.verdict.value}, {len(result.violations)} violations"
