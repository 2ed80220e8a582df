"""What a page is made of: facts, sections, and the blocks that they hold.

They are values without layout. The templates in ``templates/`` say how each looks.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from attrs import frozen

from wavetank.reports.page.finding import Finding

__all__ = [
    "Block",
    "Cell",
    "Fact",
    "Histogram",
    "Matrix",
    "MatrixRow",
    "Notice",
    "Page",
    "Ratio",
    "Ratios",
    "Section",
    "Strip",
    "StripCell",
    "Strips",
    "Table",
    "Tone",
]


class Tone(Enum):
    """How good or bad something is; the value is its class in the stylesheet."""

    GOOD = "good"
    BAD = "bad"
    DOUBTFUL = "doubtful"
    PLAIN = "plain"
    NOTHING = "nothing"


@frozen
class Fact:
    """A name and a value, such as ``seed`` and ``0``."""

    name: str
    value: str


@frozen(kw_only=True)
class Cell:
    """A cell of a matrix.

    Attributes:
        text: what stands in it, a few characters.
        tone: its colour.
        note: a sentence that is shown on hovering and read aloud; "" for none.
        target: id of what a click leads to; "" for nothing.
    """

    text: str
    tone: Tone = Tone.PLAIN
    note: str = ""
    target: str = ""


@frozen
class MatrixRow:
    """A row of a matrix: its name, and a cell for each column."""

    name: str
    cells: tuple[Cell, ...]


@frozen(kw_only=True)
class Matrix:
    """Outcomes of one thing against another.

    Attributes:
        corner: what the rows are, such as ``scenario``.
        columns: names of the columns.
        rows: in order.
        legend: one sentence on how to read a cell.
    """

    corner: str
    columns: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    legend: str = ""


@frozen(kw_only=True)
class Table:
    """Rows of text; columns of numbers only are set to the right.

    Attributes:
        columns: their names.
        rows: in order, a text for each column.
        legend: one sentence on how to read it.
        title: what stands above it; "" for nothing.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    legend: str = ""
    title: str = ""


@frozen(kw_only=True)
class StripCell:
    """A crash point.

    Attributes:
        tone: what its images came to.
        position: how many records the op log had.
        step: what was running, by its number.
        told: what its images came to, in words.
        target: id of the finding that a click leads to; "" for none.
    """

    tone: Tone
    position: int
    step: int
    told: str
    target: str = ""


@frozen(kw_only=True)
class Strip:
    """All crash points of one run of a scenario, from its beginning to its end.

    Attributes:
        name: the scenario and the profile.
        cells: in order.
        verdict: what it came to, in words.
    """

    name: str
    cells: tuple[StripCell, ...]
    verdict: str


@frozen
class Strips:
    """Strips below one another."""

    strips: tuple[Strip, ...]


@frozen(kw_only=True)
class Histogram:
    """How often something took how long.

    Attributes:
        name: what was measured.
        unit: of the bounds.
        bars: the upper bound of each bucket, and how many fell into it.
    """

    name: str
    unit: str
    bars: tuple[tuple[str, int], ...]


@frozen(kw_only=True)
class Ratio:
    """One measurement against a peer.

    Attributes:
        name: of the measurement.
        title: what was timed, in words.
        peer: whom it was compared with.
        low: of the ratio over the rounds.
        median: of the ratio; above 1 the engine is faster.
        high: of the ratio.
        goal: the least ratio asked for; None if none is.
        tone: whether the goal was met.
        told: ratio, spread and goal in words.
    """

    name: str
    title: str
    peer: str
    low: float
    median: float
    high: float
    goal: float | None
    tone: Tone
    told: str


@frozen
class Ratios:
    """Measurements on one scale."""

    rows: tuple[Ratio, ...]


@frozen
class Notice:
    """Something that a reader must know, in one sentence."""

    text: str


Block: TypeAlias = Matrix | Table | Strips | Histogram | Ratios | Notice | Finding


@frozen(kw_only=True)
class Section:
    """A part of a page.

    Attributes:
        id: what a link to it names.
        title: of the part.
        lead: one or two sentences on what it shows, for a reader who sees it for the first time.
        blocks: in order.
    """

    id: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


@frozen(kw_only=True)
class Page:
    """A report.

    Attributes:
        title: what was done, such as ``wavetank run``.
        verdict: ``pass``, ``fail``, ``inconclusive``, or another word where nothing is judged.
        sentence: what came of it.
        command: what a person types to do it again; "" if nothing is typed.
        facts: version, seed and so on.
        sections: in order.
    """

    title: str
    verdict: str
    sentence: str
    command: str
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all sections, in order."""
        return tuple(
            block
            for section in self.sections
            for block in section.blocks
            if isinstance(block, Finding)
        )
