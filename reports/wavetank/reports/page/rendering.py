"""A page as one HTML file: templates, stylesheet and script, with nothing to fetch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from math import log10
from pathlib import Path
from typing import Final

from attrs import frozen
from jinja2 import Environment, PackageLoader, StrictUndefined

from wavetank.reports.page import blocks, finding
from wavetank.reports.page.blocks import Page, Strip, StripCell, Tone
from wavetank.reports.page.graph import COLUMN, ROW, column_x, draw

__all__ = ["render_page", "write_page"]

_TEMPLATES: Final = {
    blocks.Matrix: "matrix",
    blocks.Table: "table",
    blocks.Strips: "strips",
    blocks.Histogram: "histogram",
    blocks.Ratios: "ratios",
    blocks.Notice: "notice",
    finding.Finding: "finding",
}

_INDEX_CHARS: Final = 160
_NUMBER: Final = re.compile(r"[-\d.,]*\d%?")


def render_page(page: Page) -> str:
    """Return a page as HTML."""
    return _environment().get_template("page.html").render(page=page) + "\n"


def write_page(page: Page, path: Path) -> None:
    """Write a page to a file, replacing what is there.

    Raises:
        OSError: it cannot be written.
    """
    path.write_text(render_page(page), encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("wavetank.reports.page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["template"] = _template
    environment.filters["draw"] = draw
    environment.filters["column_x"] = column_x
    environment.filters["sentence"] = _sentence
    environment.filters["shorter"] = _shorter
    environment.filters["ratio_x"] = _ratio_x
    environment.filters["cells"] = _path_of
    environment.filters["runs"] = _runs
    environment.tests["numeric"] = _is_numeric
    environment.globals.update(ROW=ROW, COLUMN=COLUMN)
    return environment


def _template(block: blocks.Block) -> str:
    return f"{_TEMPLATES[type(block)]}.html"


def _path_of(strip: Strip, tone: str) -> str:
    """Return the cells of a tone that lead nowhere, as the path of an SVG drawing."""
    return _drawn(
        place
        for place, cell in enumerate(strip.cells)
        if cell.tone is Tone(tone) and not cell.target
    )


def _drawn(places: Iterable[int]) -> str:
    return "".join(f"M{place} 0h.8v10h-.8z" for place in places)


def _sentence(text: str) -> str:
    """Return a sentence with a full stop, and a capital letter unless it begins with a name."""
    ended = text if text.endswith((".", "!", "?", ".)")) else f"{text}."
    first = text.split(" ", 1)[0]
    return ended[:1].upper() + ended[1:] if first.isalpha() else ended


def _shorter(text: str) -> str:
    return text if len(text) <= _INDEX_CHARS else f"{text[:_INDEX_CHARS]}..."


def _ratio_x(ratio: float) -> str:
    """Return where a ratio stands on a logarithmic scale from 1/100 to 100, 400 pixels wide."""
    place = (log10(min(max(ratio, 0.01), 100.0)) + 2) * 100
    return f"{place:.1f}"


@frozen(kw_only=True)
class _Run:
    """Crash points beside one another that came to the same, and lead to the same finding.

    Attributes:
        target: id of the finding.
        note: where they are and what they came to.
        path: of their cells, in an SVG drawing.
        again: whether the run before leads to the same: the tab key then need not stop here.
    """

    target: str
    note: str
    path: str
    again: bool


def _runs(strip: Strip) -> Iterator[_Run]:
    """Yield the runs of crash points that lead somewhere."""
    before = ""
    place = 0
    for (target, told), same in groupby(strip.cells, lambda each: (each.target, each.told)):
        cells = tuple(same)
        if target:
            path = _drawn(range(place, place + len(cells)))
            note = f"{_where(cells[0], cells[-1])}: {told}"
            yield _Run(target=target, note=note, path=path, again=target == before)
        before = target
        place += len(cells)


def _where(first: StripCell, last: StripCell) -> str:
    if first is last:
        return f"after {first.position} records, step {first.step}"
    steps = f"step {first.step}" if first.step == last.step else f"steps {first.step}-{last.step}"
    return f"after {first.position} to {last.position} records, {steps}"


def _is_numeric(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None
