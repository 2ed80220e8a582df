"""What the run of a cluster shows: the disk of the node whose store had lost something."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from wavetank.scenarios.cluster.cluster_run import ClusterRun, run_cluster
from wavetank.scenarios.cluster.machine import StorageLoss
from wavetank.scenarios.cluster.node_store import NotedCall
from wavetank.scenarios.cluster.stories import smallest_loss
from wavetank.scenarios.evidence import Evidence, Span
from wavetank.scenarios.exploration.explaining.disk_evidence import (
    changed_files,
    files_seen,
    stretch_seen,
)
from wavetank.scenarios.raft.judging.store_words import promised_lines, shown_lines
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import Profile

__all__ = ["cluster_evidence"]

_MOST_EVENTS: Final = 200
"""Events of other nodes that are told, the last before the power cut."""


def cluster_evidence(workload: Workload, store: StoreAdapter, profile: Profile) -> Evidence:
    """Return what a run of a cluster shows.

    Args:
        workload: with the plan of a cluster.
        store: under each node.
        profile: what a power cut may lose.

    Raises:
        UnfitForClusterError: the store cannot do what a node asks of it.
    """
    run = run_cluster(workload, store, profile)
    cause = run.cause
    if cause is None:
        told = () if run.violated is None else (run.violated.problem.summary,)
        return Evidence(shown=told)
    promised = promised_lines(cause.possible, cause.shown)
    shown = (
        (cause.problem.summary,)
        if cause.shown is None
        else shown_lines(cause.shown, cause.possible)
    )
    stretch = smallest_loss(cause, store, workload.options, profile)
    if stretch is None or cause.cut is None:
        return Evidence(promised=promised, shown=shown)
    calls = _calls_on(cause, len(stretch.log))
    pending = stretch.pending(profile)
    before, after = pending.full, pending.image(stretch.kept)
    return Evidence(
        stretches=(
            stretch_seen(
                stretch,
                profile,
                title=f"{cause.node} up to the power cut at {cause.cut.time_s:.3f} s",
                spans=(*_call_spans(cause, calls, len(stretch.log)), *_others(run, cause, calls)),
                step_at=lambda _: None,
            ),
        ),
        before=files_seen(before),
        after=files_seen(after),
        changed=changed_files(before.files(), after.files()),
        promised=promised,
        shown=shown,
    )


def _calls_on(cause: StorageLoss, end: int) -> tuple[NotedCall, ...]:
    """Return the calls of the node whose ops are in the log that the power cut ended.

    A log begins anew after each power cut, so that the positions of earlier calls are higher again.
    """
    newest_first: list[NotedCall] = []
    behind = end
    for noted in reversed(cause.acknowledged):
        if noted.returned_at is None or noted.returned_at > behind:
            break
        newest_first.append(noted)
        behind = noted.began_at
    return tuple(reversed(newest_first))


def _call_spans(cause: StorageLoss, calls: tuple[NotedCall, ...], end: int) -> Iterator[Span]:
    for noted in calls:
        yield Span(
            label=f"{noted.time_s:.3f} s: {noted.step}",
            start=noted.began_at,
            end=end if noted.returned_at is None else noted.returned_at,
            acknowledged=noted.returned_at is not None,
            lane=cause.node,
        )


def _others(run: ClusterRun, cause: StorageLoss, calls: tuple[NotedCall, ...]) -> Iterator[Span]:
    """Yield what other nodes did meanwhile, each where the log of this one stood then."""
    assert cause.cut is not None
    times = [noted.time_s for noted in calls]
    began_s = times[0] if times else cause.cut.time_s
    meanwhile = [
        told
        for told in run.told
        if told.who != cause.node and began_s <= told.time_s <= cause.cut.time_s
    ]
    for told in meanwhile[-_MOST_EVENTS:]:
        place = bisect_right(times, told.time_s) - 1
        at = (calls[place].returned_at or 0) if place >= 0 else 0
        yield Span(
            label=f"{told.time_s:.3f} s: {told.what}",
            start=at,
            end=at,
            acknowledged=True,
            lane=told.who,
        )
