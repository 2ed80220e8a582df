"""Findings of the Raft stores as a page tells them, and a page on one stored failure alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from wavetank.reports.page.blocks import Fact, Page, Section
from wavetank.reports.page.files import HexDiff, TreeRow, hex_diff, tree_of
from wavetank.reports.page.finding import Finding
from wavetank.reports.page.history import HistoryDrawing, draw_history
from wavetank.reports.page.timeline import Timeline, timeline_of
from wavetank.reports.stored.failures import StoredFailure
from wavetank.reports.telling.next_commands import replay_command, shrink_command
from wavetank.reports.telling.sentences import chain_sentences, cure_sentence, first_sentence
from wavetank.scenarios import (
    CLUSTER_INVARIANTS,
    DAMAGE_INVARIANTS,
    INVARIANTS,
    Case,
    Evidence,
    Violation,
)

__all__ = [
    "EVENTS",
    "FINDINGS_LEAD",
    "EvidenceOf",
    "drawn_evidence",
    "failure_page",
    "finding_of",
    "promise_of",
]

EVENTS: Final = 10_000
"""Events of all timelines of a page at most."""

EvidenceOf: TypeAlias = Callable[[Case], Evidence]

FINDINGS_LEAD: Final = (
    "Each finding is one broken promise: what was promised, what came back instead, the "
    "run that shows it, and what the disk was told until the power went."
)


def _introduction(stored: StoredFailure) -> str:
    """Return what was done, for a reader who has never seen such a page."""
    case = stored.case
    if case.at_rest is not None:
        return (
            "The files of a store were damaged, and the store was opened again. It broke a promise."
        )
    if case.workload.cluster is not None:
        return (
            "A cluster of nodes ran on simulated disks, with power cuts and a bad network. It "
            "broke a promise."
        )
    if case.crash is None:
        return "A store ran on a simulated disk. It broke a promise while it ran, without a crash."
    return (
        "A store ran on a simulated disk, the power was cut, and the store was opened again on "
        "what was left. It broke a promise."
    )


def finding_of(
    violation: Violation,
    case: Case,
    evidence: Evidence,
    *,
    found: Case | None = None,
    limit: int = EVENTS,
    notes: tuple[str, ...] = (),
) -> Finding:
    """Return a violation as a page tells it.

    Args:
        violation: the story.
        case: what brings it back.
        evidence: what was done to the disk, and what came back.
        found: the case as it was found, if it has been made smaller.
        limit: rows of its timelines together at most.
        notes: what else a reader must know.
    """
    timelines, tree, files = drawn_evidence(evidence, limit)
    return Finding(
        id=violation.id,
        sentence=first_sentence(violation),
        label=violation.invariant,
        promise=promise_of(violation.invariant),
        broken=violation.summary,
        place=tuple(_place(found or case)),
        steps=violation.steps,
        timelines=timelines,
        history=_history(violation),
        tree=tree,
        files=files,
        promised=evidence.promised,
        shown=tuple(line for line in evidence.shown if line != violation.summary),
        lost=violation.lost,
        why=chain_sentences(violation) or (violation.why,),
        cure=_cure(violation),
        profiles=violation.profiles if violation.lost or violation.crash else (),
        rules=violation.rules,
        notes=(*_notes(violation), *notes),
        replay=replay_command(violation.id),
    )


def _cure(violation: Violation) -> str:
    """Return what would have prevented it; "" where a crash is to blame and nobody looked."""
    was_searched = violation.chain is not None and violation.chain.cure is not None
    told = violation.lost or violation.cure or was_searched
    return cure_sentence(violation) if told else ""


def drawn_evidence(
    evidence: Evidence, limit: int
) -> tuple[tuple[Timeline, ...], tuple[TreeRow, ...], tuple[HexDiff, ...]]:
    """Return the timelines, the directory and the bytes of a finding.

    Args:
        evidence: what it shows.
        limit: rows of the timelines together at most; the last stretch of work comes first.
    """
    timelines: list[Timeline] = []
    for stretch in reversed(evidence.stretches):
        if limit > 0 and (stretch.ops or stretch.spans):
            timelines.append(timeline_of(stretch, limit=limit))
            limit -= timelines[-1].rows
    return (
        tuple(reversed(timelines)),
        tree_of(evidence),
        tuple(map(hex_diff, evidence.changed)),
    )


def failure_page(stored: StoredFailure, evidence: Evidence, version: str) -> Page:
    """Return the page of one stored failure.

    Args:
        stored: the failure.
        evidence: what its case shows.
        version: of wavetank.
    """
    finding = finding_of(stored.violation, stored.case, evidence, found=stored.found)
    return Page(
        title=f"wavetank: {stored.violation.id}",
        verdict="fail",
        sentence=_introduction(stored),
        command="",
        facts=(Fact("version", version), Fact("found by version", stored.version)),
        sections=(
            Section(
                id="findings",
                title="The broken promise",
                lead="What was promised, what came back instead, the run that shows it, "
                "and what the disk was told until the power went.",
                blocks=(finding,),
            ),
        ),
    )


def promise_of(invariant: str) -> str:
    """Return what an invariant asks for, in words."""
    promises = {**INVARIANTS, **CLUSTER_INVARIANTS, **DAMAGE_INVARIANTS}
    return promises.get(invariant, "an invariant of another version")


def _place(case: Case) -> Iterator[tuple[str, str]]:
    workload = case.workload
    yield "scenario", workload.name
    yield "seed", str(workload.seed)
    yield "store", case.store
    yield "crash model", f"{case.profile.name}: {case.profile.summary}"
    if workload.overrides:
        yield "options", ", ".join(workload.overrides)
    for fault in workload.faults.faults:
        yield "fault", str(fault)
    if case.at_rest is not None:
        for damage in case.at_rest.damages:
            yield "damage", damage
        yield "recovery mode", case.at_rest.mode


def _history(violation: Violation) -> HistoryDrawing | None:
    history = violation.history
    if history is None or not history.calls:
        return None
    last = max((call.returned_at or 0 for call in history.calls), default=0)
    mark = last if violation.crash is None and violation.invariant == "O13" and last else None
    return draw_history(history, mark=mark, schedule=violation.schedule)


def _notes(violation: Violation) -> Iterable[str]:
    note = violation.shrunk
    if note is None:
        return
    yield (
        f"made smaller: {note.steps_before} steps became {note.steps}, {note.lost_before} lost "
        f"changes became {note.lost}, on {note.judged} images and runs"
    )
    if not note.is_finished:
        yield f"{shrink_command(violation.id)} goes on"
