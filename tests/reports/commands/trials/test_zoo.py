"""`wavetank zoo`: what it prints, and what it exits with."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from wavetank.reports.cli import cli
from wavetank.reports.commands.trials.zoo import zoo_text
from wavetank.reports.documents import schema
from wavetank.reports.documents.injections import zoo_document
from wavetank.reports.patch_hunt import PatchHunt, PatchResults
from wavetank.scenarios.mutants import (
    BUGS,
    PATCHES,
    BugResult,
    Hunt,
    Necessity,
    NecessityResult,
    RaceHunt,
    Sighting,
    SyncSite,
    Witness,
    ZooResult,
)

Json = dict[str, Any]

SURVIVOR = BugResult(
    id="S2",
    hunts=(Hunt(profile="posix", judged=65, complete=True, reports=(), kill=None),),
)
REDUNDANT = NecessityResult(
    site=SyncSite(operation="close", function="FileStorage._finish", line=1, target="."),
    ordinal=1,
    necessity=Necessity.REDUNDANT,
    kill=None,
    profiles=(),
    trials=("restarts",),
    judged=90,
)
BAD = ZooResult(
    bugs=(SURVIVOR,),
    false_alarms=("votes under posix: O1: term went back",),
    necessity=(REDUNDANT,),
    witnesses=(Witness(invariant="O1", survivors=()),),
)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["zoo", *arguments])


def documented(*arguments: str) -> Json:
    """Run the command with JSON and return the document, held to its schema."""
    done = invoke(*arguments, "--format", "json")
    assert done.exit_code == 0
    document: Json = json.loads(done.stdout)
    jsonschema.validate(document, schema("zoo"))
    return document


@pytest.fixture(scope="module")
def hunted() -> Json:
    """Return what two other processes find of two bugs."""
    return documented("S2", "A[7]", "--workers", "2")


def test_chosen_bugs_are_hunted_alone(hunted: Json) -> None:
    assert [bug["id"] for bug in hunted["bugs"]] == ["S2", "A7"]
    assert all(bug["killed"] for bug in hunted["bugs"])
    assert (hunted["verdict"], hunted["survivors"]) == ("pass", [])
    assert (hunted["false_alarms"], hunted["necessity"]) == (0, [])


def test_a_kill_says_where_by_what_and_how_to_see_it(hunted: Json) -> None:
    bug = hunted["bugs"][0]
    hunts = {hunt["profile"]: hunt for hunt in bug["hunts"]}
    assert [name for name, hunt in hunts.items() if hunt["killed"]] == ["btrfs", "posix"]
    assert (hunts["ext4-ordered"]["invariant"], hunts["ext4-ordered"]["killed_after"]) == (
        None,
        None,
    )
    assert hunts["posix"]["complete"]
    assert 1 <= hunts["posix"]["killed_after"] <= hunts["posix"]["images"]
    assert bug["repro"]["invariant"] == "O1"
    assert bug["repro"]["steps"][0] == "0: open the store"
    assert bug["repro"]["lost"][0].startswith("step 1: the rename of /store/state.")
    assert bug["repro"]["cure"].startswith("a sync of the directory /store right after ")


def test_this_process_finds_the_same(hunted: Json) -> None:
    assert documented("A7", "--workers", "1")["bugs"] == hunted["bugs"][1:]


def test_the_text_is_a_matrix_and_a_story_for_each_bug() -> None:
    done = invoke("A7", "--workers", "1")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert f"A7: {BUGS['A7'].summary}" in lines
    assert "  a sequential, b data-journal," in done.stdout
    (row,) = [line.split() for line in lines if line.startswith("  A7 ")]
    assert [cell.partition("@")[0] for cell in row[1:]] == [*["O2"] * 10, "-", "O2"]
    assert lines[-1] == "PASS: 1 of 1 bugs killed, 0 false alarms"


@pytest.mark.slow
def test_repros_are_shrunk_if_asked_and_their_sizes_told() -> None:
    done = invoke("A7", "W12", "--shrink", "--workers", "1", "--format", "json")
    document: Json = json.loads(done.stdout)
    jsonschema.validate(document, schema("zoo"))
    repros = [bug["repro"] for bug in document["bugs"]]
    assert [(each["shrunk"]["steps"], each["shrunk"]["lost"]) for each in repros] == [(2, 1)] * 2
    assert all(each["shrunk"]["finished"] for each in repros)
    assert repros[0]["steps"] == ["0: open the store", "1: append entry 1 of term 1"]
    assert repros[1]["lost"] == ["step 1: the removal of the name /store/recovery.marker"]
    assert document["repros"] == {
        "repros": 2,
        "most_steps": 2,
        "median_steps": 2,
        "most_lost": 1,
        "median_lost": 1,
    }


def test_without_shrinking_nobody_tells_sizes(hunted: Json) -> None:
    assert hunted["repros"] is None
    assert [bug["repro"]["shrunk"] for bug in hunted["bugs"]] == [None, None]


def test_survivors_and_false_alarms_are_told() -> None:
    document = zoo_document(BAD, PatchResults(), "1.0")
    jsonschema.validate(document, schema("zoo"))
    assert (document["verdict"], document["survivors"]) == ("fail", ["S2"])
    assert (document["false_alarms"], document["alarms"]) == (1, list(BAD.false_alarms))
    text = zoo_text(BAD, PatchResults(), "1.0")
    assert "SURVIVED under every safe profile" in text
    assert "false alarm: votes under posix: O1: term went back" in text
    assert "redundant  nothing, on 90 images" in text
    assert text.splitlines()[-1] == (
        "FAIL: 0 of 1 bugs killed, survived: S2, 1 false alarms, 1 of 1 syncs redundant"
    )


def test_a_race_is_told_with_its_scenario_and_its_schedule() -> None:
    sighting = Sighting(
        scenario="concurrent-votes",
        schedule="calls 42>2",
        runs=3,
        invariant="O13",
        kind="SaveState returned",
        summary="two votes",
    )
    races = (
        RaceHunt(id="V1", runs=3, sighting=sighting),
        RaceHunt(id="V2", runs=2_000, sighting=None),
    )
    result = evolve(BAD, bugs=(), false_alarms=(), races=races)
    document = zoo_document(result, PatchResults(), "1.0")
    jsonschema.validate(document, schema("zoo"))
    assert document["survivors"] == ["V2"]
    lines = zoo_text(result, PatchResults(), "1.0").splitlines()
    assert "  schedule  calls 42>2" in lines
    assert "  SURVIVED 2000 schedules" in lines
    assert lines[-1].startswith("FAIL: 1 of 2 bugs killed, survived: V2, 0 false alarms")


def test_patches_are_told_with_their_commands() -> None:
    found = PatchHunt(id="B01", invariants=PATCHES["B01"].reports)
    silent = PatchHunt(id="B02", invariants=())
    broken = PatchHunt(id="B03", invariants=(), problem="no end within 900 s")
    patches = PatchResults(hunts=(found, silent, broken), false_alarms=("wavetank run mixed: O2",))
    result = evolve(BAD, bugs=(), false_alarms=(), necessity=(), witnesses=())
    document = zoo_document(result, patches, "1.0")
    jsonschema.validate(document, schema("zoo"))
    assert (document["verdict"], document["survivors"]) == ("fail", ["B02", "B03"])
    assert document["alarms"] == ["wavetank run mixed: O2"]
    lines = zoo_text(result, patches, "1.0").splitlines()
    assert f"  command   {PATCHES['B01'].command_line}" in lines
    assert f"  reports   {', '.join(PATCHES['B01'].reports)}" in lines
    assert any(line.startswith("  SURVIVED ") and line.endswith("got nothing") for line in lines)
    assert any(line.endswith("but got no end within 900 s") for line in lines)
    assert "false alarm: wavetank run mixed: O2" in lines
    assert lines[-1] == "FAIL: 1 of 3 bugs killed, survived: B02, B03, 1 false alarms"


def test_an_unknown_bug_is_refused_with_the_nearest() -> None:
    done = invoke("S22")
    assert done.exit_code == 2
    assert "bug: expected one of S1, S2" in done.output
    assert "nearest match: S2" in done.output


def test_a_page_is_written(tmp_path: Path) -> None:
    file = tmp_path / "zoo.html"
    done = invoke("S2", "--workers", "1", "--report", f"html={file}")
    assert done.exit_code == 0
    page = file.read_text("utf-8")
    assert "1 of 1 planted bugs were found. No false alarms." in page
    assert '<article class="finding" id="S2"' in page
