"""`wavetank sweep`: what it prints, and what it exits with."""

import json
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from wavetank.faults import parse_fault
from wavetank.reports.cli import cli
from wavetank.reports.documents import schema
from wavetank.reports.sweep_document import sweep_document
from wavetank.reports.sweep_text import sweep_text
from wavetank.scenarios import (
    OPERATION_FAULTS,
    OpenStore,
    OperationCounts,
    OperationProblem,
    OperationSweep,
    SweptScenario,
)

WRONG = OperationSweep(
    kinds={"any: fail EIO": OperationCounts(faults=5, refused=4, problems=1)},
    problems=(
        OperationProblem(
            parse_fault("any #3: fail EIO"),
            OpenStore(),
            "opened again: O2: entry 1 is gone",
            "a power cut at record 7 with the most kept",
        ),
    ),
    images=2,
)
BAD = (SweptScenario(name="mixed", workload=OperationSweep(), recoveries=WRONG),)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["sweep", *arguments])


@pytest.mark.slow
@pytest.mark.idle_faults
def test_the_document_counts_faults_by_scenario_part_and_kind() -> None:
    done = invoke("restart-loop", "--operations", "40", "--workers", "1", "--format", "json")
    assert done.exit_code == 0
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, schema("sweep"))
    assert (document["verdict"], document["problems"]) == ("pass", 0)
    (scenario,) = document["scenarios"]
    assert scenario["name"] == "restart-loop"
    parts = scenario["workload"], scenario["recoveries"]
    assert document["faults"] == sum(part["faults"] for part in parts)
    assert document["images"] == scenario["recoveries"]["images"]
    for part in (document, *parts):
        assert list(part["kinds"]) == [str(fault) for fault in OPERATION_FAULTS]
        assert part["refused"] == sum(kind["refused"] for kind in part["kinds"].values())
        assert 0 < part["refused"] < part["faults"]


def test_problems_are_told_with_fault_crash_and_step() -> None:
    document: Any = sweep_document(BAD, seed=3, version="1.0")
    jsonschema.validate(document, schema("sweep"))
    assert (document["verdict"], document["seed"], document["images"]) == ("fail", 3, 2)
    assert document["scenarios"][0]["wrong"] == [
        {
            "fault": "any #3: fail EIO",
            "step": "open the store",
            "crash": "a power cut at record 7 with the most kept",
            "problem": "opened again: O2: entry 1 is gone",
        }
    ]
    assert sweep_text(BAD, seed=3, version="1.0").splitlines() == [
        "wavetank 1.0, failing operations of the backend builtin, seed 3",
        "",
        "  scenario             injected   refused  problems",
        "  mixed                       -         -         -",
        "  mixed, 2 recoveries         5         4         1",
        "",
        "  fault          injected   refused  problems",
        "  any: fail EIO         5         4         1",
        "",
        f"WRONG  {WRONG.problems[0]}",
        "",
        "FAIL: 5 faults injected, one at a time, 4 refused, problems: 1",
    ]


def test_an_unknown_scenario_is_refused_with_the_nearest() -> None:
    done = invoke("mixd")
    assert done.exit_code == 2
    assert "nearest match: mixed" in done.output


def test_fewer_operations_than_an_opening_takes_are_refused() -> None:
    done = invoke("--operations", "3")
    assert done.exit_code == 2
    assert "3 is not in the range x>=40" in done.output


def test_help_has_an_example() -> None:
    assert "wavetank sweep mixed '*-snapshot' --operations 60" in invoke("--help").output
