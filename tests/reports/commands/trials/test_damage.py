"""`wavetank damage`: what it prints, and what it exits with."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from wavetank.reports.cli import cli
from wavetank.reports.documents import schema
from wavetank.scenarios.corruption import CellKey, DamageResult, WrongCell

BAD = DamageResult(
    counts={
        CellKey(
            store="batches, killed",
            damage="bit flip",
            mode="normal",
            rules=("a frame is damaged that a watermark covers",),
            outcome="none",
            pair=False,
        ): 1,
        CellKey(
            store="batches, killed",
            damage="bit flip + missing",
            mode="normal",
            rules=("metadata.json is damaged, missing or older",),
            outcome="correct",
            pair=True,
        ): 2,
    },
    wrong=(
        WrongCell(
            store="batches, killed",
            damages=("bit flip: log.dat at 200 (payload: terms)",),
            mode="normal",
            rules=("a frame is damaged that a watermark covers",),
            outcome="none",
            problem="silent loss: shows entries 1..3",
        ),
    ),
)


VERDICT = (
    "FAIL: 2 of 3 cells (2 of two damages) right: "
    "2 correct, 0 detected, 0 ambiguous, 0 undetectable"
)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["damage", *arguments])


@pytest.mark.slow
def test_the_document_counts_each_outcome() -> None:
    done = invoke("batches, killed", "--workers", "1", "--format", "json")
    assert done.exit_code == 0
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, schema("damage"))
    assert (document["verdict"], document["wrong"], document["pairs"]) == ("pass", [], 0)
    assert document["cells"] == document["right"] == sum(document["outcomes"].values())
    assert list(document["stores"]) == ["batches, killed"]
    assert set(document["modes"]) == {"conservative", "normal", "aggressive"}
    assert len(document["damages"]) == 8


def test_wrong_cells_are_told_with_damage_and_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavetank.scenarios.corruption.run_damage", lambda *_, **__: BAD)
    done = invoke("--workers", "1")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[2:] == [
        "  store            correct  detected  ambiguous  undetectable",
        "  batches, killed        2         -          -             -",
        "",
        "  damage    correct  detected  ambiguous  undetectable",
        "  bit flip        -         -          -             -",
        "",
        "  recovery mode  correct  detected  ambiguous  undetectable",
        "  normal               2         -          -             -",
        "",
        "  rule that applies                           correct  detected  ambiguous  undetectable",
        "  a frame is damaged that a watermark covers        -         -          -             -",
        "  metadata.json is damaged, missing or older        2         -          -             -",
        "",
        "WRONG  batches, killed, normal: silent loss: shows entries 1..3",
        "  damage  bit flip: log.dat at 200 (payload: terms)",
        "  rule    a frame is damaged that a watermark covers",
        "",
        VERDICT,
    ]
    document: dict[str, Any] = json.loads(invoke("--workers", "1", "--format", "json").stdout)
    jsonschema.validate(document, schema("damage"))
    assert (document["verdict"], document["cells"], document["right"]) == ("fail", 3, 2)
    assert document["pairs"] == 2


def test_an_unknown_store_is_refused_with_the_nearest() -> None:
    done = invoke("batches, kiled")
    assert done.exit_code == 2
    assert "nearest match: batches, killed" in done.output


def test_a_page_is_written_and_its_file_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("wavetank.scenarios.corruption.run_damage", lambda *_, **__: BAD)
    file = tmp_path / "damage.html"
    done = CliRunner().invoke(cli, ["damage", "--workers", "1", "--report", f"html={file}"])
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == VERDICT
    assert done.stderr.splitlines()[-1] == f"HTML report: {file}"
    assert "2 of 3 damaged stores were answered as they should be." in file.read_text("utf-8")


def test_a_page_that_cannot_be_written_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("wavetank.scenarios.corruption.run_damage", lambda *_, **__: BAD)
    file = tmp_path / "gone" / "damage.html"
    file.parent.mkdir()
    written = Path.write_text

    def refuse(path: Path, *arguments: object, **named: object) -> int:
        if path == file:
            raise PermissionError("not here")
        return written(path, *arguments, **named)  # type: ignore[arg-type] # passed on

    monkeypatch.setattr(Path, "write_text", refuse)
    done = CliRunner().invoke(cli, ["damage", "--workers", "1", "--report", f"html={file}"])
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == VERDICT
    assert "not here" in done.stderr
