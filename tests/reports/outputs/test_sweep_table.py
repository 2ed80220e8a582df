"""The table of a run fits the terminal: fewer columns, or lines of their own."""

import pytest
from attrs import evolve
from session_examples import RESULT

from wavetank.reports.outputs.sweep_table import sweep_table

RESULTS = (RESULT, evolve(RESULT, name="install-snapshot", profile="sequential", legal=4))
EVERY = [
    *("scenario", "seed", "profile", "verdict", "crash", "points"),
    *("legal", "distinct", "judged", "complete", "violations"),
]


def heads(width: int | None) -> list[str]:
    return sweep_table(RESULTS, width=width).splitlines()[0].split()


def test_all_columns_stand_where_nothing_limits_them() -> None:
    assert heads(None) == EVERY
    widest = max(map(len, sweep_table(RESULTS).splitlines()))
    assert heads(widest) == EVERY


def test_columns_that_matter_least_go_first() -> None:
    widest = max(map(len, sweep_table(RESULTS).splitlines()))
    assert heads(widest - 1) == [head for head in EVERY if head != "legal"]
    assert heads(60) == ["scenario", "seed", "profile", "verdict", "violations"]


@pytest.mark.parametrize("width", range(22, 110))
def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(width: int) -> None:
    text = sweep_table(RESULTS, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert {"install-snapshot", "mixed"} <= set(text.split())


def test_on_a_narrow_terminal_each_sweep_has_lines_of_its_own() -> None:
    assert sweep_table(RESULTS[1:], width=40).splitlines() == [
        "install-snapshot",
        "  seed 0, sequential",
        "  pass, 0 violations",
    ]
