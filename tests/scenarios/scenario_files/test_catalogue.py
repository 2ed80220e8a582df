"""The catalogue is made of files, and these make the workloads that were always run."""

import json
from pathlib import Path
from typing import Final

import pytest
from workload_digests import digest_of

from wavetank.scenarios import (
    ALL_SCENARIOS,
    scenario_from_toml,
    scenario_text,
    scenario_to_toml,
)

DIGESTS: Final[dict[str, list[str]]] = json.loads(
    (Path(__file__).parents[2] / "data" / "workload_digests.json").read_text(encoding="utf-8")
)
"""Of the workloads of each scenario by seed, as Python made them before there were files."""


@pytest.mark.parametrize("name", ALL_SCENARIOS)
def test_a_file_makes_the_workloads_that_python_made(name: str) -> None:
    scenario = ALL_SCENARIOS[name]
    made = [digest_of(scenario.workloads(seed)) for seed in range(len(DIGESTS[name]))]
    assert made == DIGESTS[name]


def test_there_are_digests_of_all_scenarios_and_ten_seeds_where_anything_is_drawn() -> None:
    assert list(DIGESTS) == list(ALL_SCENARIOS)
    assert {name for name, digests in DIGESTS.items() if len(digests) == 1} == {
        "exhaustive-2",
        "exhaustive-3",
    }
    assert {len(digests) for digests in DIGESTS.values()} == {1, 10}


@pytest.mark.parametrize("name", ALL_SCENARIOS)
def test_a_scenario_that_ships_is_the_text_that_is_shown_of_it(name: str) -> None:
    scenario = scenario_from_toml(scenario_text(name))
    assert scenario == ALL_SCENARIOS[name]
    assert scenario.name == name
    assert scenario_from_toml(scenario_to_toml(scenario)) == scenario


def test_every_file_beside_the_catalogue_is_in_it() -> None:
    folder = Path(__file__).parents[3] / "scenarios" / "wavetank" / "scenarios" / "catalogue"
    assert sorted(file.stem for file in folder.rglob("*.toml")) == sorted(ALL_SCENARIOS)
