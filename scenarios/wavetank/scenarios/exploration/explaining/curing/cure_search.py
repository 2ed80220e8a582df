"""The cheapest cure of a finding, found by trying every single sync, and orders of what is there.

A sync of each file and directory that was touched is put in between any two calls, and an op that
was kept is moved behind a later sync of what was lost. What makes the image impossible is then held
against all images of that crash point: the cure is the cheapest with which none of them shows the
failure. Where none does, the shape of the failure says what would help instead.
"""

from __future__ import annotations

from wavetank.scenarios.exploration.causes import Cure, CureKind, Tried
from wavetank.scenarios.exploration.crash_point import CrashTrail
from wavetank.scenarios.exploration.explaining.curing.cure_trial import CureTrial
from wavetank.scenarios.exploration.explaining.curing.no_sync import cure_without_sync
from wavetank.scenarios.exploration.explaining.curing.order_search import OrderSearch
from wavetank.scenarios.exploration.explaining.curing.sync_search import SyncSearch
from wavetank.scenarios.exploration.explaining.lost_ops import Losses
from wavetank.scenarios.exploration.subject import Known, RecordedRun, Shown, Subject

__all__ = ["search_cure"]


def search_cure(
    losses: Losses[Shown, Known],
    runnable: RecordedRun[Shown, Known],
    subject: Subject[Shown, Known],
    trail: CrashTrail[Shown],
) -> tuple[Cure, Tried]:
    """Return the cheapest cure of a finding, and what was tried.

    Args:
        losses: what was lost.
        runnable: the run.
        subject: recovers.
        trail: how the image came about.
    """
    trial = CureTrial(losses, runnable, subject, trail)
    syncs, orders = SyncSearch(losses, trial), OrderSearch(losses, trial, trail.cause)
    cure = _cheapest(losses, syncs, orders)
    return cure, Tried(
        syncs=syncs.syncs,
        orders=orders.orders,
        impossible=syncs.impossible + orders.impossible,
        images=trial.images,
    )


def _cheapest(
    losses: Losses[Shown, Known],
    syncs: SyncSearch[Shown, Known],
    orders: OrderSearch[Shown, Known],
) -> Cure:
    """Return an order if one helps, else the sync that runs least often, else what to do."""
    if losses.is_of_reading:
        return Cure(kind=CureKind.READING, by="the recovery")
    for order in (*orders.behind_a_sync(), *orders.behind_its_step()):
        return order
    return syncs.cheapest() or cure_without_sync(losses)
