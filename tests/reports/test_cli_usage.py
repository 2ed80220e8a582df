"""What a person may type wrong, and what the lists show; nothing here runs a scenario."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from wavetank.engine import FileStorageOptions
from wavetank.faults import VOCABULARY
from wavetank.reports.cli import cli
from wavetank.reports.documents import schema
from wavetank.reports.exit_codes import ExitCode
from wavetank.scenarios import (
    ALL_SCENARIOS,
    CLUSTER_INVARIANTS,
    DAMAGE_INVARIANTS,
    INVARIANTS,
    SHIPPED_STORES,
)
from wavetank.sim import PROFILES, SAFE_PROFILES


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_settings(text: str) -> None:
    Path("pyproject.toml").write_text(f"[tool.wavetank]\n{text}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "mixd"], "got 'mixd'; nearest match: mixed"),
        (["run", "mixed", "leader-*", "follow-*"], "got 'follow-*'; nearest match: follower-"),
        (["run", "--profile", "posiks"], "profile: expected one of sequential, "),
        (["run", "--profile", "posiks"], "got 'posiks'; nearest match: posix"),
        (["run", "--backend", "bultin"], "got 'bultin'; nearest match: builtin"),
        (["run", "--seed", "-1"], "-1 is not in the range x>=0"),
        (["run", "--seeds", "5:5"], "expected A:B with 0 <= A < B, such as 0:10, got '5:5'"),
        (["run", "--seeds", "5"], "expected A:B with 0 <= A < B, such as 0:10, got '5'"),
        (["run", "--seed", "1", "--seeds", "1:2"], "expected --seed or --seeds, got both"),
        (["run", "--workers", "0"], "expected a whole number >= 1 or auto, got '0'"),
        (["run", "--max-images", "none"], "expected a whole number >= 1 or all, got 'none'"),
        (["run", "--format", "yaml"], "'yaml' is not one of 'text', 'json'"),
        (["run", "--fault", "fsnc: fail EIO"], "got 'fsnc'; nearest match: fsync, at column 1 of"),
        (["replay"], "Missing argument 'FAILURE'"),
        (["list", "defects"], "'defects' is not one of"),
        (["runn"], "No such command 'runn'"),
    ],
)
def test_what_cannot_be_run_is_told_before_anything_runs(
    arguments: list[str], message: str
) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("seeds = 3", "pyproject.toml: tool.wavetank.seeds: expected one of the keys seed, "),
        ("seeds = 3", "got 'seeds'; nearest match: seed"),
        ("seed = '3'", "tool.wavetank.seed: expected a whole number >= 0, got '3' (str)"),
        ("seed = true", "tool.wavetank.seed: expected a whole number >= 0, got True (bool)"),
        ("strict = 1", "tool.wavetank.strict: expected true or false, got 1 (int)"),
        ("max-images = 0", "tool.wavetank.max-images: expected a whole number >= 1, got 0 (int)"),
        ("workers = 'all'", 'tool.wavetank.workers: expected a whole number >= 1 or "auto"'),
        ("profile = []", "tool.wavetank.profile: expected a name or a list of names, got []"),
        ("profile = ['posiks']", "tool.wavetank.profile: profile: expected one of sequential"),
        ("backend = 'bultin'", "tool.wavetank.backend: backend: expected one of builtin"),
        ("seed = ", "pyproject.toml: expected a readable TOML file, got: "),
    ],
)
def test_wrong_settings_are_named_with_file_key_and_nearest_match(
    settings: str, message: str
) -> None:
    write_settings(settings)
    done = invoke("run")
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_a_table_of_another_kind_is_refused() -> None:
    Path("pyproject.toml").write_text("[tool]\nwavetank = 3\n")
    done = invoke("run")
    assert done.exit_code == 2
    assert "pyproject.toml: tool.wavetank: expected a table, got 3 (int)" in done.stderr


@pytest.mark.slow
def test_settings_apply_and_the_command_line_wins() -> None:
    write_settings(
        "seed = 4\nprofile = 'sequential'\nbackend = 'raftlock-published'\n"
        "max-images = 1\nworkers = 1\nstrict = true"
    )
    settled = invoke("run", "install-snapshot", "--format", "json")
    document = json.loads(settled.stdout)
    assert document["seeds"] == [4]
    (scenario,) = document["scenarios"]
    assert scenario["profile"] == "sequential"
    assert scenario["backend"] == "raftlock-published"
    assert scenario["images"]["judged"] == 1
    limited = ("run", "install-snapshot", "--backend", "builtin", "--seeds", "0:2")
    assert invoke(*limited).exit_code == ExitCode.INCONCLUSIVE
    assert invoke(*limited, "--no-strict").exit_code == ExitCode.OK
    typed = json.loads(invoke(*limited, "--max-images", "2", "--format", "json").stdout)
    assert typed["seeds"] == [0, 1]
    assert [each["images"]["judged"] for each in typed["scenarios"]] == [2, 2]
    assert {each["backend"] for each in typed["scenarios"]} == {"builtin"}
    assert typed["verdict"] == "inconclusive"
    complete = json.loads(invoke(*limited, "--max-images", "all", "--format", "json").stdout)
    assert complete["verdict"] == "pass"


def test_a_pattern_runs_what_it_matches_and_all_means_every_profile() -> None:
    done = invoke(
        "run", "install-*", "*-snapshot", "--profile", "all", "--max-images", "1",
        "--workers", "1", "--format", "json",
    )  # fmt: skip
    ran = [(each["name"], each["profile"]) for each in json.loads(done.stdout)["scenarios"]]
    assert ran == [("install-snapshot", profile.name) for profile in SAFE_PROFILES]


@pytest.mark.parametrize("command", ["", *cli.commands])
def test_the_help_of_every_command_ends_in_examples_on_lines_of_their_own(command: str) -> None:
    done = invoke(*[command] if command else [], "--help")
    assert "\\b" not in done.stdout
    examples = re.search(r"\n  Examples?:\n((?:    .*\n)+)\nOptions:\n", done.stdout)
    assert examples is not None
    lines = examples.group(1).splitlines()
    assert all(line.startswith(f"    wavetank {command}") for line in lines)


def test_the_list_of_commands_cuts_no_sentence() -> None:
    commands = invoke("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in commands] == sorted(cli.commands)
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)


def test_the_version_is_shown() -> None:
    assert invoke("--version").stdout.startswith("wavetank ")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("scenarios", list(ALL_SCENARIOS)),
        ("profiles", [profile.name for profile in PROFILES]),
        ("backends", list(SHIPPED_STORES)),
        ("invariants", [*INVARIANTS, *CLUSTER_INVARIANTS, *DAMAGE_INVARIANTS]),
    ],
)
def test_lists_name_everything_there_is(kind: str, names: list[str]) -> None:
    document = json.loads(invoke("list", kind, "--format", "json").stdout)
    jsonschema.validate(document, schema("list"))
    assert [item["name"] for item in document["items"]] == names
    assert all(item["summary"] for item in document["items"])
    listed = invoke("list", kind).stdout.partition("\n\n")[0]
    assert [line.split()[0] for line in listed.splitlines() if line[0] != " "] == names


@pytest.mark.parametrize(
    "kind", ["scenarios", "profiles", "backends", "options", "faults", "checks", "stores"]
)
def test_lists_fit_100_columns_and_cut_nothing(kind: str) -> None:
    document = json.loads(invoke("list", kind, "--format", "json").stdout)
    text = invoke("list", kind).stdout
    assert max(map(len, text.splitlines())) <= 100
    words = text.split()
    for item in document["items"]:
        told = item["summary"].split()
        assert told in [words[start : start + len(told)] for start in range(len(words))]


@pytest.mark.parametrize("kind", ["profiles", "stores"])
def test_profiles_and_stores_are_compared_in_a_matrix(kind: str) -> None:
    items = json.loads(invoke("list", kind, "--format", "json").stdout)["items"]
    header, *rows = invoke("list", kind).stdout.split("\n\n")[1].splitlines()
    assert header.split()[1:] == [str(number) for number in range(1, len(items) + 1)]
    starts = [match.start() for match in re.finditer(r"\d+", header)]
    shown = {row[: starts[0]].strip(): [row[start:].split()[0] for start in starts] for row in rows}
    columns = [{detail["name"]: detail["value"] for detail in item["details"]} for item in items]
    rules = max(columns, key=len)
    # A store that lacks its package says nothing of itself.
    values = {rule: [column.get(rule, "?") for column in columns] for rule in rules}
    assert shown == {
        rule: ["-" if value == "no" else value for value in told] for rule, told in values.items()
    }


def test_one_name_is_listed_with_all_that_it_says() -> None:
    document = json.loads(invoke("list", "profiles", "ext4", "--format", "json").stdout)
    jsonschema.validate(document, schema("list"))
    (item,) = document["items"]
    told = {detail["name"]: detail for detail in item["details"]}
    assert told["fsync_persists"]["meaning"] == (
        "whether what a sync covers is durable; if not, it only comes before all that follows the "
        "sync."
    )
    text = invoke("list", "profiles", "ext4").stdout
    assert text.startswith("ext4  as mounted by default since Linux 5.6")
    assert max(map(len, text.splitlines())) <= 100
    assert "  truncate_discards          = yes  what a truncation cut off may be gone" in text
    words = " ".join(text.split())
    assert all(each["meaning"] in words for each in told.values())
    wrong = invoke("list", "profiles", "ext5")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "got 'ext5'; nearest match: ext4" in wrong.stderr


def test_help_shows_no_marks_of_its_own_making() -> None:
    for command in ([], *([name] for name in cli.commands)):
        shown = invoke(*command, "--help").stdout
        assert "\b" not in shown, command
        assert "\\b" not in shown, command


def test_faults_are_listed_with_a_line_that_run_takes() -> None:
    document = json.loads(invoke("list", "faults", "--format", "json").stdout)
    jsonschema.validate(document, schema("list"))
    told = {
        item["name"]: {detail["name"]: detail["value"] for detail in item["details"]}
        for item in document["items"]
    }
    assert list(told) == [words.form for words in VOCABULARY]
    assert told["fail EIO ext4"] == {
        "example": "fsync log.dat #3: fail EIO ext4",
        "operations": "fsync, datasync",
        "family": "failure",
    }
    assert told["from now on"] == {"example": "open: fail EACCES from now on"}
    lines = invoke("list", "faults").stdout.splitlines()
    assert "  family     = failure" in lines


def test_options_are_listed_with_their_defaults() -> None:
    document = json.loads(invoke("list", "options", "--format", "json").stdout)
    jsonschema.validate(document, schema("list"))
    told = {
        item["name"]: [(detail["name"], detail["value"]) for detail in item["details"]]
        for item in document["items"]
    }
    default = str(FileStorageOptions().retained_log_size)
    assert told["retain_nothing"] == [
        ("retained_log_size", "0"),
        ("default", default),
        ("gives up", "nothing"),
    ]
    assert told["no_sync_on_append"][2] == ("gives up", "appends_durable")


@pytest.mark.slow
def test_options_are_turned_told_and_part_of_the_command_that_reproduces() -> None:
    arguments = (
        "run",
        "restart-loop",
        "--profile",
        "posix",
        "--options",
        "json_log,chunk_size=512",
        "--max-images",
        "20",
        "--workers",
        "1",
    )
    document = json.loads(invoke(*arguments, "--format", "json").stdout)
    jsonschema.validate(document, schema("run"))
    (result,) = document["scenarios"]
    assert (result["options"], result["relaxed"]) == (["json_log", "chunk_size=512"], [])
    assert "restart-loop [json_log,chunk_size=512]" in invoke(*arguments).stdout


@pytest.mark.slow
def test_a_failure_under_turned_options_is_replayed_under_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = invoke(
        "run", "restart-loop", "--backend", "raftlock-published", "--profile", "posix",
        "--max-images", "50", "--options", "no_auto_truncate", "--format", "json", "--no-shrink",
        "--workers", "1",
    )  # fmt: skip
    document = json.loads(failed.stdout)
    (result,) = document["scenarios"]
    violation = result["violations"][0]
    again = json.loads(invoke("replay", violation["id"], "--format", "json").stdout)
    jsonschema.validate(again, schema("replay"))
    assert (again["verdict"], again["case"]["options"]) == ("failed", ["no_auto_truncate"])
    assert again["case"]["id"] == violation["id"]


@pytest.mark.slow
@pytest.mark.idle_faults("mkdir #9: fail EIO")
def test_faults_are_counted_and_one_that_never_fires_is_warned_of() -> None:
    arguments = (
        "run", "election-storm", "--profile", "sequential", "--profile", "process-kill",
        "--workers", "1",
        "--fault", "fsync log.dat  #3: fail EIO xfs", "--fault", "mkdir #9: fail EIO",
    )  # fmt: skip
    done = invoke(*arguments, "--format", "json")
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("run"))
    assert document["verdict"] == "pass"
    counts = [each["faults_fired"] for each in document["scenarios"]]
    assert [list(each) for each in counts] == 2 * [
        ["fsync log.dat #3: fail EIO ext4", "mkdir #9: fail EIO"]
    ]
    assert all(each["mkdir #9: fail EIO"] == 0 for each in counts)
    fired = [each["fsync log.dat #3: fail EIO ext4"] for each in counts]
    assert min(fired) > 1
    assert document["warnings"] == ["never fired: mkdir #9: fail EIO"]
    warning = "warning: never fired: mkdir #9: fail EIO\n"
    assert warning in done.stderr
    text = invoke(*arguments).stdout
    assert ", backend builtin, 2 faults\n" in text
    assert f"\nfired {sum(fired)} times: fsync log.dat #3: fail EIO ext4\n{warning}" in text


@pytest.mark.slow
def test_a_fault_that_never_fires_in_some_scenarios_is_warned_of_with_their_names() -> None:
    line = "rename snapshot.dat.tmp #4: fail EIO"
    done = invoke(
        "run", "election-storm", "install-snapshot", "--profile", "process-kill",
        "--max-images", "20", "--fault", line, "--format", "json",
    )  # fmt: skip
    warning = f"never fired in election-storm: {line}"
    assert json.loads(done.stdout)["warnings"] == [warning]
    assert f"warning: {warning}\n" in done.stderr


@pytest.mark.slow
def test_a_failure_under_faults_is_told_and_replayed_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = "fsync log.dat #2: fail EIO ext4"
    arguments = (
        "run", "election-storm", "--backend", "raftlock-published", "--profile", "sequential",
        "--max-images", "50", "--fault", line, "--workers", "1", "--no-shrink",
    )  # fmt: skip
    text = invoke(*arguments).stdout
    assert f"--max-images 50 --fault '{line}'" in text
    violation = json.loads(invoke(*arguments, "--format", "json").stdout)["scenarios"][0][
        "violations"
    ][0]
    again = json.loads(invoke("replay", violation["id"], "--format", "json").stdout)
    jsonschema.validate(again, schema("replay"))
    assert (again["verdict"], again["case"]["faults"]) == ("failed", [line])


def test_profiles_are_listed_with_what_they_promise() -> None:
    document = json.loads(invoke("list", "profiles", "--format", "json").stdout)
    promises = {
        item["name"]: {detail["name"]: detail["value"] for detail in item["details"]}
        for item in document["items"]
    }
    assert promises["sequential"]["program_order"] == "yes"
    assert promises["posix"]["program_order"] == "no"
    assert promises["posix"]["fsync_dir_covers"] == "own"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("mixed-00000000", "wavetank run mixed --seed N --profile NAME --backend NAME"),
        (
            "nowhere.json",
            "Failures are stored in the directory in which the run that found them began.",
        ),
    ],
)
def test_a_failure_that_is_not_stored_here_cannot_be_replayed(name: str, advice: str) -> None:
    done = invoke("replay", name)
    assert done.exit_code == 2
    assert f"expected an id stored in .wavetank/failures or a file, got '{name}'" in done.stderr
    assert advice in done.stderr


def test_the_nearest_stored_failure_is_named() -> None:
    store = Path(".wavetank", "failures")
    store.mkdir(parents=True)
    for name in ("mixed-0a1b2c3d", "restart-loop-11111111"):
        (store / f"{name}.json").touch()
    assert "nearest match: mixed-0a1b2c3d" in invoke("replay", "mixed-0a1b2c3e").stderr


def test_a_failure_of_an_unknown_format_is_an_error_and_is_kept() -> None:
    path = Path("later.json")
    path.write_text('{"format": 9, "version": "7.0"}')
    done = invoke("replay", "later.json", "--format", "json")
    assert json.loads(done.stdout)["verdict"] == "error"
    jsonschema.validate(json.loads(done.stdout), schema("replay"))
    text = invoke("replay", "later.json").stdout
    assert text == (
        "ERROR later.json: later.json cannot be read and is kept: "
        "$.format: expected 3, got 9, written by wavetank 7.0\n"
    )
    assert path.read_text() == '{"format": 9, "version": "7.0"}'
