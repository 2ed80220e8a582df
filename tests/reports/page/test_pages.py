"""The page of each kind of result: what it says in words, and where its cells lead."""

from pathlib import Path

import pytest
from attrs import evolve
from html_outline import outline_of
from page_stories import LOST_VOTE

from wavetank.reports.bench.report import BenchReport, BenchRow, Machine, Peer
from wavetank.reports.bench.rounds import Spread
from wavetank.reports.page.bench_page import bench_page
from wavetank.reports.page.blocks import Matrix, Page, Ratios, Strips, Table, Tone
from wavetank.reports.page.check_page import check_page
from wavetank.reports.page.damage_page import damage_page
from wavetank.reports.page.findings import tell_findings
from wavetank.reports.page.rendering import render_page
from wavetank.reports.page.run_page import run_page
from wavetank.reports.page.sweep_page import sweep_page
from wavetank.reports.page.zoo_page import zoo_page
from wavetank.reports.patch_hunt import PatchHunt, PatchResults
from wavetank.reports.runs.session import Session
from wavetank.scenarios import (
    Case,
    Evidence,
    Fate,
    OperationCounts,
    OperationSweep,
    RunPlan,
    SweptScenario,
    run,
)
from wavetank.scenarios.conformance import CheckResult, Outcome, Scorecard
from wavetank.scenarios.corruption import CellKey, DamageResult, WrongCell
from wavetank.scenarios.mutants import BugResult, Hunt, Kill, ZooResult, run_zoo

PLAN = RunPlan(
    scenarios=("follower-catchup",),
    seeds=(0,),
    profiles=("sequential",),
    backend="raftlock-published",
    max_images=12,
)


@pytest.fixture(scope="module")
def session() -> Session:
    result = run(PLAN)
    return Session(result=result, remaining=(), interrupted=False, elapsed_s=1.25, workers=1)


def part(page: Page, section: str) -> tuple[object, ...]:
    return next(each.blocks for each in page.sections if each.id == section)


def require_sound(page: Page) -> None:
    """Require that every link of a page leads somewhere and nothing is fetched."""
    outline = outline_of(render_page(page))
    assert set(outline.targets) <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))
    assert (outline.fetched, outline.unnamed, outline.unclosed) == ([], [], [])


def test_a_run_leads_from_its_matrix_and_its_crash_points_to_its_findings(session: Session) -> None:
    kept = Path(".wavetank/runs/0-abcdef")
    page = run_page(session, "1.0", command="wavetank run", kept=kept)
    assert [(each.name, each.value) for each in page.facts[-2:]] == [
        ("kept in", ".wavetank/runs/0-abcdef"),
        ("run it again and compare", "wavetank recheck 0-abcdef"),
    ]
    (result,) = session.result.results
    assert page.verdict == "fail"
    assert page.sentence == (
        f"The power was cut at {result.crash_points} moments, and the store was judged on 12 "
        f"different disks. {len(result.violations)} promises were broken."
    )
    *_, matrix = part(page, "overview")
    assert isinstance(matrix, Matrix)
    assert matrix.columns == ("sequential",)
    (cell,) = matrix.rows[0].cells
    assert cell.tone is Tone.BAD
    assert cell.target == result.violations[0].id

    (strips,) = part(page, "crash-points")
    assert isinstance(strips, Strips)
    (strip,) = strips.strips
    assert len(strip.cells) == len(result.points)
    first = next(each for each in result.points if each.broken)
    at = [each.position for each in result.points].index(first.position)
    ids = {each.id: each for each in result.violations}
    assert ids[strip.cells[at].target].invariant == first.broken[0]
    assert [each.id for each in page.findings] == list(ids)
    require_sound(page)


def test_the_first_finding_of_each_kind_is_drawn_and_the_others_are_listed(
    session: Session,
) -> None:
    asked: list[Case] = []

    def evidence_of(case: Case) -> Evidence:
        asked.append(case)
        return Evidence()

    case, violation = session.violations[0]
    again = evolve(violation, id="again")
    third, another = session.violations[1]
    assert (another.invariant, another.kind) != (violation.invariant, violation.kind)
    pairs = [(case, violation), (case, again), (third, another)]
    told = tell_findings(pairs, evidence_of, drawn=1)
    assert asked == [case]
    assert [finding.id for finding in told.findings] == [violation.id, another.id]
    assert told.findings[1].notes == (
        f"no timeline here, for want of room: wavetank show {another.id} --as html draws it",
    )
    assert told.others is not None
    assert [row[-1] for row in told.others.rows] == ["wavetank replay again"]
    assert told.place_of == {
        violation.id: violation.id,
        "again": violation.id,
        another.id: another.id,
    }


