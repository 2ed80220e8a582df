"""`wavetank sweep`: what it prints, and what it exits with."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from wavetank.faults import parse_fault
from wavetank.reports.cli import cli
from wavetank.reports.documents import schema
from wavetank.scenarios import (
    SCENARIOS,
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
RIGHT = OperationSweep(kinds={"any: fail EIO": OperationCounts(faults=2, refused=1)})
GOOD = (SweptScenario(name="restart-loop", workload=RIGHT, recoveries=OperationSweep()),)
BAD = (SweptScenario(name="mixed", workload=OperationSweep(), recoveries=WRONG),)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["sweep", *arguments])


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Sweep nothing: tests/scenarios does; return what was asked for."""
    calls: list[tuple[object, ...]] = []

    def sweep(
        names: tuple[str, ...],
        *,
        seed: int,
        operations: int,
        executor: object,
        on_progress: object,
    ) -> tuple[SweptScenario, ...]:
        assert on_progress is not None
        calls.append((names, seed, operations, executor))
        return BAD if "mixed" in names else GOOD

    monkeypatch.setattr("wavetank.scenarios.sweep_scenarios", sweep)
    return calls


def test_scenarios_seed_and_operations_are_passed_on(asked: list[tuple[object, ...]]) -> None:
    done = invoke("restart-*", "--operations", "40", "--seed", "7", "--workers", "1")
    assert done.exit_code == 0
    assert asked == [(("restart-loop",), 7, 40, None)]
    assert done.stdout.endswith("PASS: 2 faults injected, one at a time, 1 refused, problems: 0\n")
    invoke("--workers", "1")
    assert asked[1:] == [(tuple(SCENARIOS), 0, 150, None)]


def test_problems_are_told_with_fault_crash_and_step() -> None:
    done = invoke("mixed", "--seed", "3", "--workers", "1", "--format", "json")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("sweep"))
    counts = {"faults": 5, "refused": 4, "problems": 1}
    nothing = {"images": 0, "faults": 0, "refused": 0, "problems": 0, "kinds": {}}
    struck = {"images": 2, **counts, "kinds": {"any: fail EIO": counts}}
    del document["version"]
    assert document == {
        "schema": "wavetank.sweep/1",
        "verdict": "fail",
        "seed": 3,
        **struck,
        "scenarios": [
            {
                "name": "mixed",
                "workload": nothing,
                "recoveries": struck,
                "wrong": [
                    {
                        "fault": "any #3: fail EIO",
                        "step": "open the store",
                        "crash": "a power cut at record 7 with the most kept",
                        "problem": "opened again: O2: entry 1 is gone",
                    }
                ],
            }
        ],
    }
    text = invoke("mixed", "--seed", "3", "--workers", "1")
    assert text.exit_code == 1
    first, *lines = text.stdout.splitlines()
    assert first.endswith(", failing operations of the backend builtin, seed 3")
    assert lines == [
        "",
        "  scenario             injected  refused  problems",
        "  mixed                       -        -         -",
        "  mixed, 2 recoveries         5        4         1",
        "",
        "  fault          injected  refused  problems",
        "  any: fail EIO         5        4         1",
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


def test_a_page_is_written(tmp_path: Path) -> None:
    file = tmp_path / "sweep.html"
    assert invoke("--workers", "1", "--report", f"html={file}").exit_code == 1
    assert '<h2 id="coverage-title">Faults and scenarios</h2>' in file.read_text("utf-8")
