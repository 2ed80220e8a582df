"""The findings of a run as a page tells them: one of each kind, and the others as a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from attrs import evolve, frozen

from wavetank.reports.page.blocks import Block, Table
from wavetank.reports.page.failure_pages import EVENTS, EvidenceOf, finding_of
from wavetank.reports.page.files import HexDiff, TreeRow
from wavetank.reports.page.finding import Finding
from wavetank.reports.page.timeline import Timeline
from wavetank.reports.telling.next_commands import replay_command
from wavetank.reports.telling.sentences import first_sentence
from wavetank.scenarios import Case, Evidence, StoreNotFoundError, Violation

__all__ = ["ToldFindings", "tell_findings"]

_DRAWN: Final = 25
"""Findings with a timeline; each takes a run, and some tens of kilobytes."""

_Drawing: TypeAlias = tuple[tuple[Timeline, ...], tuple[TreeRow, ...], tuple[HexDiff, ...]]


@frozen(kw_only=True)
class ToldFindings:
    """What a page tells of findings.

    Attributes:
        findings: the first of each kind, in order.
        others: the others, in a table; None if there are none.
        place_of: by id of a violation, the id of the finding that tells of its kind.
    """

    findings: tuple[Finding, ...]
    others: Table | None
    place_of: Mapping[str, str]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The findings, and the table of the others behind them."""
        return self.findings if self.others is None else (*self.findings, self.others)


def tell_findings(
    violations: Iterable[tuple[Case, Violation]], evidence_of: EvidenceOf, *, drawn: int = _DRAWN
) -> ToldFindings:
    """Return the findings of a page.

    Args:
        violations: what was found, with what brings it back.
        evidence_of: runs a case again and returns what it shows.
        drawn: how many are told with a timeline.
    """
    first: dict[tuple[str, str], str] = {}
    place_of: dict[str, str] = {}
    findings: list[Finding] = []
    others: list[tuple[str, ...]] = []
    first_drawn: dict[_Drawing, str] = {}
    room = EVENTS
    for case, violation in violations:
        kind = violation.invariant, violation.kind
        place_of[violation.id] = first.setdefault(kind, violation.id)
        if first[kind] != violation.id:
            others.append(_line(violation, case))
            continue
        if len(findings) >= drawn or room <= 0:
            findings.append(_undrawn(violation, case))
            continue
        findings.append(_once(_drawn(violation, case, evidence_of, room), first_drawn))
        room -= sum(timeline.rows for timeline in findings[-1].timelines)
    table = Table(
        columns=("broken", "scenario", "seed", "profile", "what", "reproduce"),
        rows=tuple(others),
        title="More of the same kinds",
    )
    return ToldFindings(
        findings=tuple(findings), others=table if others else None, place_of=place_of
    )


def _drawn(violation: Violation, case: Case, evidence_of: EvidenceOf, room: int) -> Finding:
    """Return a finding with what it shows when it is run again."""
    try:
        evidence = evidence_of(case)
    except (StoreNotFoundError, ValueError) as error:
        note = f"it was not run again to draw a timeline: {error}"
        return finding_of(violation, case, Evidence(), notes=(note,))
    return finding_of(violation, case, evidence, limit=room)


def _once(finding: Finding, first_drawn: dict[_Drawing, str]) -> Finding:
    """Return a finding without what an earlier one has drawn, whose id it then names."""
    if not finding.timelines:
        return finding
    drawing = finding.timelines, finding.tree, finding.files
    same_as = first_drawn.setdefault(drawing, finding.id)
    if same_as == finding.id:
        return finding
    return evolve(finding, timelines=(), tree=(), files=(), same_as=same_as)


def _undrawn(violation: Violation, case: Case) -> Finding:
    note = f"no timeline here, for want of room: wavetank show {violation.id} --as html draws it"
    return finding_of(violation, case, Evidence(), notes=(note,))


def _line(violation: Violation, case: Case) -> tuple[str, ...]:
    return (
        violation.invariant,
        case.workload.name,
        str(case.workload.seed),
        case.profile.name,
        first_sentence(violation),
        replay_command(violation.id),
    )
