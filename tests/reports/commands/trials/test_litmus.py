"""`wavetank litmus`: what it prints, and what it exits with."""

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from wavetank.reports.cli import cli
from wavetank.reports.documents import schema
from wavetank.sim import PROFILES, read_litmus, shipped_litmus

Json = dict[str, Any]

DOCUMENTATION = Path(__file__).parents[4] / "docs" / "cli.md"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["litmus", *arguments])


def documented(*arguments: str) -> tuple[int, Json]:
    """Run the command with JSON; return its exit code and the document, held to its schema."""
    done = invoke(*arguments, "--format", "json")
    document: Json = json.loads(done.stdout)
    jsonschema.validate(document, schema("litmus"))
    return done.exit_code, document


@pytest.fixture
def shipped() -> list[Json]:
    path = resources.files("wavetank.sim") / "data" / "litmus.json"
    document: list[Json] = json.loads(path.read_text(encoding="utf-8"))
    return document


def stored(document: object, directory: Path) -> str:
    path = directory / "litmus.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def test_every_shipped_program_and_profile_is_equal() -> None:
    code, document = documented()
    assert code == 0
    assert document["verdict"] == "pass"
    asked = [
        (test.id, profile.name)
        for test in shipped_litmus()
        for profile in PROFILES
        if profile.name in test.states
    ]
    assert len(asked) == 26 * 9
    assert [(each["id"], each["profile"]) for each in document["tests"]] == asked
    assert all(each["equal"] for each in document["tests"])
    assert not any(each["missing"] or each["extra"] for each in document["tests"])


def test_the_text_has_a_line_per_test_and_a_sum() -> None:
    done = invoke()
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].endswith(", litmus, the tests that ship")
    assert lines[2].split() == ["L01", "PA", "multi-block", "append", "9", "of", "9", "equal"]
    assert sum(line.startswith("L") for line in lines) == 26
    assert lines[-1] == "234 sets of 26 tests: all equal"


def test_a_tampered_copy_is_refused_with_the_difference(
    shipped: list[Json], tmp_path: Path
) -> None:
    removed = shipped[0]["states"]["posix"].pop(2)
    added = {"files": {"f": "zz"}, "marks": ["ok"], "bad": True}
    shipped[4]["states"]["ext4-ordered"].append(added)
    file = stored(shipped, tmp_path)
    code, document = documented("--file", file)
    assert code == 1
    assert document["verdict"] == "fail"
    first, second = (each for each in document["tests"] if not each["equal"])
    assert first == {
        "id": "L01",
        "profile": "posix",
        "states": 7,
        "equal": False,
        "missing": [],
        "extra": [{"files": removed["files"], "marks": removed["marks"]}],
    }
    assert second == {
        "id": "L05",
        "profile": "ext4-ordered",
        "states": 4,
        "equal": False,
        "missing": [{"files": {"f": "zz"}, "marks": ["ok"]}],
        "extra": [],
    }
    done = invoke("--file", file)
    assert done.exit_code == 1
    assert done.stdout.split("\n\n")[2:] == [
        "L01 under posix:\n  extra (not named, and the disk may leave it):\n    f=a??",
        (
            "L05 under ext4-ordered:\n"
            "  missing (named, and the disk never leaves it):\n    f=zz after ok"
        ),
        "234 sets of 26 tests: 2 differ\n",
    ]
    assert "8 of 9 equal, different: posix\n" in done.stdout


def test_a_long_difference_is_cut(shipped: list[Json], tmp_path: Path) -> None:
    shipped[5]["states"]["posix"] = []
    shipped[5]["states"]["sequential"] = shipped[5]["states"]["alice"]
    done = invoke("--file", stored(shipped[5:6], tmp_path), "--profile", "sequential")
    assert done.exit_code == 1
    assert "missing (named, and the disk never leaves them):\n" in done.stdout
    assert "\n    and 5 more\n" in done.stdout
    assert done.stdout.endswith("1 set of 1 test: 1 differ\n")


