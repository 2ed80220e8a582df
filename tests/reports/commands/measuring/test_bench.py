"""`wavetank bench engine`: what it measures, prints and exits with. No test looks at a time."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from wavetank.engine import FileStorage, LogEntry, SnapshotMetadata, StorageIOError
from wavetank.reports.bench.comparison import Scale
from wavetank.reports.bench.engine_bench import MEASUREMENTS, BenchError, measure_engine, rows_of
from wavetank.reports.bench.environment import find_peers
from wavetank.reports.bench.report import BenchReport, Machine, Peer
from wavetank.reports.bench.rounds import Spread, order_of_round, ratios, units_within
from wavetank.reports.cli import cli
from wavetank.reports.commands.measuring.bench_engine import COMMAND, bench_markdown, bench_text
from wavetank.reports.commands.measuring.page_blocks import marks_of
from wavetank.reports.documents import schema
from wavetank.reports.documents.bench import bench_document

Json = dict[str, Any]

BEGIN, END = marks_of(COMMAND)

TINY: Final = Scale(
    quick=True, rounds=2, log_entries=1000, snapshot_bytes=1 << 16, share=0.02, budget_s=0.01
)
INSTALLED: Final = {peer.name for peer in find_peers() if peer.version is not None}
APPENDED: Final = {"raw", *INSTALLED}
READ: Final = INSTALLED & {"sqlite3", "lmdb"}
PEERS: Final = {
    "append-synced-1": APPENDED,
    "append-synced-100": APPENDED,
    "append-synced-1000": APPENDED,
    "append-unsynced-1": APPENDED,
    "append-unsynced-100": APPENDED,
    "read-one": READ,
    "read-range-100": READ,
    "open-after-kill": {"raw"},
    "open-after-close": {"raw"},
    "snapshot-save": {"raw"},
    "snapshot-load": {"raw"},
}
GOALS: Final = {
    ("append-synced-1", "raw"): 1.0,
    ("append-synced-100", "raw"): 1.1,
    ("append-synced-1000", "raw"): 0.7,
    ("append-unsynced-1", "raw"): 0.15,
    ("append-unsynced-1", "lmdb"): 1.0,
    ("append-unsynced-100", "raw"): 0.3,
    ("append-unsynced-100", "lmdb"): 1.5,
    ("read-one", "sqlite3"): 1.5,
    ("read-one", "lmdb"): 0.3,
    ("read-range-100", "sqlite3"): 1.2,
    ("read-range-100", "lmdb"): 0.5,
    ("open-after-kill", "raw"): 0.3,
    ("snapshot-save", "raw"): 0.85,
    ("snapshot-load", "raw"): 0.7,
}
REPORT: Final = BenchReport(
    quick=True,
    rounds=7,
    elapsed_s=1.5,
    machine=Machine(
        python="3.11.7",
        implementation="CPython",
        system="Linux",
        processors=2,
        filesystem="ext4",
    ),
    peers=(Peer(name="sqlite3", version="3.40.1"), Peer(name="lmdb", version=None)),
    notes=("A note.",),
    rows=(
        *rows_of(
            MEASUREMENTS["append-unsynced-1"],
            {"engine": [1.0] * 7, "raw": [0.25] * 7, "sqlite3": [20.0] * 7},
            TINY,
            "some work",
        ),
        *rows_of(
            MEASUREMENTS["open-after-close"],
            {"engine": [0.01] * 7, "raw": [0.02] * 7},
            TINY,
            "a log",
        ),
    ),
)


def invoke(directory: Path, *arguments: str) -> Result:
    options = ("--quick", "--entries", "1000", "--directory", str(directory))
    return CliRunner().invoke(cli, ["bench", "engine", *options, *arguments])


def quiet(what: str, done: int, total: int) -> None:
    """Take progress and tell nobody."""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "page.md"
    path.write_text(f"# Speed\n\n{BEGIN}\nold\n{END}\n\nThe end.\n")
    yield path
    path.unlink()


def test_every_measurement_has_a_row_for_each_peer_that_is_installed(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    report = measure_engine(
        list(MEASUREMENTS), TINY, tmp_path, on_progress=lambda *each: told.append(each)
    )
    found: dict[str, set[str]] = {}
    for row in report.rows:
        found.setdefault(row.name, set()).add(row.peer)
        assert row.ratio.count == 2
        assert (row.met is None) == (row.goal is None)
        assert 0 < row.ratio.low <= row.ratio.median <= row.ratio.high
        assert row.goal == GOALS.get((row.name, row.peer))
    assert found == PEERS
    assert {what for what, _, _ in told} == set(MEASUREMENTS)


def test_every_goal_is_a_row_of_some_measurement() -> None:
    found = {
        (name, peer): goal
        for name, each in MEASUREMENTS.items()
        for peer, goal in each.goals.items()
    }
    assert found == GOALS


def test_the_document_says_what_was_asked_for_and_leaves_the_directory_clean(
    tmp_path: Path,
) -> None:
    done = invoke(tmp_path, "--only", "open-after-c*", "--rounds", "8", "--format", "json")
    assert done.exit_code == 0, done.output
    document: Json = json.loads(done.stdout)
    jsonschema.validate(document, schema("bench"))
    assert [(row["name"], row["rounds"], row["met"]) for row in document["rows"]] == [
        ("open-after-close", 8, None)
    ]
    assert all("a log of 1,000 entries" in row["detail"] for row in document["rows"])
    assert (document["quick"], document["rounds"]) == (True, 8)
    assert str(tmp_path) not in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_peer_that_is_not_installed_is_named_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    done = invoke(tmp_path, "--only", "read-range-100")
    assert done.exit_code == 0, done.output
    assert "skipped: lmdb is not installed (the extra `bench` brings it)" in done.stdout
    rows = [line.split()[:2] for line in done.stdout.splitlines() if line.startswith("  read-")]
    assert rows == [["read-range-100", "sqlite3"]]


def wrong_entry(_: FileStorage, index: int) -> LogEntry:
    return LogEntry(index, 1, b"something else")


def wrong_range(_: FileStorage, start: int, end: int) -> list[LogEntry]:
    return [LogEntry(index, 1, b"something else") for index in range(start, end)]


def wrong_snapshot(_: FileStorage) -> tuple[SnapshotMetadata, bytes]:
    return SnapshotMetadata(last_included_index=1, last_included_term=1), b"something else"


@pytest.mark.parametrize(
    ("name", "call", "wrong"),
    [
        ("append-synced-100", "get_log_entry", wrong_entry),
        ("read-one", "get_log_entry", wrong_entry),
        ("read-range-100", "get_log_entries", wrong_range),
        ("open-after-kill", "get_log_entry", wrong_entry),
        ("open-after-close", "get_log_entry", wrong_entry),
        ("snapshot-save", "load_snapshot", wrong_snapshot),
        ("snapshot-load", "load_snapshot", wrong_snapshot),
    ],
)
def test_wrong_data_ends_the_run_with_one_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: str, wrong: object
) -> None:
    monkeypatch.setattr(FileStorage, call, wrong)
    done = invoke(tmp_path, "--only", name)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"wavetank bench: {name}: engine, ")
    assert "expected " in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_lost_entry_is_wrong_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileStorage, "append_log_entries", lambda *_: None)
    with pytest.raises(
        BenchError, match="append-synced-1: engine, the last index: expected 2, got 0"
    ):
        measure_engine(["append-synced-1"], TINY, tmp_path, on_progress=quiet)


def test_an_engine_that_refuses_ends_the_run_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> LogEntry:
        raise StorageIOError("the disk is gone")

    monkeypatch.setattr(FileStorage, "get_log_entry", refuse)
    done = invoke(tmp_path, "--only", "read-one")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "read-one: engine refused: " in done.stderr
    assert "the disk is gone" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_page_gets_the_table_between_its_marks(tmp_path: Path, page: Path) -> None:
    done = invoke(tmp_path, "--only", "open-after-close", "--markdown", str(page))
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert text.startswith(f"# Speed\n\n{BEGIN}\nwavetank ")
    assert text.endswith(f"|\n{END}\n\nThe end.\n") or "skipped: " in text
    assert "old" not in text
    assert "| `open-after-close`: open after a clean close" in text


@pytest.mark.parametrize("text", ["", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n"])
def test_a_page_without_marks_is_refused_before_anything_runs(
    tmp_path: Path, page: Path, text: str
) -> None:
    page.write_text(text)
    done = invoke(tmp_path, "--markdown", str(page))
    assert done.exit_code == 2
    assert "expected the lines" in done.stderr
    assert page.read_text() == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "append-synced-2"), "nearest match: append-synced-1"),
        (("--rounds", "6"), "6 is not in the range x>=7"),
        (("--directory", "no-such-place"), "does not exist"),
    ],
)
def test_what_cannot_be_measured_is_told_before_anything_runs(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = invoke(tmp_path, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_ratio_is_taken_within_each_round() -> None:
    assert ratios([1.0, 20.0, 3.0], [2.0, 10.0, 1.0]) == [0.5, 2.0, 3.0]
    assert Spread.of([0.5, 2.0, 3.0]) == Spread(median=2.0, low=0.5, high=3.0, count=3)
    assert Spread.of([4.0, 1.0]).median == 2.5


@pytest.mark.parametrize(
    ("peer", "engine", "message"),
    [
        ([1.0], [1.0, 2.0], "as many rounds of the peer as of the engine"),
        ([1.0], [0.0], "above 0 s, got 0.0 s"),
    ],
)
def test_rounds_that_cannot_be_compared_are_refused(
    peer: list[float], engine: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ratios(peer, engine)


def test_no_samples_have_no_spread() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        Spread.of([])


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_each_contender_takes_each_place_in_turn(count: int) -> None:
    names = [f"contender {number}" for number in range(count)]
    orders = [order_of_round(names, number) for number in range(2 * count)]
    assert all(sorted(order) == names for order in orders)
    for place in range(count):
        assert sorted(order[place] for order in orders) == sorted(names * 2)
    assert all(one == other[::-1] for one, other in zip(orders[::2], orders[1::2], strict=True))


@pytest.mark.parametrize(
    ("budget_s", "setup_s", "unit_s", "units"),
    [(7.0, 0.0, 0.01, 100), (7.0, 0.5, 0.01, 50), (7.0, 2.0, 0.01, 40), (None, 2.0, 0.01, 400)],
)
def test_the_work_of_a_round_keeps_to_the_budget(
    budget_s: float | None, setup_s: float, unit_s: float, units: int
) -> None:
    assert units_within(budget_s, rounds=7, setup_s=setup_s, unit_s=unit_s, most=400) == units


def test_a_goal_is_met_by_the_median() -> None:
    engine_s = [1.0] * 7
    raw_s = [0.1, 0.1, 0.1, 0.3, 0.3, 0.3, 9.0]
    (row,) = rows_of(
        MEASUREMENTS["open-after-kill"], {"engine": engine_s, "raw": raw_s}, TINY, "work"
    )
    assert (row.ratio.median, row.goal, row.met) == (0.3, 0.3, True)
    assert row.engine_ms == Spread(median=1000.0, low=1000.0, high=1000.0, count=7)
    raw_s[3] = 0.29
    (row,) = rows_of(
        MEASUREMENTS["open-after-kill"], {"raw": raw_s, "engine": engine_s}, TINY, "work"
    )
    assert row.met is False


@pytest.mark.parametrize(
    ("entries", "milliseconds", "met"),
    [(1_000_000, 29.0, True), (1_000_000, 30.5, False), (999_999, 1.0, None)],
)
def test_a_limit_in_milliseconds_is_judged_in_a_run_of_full_size_alone(
    entries: int, milliseconds: float, met: object
) -> None:
    times_s = {"engine": [milliseconds / 1000] * 7, "raw": [1.0] * 7}
    scale = evolve(TINY, log_entries=entries)
    (row,) = rows_of(MEASUREMENTS["open-after-close"], times_s, scale, "work")
    assert (row.goal, row.limit_ms, row.met) == (None, 30.0, met)


def test_the_text_shows_each_row_and_what_is_missing() -> None:
    first, legend, *lines = bench_text(REPORT, "1.0").splitlines()
    assert first == (
        "wavetank 1.0, the engine against its peers, CPython 3.11.7 on Linux, 2 processors, ext4; "
        "sqlite3 3.40.1; quick run of 7 rounds"
    )
    assert legend.startswith("ratio: the peer's time for the same work divided by the engine's")
    assert lines == [
        "",
        "  measurement        peer     ratio  spread        goal     met",
        "  append-unsynced-1  raw      0.25   0.25 to 0.25  0.15     yes",
        "  append-unsynced-1  sqlite3  20     20 to 20      -        -",
        "  open-after-close   raw      2.00   2.00 to 2.00  < 30 ms  -",
        "",
        "open-after-close: 10.0 ms (10.0 to 10.0)",
        "skipped: lmdb is not installed (the extra `bench` brings it)",
        "note: A note.",
        "1 of 1 goals met, in 1.5 s",
    ]


def test_the_document_holds_the_same() -> None:
    document: Json = bench_document(REPORT, "1.0")
    jsonschema.validate(document, schema("bench"))
    assert document["peers"] == [
        {"name": "sqlite3", "version": "3.40.1", "skipped": False},
        {"name": "lmdb", "version": None, "skipped": True},
    ]
    raw, sqlite, opened = document["rows"]
    assert (raw["ratio"], raw["low"], raw["high"]) == (0.25, 0.25, 0.25)
    assert (raw["goal"], raw["met"], raw["unit"]) == (0.15, True, "ratio")
    assert (sqlite["ratio"], sqlite["goal"], sqlite["met"]) == (20.0, None, None)
    assert opened["engine_ms"] == {"median": 10.0, "low": 10.0, "high": 10.0}
    assert opened["limit_ms"] == 30.0


def test_the_page_holds_the_same() -> None:
    appended = "`append-unsynced-1`: append unsynced, batches of 1"
    opened = "`open-after-close`: open after a clean close, against a read of the file"
    work = "a log; the engine took 10.0 ms"
    assert bench_markdown(REPORT, "1.0").splitlines()[2:] == [
        "| measurement | work | peer | ratio | spread | goal | met |",
        "|---|---|---|---|---|---|---|",
        f"| {appended} | some work | raw | **0.25** | 0.25 to 0.25 | 0.15 | yes |",
        f"| {appended} | some work | sqlite3 | **20** | 20 to 20 | - | - |",
        f"| {opened} | {work} | raw | **2.00** | 2.00 to 2.00 | < 30 ms | - |",
        "",
        "- skipped: lmdb is not installed (the extra `bench` brings it)",
        "- A note.",
    ]
