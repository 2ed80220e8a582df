"""Every set of pending ops that a crash may keep: the closed sets of the order rules.

A set is legal if with each op it holds all that must precede it, and with each member of an atomic
group the whole group. `closed_sets` enumerates them all, or gives up at a limit, since they grow
exponentially with ops that nothing orders. Left out: ops that reach the disk in part.
"""

from __future__ import annotations

from attrs import frozen

from wavetank.sim.pending import PendingOps

__all__ = ["closed_sets"]


@frozen
class _Unit:
    """Ops that reach the disk together, and what must be there before them; as masks."""

    members: int
    needs: int


def closed_sets(pending: PendingOps, *, holding: int = 0, limit: int) -> list[int] | None:
    """Return every legal set that holds the ops of `holding`, as masks in a fixed order.

    Args:
        pending: the ops and their order.
        holding: a mask; only sets that contain all of it are wanted. It must be closed itself.
        limit: give up beyond so many sets.

    Returns:
        The masks, or None if there are more than `limit`.
    """
    if not pending.profile.keeps_unsynced:
        return [] if holding else [0]
    sets = [holding]
    for unit in _units(pending):
        if unit.members & holding:
            continue
        sets += [kept | unit.members for kept in sets if not unit.needs & ~kept]
        if len(sets) > limit:
            return None
    return sets


def _units(pending: PendingOps) -> list[_Unit]:
    """Return the pending ops in program order, those of one atomic group as one."""
    units: list[_Unit] = []
    for op in pending.ops:
        needs = pending.needs(op.number)
        members = needs & pending.dependents(op.number)
        if not units or units[-1].members != members:
            units.append(_Unit(members, needs & ~members))
    return units
