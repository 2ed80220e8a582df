"""docs/scenario-files.md lists every key there is, and its examples are scenarios that run."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Final

import attrs
import pytest

from wavetank.scenarios import (
    BUILTIN,
    ClusterPlan,
    OwnScenario,
    RunPlan,
    Scenario,
    SlowCall,
    Verdict,
    run,
    scenario_from_toml,
)
from wavetank.scenarios.raft.contract import STORE_PROMISES
from wavetank.scenarios.raft.workloads.exhaustive import ALPHABET
from wavetank.scenarios.scenario_files.words import CALLS, FORMS, STEPS

PAGE: Final = (Path(__file__).parents[2] / "docs" / "scenario-files.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILES: Final = [text for kind, text in BLOCKS if kind == "toml"]


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def first_cells(title: str) -> list[str]:
    """Return the words in code marks in the first cells of a section's tables."""
    lines = [line for line in section(title).splitlines() if line.startswith("| `")]
    return [word for line in lines for word in re.findall(r"`([^`]+)`", line.split("|")[1])]


def test_the_page_lists_every_key_of_a_file() -> None:
    assert sorted(first_cells("Keys")) == sorted(field.name for field in attrs.fields(Scenario))


def test_the_page_lists_every_step_and_what_stands_beside_it() -> None:
    assert first_cells("Steps") == [*STEPS, "steps", "repeat", "every", "rounds"]
    assert all(f"{{{form} = " in section("Steps") for form in FORMS)


def test_the_page_names_every_call_of_a_task_and_every_word_of_the_rest() -> None:
    exact = ["save_state", "append_entries", "read", "truncate_suffix", "truncate_prefix"]
    others = [name for name in CALLS if name not in (*exact, "save_snapshot")]
    assert all(f"`{name}`" in section("Tasks") for name in others)
    assert all(f"{field.name} = " in section("Tasks") for field in attrs.fields(SlowCall))
    assert all(f"`{name}`" in section("Contract") for name in STORE_PROMISES)
    assert all(f"`{name}`" in section("Families") for name in ALPHABET)


def test_the_cluster_shown_has_every_key_and_its_default() -> None:
    (text,) = (text for text in FILES if "[cluster]" in text)
    shown = scenario_from_toml(text, name="shown").cluster
    assert shown == ClusterPlan(snapshot_every=12)
    keys = re.findall(r"^(\w+) = ", text.split("[cluster]")[1], re.MULTILINE)
    assert keys == [field.name for field in attrs.fields(ClusterPlan) if field.name != "run"]


@pytest.mark.parametrize("number", range(5))
def test_an_example_runs_and_finds_what_the_page_says(number: int) -> None:
    scenario = scenario_from_toml(FILES[number], name="example")
    plan = RunPlan(
        scenarios=("example",),
        own_scenarios=(OwnScenario(attrs.evolve(scenario, profiles=()), "example.toml"),),
        seeds=(0,),
        profiles=("sequential",),
        backend=BUILTIN.name,
    )
    (result,) = run(plan).results
    demands = scenario.contract == (("appends_durable", True),)
    assert result.verdict is (Verdict.FAIL if demands else Verdict.PASS)
    assert len(FILES) == 5


@pytest.mark.slow
def test_the_python_example_prints_what_stands_below_it() -> None:
    examples = [
        (source, printed)
        for (kind, source), (next_kind, printed) in pairwise(BLOCKS)
        if (kind, next_kind) == ("python", "text")
    ]
    ((source, printed),) = examples
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == printed.strip()