def test_what_an_earlier_finding_has_drawn_is_not_drawn_again(session: Session) -> None:
    case, violation = session.violations[0]
    pairs = [(case, evolve(violation, id=each, kind=each)) for each in ("first", "second", "third")]
    evidence = [LOST_VOTE, LOST_VOTE, evolve(LOST_VOTE, before=())]
    told = tell_findings(pairs, lambda _: evidence.pop(0))
    assert [(each.id, each.same_as, len(each.timelines)) for each in told.findings] == [
        ("first", "", 1),
        ("second", "first", 0),
        ("third", "", 1),
    ]


def test_a_finding_that_does_not_run_as_it_did_is_told_without_its_timeline(
    session: Session,
) -> None:
    def evidence_of(case: Case) -> Evidence:
        raise ValueError(f"{case.store} does other things now")

    case, violation = session.violations[0]
    (finding,) = tell_findings([(case, violation)], evidence_of).findings
    assert finding.timelines == ()
    assert finding.broken == violation.summary
    assert finding.notes == (
        "it was not run again to draw a timeline: raftlock-published does other things now",
    )


def test_latencies_are_a_histogram_and_faults_a_matrix(session: Session) -> None:
    (result,) = session.result.results
    passed = evolve(
        result,
        violations=(),
        cases=(),
        unjudged=0,
        latencies_ms=((8, 3), (16, 0), (32, 1)),
        faults_fired=(("fsync: fail EIO", 2), ("write: fail EIO", 0)),
    )
    other = evolve(session, result=evolve(session.result, results=(passed,)))
    page = run_page(other, "1.0")
    assert page.verdict == "pass"
    assert page.sentence.endswith("Every promise held.")
    (histogram,) = part(page, "latency")
    assert getattr(histogram, "bars", None) == (("8", 3), ("16", 0), ("32", 1))
    (matrix,) = part(page, "coverage")
    assert isinstance(matrix, Matrix)
    assert matrix.columns == ("follower-catchup",)
    assert [(row.name, row.cells[0].text, row.cells[0].tone) for row in matrix.rows] == [
        ("fsync: fail EIO", "2", Tone.PLAIN),
        ("write: fail EIO", "0", Tone.DOUBTFUL),
    ]
    assert "findings" not in [section.id for section in page.sections]
    require_sound(page)


def test_scorecards_stand_side_by_side() -> None:
    passed = CheckResult(name="durable_before_return", group="vote", outcome=Outcome.PASS)
    failed = evolve(passed, outcome=Outcome.FAIL, reason="the vote is gone")
    cards = [
        Scorecard(backend=name, capabilities=("votes",), profiles=("posix",), results=(result,))
        for name, result in (("good", passed), ("bad", failed))
    ]
    page = check_page(cards, "1.0", command="wavetank check all")
    assert (page.verdict, page.sentence) == (
        "fail",
        "2 stores: 1 of 2 checks passed, 1 failed.",
    )
    (matrix,) = part(page, "vote")
    assert isinstance(matrix, Matrix)
    assert [(cell.text, cell.tone) for cell in matrix.rows[0].cells] == [
        ("pass", Tone.GOOD),
        ("fail", Tone.BAD),
    ]
    (table,) = part(page, "failed")
    assert isinstance(table, Table)
    assert table.rows == (("vote.durable_before_return", "bad", "the vote is gone"),)
    require_sound(page)


def test_a_planted_bug_leads_to_its_story_and_survivors_are_named() -> None:
    kill = Kill(
        invariant="O1",
        kind="term went back",
        summary="expected term 1",
        judged=17,
        trial="votes",
        steps=("0: open the store",),
        lost=("step 0: the rename",),
        why="the directory was not synced",
        cure="a sync of the directory",
    )
    found = Hunt(profile="posix", judged=17, complete=True, reports=(), kill=kill)
    result = ZooResult(
        bugs=(
            BugResult(id="S2", hunts=(found,)),
            BugResult(id="S3", hunts=(evolve(found, kill=None),)),
        ),
        false_alarms=(),
        necessity=(),
        witnesses=(),
    )
    patches = PatchResults(hunts=(PatchHunt(id="B01", invariants=()),))
    page = zoo_page(result, patches, "1.0", command="wavetank zoo")
    assert page.sentence == ("1 of 3 planted bugs were found; not found: S3, B01. No false alarms.")
    (matrix,) = part(page, "matrix")
    assert isinstance(matrix, Matrix)
    assert [(row.cells[0].text, row.cells[0].target) for row in matrix.rows] == [
        ("O1@17", "S2"),
        ("-", ""),
    ]
    assert [finding.id for finding in page.findings] == ["S2"]
    require_sound(page)


