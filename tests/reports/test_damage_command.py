"""`wavetank damage`: what it prints, and what it exits with."""

import json
from typing import Any

import jsonschema
from click.testing import CliRunner, Result

from wavetank.reports.cli import cli
from wavetank.reports.damage_document import damage_document
from wavetank.reports.damage_text import damage_text
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


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["damage", *arguments])


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


def test_the_text_ends_with_the_counts() -> None:
    done = invoke("batches, killed", "--workers", "1")
    assert done.exit_code == 0
    last = done.stdout.splitlines()[-1]
    assert last.startswith("PASS: ")
    assert last.endswith(" undetectable")


def test_wrong_cells_are_told_with_damage_and_rule() -> None:
    document = damage_document(BAD, "1.0")
    jsonschema.validate(document, schema("damage"))
    assert (document["verdict"], document["cells"], document["right"]) == ("fail", 3, 2)
    assert document["pairs"] == 2
    text = damage_text(BAD, "1.0")
    assert "WRONG  batches, killed, normal: silent loss: shows entries 1..3" in text
    assert "  damage  bit flip: log.dat at 200 (payload: terms)" in text
    assert text.splitlines()[-1] == (
        "FAIL: 2 of 3 cells (2 of two damages) right: "
        "2 correct, 0 detected, 0 ambiguous, 0 undetectable"
    )


def test_an_unknown_store_is_refused_with_the_nearest() -> None:
    done = invoke("batches, kiled")
    assert done.exit_code == 2
    assert "nearest match: batches, killed" in done.output


def test_help_has_an_example() -> None:
    assert "wavetank damage '*, killed' --pairs 20000" in invoke("--help").output
