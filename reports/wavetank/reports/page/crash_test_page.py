"""The page of `crash_test`: what crashes of Python code came to."""

from __future__ import annotations

from collections.abc import Iterator

from wavetank.reports._version import version
from wavetank.reports.page.blocks import (
    Cell,
    Fact,
    Matrix,
    MatrixRow,
    Notice,
    Page,
    Section,
    Table,
    Tone,
)
from wavetank.reports.page.failure_pages import EVENTS, drawn_evidence
from wavetank.reports.page.finding import Finding
from wavetank.scenarios import CodeFinding, CrashReport, ProfileVerdict

__all__ = ["crash_test_html", "crash_test_page"]

_TONES = {"pass": Tone.GOOD, "fail": Tone.BAD, "inconclusive": Tone.DOUBTFUL}
_PROMISES = {
    "lost": "What was acknowledged is still there after a power cut.",
    "damaged": "Whatever is there after a power cut can be read and is whole.",
}
_LEAD = (
    "Each finding is one kind of complaint after a power cut: what the check said, what the "
    "program had asked of the disk until then, and what would have kept it."
)


def crash_test_html(report: CrashReport) -> str:
    """Return the page of a report as HTML: what ``CrashReport.html`` writes."""
    from wavetank.reports.page.rendering import render_page  # noqa: PLC0415 - jinja2 is slow to load

    return render_page(crash_test_page(report, version()))


def crash_test_page(report: CrashReport, version: str) -> Page:
    """Return the page of a crash test.

    Args:
        report: what it found.
        version: of wavetank.
    """
    findings = tuple(_findings(report))
    return Page(
        title="wavetank crash_test",
        verdict=report.outcome,
        sentence=_sentence(report),
        command="",
        facts=(
            Fact("version", version),
            Fact("profiles", ", ".join(report.verdicts)),
            Fact("acknowledged", str(report.acked)),
            Fact("calls that changed the disk", str(report.operations)),
            Fact("checks", str(report.checks)),
            *(Fact("schedules", str(report.schedules)),) * (report.schedules > 1),
        ),
        sections=tuple(_sections(report, findings)),
    )


def _sentence(report: CrashReport) -> str:
    images = sum(verdict.images for verdict in report.verdicts.values())
    found = len(report.findings)
    did = f"The program was crashed everywhere, and {images:,} different disks were checked"
    if found:
        return f"{did}. {found} kind{'s' * (found > 1)} of complaint came."
    if report.outcome == "pass":
        return f"{did}. Nothing was lost and nothing was damaged."
    return f"{did}. Nothing was found, but not everything was judged."


def _sections(report: CrashReport, findings: tuple[Finding, ...]) -> Iterator[Section]:
    yield Section(
        id="overview",
        title="Crash models",
        lead="A crash model (profile) says what a filesystem may lose when the power goes.",
        blocks=(*map(Notice, report.notes()), _matrix(report)),
    )
    if findings:
        yield Section(id="findings", title="Findings", lead=_LEAD, blocks=findings)
    if report.faulty_runs:
        yield Section(
            id="faults",
            title="What went wrong on purpose",
            lead="Each run in which an operation failed, and the error with which the program "
            "ended.",
            blocks=(
                Table(
                    columns=("fault", "ended with"),
                    rows=tuple((fault, error or "no error") for fault, error in report.faulty_runs),
                ),
            ),
        )


def _matrix(report: CrashReport) -> Matrix:
    verdicts = tuple(report.verdicts.values())
    return Matrix(
        corner="",
        columns=tuple(report.verdicts),
        rows=(
            MatrixRow("verdict", tuple(map(_verdict, verdicts))),
            MatrixRow("disks checked", tuple(Cell(text=f"{each.images:,}") for each in verdicts)),
            MatrixRow(
                "crash points", tuple(Cell(text=f"{each.crash_points:,}") for each in verdicts)
            ),
            MatrixRow(
                "kinds of complaint", tuple(Cell(text=str(len(each.kinds))) for each in verdicts)
            ),
        ),
    )


def _verdict(verdict: ProfileVerdict) -> Cell:
    target = "finding-1" if verdict.findings else ""
    return Cell(
        text=verdict.outcome, tone=_TONES[verdict.outcome], note=verdict.line(), target=target
    )


def _findings(report: CrashReport) -> Iterator[Finding]:
    room = EVENTS
    for number, found in enumerate(report.findings, start=1):
        finding = _finding(f"finding-{number}", found, room)
        room -= sum(timeline.rows for timeline in finding.timelines)
        yield finding


def _finding(ident: str, found: CodeFinding, limit: int) -> Finding:
    evidence = found.evidence()
    timelines, tree, files = drawn_evidence(evidence, limit)
    raised = f"{found.raised_at}: {found.raised_line}" if found.raised_line else found.raised_at
    return Finding(
        id=ident,
        sentence=found.sentence,
        label=f"{found.kind} after {found.after}" if found.after else found.kind,
        promise=_PROMISES[found.kind],
        broken=found.sentence,
        place=tuple(_place(found)),
        steps=(),
        timelines=timelines,
        tree=tree,
        files=files,
        promised=evidence.promised,
        shown=(*evidence.shown, *((f"raised at {raised}",) if raised else ())),
        lost=found.lost,
        why=(found.why,),
        cure=found.cure,
        profiles=found.profiles,
        notes=("judged again, the same disk was not refused so",) * found.is_flaky,
    )


def _place(found: CodeFinding) -> Iterator[tuple[str, str]]:
    yield "crash model", found.profile
    for each in found.earlier:
        yield "before it", each.crash
    yield "crash", found.crash
    if found.place:
        yield "last call before it", f"{found.operation} at {found.place}"
    if found.fault:
        yield "fault", found.fault
    if found.schedule:
        yield "schedule", found.schedule
