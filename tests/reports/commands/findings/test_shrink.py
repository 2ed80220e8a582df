"""Findings made smaller by `wavetank run` and `wavetank shrink`: told, stored, replayed, tested."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from wavetank.reports.cli import cli
from wavetank.reports.documents import schema
from wavetank.reports.exit_codes import ExitCode

ID = "follower-catchup-79f7d74e5d63"
RUN = (
    "run", "follower-catchup", "--profile", "sequential", "--backend", "raftlock-published",
    "--max-images", "60", "--workers", "1",
)  # fmt: skip


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which a run without shrinking has stored its failures."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        done = invoke(*RUN, "--no-shrink", "--format", "json")
    assert done.exit_code == ExitCode.VIOLATION
    (scenario,) = json.loads(done.stdout)["scenarios"]
    assert {each["shrunk"] for each in scenario["violations"]} == {None}
    return home


@pytest.fixture(autouse=True)
def _there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def stored(failure: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f".wavetank/failures/{failure}.json").read_text())
    return found


def test_a_failure_is_shrunk_in_place_step_by_step() -> None:
    before = stored(ID)
    first = json.loads(invoke("shrink", ID, "--budget", "3", "--format", "json").stdout)
    jsonschema.validate(first, schema("shrink"))
    assert first["violation"]["shrunk"]["finished"] is False
    assert stored(ID)["shrinking"]["found"] == before["case"]
    done = invoke("shrink", ID)
    assert done.exit_code == ExitCode.OK
    lines = done.stdout.splitlines()
    assert lines[0] == f"FAIL {ID}: follower-catchup, seed 0, sequential, raftlock-published"
    assert "            1: save state: term 1, vote for nobody" in lines
    assert lines[-3].startswith("  shrunk    steps 41 -> 2, lost micro-ops 1 -> 1, on ")
    assert lines[-2:] == [
        f"Reproduce: wavetank replay {ID}",
        (
            "Elsewhere: first wavetank run follower-catchup --seed 0 --profile sequential "
            "--backend raftlock-published"
        ),
    ]
    after = stored(ID)
    assert (after["id"], after["shrinking"]["found"]) == (ID, before["case"])
    assert len(after["case"]["workload"]["steps"]) == 2
    assert after["shrinking"]["note"]["is_finished"] is True
    again = json.loads(invoke("replay", ID, "--format", "json").stdout)
    jsonschema.validate(again, schema("replay"))
    assert (again["verdict"], again["violation"]["shrunk"]["steps"]) == ("failed", 2)
    source = invoke("show", ID, "--as", "pytest").stdout
    assert source.count("SaveState(") == 1
    assert "Append(" not in source
    assert invoke("shrink", ID).stdout == done.stdout


def test_the_first_finding_of_a_run_is_shrunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke(*RUN, "--format", "json")
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("run"))
    (scenario,) = document["scenarios"]
    first, *others = scenario["violations"]
    assert (first["shrunk"]["steps"], first["shrunk"]["finished"]) == (1, True)
    assert {each["shrunk"] for each in others} == {None}
    assert first["steps"] == ["0: open the store"]
    assert stored(first["id"])["case"]["workload"]["steps"] == [{"kind": "OpenStore"}]


def test_what_is_not_stored_or_does_not_show_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = invoke("shrink", "mixed-000000000000")
    assert unknown.exit_code == ExitCode.USAGE
    assert "expected an id stored in .wavetank/failures" in unknown.stderr
    document = stored(ID)
    document.pop("shrinking", None)
    document["case"]["store"] = "builtin"
    monkeypatch.chdir(tmp_path)
    place = tmp_path / ".wavetank" / "failures" / f"{ID}.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(document))
    done = invoke("shrink", ID)
    assert done.exit_code == ExitCode.INTERNAL
    assert "expected one that still breaks O1" in done.stderr
    assert json.loads(place.read_text()) == document
