"""The page of `wavetank fuzz`: what was reached, and what was found on the way."""

from __future__ import annotations

from collections.abc import Iterator

from wavetank.reports.fuzzing.session import FuzzSession
from wavetank.reports.page.blocks import Cell, Fact, Matrix, MatrixRow, Page, Section, Table, Tone
from wavetank.reports.page.failure_pages import FINDINGS_LEAD, EvidenceOf
from wavetank.reports.page.findings import tell_findings
from wavetank.scenarios import Coverage

__all__ = ["fuzz_page"]


def fuzz_page(session: FuzzSession, version: str, *, command: str, evidence_of: EvidenceOf) -> Page:
    """Return the page of a fuzzing run.

    Args:
        session: what came of it.
        version: of wavetank.
        command: what a person typed.
        evidence_of: judges a finding's case again and returns what it shows.
    """
    result = session.result
    told = tell_findings(((each.case, each.violation) for each in result.findings), evidence_of)
    count = len(result.findings)
    found = f"{count} promises were broken" if count else "every promise held"
    return Page(
        title="wavetank fuzz",
        verdict=session.verdict,
        sentence=(
            f"{result.counts.runs:,} random lives of a store reached {len(result.coverage):,} "
            f"combinations of operation, fault, recovery and option; {found}."
        ),
        command=command,
        facts=tuple(_facts(session, version)),
        sections=(
            *(Section(id="findings", title="Findings", lead=FINDINGS_LEAD, blocks=told.blocks),)
            * bool(count),
            Section(
                id="coverage",
                title="Operations and faults",
                lead="How many different combinations of recovery and option were reached where "
                "this operation ran with this fault. An empty cell was never reached.",
                blocks=(_matrix(result.coverage),),
            ),
            Section(
                id="branches",
                title="What recoveries did",
                lead="Branches of recovery, told by what they did to the disk, and in how many "
                "combinations each was reached.",
                blocks=(
                    Table(
                        columns=("recovery", "combinations"),
                        rows=tuple(
                            (name, f"{count:,}")
                            for name, count in result.coverage.by(lambda each: each.branch).items()
                        ),
                    ),
                ),
            ),
        ),
    )


def _facts(session: FuzzSession, version: str) -> Iterator[Fact]:
    plan, counts = session.result.plan, session.result.counts
    yield Fact("version", version)
    yield Fact("seed", str(plan.seed))
    yield Fact("store", plan.backend)
    yield Fact("profiles", ", ".join(own.profile.name for own in plan.profiles))
    yield Fact("runs", f"{counts.runs:,}")
    yield Fact("time", f"{session.elapsed_s:.1f} s on {session.workers} workers")


def _matrix(coverage: Coverage) -> Matrix:
    operations = sorted({each.operation for each in coverage.runs})
    faults = sorted({each.fault for each in coverage.runs})
    reached: dict[tuple[str, str], int] = {}
    for each in coverage.runs:
        place = each.operation, each.fault
        reached[place] = reached.get(place, 0) + 1
    return Matrix(
        corner="operation",
        columns=tuple(faults),
        rows=tuple(
            MatrixRow(name, tuple(_cell(reached.get((name, fault), 0)) for fault in faults))
            for name in operations
        ),
    )


def _cell(count: int) -> Cell:
    if not count:
        return Cell(text="", tone=Tone.NOTHING, note="never reached")
    return Cell(text=f"{count:,}", note=f"reached in {count:,} combinations")
