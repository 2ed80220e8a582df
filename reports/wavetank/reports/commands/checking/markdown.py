"""A scorecard as a page in Markdown, to be kept beside a store's documentation.

It holds nothing that differs from run to run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from wavetank.reports.commands.checking.corpus import file_name
from wavetank.scenarios.conformance import CheckResult, Outcome, Scorecard

__all__ = ["check_markdown", "scorecard_path"]

_WORDS: Final = {Outcome.PASS: "pass", Outcome.FAIL: "**fail**", Outcome.SKIP: "skip"}


def scorecard_path(directory: Path, backend: str) -> Path:
    """Return where the scorecard of a store stands.

    >>> scorecard_path(Path("docs"), "sqlite:wal-full").as_posix()
    'docs/sqlite-wal-full.md'
    """
    return directory / f"{file_name(backend)}.md"


def check_markdown(card: Scorecard) -> str:
    """Return the page."""
    verdict = "passes" if card.passed else "fails"
    counts = ", ".join(f"{card.count(outcome)} {outcome.value}" for outcome in Outcome)
    profiles = " and ".join(card.profiles)
    lines = [
        f"# {card.backend}",
        "",
        f"`wavetank check {card.backend}`: {verdict} ({counts}); crashes under {profiles}.",
        "",
        f"Declared: {', '.join(card.capabilities)}.",
        "",
        "| check | outcome | reason |",
        "|---|---|---|",
        *map(_row, card.results),
        *_notes(card),
    ]
    return "\n".join(lines) + "\n"


def _row(result: CheckResult) -> str:
    reason = " ".join(result.reason.replace("|", "\\|").split())
    return f"| `{result.id}` | {_WORDS[result.outcome]} | {reason} |"


def _notes(card: Scorecard) -> Iterator[str]:
    notes = dict.fromkeys(note for result in card.results for note in result.notes)
    if notes:
        yield ""
        yield from (f"- {note}" for note in notes)
