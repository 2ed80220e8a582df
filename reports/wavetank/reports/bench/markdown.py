"""The result of a benchmark as a table in a page, between two marks that stay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wavetank.reports.bench.report import BenchReport
from wavetank.reports.bench.text import cells_of, circumstances, missing_peers, summary

__all__ = ["BEGIN", "END", "MissingMarksError", "bench_markdown", "replace_between_marks"]

BEGIN: Final = "<!-- wavetank bench engine: begin -->"
END: Final = "<!-- wavetank bench engine: end -->"


class MissingMarksError(ValueError):
    """A page does not have the mark `BEGIN` before the mark `END`, each once."""


def replace_between_marks(page: str, content: str) -> str:
    r"""Return a page with other content between its marks.

    Args:
        page: with `BEGIN` and `END`, each once.
        content: of whole lines.

    Raises:
        MissingMarksError: the marks are not there.

    >>> page = f"# Speed\n{BEGIN}\nold\n{END}\nmore\n"
    >>> replace_between_marks(page, "new\n").splitlines()[2:4]
    ['new', '<!-- wavetank bench engine: end -->']
    """
    counts = page.count(BEGIN), page.count(END)
    if counts != (1, 1) or page.index(BEGIN) > page.index(END):
        raise MissingMarksError(
            f"expected the lines {BEGIN!r} and {END!r}, each once and in this order, "
            f"got {counts[0]} and {counts[1]} of them"
        )
    before, _, rest = page.partition(BEGIN)
    _, _, behind = rest.partition(END)
    return f"{before}{BEGIN}\n{content}{END}{behind}"


def bench_markdown(report: BenchReport, version: str) -> str:
    """Return the table with what a reader must know about it.

    Args:
        report: what was measured.
        version: of wavetank.
    """
    return "\n".join([*_lines(report, version), ""])


def _lines(report: BenchReport, version: str) -> Iterator[str]:
    yield f"wavetank {version}; {circumstances(report)}. {summary(report)}."
    yield ""
    yield "| measurement | work | peer | ratio | spread | goal | met |"
    yield "|---|---|---|---|---|---|---|"
    for row in report.rows:
        work = row.detail
        if row.engine_ms is not None:
            work += f"; the engine took {row.engine_ms.median:.1f} ms"
        ratio, *rest = cells_of(row)
        cells = (f"`{row.name}`: {row.title}", work, row.peer, f"**{ratio}**", *rest)
        yield f"| {' | '.join(cells)} |"
    skipped = list(missing_peers(report))
    if skipped or report.notes:
        yield ""
        yield from (f"- {line}" for line in [*skipped, *report.notes])
