"""A few sets of pending ops that stand for too many: each combination of what was done alike.

Crash states that the same calls made at the same places of a program tend to be right or wrong
together (Gu et al., "Representative Testing", OOPSLA 2025). So the pending ops are grouped by the
place that made them and their kind, and the combinations of groups are tried: of each group all, a
part, or nothing is lost. Those in which few groups differ from the rest come first. What has no
place of origin is grouped by the name of its file.

Every set is closed under the order rules: with what is lost goes all that needs it, with what is
kept comes all that it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice, product
from typing import Final, TypeAlias

from attrs import frozen

from wavetank.sim.crashes.pending import PendingOps
from wavetank.sim.ops import Dirent, MicroOp

__all__ = ["Choice", "OpGroups"]

_ALL_OR_PART: Final = (0, 1)
_TRIES_A_SET: Final = 8
_Key: TypeAlias = tuple[str, str]


@frozen(kw_only=True)
class Choice:
    """How large the choice was where too many images were legal.

    Attributes:
        points: crash points with a choice; an acknowledgement counts by itself.
        ops: the most ops that were pending at one of them.
        groups: the most groups of ops made alike that these were taken for.
        sets: sets of ops that were chosen, at all of them in sum.
    """

    points: int = 0
    ops: int = 0
    groups: int = 0
    sets: int = 0

    def __add__(self, other: Choice) -> Choice:
        return Choice(
            points=self.points + other.points,
            ops=max(self.ops, other.ops),
            groups=max(self.groups, other.groups),
            sets=self.sets + other.sets,
        )


@frozen
class _Group:
    """Ops of one place and kind, as masks.

    Attributes:
        lost: what goes with all of them, and with the newer half of them.
        kept: what comes with all of them, and with the older half of them.
    """

    lost: tuple[int, int]
    kept: tuple[int, int]


class OpGroups:
    """The pending ops of one crash point by place and kind.

    Args:
        pending: the ops and their order.
        holding: a mask of ops that every set holds; it must be closed.
        always: another one.
    """

    def __init__(self, pending: PendingOps, *, holding: int = 0, always: int = 0) -> None:
        self._pending = pending
        self._everything = pending.everything
        self._least = holding | always
        found: dict[_Key, list[MicroOp]] = {}
        for op in pending.ops:
            if not pending.bit(op.number) & self._least:
                found.setdefault(_key(op), []).append(op)
        self._groups = tuple(_group(pending, ops) for ops in found.values())

    def __len__(self) -> int:
        return len(self._groups)

    def sets(self, limit: int) -> list[int]:
        """Return closed sets, each once, as masks: those in which the fewest groups differ first.

        Args:
            limit: sets at most. Where order rules make most combinations equal, there are fewer:
                eight times as many combinations are tried.
        """
        tried = islice(self._combinations(), _TRIES_A_SET * limit)
        distinct = dict.fromkeys(map(self._pending.without_hidden, tried))
        return list(islice(distinct, limit))

    def _combinations(self) -> Iterator[int]:
        for differing in range(len(self._groups) + 1):
            for groups in combinations(self._groups, differing):
                for parts in product(_ALL_OR_PART, repeat=differing):
                    lost, kept = 0, self._least
                    for group, part in zip(groups, parts, strict=True):
                        lost |= group.lost[part]
                        kept |= group.kept[part]
                    yield self._everything & ~lost | self._least
                    yield kept


def _key(op: MicroOp) -> _Key:
    kind = type(op).__name__
    if isinstance(op, Dirent) and op.inode is None:
        kind = "removal"
    return op.site or op.path, kind


def _group(pending: PendingOps, ops: list[MicroOp]) -> _Group:
    half = len(ops) // 2
    lost = [pending.dependents(op.number) for op in ops]
    kept = [pending.needs(op.number) for op in ops]
    return _Group(
        lost=(_union(lost), _union(lost[half:])),
        kept=(_union(kept), _union(kept[: len(ops) - half])),
    )


def _union(masks: list[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union
