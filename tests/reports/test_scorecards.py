"""The scorecards under docs/scorecards are those that a run gives now."""

from pathlib import Path

import pytest

from wavetank.reports.check_markdown import check_markdown, scorecard_path
from wavetank.scenarios.sqlite import SQLITE_LISTED
from wavetank.scenarios.suite import check_backend, find_plug, shipped_names

DIRECTORY = Path(__file__).parents[2] / "docs" / "scorecards"
MAX_IMAGES = 6000


def has_page(name: str) -> bool:
    return scorecard_path(DIRECTORY, name).exists()


RUN_SLOWLY = [name for name in shipped_names() if name != "pysyncobj" and has_page(name)]


def held(name: str) -> None:
    card = check_backend(find_plug(name), max_images=MAX_IMAGES)
    page = scorecard_path(DIRECTORY, name).read_text(encoding="utf-8")
    assert page == check_markdown(card)


def test_each_store_that_ships_has_its_scorecard_and_no_other() -> None:
    wanted = {scorecard_path(DIRECTORY, name) for name in shipped_names()}
    assert set(DIRECTORY.iterdir()) <= wanted
    assert {name for name in shipped_names() if not has_page(name)} <= set(SQLITE_LISTED)


def test_the_scorecard_of_pysyncobj_is_what_a_run_gives() -> None:
    held("pysyncobj")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in shipped_names() if name != "pysyncobj" and has_page(name)]
)
def test_the_scorecard_is_what_a_run_gives(name: str) -> None:
    held(name)
