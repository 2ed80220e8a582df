"""Every set of pending ops that a crash may keep: the closed sets of the order rules.

A set is legal if with each op it holds all that must precede it, and with each member of an atomic
group the whole group. `closed_sets` enumerates them all, or gives up at a limit, since they grow
exponentially with ops that nothing orders. Sets that differ only in the content of files without a
name give equal disks, and can be left out. Not here: ops that reach the disk in part.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from wavetank.sim.crashes.pending import PendingOps
from wavetank.sim.ops import Dirent, MicroOp

__all__ = ["closed_sets"]


@frozen
class _Unit:
    """Ops that reach the disk together, and what must be there before them; as masks."""

    members: int
    needs: int
    ops: tuple[MicroOp, ...]


def closed_sets(
    pending: PendingOps,
    *,
    holding: int = 0,
    always: int = 0,
    limit: int,
    visible_only: bool = False,
) -> list[int] | None:
    """Return every legal set that holds the ops of `holding`, as masks in a fixed order.

    Args:
        pending: the ops and their order.
        holding: a mask; only sets that contain all of it are wanted. It must be closed itself.
        always: a mask of ops that every set holds besides, such as `PendingOps.idle`; closed, too.
        limit: give up beyond so many sets.
        visible_only: leave out sets that give the same disk as a smaller one, because they keep
            content of new files whose names they lose.

    Returns:
        The masks, or None if there are more than `limit`.
    """
    if not pending.profile.keeps_unsynced:
        return [] if holding else [0]
    units = _units(pending)
    least = holding | always
    if not visible_only:
        return _extend([least], units, ~pending.hidden, limit)
    naming = [unit for unit in units if isinstance(unit.ops[0], Dirent)]
    writing = [unit for unit in units if not isinstance(unit.ops[0], Dirent)]
    names = 0
    for unit in naming:
        names |= unit.members
    newest = 1 << holding.bit_length() >> 1
    sets: list[int] = []
    starts = _extend([least], naming, names, limit)
    if starts is None:
        return None
    for start in starts:
        visible = _visible(pending, start, naming, writing)
        if newest & ~names and not any(unit.members & newest for unit in visible):
            continue
        chosen = names
        for unit in visible:
            chosen |= unit.members
        more = _extend([start], visible, chosen, limit - len(sets))
        if more is None:
            return None
        sets += more
    return sets


def _units(pending: PendingOps) -> list[_Unit]:
    """Return the pending ops in program order, those of one atomic group as one."""
    grouped: dict[int, list[MicroOp]] = {}
    needed: dict[int, int] = {}
    for op in pending.ops:
        needs = pending.needs(op.number)
        members = needs & pending.dependents(op.number)
        grouped.setdefault(members, []).append(op)
        needed[members] = needs & ~members
    return [_Unit(members, needed[members], tuple(ops)) for members, ops in grouped.items()]


def _extend(sets: list[int], units: Sequence[_Unit], chosen: int, limit: int) -> list[int] | None:
    """Return `sets` and all that can be made of them by adding units; None beyond the limit.

    What a unit needs must be there already as far as it lies in `chosen`; the rest, which nobody
    can see, comes with it.
    """
    common = sets[0]
    for unit in units:
        if not unit.members & common:
            added = unit.needs | unit.members
            sets += [kept | added for kept in sets if not unit.needs & chosen & ~kept]
            if len(sets) > limit:
                return None
    return sets


def _visible(
    pending: PendingOps, kept: int, naming: Sequence[_Unit], writing: Sequence[_Unit]
) -> list[_Unit]:
    """Return the writes to files that have a name when the ops of `kept` are on disk."""
    final: dict[tuple[int, str], int | None] = {}
    for unit in naming:
        if unit.members & kept:
            for op in unit.ops:
                assert isinstance(op, Dirent)
                final[op.directory, op.name] = op.inode
    named = set(final.values())
    return [
        unit
        for unit in writing
        if _inode(unit) in named or pending.durable.node(_inode(unit)) is not None
    ]


def _inode(unit: _Unit) -> int:
    op = unit.ops[0]
    assert not isinstance(op, Dirent)
    return op.inode
