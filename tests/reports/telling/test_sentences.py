"""Sentences about findings stay short, whatever names the workload takes."""

from wavetank.reports.telling.sentences import first_sentence
from wavetank.scenarios import Violation


def violation(summary: str) -> Violation:
    return Violation(
        id="",
        invariant="O1",
        kind="vote lost",
        summary=summary,
        why="",
        steps=(),
        lost=(),
        profiles=(),
        cure="",
        rules=(),
        crash=None,
    )


def test_a_name_that_is_longer_than_a_line_is_cut() -> None:
    name = "n" * 5000
    told = first_sentence(violation(f"expected vote '{name}' but got none"))
    assert told == f"Expected vote '{'n' * 23}... (5002 letters) but got none"


def test_a_path_of_many_parts_is_told_whole() -> None:
    path = "/store" * 20
    assert first_sentence(violation(f"lost {path}")) == f"Lost {path}"
