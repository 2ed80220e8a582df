"""`wavetank fuzz`: what it prints, keeps and exits with."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from console import wavetank

from wavetank.reports.documents import schema
from wavetank.reports.fuzzing.corpus_files import CorpusFiles
from wavetank.scenarios import Fuzzer, FuzzPlan

SMALL = ("--runs", "3", "--images", "5", "--workers", "1", "--profile", "posix")
BROKEN = ("--backend", "wrong_stores:unsynced_names", "--max-failures", "1", "--seed", "2")

# Most runs are too short for the faults that are drawn.
pytestmark = pytest.mark.idle_faults


def fuzz_document(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    jsonschema.validate(document, schema("fuzz"))
    return document


def test_the_engine_passes_and_its_coverage_is_in_the_document(tmp_path: Path) -> None:
    done = wavetank("fuzz", *SMALL, "--format", "json", cwd=tmp_path)
    document = fuzz_document(done.stdout)
    assert (done.returncode, document["verdict"], document["runs"]) == (0, "pass", 3)
    assert document["coverage"]["operations"]["OpenStore"] >= 1
    assert document["corpus"]["new"] == len(list((tmp_path / ".wavetank/corpus").glob("*.json")))
    assert done.stderr.startswith("wavetank ")


@pytest.mark.slow
def test_equal_runs_have_equal_digests_for_any_number_of_workers(tmp_path: Path) -> None:
    digests = set()
    for workers in ("1", "2"):
        folder = str(tmp_path / workers)
        command = ("fuzz", *SMALL, "--corpus", folder, "--format", "json", "--workers", workers)
        digests.add(fuzz_document(wavetank(*command, cwd=tmp_path).stdout)["digest"])
    assert len(digests) == 1


def test_a_violation_is_told_stored_and_replayed(tmp_path: Path) -> None:
    done = wavetank("fuzz", *SMALL, "--runs", "20", *BROKEN, cwd=tmp_path)
    assert done.returncode == 1
    assert "\nFAIL: 1 violation in " in done.stdout
    (stored,) = (tmp_path / ".wavetank/failures").glob("fuzz-*.json")
    assert f"Reproduce: wavetank replay {stored.stem}\n" in done.stdout
    assert "\nElsewhere: the same with a copy of the file .wavetank/failures/" in done.stdout
    assert wavetank("replay", stored.stem, cwd=tmp_path).returncode == 1


def test_files_of_the_corpus_that_cannot_be_read_are_kept_and_told(tmp_path: Path) -> None:
    folder = tmp_path / ".wavetank/corpus"
    folder.mkdir(parents=True)
    (folder / "fuzz-00.json").write_text('{"format": "wavetank.case/9"}', encoding="utf-8")
    done = wavetank("fuzz", *SMALL, "--runs", "1", cwd=tmp_path)
    assert done.returncode == 0
    assert ".wavetank/corpus/fuzz-00.json cannot be read and is kept: case: expected" in done.stderr
    assert (folder / "fuzz-00.json").exists()


def test_a_corpus_comes_back_from_its_files(tmp_path: Path) -> None:
    wavetank("fuzz", *SMALL, cwd=tmp_path)
    files = CorpusFiles(tmp_path / ".wavetank/corpus")
    cases, unreadable = files.load("builtin")
    assert len(cases) >= 2
    assert unreadable == ()
    assert files.load("pysyncobj") == ((), ())
    assert files.keep(cases[:1], cases) == 0
    assert files.load("builtin")[0] == cases[:1]


def test_ctrl_c_gives_a_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Fuzzer, "run", interrupted)
    done = wavetank("fuzz", *SMALL, cwd=tmp_path)
    assert done.returncode == 130
    assert "PASS: 0 violations in 0 runs" in done.stdout
    assert "Interrupted: what was found until then is above." in done.stdout


def test_a_run_that_broke_off_is_an_internal_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a door is stuck")

    for attempt in ("try_steps", "try_tasks", "try_damage"):
        monkeypatch.setattr(f"wavetank.scenarios.fuzzing.trial.{attempt}", broken)
    done = wavetank("fuzz", *SMALL, cwd=tmp_path)
    assert done.returncode == 3
    assert "3 runs broke off, which is an error of wavetank:\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-time", "60"), "expected a time such as 60s, 15m or 8h, got '60'"),
        (("--night", "--max-time", "60s"), "expected --night or --max-time, got both"),
        (("--backend", "buildin"), "nearest match: builtin"),
        (("--profile", "posiks"), "nearest match: posix"),
    ],
)
def test_what_is_asked_wrongly_is_a_usage_error(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = wavetank("fuzz", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_time_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float | None] = []

    def run(plan: FuzzPlan, *, max_time_s: float | None, **_: object) -> None:
        asked.append(max_time_s)
        raise RuntimeError(plan.backend)

    monkeypatch.setattr("wavetank.reports.commands.running.fuzz_execution.run_fuzz_session", run)
    for arguments in ((), ("--night",), ("--max-time", "15m"), ("--runs", "5")):
        with pytest.raises(RuntimeError):
            wavetank("fuzz", *arguments, cwd=tmp_path)
    assert asked == [60.0, 28_800.0, 900.0, None]


def test_a_page_shows_coverage_and_findings(tmp_path: Path) -> None:
    done = wavetank(
        "fuzz", *SMALL, "--runs", "20", *BROKEN, "--report", "html=f.html", cwd=tmp_path
    )
    assert done.returncode == 1
    page = (tmp_path / "f.html").read_text("utf-8")
    (stored,) = (tmp_path / ".wavetank/failures").glob("fuzz-*.json")
    assert f'<article class="finding" id="{stored.stem}"' in page
    assert '<th scope="row">OpenStore</th>' in page
