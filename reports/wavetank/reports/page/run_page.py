"""The page of `wavetank run`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from wavetank.reports.page.blocks import (
    Block,
    Cell,
    Fact,
    Histogram,
    Matrix,
    MatrixRow,
    Notice,
    Page,
    Section,
    Strip,
    StripCell,
    Strips,
    Table,
    Tone,
)
from wavetank.reports.page.failure_pages import FINDINGS_LEAD, EvidenceOf
from wavetank.reports.page.findings import ToldFindings, tell_findings
from wavetank.reports.runs.session import Session
from wavetank.reports.telling.next_commands import recheck_command
from wavetank.scenarios import PointOutcome, ScenarioResult, Verdict, Violation
from wavetank.scenarios import evidence_of as evidence_of_case

__all__ = ["run_page"]

_TONES = {Verdict.PASS: Tone.GOOD, Verdict.FAIL: Tone.BAD, Verdict.INCONCLUSIVE: Tone.DOUBTFUL}


def run_page(
    session: Session,
    version: str,
    *,
    command: str = "",
    kept: Path | None = None,
    evidence_of: EvidenceOf = evidence_of_case,
) -> Page:
    """Return the page of a run.

    Args:
        session: what came of it.
        version: of wavetank.
        command: what a person typed; "" if that is not known.
        kept: the folder in which the run is kept; None if it is not.
        evidence_of: judges a finding's case again and returns what it shows.
    """
    results = session.result.results
    told = tell_findings(session.violations, evidence_of)
    sections = [
        Section(
            id="overview",
            title="Scenarios and crash models",
            lead="A scenario is a list of calls to the store. A crash model (profile) says what a "
            "filesystem may lose when the power goes. A cell says how many different disks, left "
            "by a power cut, the store was opened on and judged.",
            blocks=(*_notices(session), _matrix(results, told)),
        ),
        Section(
            id="crash-points",
            title="Crash points",
            lead="Each cell is one moment at which the power was cut, from the beginning of a "
            "scenario to its end. A red one leads to its story.",
            blocks=(Strips(tuple(_strip(each, told) for each in results if each.points)),),
        ),
        Section(id="findings", title="Findings", lead=FINDINGS_LEAD, blocks=told.blocks),
        Section(
            id="coverage",
            title="Operations and faults",
            lead="How often each injected fault struck, by scenario.",
            blocks=tuple(_fault_matrix(results)),
        ),
        Section(
            id="latency",
            title="Latency in virtual time",
            lead="How long commands took by the simulated clock. It depends on the seed alone, "
            "not on this machine.",
            blocks=tuple(_latencies(results)),
        ),
        Section(
            id="numbers",
            title="Numbers",
            lead="What each scenario came to under each profile.",
            blocks=(_numbers(results),),
        ),
    ]
    return Page(
        title="wavetank run",
        verdict=session.verdict.value,
        sentence=_sentence(session),
        command=command,
        facts=(*_facts(session, version), *_kept(kept)),
        sections=tuple(each for each in sections if _has_content(each)),
    )


def _has_content(section: Section) -> bool:
    return any(not isinstance(block, Strips) or block.strips for block in section.blocks)


def _facts(session: Session, version: str) -> Iterator[Fact]:
    plan = session.result.plan
    yield Fact("version", version)
    yield Fact("seed" if len(plan.seeds) == 1 else "seeds", _several(plan.seeds))
    yield Fact("store", plan.backend)
    yield Fact("profiles", ", ".join(plan.profiles))
    for options in plan.option_sets:
        if options:
            yield Fact("options", ", ".join(options))
    for fault in plan.faults:
        yield Fact("fault", fault)
    yield Fact("time", f"{session.elapsed_s:.1f} s on {_counted(session.workers, 'worker')}")
    yield Fact("digest", session.result.digest or "run not finished")


def _kept(place: Path | None) -> Iterator[Fact]:
    if place is not None:
        yield Fact("kept in", str(place))
        yield Fact("run it again and compare", recheck_command(place.name))


def _several(seeds: Sequence[int]) -> str:
    if seeds == tuple(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 1:
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _sentence(session: Session) -> str:
    results = session.result.results
    found = len(session.violations)
    judged = sum(each.judged for each in results)
    points = sum(each.crash_points for each in results)
    did = (
        f"The power was cut at {points:,} moments, and the store was judged on {judged:,} "
        f"different disks"
    )
    if found:
        return f"{did}. {_counted(found, 'promise')} {'was' if found == 1 else 'were'} broken."
    if session.verdict is Verdict.INCONCLUSIVE:
        return f"{did}. No promise was broken, but not everything was judged."
    return f"{did}. Every promise held."


def _notices(session: Session) -> Iterator[Notice]:
    if session.error is not None:
        yield Notice(f"The run ended with an error: {type(session.error).__name__}.")
    if session.remaining:
        why = "The run was interrupted" if session.interrupted else "The run stopped early"
        yield Notice(f"{why}: {_counted(len(session.remaining), 'scenario')} did not run.")
    if session.determinism is not None and session.determinism.difference:
        yield Notice(f"Two equal runs differed, first in {session.determinism.difference}.")
    early = sum(each.stopped_after_first for each in session.result.results)
    if early:
        yield Notice(
            f"{_counted(early, 'scenario')} ended early after the first finding; --keep-going "
            f"judges every disk."
        )


def _matrix(results: Sequence[ScenarioResult], told: ToldFindings) -> Matrix:
    columns = tuple(dict.fromkeys(each.profile for each in results))
    rows: dict[str, dict[str, ScenarioResult]] = {}
    for each in results:
        rows.setdefault(_row_name(each, results), {})[each.profile] = each
    return Matrix(
        corner="scenario",
        columns=columns,
        rows=tuple(
            MatrixRow(name, tuple(_cell(by_profile.get(column), told) for column in columns))
            for name, by_profile in rows.items()
        ),
        legend="Green: every promise held. Red: promises broken, by number. Amber: not all judged.",
    )


def _row_name(result: ScenarioResult, results: Sequence[ScenarioResult]) -> str:
    seed = f" seed {result.seed}" if len({each.seed for each in results}) > 1 else ""
    options = f" ({', '.join(result.options)})" if result.options else ""
    return f"{result.name}{seed}{options}"


def _cell(result: ScenarioResult | None, told: ToldFindings) -> Cell:
    if result is None:
        return Cell(text="", tone=Tone.NOTHING, note="did not run")
    judged = f"{result.judged:,} disks judged at {_counted(result.crash_points, 'crash point')}"
    if not result.violations:
        return Cell(text=f"{result.judged:,}", tone=_TONES[result.verdict], note=judged)
    broken = ", ".join(dict.fromkeys(each.invariant for each in result.violations))
    return Cell(
        text=broken,
        tone=Tone.BAD,
        note=f"{broken} broken; {judged}",
        target=told.place_of[result.violations[0].id],
    )


def _strip(result: ScenarioResult, told: ToldFindings) -> Strip:
    by_place: dict[tuple[str, int], str] = {}
    by_invariant: dict[str, str] = {}
    for violation in result.violations:
        place = told.place_of[violation.id]
        by_invariant.setdefault(violation.invariant, place)
        by_place.setdefault((violation.invariant, _position(violation)), place)

    def cell(point: PointOutcome) -> StripCell:
        tone = Tone.BAD if point.broken else Tone.GOOD if point.images else Tone.PLAIN
        told = f"{', '.join(point.broken)} broken"
        targets = (
            by_place.get((each, point.position), by_invariant.get(each, ""))
            for each in point.broken
        )
        return StripCell(
            tone=tone,
            position=point.position,
            step=point.step,
            told=told if point.broken else _counted(point.images, "new disk"),
            target=next(filter(None, targets), ""),
        )

    return Strip(
        name=f"{result.name}, {result.profile}",
        cells=tuple(map(cell, result.points)),
        verdict=result.verdict.value,
    )


def _position(violation: Violation) -> int:
    return -1 if violation.crash is None else violation.crash.position


def _fault_matrix(results: Sequence[ScenarioResult]) -> Iterator[Block]:
    fired: dict[str, dict[str, int]] = {}
    for each in results:
        for line, count in each.faults_fired:
            counts = fired.setdefault(line, {})
            counts[each.name] = counts.get(each.name, 0) + count
    struck = dict.fromkeys(each.name for each in results if each.faults_fired)
    if fired:
        yield Matrix(
            corner="fault",
            columns=tuple(struck),
            rows=tuple(
                MatrixRow(line, tuple(_fired(counts.get(name)) for name in struck))
                for line, counts in fired.items()
            ),
            legend="Amber: a fault that never struck has tested nothing.",
        )


def _fired(count: int | None) -> Cell:
    if count is None:
        return Cell(text="", tone=Tone.NOTHING, note="not asked for")
    return Cell(
        text=f"{count:,}",
        tone=Tone.PLAIN if count else Tone.DOUBTFUL,
        note=f"struck {count:,} times",
    )


def _latencies(results: Sequence[ScenarioResult]) -> Iterator[Histogram]:
    for each in results:
        if each.latencies_ms:
            yield Histogram(
                name=f"{each.name}, {each.profile}: from sent to applied",
                unit="ms",
                bars=tuple((f"{bound:,}", count) for bound, count in each.latencies_ms),
            )


def _numbers(results: Sequence[ScenarioResult]) -> Table:
    return Table(
        columns=(
            "scenario",
            "profile",
            "verdict",
            "steps",
            "crash points",
            "legal disks",
            "different",
            "judged",
            "depth",
            "all judged",
        ),
        rows=tuple(
            (
                _row_name(each, results),
                each.profile,
                each.verdict.value,
                f"{each.steps:,}",
                f"{each.crash_points:,}",
                "not counted" if each.legal is None else f"{each.legal:,}",
                f"{each.distinct:,}",
                f"{each.judged:,}",
                str(each.depth),
                "yes" if each.complete else "no",
            )
            for each in results
        ),
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
