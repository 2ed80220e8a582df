"""`wavetank bench soak`: a short life, in which bytes, objects and descriptors are counted."""

import json
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from wavetank.engine import FileStorage
from wavetank.reports.bench.soak import SoakReport, SoakScale, soak
from wavetank.reports.cli import cli
from wavetank.reports.commands.measuring.bench_soak import COMMAND, soak_text
from wavetank.reports.commands.measuring.page_blocks import marks_of
from wavetank.reports.documents import schema

Json = dict[str, Any]

LIFE: Final = SoakScale(appends=1600, restarts=16, snapshots=1, synced=False)


def invoke(directory: Path, *arguments: str) -> Result:
    life = ["--appends", "160", "--restarts", "8", "--no-sync"]
    return CliRunner().invoke(
        cli, ["bench", "soak", *life, "--directory", str(directory), *arguments]
    )


def quiet(what: str, done: int, total: int) -> None:
    """Take progress and tell nobody."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> SoakReport:
    return soak(LIFE, tmp_path_factory.mktemp("life"), on_progress=quiet)


@pytest.mark.slow
def test_a_life_grows_neither_on_the_disk_nor_in_memory(report: SoakReport) -> None:
    assert report.kills == 8
    # Compactions go on in the background, so that a restart may come before one or after it.
    assert report.compactions in range(12, 17)
    assert [each.appends for each in report.samples] == list(range(100, 1601, 100))
    assert [each.restarts for each in report.samples] == list(range(1, 17))
    # The log of 100 retained entries, what is appended between two snapshots, and room ahead.
    assert max(each.disk_bytes for each in report.samples) <= 160 * 1024
    assert max(each.files for each in report.samples) == 8
    assert max(each.log_entries for each in report.samples) <= 200
    open_files = [each.descriptors or 0 for each in report.samples]
    assert max(open_files) - min(open_files) <= 2  # a compaction in the background has two
    early, late = report.samples[5], report.samples[-1]
    # Of these, each sample takes a handful itself.
    assert late.python_blocks - early.python_blocks < 10 * (len(report.samples) - 6)


@pytest.mark.slow
def test_growth_is_the_last_quarter_against_the_second(report: SoakReport) -> None:
    sizes = [9, 9, 4, 2, 1, 1, 6, 8]
    samples = tuple(
        evolve(report.samples[0], disk_bytes=size, resident_bytes=None) for size in sizes
    )
    life = evolve(report, samples=samples)
    assert life.growth(lambda each: each.disk_bytes) == 2.0
    assert life.growth(lambda each: each.resident_bytes) is None
    assert "disk 2.000, Python blocks 1.000, memory not known" in soak_text(life, "1.0")


def test_the_command_prints_a_document_and_fills_the_page(tmp_path: Path) -> None:
    begin, end = marks_of(COMMAND)
    page = tmp_path / "page.md"
    page.write_text(f"# Speed\n{begin}\nold\n{end}\n")
    done = invoke(tmp_path, "--format", "json", "--markdown", str(page))
    assert done.exit_code == 0, done.output
    document: Json = json.loads(done.stdout)
    jsonschema.validate(document, schema("bench-soak"))
    assert document["scale"] == {"appends": 160, "restarts": 8, "snapshots": 2, "synced": False}
    assert (document["kills"], len(document["samples"])) == (4, 8)
    assert document["samples"][-1]["appends"] == 160
    assert "| appends | restarts |" in page.read_text()
    assert [each.name for each in tmp_path.iterdir()] == ["page.md"]


def test_an_entry_that_is_lost_at_a_restart_ends_it_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = FileStorage.append_log_entries

    def forget(store: FileStorage, entries: Any) -> None:  # noqa: ANN401 - as the call takes it
        if entries[0].index != 40:
            append(store, entries)

    monkeypatch.setattr(FileStorage, "append_log_entries", forget)
    done = invoke(tmp_path)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "wavetank bench: soak, the last index: expected 40, got 39\n"
    assert list(tmp_path.iterdir()) == []


def test_a_life_with_fewer_appends_than_restarts_is_refused(tmp_path: Path) -> None:
    done = invoke(tmp_path, "--restarts", "200")
    assert done.exit_code == 2
    assert "expected at least one for each of the 200 restarts, got 160" in done.stderr
