"""Runs and replays on the command line: exit codes, streams, digests, interruptions.

What needs a process of its own has one, as `started`.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import sleep
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from console import wavetank

from wavetank.reports.documents import schema
from wavetank.reports.documents.events import read_events
from wavetank.scenarios import RunFinishedEvent

CANARY = ("--backend", "raftlock-published")
SMALL = ("install-snapshot", "--profile", "sequential", "--workers", "1")


def started(
    *arguments: str, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wavetank", *arguments],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def run_document(arguments: Sequence[str], cwd: Path, hash_seed: str = "") -> dict[str, Any]:
    """Return the document of a run, which must be all that is on stdout, and valid."""
    command = ("run", "--format", "json", *arguments)
    if hash_seed:
        done = started(*command, cwd=cwd, environment={"PYTHONHASHSEED": hash_seed})
    else:
        done = wavetank(*command, cwd=cwd)
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, schema("run"))
    return document


def test_a_run_without_violations_passes(tmp_path: Path) -> None:
    done = started("run", *SMALL, cwd=tmp_path)
    assert done.returncode == 0
    assert "\nPASS: 0 violations in 1 sweep, " in done.stdout
    assert done.stderr == ""
    assert not (tmp_path / ".wavetank" / "failures").exists()


@pytest.mark.slow
def test_a_scenario_with_faults_of_its_own_is_shown_like_any_other(tmp_path: Path) -> None:
    done = wavetank("run", "full-disk", "--profile", "sequential", cwd=tmp_path)
    assert done.returncode == 0
    assert "\nPASS: 0 violations in 1 sweep, " in done.stdout
    assert "fault" not in done.stdout


@pytest.mark.slow
def test_a_family_says_how_many_workloads_and_images_it_had(tmp_path: Path) -> None:
    done = wavetank("run", "exhaustive-2", "--profile", "sequential", cwd=tmp_path)
    assert done.returncode == 0
    assert (
        "exhaustive-2 under sequential: no violation up to 2 ops: 76 workloads, "
        "382 distinct images, all judged\n"
    ) in done.stdout


@pytest.mark.slow
def test_files_that_cannot_be_read_are_kept_and_told_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / ".wavetank" / "failures"
    folder.mkdir(parents=True)
    old = '{"format": 1, "version": "0.0.9"}'
    first = f"{folder.relative_to(tmp_path)}/mixed-00.json cannot be read and is kept: $.format: "
    first += "expected 3, got 1, written by wavetank 0.0.9"
    for number in range(3):
        (folder / f"mixed-0{number}.json").write_text(old, encoding="utf-8")
        told = wavetank("run", *SMALL, cwd=tmp_path).stderr
        more = f" (and {number} more in .wavetank/failures)" if number else ""
        assert told == f"{first}{more}\n"
    assert {path.read_text(encoding="utf-8") for path in folder.iterdir()} == {old}


def test_a_run_with_violations_fails_and_tells_how_to_see_them_again(tmp_path: Path) -> None:
    done = wavetank("run", *SMALL, *CANARY, cwd=tmp_path)
    assert done.returncode == 1
    ids = {path.stem for path in (tmp_path / ".wavetank" / "failures").iterdir()}
    told = [line for line in done.stdout.splitlines() if line.startswith("Reproduce: ")]
    assert len(told) == 3
    assert {line.removeprefix("Reproduce: wavetank replay ") for line in told} < ids


def test_output_that_no_terminal_shows_has_no_control_characters(tmp_path: Path) -> None:
    done = wavetank("run", *SMALL, *CANARY, cwd=tmp_path, environment={"FORCE_COLOR": "1"})
    assert "\x1b" not in done.stdout + done.stderr


def test_images_left_over_fail_a_strict_run_only(tmp_path: Path) -> None:
    limited = (*SMALL, "--max-images", "3")
    assert wavetank("run", *limited, cwd=tmp_path).returncode == 0
    assert wavetank("run", *limited, "--strict", cwd=tmp_path).returncode == 4
    document = run_document(limited, tmp_path)
    assert document["verdict"] == "inconclusive"
    images = document["scenarios"][0]["images"]
    assert images["judged"] == 3
    assert document["scenarios"][0]["unjudged"] == images["distinct"] - 3


@pytest.mark.slow
def test_the_digest_is_the_same_for_every_number_of_workers_and_every_hash_seed(
    tmp_path: Path,
) -> None:
    plan = ("install-snapshot", "leader-steady", "--profile", "sequential", *CANARY)
    runs = [
        run_document([*plan, "--workers", "1"], tmp_path, hash_seed="7"),
        run_document([*plan, "--workers", "2"], tmp_path, hash_seed="8"),
    ]
    for run in runs:
        del run["elapsed_s"], run["workers"]
    assert runs[0]["digest"] is not None
    assert runs[0] == runs[1]


def test_another_seed_gives_another_digest(tmp_path: Path) -> None:
    document = run_document([*SMALL, "--seeds", "3:5"], tmp_path)
    assert [each["seed"] for each in document["scenarios"]] == [3, 4]
    assert len({each["digest"] for each in document["scenarios"]}) == 2


@pytest.mark.slow
def test_a_violation_is_replayed_in_a_new_process(tmp_path: Path) -> None:
    document = run_document([*SMALL, *CANARY], tmp_path)
    for violation in document["scenarios"][0]["violations"][:1]:
        done = started("replay", violation["id"], "--format", "json", cwd=tmp_path)
        assert done.returncode == 1
        answer = json.loads(done.stdout)
        jsonschema.validate(answer, schema("replay"))
        assert answer["verdict"] == "failed"
        assert answer["violation"] == violation


@pytest.mark.slow
def test_determinism_is_checked_in_new_processes(tmp_path: Path) -> None:
    document = run_document([*SMALL, "--check-determinism"], tmp_path)
    assert document["determinism"] == {
        "equal": True,
        "hash_seeds": [1, 2],
        "digests": [document["digest"]] * 2,
        "difference": "",
    }


def test_an_older_story_is_looked_for_in_the_whole_scenario(tmp_path: Path) -> None:
    """What was found before the code changed is found again by a sweep, or told as fixed."""
    wavetank("run", *SMALL, *CANARY, cwd=tmp_path)
    stored = min((tmp_path / ".wavetank" / "failures").iterdir())
    failure = json.loads(stored.read_text())
    failure["case"]["trace"] = "another"
    stored.write_text(json.dumps(failure))
    done = wavetank("replay", stored.stem, cwd=tmp_path)
    assert done.returncode == 1
    assert "; all crashes were explored for the same kind" in done.stdout
    assert done.stdout.splitlines()[-2] == f"Reproduce: wavetank replay {stored.stem}"
    failure["case"]["store"] = "builtin"
    stored.write_text(json.dumps(failure))
    done = wavetank("replay", stored.stem, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"FIXED {stored.stem}: sequential no longer allows the image ")
    broken = failure["case"]["invariant"]
    assert done.stdout.endswith(f" images were judged: it no longer breaks {broken}\n")


UNSTEADY = ("--backend", "_unsteady_store:STORE")


def unsteady(
    *arguments: str, cwd: Path, kind: str, script: str = "_unsteady_store.py"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(Path(__file__).parent / script), *arguments],
        cwd=cwd,
        env={**os.environ, "UNSTEADY": kind},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_store_that_depends_on_the_hash_seed_is_told_from_a_deterministic_one(
    tmp_path: Path,
) -> None:
    done = unsteady("run", *SMALL, *UNSTEADY, "--check-determinism", cwd=tmp_path, kind="hash")
    assert done.returncode == 3
    *lines, kept = done.stdout.splitlines()
    assert kept.startswith("kept in .wavetank/runs/0-")
    assert lines[-3] == "NOT DETERMINISTIC: two runs under PYTHONHASHSEED 1 and 2 differ."
    _, first, _, second = lines[-2].split()
    assert first != second
    event, instead = lines[-1].removeprefix("  first in ").split(" and ")
    # The same write to the same file, with other bytes.
    assert event.split()[1:3] == ["data", "install-snapshot/0"]
    assert event.rpartition("#")[0] == instead.rpartition("#")[0]
    assert event != instead


@pytest.mark.slow
def test_a_store_that_is_never_the_same_cannot_be_replayed(tmp_path: Path) -> None:
    wavetank("run", *SMALL, *CANARY, cwd=tmp_path)
    stored = min((tmp_path / ".wavetank" / "failures").iterdir())
    stored.write_text(stored.read_text().replace("raftlock-published", UNSTEADY[1]))
    done = unsteady("replay", stored.stem, cwd=tmp_path, kind="random")
    assert done.returncode == 3
    assert done.stdout.startswith(f"DIVERGED {stored.stem}: two recordings of the same workload")


def test_an_internal_error_exits_with_3_behind_what_there_is(tmp_path: Path) -> None:
    reports = ("--report", "html=H,junit=J,ndjson=N,markdown=M")
    done = unsteady("run", *SMALL, *reports, cwd=tmp_path, kind="hash", script="_broken_store.py")
    assert done.returncode == 3
    assert "Ended by an error: 1 scenario left. To run the rest:" in done.stdout
    assert "wavetank: internal error: RuntimeError: a door is stuck" in done.stderr
    (suite,) = ET.parse(tmp_path / "J").getroot()
    (skipped,) = suite.iter("skipped")
    assert skipped.attrib["message"] == "not finished: RuntimeError: a door is stuck"
    assert [event.kind for event in read_events(tmp_path / "N")] == ["run_finished"]
    assert (tmp_path / "M").read_text().startswith("## wavetank: inconclusive\n")
    assert "The run ended with an error: RuntimeError." in (tmp_path / "H").read_text()


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.slow
def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, workers: str) -> None:
    arguments = [sys.executable, "-m", "wavetank", "run", *SMALL, "--seeds", "0:10000"]
    with subprocess.Popen(
        [*arguments, "--workers", workers], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("wavetank ")
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 130
    *_, told, command = rest.splitlines()
    assert told == "Interrupted: 1 scenario left. To run the rest:"
    assert command.startswith("  wavetank run install-snapshot --seeds ")
    assert command.endswith(":10000 --profile sequential --backend builtin")


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_run_writes_its_reports_and_is_kept(tmp_path: Path) -> None:
    reports = ("--report", "html=H,junit=J,ndjson=N,markdown=M", "--log", "short")
    arguments = [sys.executable, "-m", "wavetank", "run", *SMALL, *CANARY, "--seeds", "0:10000"]
    with subprocess.Popen(
        [*arguments, *reports], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if b" end " in line:
                process.send_signal(signal.SIGINT)
                break
        process.communicate()
    assert process.returncode == 130
    events = list(read_events(tmp_path / "N"))
    finished = sum(event.kind == "scenario_finished" for event in events)
    last = events[-1].what
    assert isinstance(last, RunFinishedEvent)
    assert (last.digest, last.sweeps, last.remaining) == ("", finished, 10000 - finished)
    suite = ET.parse(tmp_path / "J").getroot()[0]
    assert int(suite.attrib["skipped"]) == 10000 - finished
    assert int(suite.attrib["failures"]) >= finished
    assert (tmp_path / "M").read_text().startswith("## wavetank: fail\n")
    assert (tmp_path / "H").read_text().rstrip().endswith("</html>")
    kept = tmp_path / ".wavetank" / "runs" / "latest"
    document = json.loads((kept / "run.json").read_text())
    assert document["interrupted"]
    assert (kept / "events.ndjson").read_text() == (tmp_path / "N").read_text()
    assert list((tmp_path / ".wavetank" / "failures").iterdir())


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """Workers hold the pipe of standard output, so that it ends only when all of them have."""
    arguments = [sys.executable, "-m", "wavetank", "run", *SMALL, "--seeds", "0:10000"]
    with subprocess.Popen(
        [*arguments, "--workers", "2"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("wavetank ")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while len(children.read_text().split()) < 4:  # tracker, queue and two workers
            sleep(0.05)
        process.kill()
        assert process.stdout.read() == ""
    assert process.returncode == -signal.SIGKILL


def test_nothing_heavy_is_imported_for_the_version_or_help() -> None:
    script = (
        "import sys\n"
        "from wavetank.reports.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert end.code == 0, end.code\n"
        "heavy = {'rich', 'attr', 'wavetank.engine', 'wavetank.sim', 'wavetank.scenarios'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    for arguments in (["--version"], ["--help"], ["run", "--help"], ["replay", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "[]", arguments
