"""The scorecards under docs/scorecards are those that a run gives now."""

from pathlib import Path

import pytest

from wavetank.reports.commands.checking.markdown import check_markdown, scorecard_path
from wavetank.scenarios.conformance import check_backend, find_store, shipped_names

DIRECTORY = Path(__file__).parents[4] / "docs" / "scorecards"
MAX_IMAGES = 6000


def held(name: str) -> None:
    card = check_backend(find_store(name), max_images=MAX_IMAGES)
    page = scorecard_path(DIRECTORY, name).read_text(encoding="utf-8")
    assert page == check_markdown(card)


# SQLite without any sync is there to show that it loses; it needs no page of its own.
SCORED = [name for name in shipped_names() if not name.endswith("-off")]


def test_each_store_that_ships_has_its_scorecard_and_no_other() -> None:
    stores = {scorecard_path(DIRECTORY, name) for name in SCORED}
    assert set(DIRECTORY.iterdir()) == {*stores, DIRECTORY / "index.md", DIRECTORY / "traced"}


@pytest.mark.minutes
@pytest.mark.parametrize("name", SCORED)
def test_the_scorecard_is_what_a_run_gives(name: str) -> None:
    held(name)
