"""`wavetank bench explore`: all contenders judge the same images alike. No test looks at times."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from attrs import evolve
from click.testing import CliRunner

from wavetank.reports.bench.exploring import explore_bench
from wavetank.reports.bench.exploring.contenders import (
    PEERS,
    Judging,
    draw_everywhere,
    explore_all,
    judge_in_memory,
)
from wavetank.reports.bench.exploring.explore_bench import ExploreScale, measure_exploration
from wavetank.reports.bench.exploring.growth import measure_growth
from wavetank.reports.bench.exploring.report import ExploreReport
from wavetank.reports.bench.exploring.trace import (
    CrashedImage,
    Trace,
    crashed,
    op_count,
    trace_of,
    workload_with,
)
from wavetank.reports.bench.exploring.zoo_search import crash_bugs, search_zoo
from wavetank.reports.cli import cli
from wavetank.reports.commands.measuring.bench_explore import COMMAND
from wavetank.reports.commands.measuring.page_blocks import marks_of
from wavetank.reports.documents import schema
from wavetank.reports.documents.bench_explore import bench_explore_document
from wavetank.reports.outputs.explore_tables import explore_markdown, explore_text
from wavetank.reports.page.bench_page import bench_explore_page
from wavetank.reports.page.blocks import Ratios
from wavetank.scenarios.exploration.crash_point import pending_at
from wavetank.scenarios.mutants import BUGS
from wavetank.sim import LYING_FSYNC, POSIX, SEQUENTIAL, all_images

Json = dict[str, Any]

WORKLOAD: Final = workload_with(4, ending=False)
SAMPLE: Final[Mapping[str, int]] = {
    "new-process": 2,
    "fork": 6,
    "tmpfs": 40,
    "pyfakefs": 10,
    "replay": 40,
}


def tiny(*, quick: bool, rounds: int) -> ExploreScale:
    return ExploreScale(
        quick=quick,
        rounds=rounds,
        workload=workload_with(2, ending=False),
        samples=dict.fromkeys(SAMPLE, 1),
        growth_moves=(2,),
        bugs=("A7", "W12"),
        seeds=1,
        most_draws=2,
        scheduler_share=0.02,
    )


@pytest.fixture(scope="module")
def right() -> Trace:
    return trace_of(WORKLOAD, POSIX)


@pytest.fixture(scope="module")
def wrong(right: Trace) -> Trace:
    """Return the end of the same run on a disk whose syncs lie: what was acknowledged is lost."""
    position = len(right.recording.log)
    pending = pending_at(right.recording, LYING_FSYNC, position)
    images = [
        CrashedImage(position, kept, pending.image(kept))
        for kept in all_images(pending, limit=40).images[:40]
    ]
    return evolve(right, profile=LYING_FSYNC, images=tuple(images))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ExploreReport:
    scale = tiny(quick=True, rounds=1)
    directory = tmp_path_factory.mktemp("images")
    names = ["images", "zoo", "scheduler"]
    told: list[tuple[str, int, int]] = []
    made = measure_exploration(names, scale, directory, on_progress=lambda *each: told.append(each))
    assert list(directory.iterdir()) == []
    assert {what for what, _, _ in told} == set(names)
    return made


def test_the_exploration_judges_every_distinct_image_of_the_trace_once(right: Trace) -> None:
    explored = explore_all(right, new_work=False)
    assert len({each.image.digest() for each in right.images}) == len(right.images)
    assert explored.judged == explored.distinct == len(right.images)
    assert explored.legal == right.legal
    assert explored.findings == ()
    assert explored.recoveries < explored.judged < explored.legal


@pytest.mark.parametrize("name", PEERS)
def test_every_contender_finds_a_right_image_right_and_a_wrong_one_wrong_alike(
    tmp_path: Path, right: Trace, wrong: Trace, name: str
) -> None:
    for trace, is_wrong in ((right, False), (wrong, True)):
        images = trace.sample(SAMPLE[name])
        with PEERS[name](trace, images, tmp_path) as judge:
            verdicts = judge()
        assert len(verdicts) == SAMPLE[name]
        assert verdicts == judge_in_memory(trace, images)
        assert any(verdicts) == is_wrong
    assert list(tmp_path.iterdir()) == []


def test_images_drawn_at_random_are_legal_and_fewer(right: Trace) -> None:
    legal = {each.image.digest() for each in right.images}
    drawn = [draw_everywhere(right, seed) for seed in range(3)]
    assert all(each.wrong == frozenset() and each.right <= legal for each in drawn)
    assert drawn[0] == draw_everywhere(right, 0)
    assert all(len(each.right) < each.count < len(legal) for each in drawn)


def test_a_disk_in_order_leaves_fewer_images(right: Trace) -> None:
    in_order = crashed(right.recording, SEQUENTIAL)
    assert {each.image.digest() for each in in_order.images} < {
        each.image.digest() for each in right.images
    }


def test_random_drawing_misses_what_is_torn_below_a_block_and_crashes_in_recovery() -> None:
    zoo = search_zoo(
        ["A7", "W12", "W6", "R3"],
        seeds=2,
        most_draws=40,
        on_progress=lambda _: None,
    )
    assert [(row.bug, row.wavetank, row.found, row.depth) for row in zoo.rows] == [
        ("A7", 1, 2, 0),
        ("W12", 12, 2, 0),
        ("W6", 14, 0, 0),
        ("R3", 3, 0, 1),
    ]
    assert [row.drawing for row in zoo.rows] == [1, 11, 40, 40]
    assert (zoo.ratio, zoo.met) == (0.675, False)


def test_bugs_that_show_without_a_crash_are_left_out() -> None:
    assert len(crash_bugs()) == len(BUGS) - 3
    assert all(BUGS[name].trial.needs_crash for name in crash_bugs())


def test_every_contender_has_a_row_and_three_have_goals(report: ExploreReport) -> None:
    assert report.trace is not None
    assert report.trace.legal > report.trace.distinct == report.trace.judged
    assert report.trace.recoveries < report.trace.judged
    names = [row.name for row in report.rates]
    assert names == ["wavetank", "wavetank-run", *PEERS, "random-drawing"]
    assert {row.name: row.goal for row in report.rates if row.goal is not None} == {
        "new-process": 60.0,
        "fork": 9.0,
        "tmpfs": 1.5,
    }
    ours, whole, *others = report.rates
    assert ours.images == whole.images == report.trace.judged
    assert [row.images for row in others[:-1]] == [1] * len(PEERS)
    assert all(row.met == (row.ratio.median >= (row.goal or 0)) for row in report.rates if row.goal)
    assert ours.ratio.low == ours.ratio.high == 1.0


def test_the_document_the_text_and_the_page_hold_the_same(report: ExploreReport) -> None:
    document: Json = bench_explore_document(report, "1.0")
    jsonschema.validate({**document, "rounds": 7}, schema("bench-explore"))
    assert [row["name"] for row in document["rates"]] == [row.name for row in report.rates]
    assert [row["bug"] for row in document["zoo"]["rows"]] == ["A7", "W12"]
    text, page = explore_text(report, "1.0"), explore_markdown(report, "1.0")
    for row in report.rates:
        assert f"{row.name}: {row.title}" in text
        assert f"- `{row.name}`: {row.title}" in page
    assert f"{sum(report.judged)} of 4 goals met" in text
    assert "not met" in page


def test_the_html_page_draws_each_contender_against_wavetank(report: ExploreReport) -> None:
    page = bench_explore_page(report, "1.0", command="wavetank bench explore")
    assert [each.id for each in page.sections] == ["ratios", "growth", "zoo", "scheduler"]
    (ratios,) = (each for each in page.sections[0].blocks if isinstance(each, Ratios))
    assert [(row.name, row.goal) for row in ratios.rows] == [
        (row.name, row.goal) for row in report.rates[1:]
    ]


def test_a_contender_that_is_not_installed_is_named_and_left_out(report: ExploreReport) -> None:
    missing = evolve(report, peers=(evolve(report.peers[0], version=None),))
    assert "note: skipped: pyfakefs is not installed" in explore_text(missing, "1.0")
    assert bench_explore_document(missing, "1.0")["peers"] == [
        {"name": "pyfakefs", "version": None, "skipped": True}
    ]


def test_the_command_prints_a_document_and_fills_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExploreScale, "of", tiny)
    begin, end = marks_of(COMMAND)
    page, html = tmp_path / "page.md", tmp_path / "bench.html"
    page.write_text(f"# Speed\n{begin}\nold\n{end}\n")
    arguments = ["bench", "explore", "--quick", "--only", "sched*"]
    outputs = ["--format", "json", "--markdown", str(page), "--report", f"html={html}"]
    done = CliRunner().invoke(
        cli, [*arguments, *outputs, "--directory", str(tmp_path)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    document: Json = json.loads(done.stdout)
    jsonschema.validate(document, schema("bench-explore"))
    assert (document["trace"], document["rates"], document["zoo"]) == (None, [], None)
    assert document["growth"] == []
    assert [row["name"] for row in document["scheduler"]] == ["runs", "switches"]
    assert "| scheduler | per second |" in page.read_text()
    assert "old" not in page.read_text()
    assert "wavetank bench explore" in html.read_text()
    assert str(tmp_path) not in done.stdout


@pytest.mark.slow
def test_growth_is_measured_in_a_process_of_its_own() -> None:
    told: list[int] = []
    (growth,) = measure_growth([2], told.append)
    twin = explore_all(trace_of(workload_with(2, ending=False)), new_work=True)
    assert (growth.images, growth.recoveries) == (twin.judged, twin.recoveries)
    assert growth.ops == op_count(trace_of(workload_with(2, ending=False)).recording)
    assert growth.peak_mb < 50
    assert told == [0]


def test_a_contender_that_judges_otherwise_ends_the_run_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def mistaken(
        trace: Trace, images: Sequence[CrashedImage], directory: Path
    ) -> Iterator[Judging]:
        del trace, directory
        yield lambda: [(("O2", "acknowledged entry lost"),) for _ in images]

    monkeypatch.setattr(ExploreScale, "of", tiny)
    monkeypatch.setattr(explore_bench, "PEERS", {"tmpfs": mistaken})
    arguments = ["bench", "explore", "--only", "images", "--directory", str(tmp_path)]
    done = CliRunner().invoke(cli, arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    assert (
        "wavetank bench: tmpfs: expected 1 images to be right, as the exploration found, got 1 "
        "verdicts, of which 1 are wrong"
    ) in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "image"), "nearest match: images"),
        (("--rounds", "6"), "6 is not in the range x>=7"),
        (("--directory", "no-such-place"), "does not exist"),
    ],
)
def test_what_cannot_be_measured_is_told_before_anything_runs(
    arguments: tuple[str, ...], message: str
) -> None:
    done = CliRunner().invoke(cli, ["bench", "explore", *arguments])
    assert done.exit_code == 2
    assert message in done.stderr
