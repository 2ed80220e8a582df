"""A close beside other work: what was found there, kept."""

from pathlib import Path

import pytest

from wavetank.scenarios import Case, judge_again

DATA = Path(__file__).parents[2] / "data"


@pytest.mark.slow
def test_a_compaction_that_gives_way_to_a_close_says_that_the_store_is_closed() -> None:
    """It raised `OperationCancelledError`, though no cancel token had been passed."""
    text = (DATA / "closed_while_compacting.json").read_text(encoding="utf-8")
    assert judge_again(Case.from_text(text)) == ()