def test_a_wrong_answer_to_damage_is_red_and_leads_to_the_list() -> None:
    key = CellKey(
        store="batches",
        damage="bit flip",
        mode="normal",
        rules=("a frame is damaged",),
        outcome="none",
        pair=False,
    )
    counts = {key: 1, evolve(key, outcome="undetectable"): 2, evolve(key, damage="missing"): 3}
    wrong = WrongCell(
        store="batches",
        damages=("bit flip: log.dat at 200",),
        mode="normal",
        rules=("a frame is damaged",),
        outcome="none",
        problem="silent loss",
    )
    page = damage_page(DamageResult(counts=counts, wrong=(wrong,)), "1.0", command="")
    assert page.sentence == "5 of 6 damaged stores were answered as they should be."
    matrix, _ = part(page, "damages")
    assert isinstance(matrix, Matrix)
    assert matrix.columns == ("bit flip", "missing")
    assert [cell.text for cell in matrix.rows[0].cells] == ["3", "3"]
    (modes,) = part(page, "modes")
    assert isinstance(modes, Matrix)
    (cell,) = modes.rows[0].cells
    assert (cell.text, cell.tone, cell.target) == ("1 wrong", Tone.BAD, "wrong")
    require_sound(page)


def test_a_sweep_shows_faults_by_scenario() -> None:
    counts = OperationCounts(faults=5, refused=4)
    sweep = OperationSweep(kinds={"any: fail EIO": counts})
    swept = (SweptScenario(name="votes", workload=sweep, recoveries=OperationSweep()),)
    page = sweep_page(swept, seed=3, version="1.0", command="wavetank sweep")
    assert page.sentence == (
        "5 operations failed, one at a time; 4 calls were refused for it, and nothing was wrong "
        "afterwards."
    )
    (matrix,) = part(page, "coverage")
    assert isinstance(matrix, Matrix)
    assert matrix.columns == ("votes", "votes, recovery")
    assert [(cell.text, cell.tone) for cell in matrix.rows[0].cells] == [
        ("5", Tone.GOOD),
        ("", Tone.NOTHING),
    ]
    require_sound(page)


def test_a_benchmark_is_drawn_on_one_scale() -> None:
    row = BenchRow(
        name="append",
        title="one entry",
        peer="raw",
        ratio=Spread(low=0.5, median=1.0, high=200.0, count=7),
        goal=0.9,
        engine_ms=None,
        limit_ms=None,
        met=True,
        detail="100 entries",
    )
    report = BenchReport(
        quick=True,
        rounds=7,
        elapsed_s=1.0,
        machine=Machine(
            python="3.11", implementation="CPython", system="Linux", processors=2, filesystem="ext4"
        ),
        peers=(Peer(name="lmdb", version=None),),
        notes=("a busy machine",),
        rows=(row,),
    )
    page = bench_page(report, "1.0", command="wavetank bench engine")
    assert page.sentence == "1 of 1 goals were met."
    *notices, ratios = part(page, "ratios")
    assert [getattr(each, "text", "") for each in notices] == [
        "a busy machine",
        "lmdb is not installed; its rows are missing.",
    ]
    assert isinstance(ratios, Ratios)
    assert ratios.rows[0].told == "1.00 times as fast (0.50 to 200), goal 0.9"
    html = render_page(page)
    assert 'd="M195.4 4V22"' in html
    assert 'd="M169.9 13H400.0"' in html
    require_sound(page)


def test_the_file_of_a_real_run_is_small(session: Session, tmp_path: Path) -> None:
    html = render_page(run_page(session, "1.0"))
    (tmp_path / "run.html").write_text(html, encoding="utf-8")
    assert len(html) < 1_500_000


def test_the_small_repro_of_a_planted_bug_is_run_again_and_drawn() -> None:
    page = zoo_page(run_zoo(["S2"], shrinks=True), PatchResults(), "1.0", command="")
    (finding,) = page.findings
    assert finding.sentence == "The directory is not synced after the state got its new names"
    assert finding.replay == "wavetank explain S2"
    (timeline,) = finding.timelines
    lost = [row.text for chunk in timeline.chunks for row in chunk.rows if row.fate is Fate.LOST]
    assert "rename /store/state.json.tmp to /store/state.json over what was there" in lost
    require_sound(page)
