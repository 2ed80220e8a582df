"""Findings for pages: a vote that is lost with its rename, and pages with many events."""

from __future__ import annotations

from typing import Final

from wavetank.reports.page.blocks import Page, Section
from wavetank.reports.page.files import hex_diff, tree_of
from wavetank.reports.page.finding import Finding
from wavetank.reports.page.timeline import timeline_of
from wavetank.scenarios import (
    ChangedFile,
    DiskOp,
    Evidence,
    Fate,
    FileSeen,
    Span,
    StretchSeen,
    SyncCall,
)

__all__ = ["LOST_VOTE", "VOTE", "finding_named", "op", "page_of", "written"]


def op(  # noqa: PLR0917 - a row of a table
    position: int, kind: str, path: str, text: str, fate: Fate, by: int | None = None
) -> DiskOp:
    """Return a micro-op of a call of its own."""
    return DiskOp(
        position=position,
        call=position,
        kind=kind,
        path=path,
        text=text,
        fate=fate,
        durable_at=by,
        step=1,
    )


VOTE: Final = StretchSeen(
    title="the workload",
    spans=(
        Span(label="0: open the store", start=0, end=1, acknowledged=True, lane="client"),
        Span(label="1: save the vote", start=1, end=6, acknowledged=True, lane="client"),
        Span(label="2: append", start=6, end=7, acknowledged=False, lane="client"),
    ),
    ops=(
        op(0, "name", "/store", "the name /store", Fate.KEPT),
        op(1, "name", "/store/vote.tmp", "the name /store/vote.tmp", Fate.KEPT),
        op(2, "data", "/store/vote.tmp", "bytes 0..31 of /store/vote.tmp", Fate.DURABLE, 3),
        op(4, "name", "/store/vote", "the rename of /store/vote.tmp to /store/vote", Fate.LOST),
        op(6, "data", "/store/log", "bytes 0..99 of /store/log", Fate.TORN),
    ),
    syncs=(SyncCall(position=3, kind="fsync", path="/store/vote.tmp", failed=False, step=1),),
    crash_at=7,
)
"""A vote is written, synced and renamed; its directory is never synced."""

LOST_VOTE: Final = Evidence(
    stretches=(VOTE,),
    before=(
        FileSeen(path="/store/log", size=100, digest="all"),
        FileSeen(path="/store/vote", size=32, digest="vote"),
    ),
    after=(
        FileSeen(path="/store/log", size=100, digest="part"),
        FileSeen(path="/store/vote.tmp", size=32, digest="vote"),
    ),
    changed=(
        ChangedFile(
            path="/store/log",
            start=0,
            before=b"entry 1 entry 2 entry 3 entry 4 ",
            after=b"entry 1 entry 2 entry \0\0\0\0\0\0\0\0\0\0",
            size_before=32,
            size_after=32,
        ),
    ),
    promised=("term 1, vote for node-d",),
    shown=("term 0, no vote",),
)


def finding_named(name: str, evidence: Evidence = LOST_VOTE, *, limit: int = 10_000) -> Finding:
    """Return the finding of the lost vote, or of other evidence."""
    return Finding(
        id=name,
        sentence="the vote for node-d is gone",
        label="O1",
        promise="the vote survives",
        broken="expected node-d, but nobody came back",
        place=(("scenario", "votes"), ("store", "mine")),
        steps=("0: open the store", "1: save the vote", "2: append"),
        timelines=tuple(timeline_of(each, limit=limit) for each in evidence.stretches),
        tree=tree_of(evidence),
        files=tuple(map(hex_diff, evidence.changed)),
        promised=evidence.promised,
        shown=evidence.shown,
        lost=("step 1: the rename of /store/vote.tmp to /store/vote",),
        why=("the rename needed a sync of the directory /store",),
        cure="a sync of the directory /store after the rename",
        profiles=("sequential", "posix"),
        replay=f"wavetank replay {name}",
    )


def page_of(*findings: Finding) -> Page:
    """Return a page of findings alone."""
    return Page(
        title="wavetank run",
        verdict="fail",
        sentence="A promise was broken.",
        command="wavetank run votes",
        facts=(),
        sections=(
            Section(id="findings", title="Findings", lead="What was broken.", blocks=findings),
        ),
    )


def written(steps: int) -> Evidence:
    """Return the evidence of so many steps, each of a write, its sync, and its return.

    The last step is not synced. Each has four events, but for the last, which has three.
    """
    ops, syncs, spans = [], [], []
    for step in range(steps):
        start = 2 * step
        last = step == steps - 1
        text = f"bytes {start}..{start + 1} of /store/log"
        fate = Fate.LOST if last else Fate.DURABLE
        ops.append(op(start, "data", "/store/log", text, fate, None if last else start + 1))
        if not last:
            sync = SyncCall(
                position=start + 1, kind="fsync", path="/store/log", failed=False, step=step
            )
            syncs.append(sync)
        spans.append(
            Span(
                label=f"{step}: append",
                start=start,
                end=start + 2,
                acknowledged=True,
                lane="client",
            )
        )
    return Evidence(
        stretches=(
            StretchSeen(
                title="the workload",
                spans=tuple(spans),
                ops=tuple(ops),
                syncs=tuple(syncs),
                crash_at=2 * steps,
            ),
        )
    )
