"""Runs and replays under profiles of one's own, as a process and as stored failures."""

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from attrs import evolve
from console import wavetank

from wavetank.reports.arguments.own_files import is_own_file
from wavetank.reports.arguments.profile_files import read_profile
from wavetank.reports.documents import schema
from wavetank.reports.runs.session import untouched
from wavetank.reports.stored.failures import (
    FailureStore,
    StoredFailure,
    UnreadableFailureError,
    read_failure,
)
from wavetank.reports.telling.next_commands import remaining_commands
from wavetank.scenarios import (
    SCENARIOS,
    Case,
    OwnProfile,
    ReplayVerdict,
    RunPlan,
    UnknownNameError,
    Violation,
    replay,
    run,
)
from wavetank.sim import PROFILES, SEQUENTIAL, ProfileFileError, profile_from_toml

CANARY = ("--backend", "raftlock-published")
MINE = '[profile]\nname = "mine"\nextends = "sequential"\n'
OWN = OwnProfile(profile_from_toml(MINE), "disks/mine.toml")


def document(done: subprocess.CompletedProcess[str], name: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(answer, schema(name))
    return answer


def images(scenario: dict[str, Any]) -> list[object]:
    found = [violation["kind"] for violation in scenario["violations"]]
    return [scenario["name"], scenario["images"], found]


@pytest.mark.slow
def test_a_profile_file_is_run_by_workers_and_replayed_without_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(MINE, encoding="utf-8")
    plan = ("install-snapshot", "log-conflict", "--profile", "mine.toml", "--format", "json")
    # A finding that is made small may move to a profile that ships.
    done = wavetank("run", *plan, *CANARY, "--workers", "2", "--no-shrink", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert f", profile mine, backend {CANARY[1]}" in done.stderr
    mine = document(done, "run")
    assert mine["workers"] == 2
    assert {each["profile"] for each in mine["scenarios"]} == {"mine"}
    shipped = wavetank(
        "run",
        *plan[:2],
        "--profile",
        "sequential",
        *plan[4:],
        *CANARY,
        "--workers",
        "1",
        "--no-shrink",
        cwd=tmp_path,
    )
    # It promises what it extends, and so it finds the same.
    assert [images(each) for each in mine["scenarios"]] == [
        images(each) for each in document(shipped, "run")["scenarios"]
    ]
    file.unlink()
    violation = mine["scenarios"][0]["violations"][0]
    assert violation["profiles"][-1] == "mine"
    again = wavetank("replay", violation["id"], "--format", "json", cwd=tmp_path)
    assert again.returncode == 1, again.stderr
    answer = document(again, "replay")
    assert (answer["case"]["profile"], answer["violation"]) == ("mine", violation)
    told = wavetank("replay", violation["id"], cwd=tmp_path).stdout.splitlines()
    assert told[-1] == (
        "Elsewhere: first wavetank run install-snapshot --seed 0 --profile mine.toml "
        "--backend raftlock-published"
    )


def test_what_was_found_before_the_code_changed_is_looked_for_under_the_stored_profile(
    tmp_path: Path,
) -> None:
    plan = RunPlan(
        scenarios=("install-snapshot",),
        seeds=(0,),
        profiles=("mine",),
        backend="raftlock-published",
        own_profiles=(OWN,),
    )
    (result,) = run(plan).results
    assert {(case.profile, case.profile_file) for case in result.cases} == {(OWN.profile, OWN.file)}
    case, violation = result.cases[-1], result.violations[-1]
    old = evolve(case, trace="another")
    stored = StoredFailure(case=old, violation=violation, version="0.1.0")
    store = FailureStore(tmp_path)
    assert read_failure(store.save(stored)) == stored
    again = replay(old)
    assert again.verdict is ReplayVerdict.FAILED
    assert "all crashes were explored for the same kind" in again.explanation


def test_a_name_that_neither_ships_nor_comes_with_the_plan_is_refused_before_anything_runs() -> (
    None
):
    plan = RunPlan(
        scenarios=(), seeds=(0,), profiles=("yours",), backend="builtin", own_profiles=(OWN,)
    )
    with pytest.raises(UnknownNameError, match=r"expected one of .*'apfs', 'mine'.*got 'yours'"):
        run(plan)


def stored_with_profile(tmp_path: Path) -> Path:
    case = Case(
        workload=SCENARIOS["mixed"].workload(0),
        store="builtin",
        profile=OWN.profile,
        profile_file=OWN.file,
        invariant="O2",
        kind="acknowledged entry lost",
    )
    violation = Violation(
        id="mixed-00112233",
        invariant="O2",
        kind="acknowledged entry lost",
        summary="an entry is gone",
        why="it was never synced",
        steps=(),
        lost=(),
        profiles=("mine",),
        cure="",
        rules=(),
        crash=None,
    )
    failure = StoredFailure(case=case, violation=violation, version="0.1.0")
    path = FailureStore(tmp_path).save(failure)
    assert read_failure(path) == failure
    return path


def test_a_damaged_profile_in_a_stored_failure_is_told_with_its_place(tmp_path: Path) -> None:
    path = stored_with_profile(tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["case"]["profile"]["fsync_dir_covers"] = "perhaps"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UnreadableFailureError) as raised:
        read_failure(path)
    assert "$.profile.fsync_dir_covers" in str(raised.value)


def test_a_command_to_type_again_names_the_file() -> None:
    plan = RunPlan(
        scenarios=("mixed",),
        seeds=(0,),
        profiles=("posix", "mine"),
        backend="builtin",
        own_profiles=(OWN,),
    )
    assert remaining_commands(untouched(plan)) == (
        "wavetank run mixed --seed 0 --profile posix --profile disks/mine.toml --backend builtin",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "mine.toml: expected a readable file in UTF-8, got [Errno 2] "),
        (MINE + "rename = 1", "mine.toml: profile.rename: expected one of the keys name, "),
        (MINE.replace("mine", "posix"), "mine.toml: profile.name: expected another name than "),
    ],
)
def test_a_file_that_is_no_profile_ends_the_command_before_anything_runs(
    tmp_path: Path, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    done = wavetank("run", "--profile", "mine.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"Error: {message}" in done.stderr


def test_two_files_may_not_give_one_name_to_two_profiles(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(MINE, encoding="utf-8")
    (tmp_path / "two.toml").write_text(MINE + "rename_atomic = false", encoding="utf-8")
    files = ("--profile", "one.toml", "--profile", "./two.toml")
    done = wavetank("run", "mixed", *files, cwd=tmp_path)
    assert done.returncode == 2
    expected = "./two.toml: profile.name: expected another name than in one.toml, got 'mine'"
    assert f"Error: {expected}\n" in done.stderr


@pytest.mark.slow
def test_all_and_a_file_are_every_profile_to_be_safe_on_and_that_one(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
    plan = ("install-snapshot", "--profile", "mine.toml", "--profile", "all", "--max-images", "1")
    done = wavetank("run", *plan, "--format", "json", cwd=tmp_path)
    names = [each["profile"] for each in document(done, "run")["scenarios"]]
    assert names[:2] == ["mine", SEQUENTIAL.name]
    assert len(names) == 13


def test_files_are_told_from_names() -> None:
    assert [is_own_file(value) for value in ("a.toml", "./a", "a/b")] == [True] * 3
    assert not any(is_own_file(profile.name) for profile in PROFILES)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE, encoding="utf-8")
    assert read_profile(str(path)) == OWN.profile


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xff", "expected a readable file in UTF-8, got 'utf-8' codec"),
        (b"#" * 65_537, "expected at most 65536 bytes, got more"),
        (b"[profile", "expected TOML, got "),
    ],
)
def test_a_file_that_holds_no_profile_is_named(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(ProfileFileError) as raised:
        read_profile(str(path))
    assert str(raised.value).startswith(f"{path}: {expected}")
    assert raised.value.file == str(path)
