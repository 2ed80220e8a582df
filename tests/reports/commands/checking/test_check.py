"""`wavetank check`: what it prints, what it keeps, and what it exits with."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from wavetank.reports.cli import cli
from wavetank.reports.documents import schema


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check", *arguments])


def test_the_document_has_a_result_for_each_check() -> None:
    done = invoke("builtin", "vote", "basics.empty_*", "--format", "json")
    assert done.exit_code == 0
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, schema("check"))
    assert (document["verdict"], document["backend"]) == ("pass", "builtin")
    assert document["counts"] == {"pass": 10, "fail": 0, "skip": 0}
    assert {check["group"] for check in document["checks"]} == {"vote", "basics"}
    assert not Path(".wavetank").exists()


def test_a_store_that_fails_exits_1_and_its_checks_are_asked_first_from_then_on() -> None:
    done = invoke("raftlock-published", "vote")
    assert done.exit_code == 1
    assert "FAIL  vote.durable_before_return: the state after a power cut" in done.output
    assert "skip  vote.never_goes_back: not declared: refuses stale votes" in done.output
    again = invoke("raftlock-published", "vote", "--format", "json")
    first, *_ = json.loads(again.stdout)["checks"]
    assert (first["name"], first["outcome"]) == ("durable_before_return", "fail")
    assert (
        "asked first, since they had failed before: 1"
        in invoke("raftlock-published", "vote").output
    )


def test_what_is_mended_stays_in_the_corpus() -> None:
    corpus = Path(".wavetank/checks/suite_stores-simple.json")
    corpus.parent.mkdir(parents=True)
    content = {"backend": "suite_stores:simple", "wavetank.corpus/1": {"basics.full_range": "fail"}}
    corpus.write_text(json.dumps(content), encoding="utf-8")
    done = invoke("suite_stores:simple", "basics", "--format", "json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["checks"][0]["name"] == "full_range"
    kept = json.loads(corpus.read_text(encoding="utf-8"))
    assert kept["wavetank.corpus/1"] == {"basics.full_range": "pass"}


def test_a_corpus_that_cannot_be_read_is_named_and_left_alone() -> None:
    corpus = Path(".wavetank/checks/raftlock-published.json")
    corpus.parent.mkdir(parents=True)
    corpus.write_text("{", encoding="utf-8")
    done = invoke("raftlock-published", "vote.durable_before_return")
    assert done.exit_code == 1
    assert "raftlock-published.json is not a corpus" in done.output
    assert corpus.read_text(encoding="utf-8") == "{"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bultin",), "nearest match: builtin"),
        (("builtin", "vots"), "nearest match: vote"),
        (("builtin", "--profile", "posx"), "nearest match"),
        (("no_such_module:factory",), "No module named 'no_such_module'"),
        (("json:tool",), "expected package.module:factory"),
    ],
)
def test_what_does_not_exist_exits_2_and_says_what_was_expected(
    arguments: tuple[str, ...], said: str
) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert said in done.output


def test_a_page_is_written_in_the_order_of_the_suite() -> None:
    assert invoke("raftlock-published", "vote", "--report", "html=card.html").exit_code == 1
    page = Path("card.html").read_text("utf-8")
    assert "raftlock-published: 4 of" in page
    assert "the state after a power cut" in page
