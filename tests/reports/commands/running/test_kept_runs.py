"""Kept runs: `run --report`, `diff` and `recheck`, on one run of a store that is wrong."""

import json
import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from click.testing import CliRunner, Result

from wavetank.reports.cli import cli
from wavetank.reports.documents import schema
from wavetank.reports.documents.events import event_line, read_events
from wavetank.reports.outputs.event_lines import short_line

CANARY = (
    *("run", "install-snapshot", "--profile", "sequential", "--backend", "raftlock-published"),
    *("--max-images", "10", "--no-shrink", "--workers", "1"),
)
REPORTS = ("--report", "html=R,junit=J", "--report", "ndjson=N,markdown=M")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(autouse=True)
def _in_place(place: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(place)
    yield
    os.chdir(before)


@pytest.fixture(scope="module")
def done(place: Path) -> Result:
    before = Path.cwd()
    os.chdir(place)
    try:
        return invoke(*CANARY, *REPORTS, "--log", "short")
    finally:
        os.chdir(before)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def document(*arguments: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(invoke(*arguments, "--format", "json").stdout)
    jsonschema.validate(made, schema(arguments[0]))
    return made


def test_a_run_writes_every_report_that_was_asked_for(done: Result, place: Path) -> None:
    assert done.exit_code == 1
    lines = (place / "N").read_text().splitlines()
    for line in lines:
        jsonschema.validate(json.loads(line), schema("event"))
    events = list(read_events(place / "N"))
    assert [event.number for event in events] == list(range(len(events)))
    assert (events[0].kind, events[-1].kind) == ("run_started", "run_finished")
    found = [event for event in events if event.kind == "finding"]
    suite = ET.parse(place / "J").getroot()[0]
    assert suite.attrib["tests"] == suite.attrib["failures"] == "1"
    assert "violations in 1 sweeps" in (place / "M").read_text()
    page = (place / "R").read_text()
    assert page.startswith("<!doctype html>")
    assert all(event.what.id in page for event in found)  # type: ignore[union-attr]


def test_the_log_shows_every_event_in_a_line(done: Result, place: Path) -> None:
    lines = [short_line(event) for event in read_events(place / "N")]
    assert done.stderr.splitlines()[: len(lines)] == lines


@pytest.mark.usefixtures("done")
def test_a_run_is_kept_with_its_document_and_its_events(place: Path) -> None:
    kept = place / ".wavetank" / "runs" / "latest"
    run = json.loads((kept / "run.json").read_text())
    jsonschema.validate(run, schema("run"))
    events = (place / "N").read_text()
    assert (kept / "events.ndjson").read_text() == events
    assert kept.readlink().name == f"0-{blake2b(events.encode(), digest_size=16).hexdigest()[:12]}"


@pytest.mark.usefixtures("done")
def test_equal_runs_do_not_differ() -> None:
    answer = invoke("diff", "latest", "N")
    assert (answer.exit_code, answer.stdout) == (
        0,
        "EQUAL: every event of the two runs is the same\n",
    )
    made = document("diff", "latest", "N")
    assert (made["verdict"], made["runs"], made["difference"]) == ("equal", ["latest", "N"], None)


@pytest.mark.usefixtures("done")
def test_the_first_event_in_which_two_runs_part_is_shown(place: Path) -> None:
    lines = (place / "N").read_text().splitlines(keepends=True)
    lines[20] = lines[20].replace('"position":', '"position":1')
    (place / "other").write_text("".join(lines))
    answer = invoke("diff", "N", "other")
    assert answer.exit_code == 1
    assert answer.stdout.splitlines()[0] == "DIFFERENT from event 20 on, in data.position"
    made = document("diff", "N", "other")
    assert made["difference"]["members"] == ["data.position"]
    events = [event_line(event).strip() for event in read_events(place / "other")]
    assert made["difference"]["events"][1] == json.loads(events[20])
    (place / "shorter").write_text("".join(lines[:20]))
    answer = invoke("diff", "N", "shorter")
    assert answer.stdout.splitlines()[-2:] == ["  shorter:", "    nothing more"]


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lates", "run: expected a run kept in .wavetank/runs, latest, a folder or a file of"),
        ("M", "M:1: event: expected JSON, got '## wavetank: fail"),
    ],
)
@pytest.mark.parametrize("command", [("diff", "latest"), ("recheck",)])
def test_what_is_no_run_is_refused(command: tuple[str, ...], name: str, message: str) -> None:
    answer = invoke(*command, name)
    assert answer.exit_code == 2
    assert message in answer.stderr


@pytest.mark.usefixtures("done")
def test_a_kept_run_is_run_again_and_compared(place: Path) -> None:
    made = document("recheck", "latest", "--workers", "1")
    assert made["verdict"] == "fail"
    assert (made["same_work"], made["difference"]) == (True, None)
    assert (made["new"], made["gone"]) == ([], [])
    run = json.loads((place / ".wavetank" / "runs" / "latest" / "run.json").read_text())
    then = [violation["id"] for violation in run["scenarios"][0]["violations"]]
    assert [finding["id"] for finding in made["unchanged"]] == then


@pytest.mark.usefixtures("done")
def test_what_changed_since_a_run_was_kept_is_told(place: Path) -> None:
    lines = (place / "N").read_text().splitlines(keepends=True)
    sync = next(number for number, line in enumerate(lines) if '"kind":"sync"' in line)
    finding = next(number for number, line in enumerate(lines) if '"kind":"finding"' in line)
    forgotten = json.loads(lines[finding])["data"]["id"]
    lines[sync] = lines[sync].replace('"failed":false', '"failed":true')
    lines[finding] = lines[finding].replace('"invariant":"', '"invariant":"X')
    (place / "old").mkdir()
    (place / "old" / "events.ndjson").write_text("".join(lines))
    answer = invoke("recheck", "old", "--workers", "1")
    assert answer.exit_code == 1
    first, second, then, now, new, gone, *rest = answer.stdout.splitlines()
    assert first.startswith("FAIL old: 1 new, 1 gone, ")
    assert second == "The store did something else than then, from here on:"
    assert then.split()[:3] == ["then", str(sync), "sync!"]
    assert now.split()[:3] == ["now", str(sync), "sync"]
    assert new.split()[:2] == ["new", forgotten]
    assert gone.split()[:2] == ["gone", forgotten]
    assert rest[-1] == f"Reproduce: wavetank replay {forgotten}"