def test_only_the_profiles_asked_for_are_compared(shipped: list[Json], tmp_path: Path) -> None:
    shipped[0]["states"]["posix"].pop()
    file = stored(shipped, tmp_path)
    code, document = documented("--file", file, "--profile", "ext4-ordered", "--profile", "xfs")
    assert code == 0
    assert len(document["tests"]) == 2 * 26
    assert {each["profile"] for each in document["tests"]} == {"ext4-ordered", "xfs"}
    assert documented("--file", file, "--profile", "all")[0] == 1
    assert documented("--file", file, "--profile", "posix")[0] == 1


def test_a_test_without_the_profile_is_left_out(shipped: list[Json], tmp_path: Path) -> None:
    del shipped[0]["states"]["btrfs"]
    file = stored(shipped[:2], tmp_path)
    _, document = documented("--file", file, "--profile", "btrfs")
    assert [each["id"] for each in document["tests"]] == ["L02"]
    assert invoke("--file", file, "--profile", "btrfs").stdout.count("1 of 1 equal") == 1


def test_a_profile_of_ones_own_is_compared_where_a_test_names_states_for_it(
    shipped: list[Json], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('[profile]\nname = "mine"\nextends = "ext4-ordered"\n', encoding="utf-8")
    shipped[0]["states"]["mine"] = shipped[0]["states"]["ext4-ordered"]
    shipped[5]["states"]["mine"] = shipped[5]["states"]["posix"]
    file = stored(shipped, tmp_path)
    code, document = documented("--file", file, "--profile", str(mine))
    assert code == 1
    told = [(each["id"], each["profile"], each["equal"]) for each in document["tests"]]
    assert told == [("L01", "mine", True), (shipped[5]["id"], "mine", False)]
    both = ("--file", file, "--profile", str(mine), "--profile", "ext4-ordered")
    assert [each["profile"] for each in documented(*both)[1]["tests"]][:2] == [
        "ext4-ordered",
        "mine",
    ]
    # Without the file nobody knows that profile.
    assert "$[0].states.mine: expected one of the profiles " in invoke("--file", file).stderr
    untold = invoke("--profile", str(mine))
    assert untold.exit_code == 2
    assert "expected one for which the tests that ship names states" in untold.stderr
    assert untold.stderr.rstrip().endswith(", got mine")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "absent.toml"], "absent.toml: expected a readable file in UTF-8, got "),
        (["--profile", "posiks"], "got 'posiks'; nearest match: posix"),
        (["--profile", "apfs"], "profile: expected one for which the tests that ship names"),
        (["--format", "yaml"], "'yaml' is not one of 'text', 'json'"),
        (["--file", "absent.json"], "absent.json: expected a readable file, got: [Errno 2]"),
    ],
)
def test_what_cannot_be_compared_is_told(arguments: list[str], message: str) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "$: expected JSON, got: "),
        (b"\xff\xfe", "expected a readable file, got: 'utf-8' codec can't decode"),
        (b'{"schema": "wavetank.run/1"}', "$: expected a list of litmus tests, got {"),
        (b"[]", "expected one for which "),
        (
            b'[{"id": "T", "setup": [], "program": [["unlink", "f"]], "states": {}}]',
            "$[0].program[0]: expected an operation that succeeds, got ['unlink', 'f']: No such",
        ),
        (
            b'[{"id": "T", "setup": [], "program": [], "states": {"ext5": []}}]',
            "$[0].states.ext5: expected one of the profiles sequential, ",
        ),
    ],
)
def test_what_is_no_litmus_file_is_told(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "litmus.json"
    path.write_bytes(content)
    done = invoke("--file", str(path), "--format", "json")
    assert done.exit_code == 2
    assert str(path) in done.stderr
    assert message in done.stderr
    assert done.stdout == ""


def test_the_example_of_the_documentation_is_equal(tmp_path: Path) -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    example = text.partition("```json\n")[2].partition("```")[0]
    assert [test.id for test in read_litmus(example)] == ["vote"]
    path = tmp_path / "mine.json"
    path.write_text(example, encoding="utf-8")
    assert invoke("--file", str(path)).exit_code == 0


def test_the_document_does_not_depend_on_the_hash_seed() -> None:
    arguments = ("--profile", "posix", "--format", "json")
    here = os.environ.get("PYTHONHASHSEED", "")
    other = subprocess.run(
        [sys.executable, "-m", "wavetank", "litmus", *arguments],
        env={**os.environ, "PYTHONHASHSEED": "2" if here == "1" else "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout == invoke(*arguments).stdout
