"""What a power cut may leave: the durable image and the ops still pending, under one profile.

`PendingOps` reads an op log record by record. It keeps the durable image up to date with every
completed sync, and for each pending op the set of ops that must be on disk with it, as a bit mask
over op numbers. A legal image is the durable image plus any set of pending ops that is closed
under these masks: `Kept` names one. Which of the legal sets are worth a look is decided elsewhere
(crash_images.py), how ops change an image as well (_apply.py).

Left out: which writes a failing sync drops (fsync_failure.py).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeAlias

from attrs import frozen

from wavetank.sim._apply import Tear, apply
from wavetank.sim._forgetting import ForgettingDisk
from wavetank.sim._unwritten import UnwrittenBlocks
from wavetank.sim.image import DirectoryContent, DiskImage, FileContent, Node
from wavetank.sim.ops import Data, Dirent, Mark, MicroOp, Record, Sync
from wavetank.sim.profile import Profile

__all__ = ["Kept", "PendingOps"]

_Remains: TypeAlias = tuple[int, int, tuple[Tear, ...], tuple[tuple[int, int], ...]]
"""An inode, the mask of its ops that are kept, which of them are torn, and its stale blocks."""


@frozen
class Kept:
    """Which pending ops a crash kept; with the crash point it names one image.

    Attributes:
        numbers: the ops' numbers, ascending.
        tears: which of them were written in part; all belong to one write.
        stale: whether blocks that were never written show foreign bytes, and not zeros.
        forgotten: whether what a truncation cut off is gone, where the profile says it may be.
    """

    numbers: tuple[int, ...]
    tears: tuple[Tear, ...] = ()
    stale: bool = False
    forgotten: bool = False


class PendingOps:
    """The pending ops of a disk under a profile, and the images they allow.

    Args:
        image: the durable content before the first record.
        profile: the filesystem's promises.

    Attributes:
        profile: the same.
        nothing_new: the newest op wrote what was there already, and was left out.
    """

    __slots__ = (
        "_barrier",
        "_closed",
        "_dependents",
        "_dropped",
        "_durable",
        "_everything",
        "_first",
        "_forgetting",
        "_full",
        "_holders",
        "_newest",
        "_open_group",
        "_ops",
        "_orders_targets",
        "_remade",
        "_settled",
        "_targets",
        "_unapplied",
        "nothing_new",
        "profile",
    )

    def __init__(self, image: DiskImage, profile: Profile) -> None:
        self.profile = profile
        self._orders_targets = profile.orders_targets
        self._durable = image
        self._full = image
        # Most logs are read on before anybody asks for an image: they are made when asked for.
        self._settled: list[MicroOp] = []
        self._unapplied: list[MicroOp] = []
        self._ops: dict[int, MicroOp] = {}
        # Bit (number - _first) of a mask stands for the op of that number.
        self._closed: dict[int, int] = {}
        self._dependents: dict[int, int] = {}
        # The newest pending op on each target: what it needs holds all earlier ones on that target.
        self._targets: dict[Hashable, int] = {}
        self._everything = 0
        # By inode: the mask of the ops whose effect lies in it.
        self._holders: dict[int, int] = {}
        # Crashes that keep the same ops of an inode leave it the same, whatever else they keep.
        self._remade: dict[_Remains, Node] = {}
        self._first = 0
        self._open_group = 0
        # Ops that syncs ordered before all that follows them without making them durable.
        self._barrier = 0
        self._newest = -1
        self.nothing_new = False
        # Data that can never reach the disk, since writing it has failed.
        self._dropped: tuple[Data, ...] = ()
        self._forgetting = ForgettingDisk(image) if profile.truncate_discards else None

    @property
    def durable(self) -> DiskImage:
        """What is on disk if no pending op is kept."""
        if self._settled:
            self._durable = apply(self._durable, self._settled) if self._ops else self.full
            self._settled = []
        return self._durable

    @property
    def full(self) -> DiskImage:
        """What is on disk if every pending op is kept: what programs see."""
        if self._unapplied:
            self._full = apply(self._full, self._unapplied)
            self._unapplied = []
        return self._full

    @property
    def ops(self) -> Iterable[MicroOp]:
        """The pending ops in program order."""
        return self._ops.values()

    @property
    def may_discard(self) -> bool:
        """Whether a truncation can have discarded what an image without that would show."""
        return self._forgetting is not None and self._forgetting.may_differ(
            self.durable, self._ops.values()
        )

    @property
    def whole(self) -> bool:
        """Whether no atomic group stands open: only then is this a point to crash at."""
        return not self._open_group

    def fork(self) -> PendingOps:
        """Return an equal value with a future of its own."""
        twin = PendingOps(self.durable, self.profile)
        twin._full = self.full
        twin._ops = dict(self._ops)
        twin._closed = dict(self._closed)
        twin._dependents = dict(self._dependents)
        twin._targets = dict(self._targets)
        twin._everything = self._everything
        twin._holders = dict(self._holders)
        twin._first = self._first
        twin._open_group = self._open_group
        twin._barrier = self._barrier
        twin._newest = self._newest
        twin.nothing_new = self.nothing_new
        twin._dropped = self._dropped
        twin._forgetting = self._forgetting and self._forgetting.fork()
        return twin

    def take(self, record: Record) -> None:
        """Take the next record of an op log; a mark changes nothing."""
        if isinstance(record, Sync):
            self.sync(record)
        elif not isinstance(record, Mark):
            self.add(record)

    def take_all(self, records: Iterable[Record]) -> None:
        """Take records in order."""
        take = self.take
        for record in records:
            take(record)

    def add(self, op: MicroOp) -> None:
        """Take one more micro-op that a program issued."""
        number, target = op.number, op.target
        if not self._ops:
            self._first = number
        self.nothing_new = isinstance(op, Data) and self._changes_nothing(op, target)
        if self.nothing_new:
            return
        bit = 1 << (number - self._first)
        mask = bit | self._must_precede(op, target)
        self._ops[number] = op
        self._targets[target] = number
        self._newest = number
        self._everything |= bit
        holder = op.directory if isinstance(op, Dirent) else op.inode
        self._holders[holder] = self._holders.get(holder, 0) | bit
        group = self._open_group | bit
        self._closed[number] = mask
        self._dependents[number] = bit
        if mask != bit:
            for number in self._numbers(group):
                self._closed[number] = mask
            for number in self._numbers(mask):
                self._dependents[number] |= group
        self._open_group = group if self.profile.joined(op) else 0
        self._unapplied.append(op)
        if not self._open_group and self.profile.at_once(op):
            self._make_durable(mask)

    def sync(self, sync: Sync) -> None:
        """Make durable what a completed sync covers and all that must precede it.

        Where the profile's syncs only put things in order, all of that comes before whatever is
        issued from now on. What it could not write is gone first.
        """
        if sync.dropped:
            self._drop(sync.dropped)
        if sync.failed:
            return
        covered, first, covers = 0, self._first, self.profile.covers
        for number, op in self._ops.items():
            if not covered >> (number - first) & 1 and covers(sync, op):
                covered |= self._closed[number]
        if not self.profile.persists(sync):
            self._barrier |= covered
        elif covered:
            self._make_durable(covered)

    def bit(self, number: int) -> int:
        """Return the mask of op `number` alone."""
        return 1 << (number - self._first)

    def needs(self, number: int) -> int:
        """Return the mask of ops that are on disk whenever op `number` is, itself among them."""
        return self._closed[number]

    def dependents(self, number: int) -> int:
        """Return the mask of ops that are lost whenever op `number` is, itself among them."""
        return self._dependents[number]

    @property
    def everything(self) -> int:
        """The mask of all pending ops."""
        return self._everything

    @property
    def newest_needs(self) -> int:
        """The mask of the newest op and all that must be there with it; 0 if it is durable."""
        return self._closed.get(self._newest, 0)

    def kept(
        self,
        mask: int,
        tears: tuple[Tear, ...] = (),
        *,
        stale: bool = False,
        forgotten: bool = False,
    ) -> Kept:
        """Return the name of the set that a mask stands for."""
        first = self._first
        numbers = tuple([n for n in self._ops if mask >> n - first & 1])
        return Kept(numbers, tears, stale, forgotten)

    def unwritten(self, *, forgotten: bool = False) -> UnwrittenBlocks:
        """Return which sets leave blocks unwritten that their files show.

        Args:
            forgotten: whether a block counts as never written when it was cut off since; only
                where the profile says that a truncation may forget.
        """
        bits = {1 << (number - self._first): op for number, op in self._ops.items()}
        durable = self._forgetting.durable if forgotten and self._forgetting else self.durable
        return UnwrittenBlocks(bits, self._dropped, durable, self._newest, cuts=forgotten)

    def writes_in(self, mask: int) -> list[tuple[Data, ...]]:
        """Return the data ops of a legal set that may be torn, those of one write together."""
        writes: dict[int, list[Data]] = {}
        for number in self._numbers(mask):
            op = self._ops[number]
            if isinstance(op, Data) and self._can_tear(op, mask):
                writes.setdefault(op.call, []).append(op)
        return [tuple(ops) for ops in writes.values()]

    def is_legal(self, kept: Kept) -> bool:
        """Whether a crash at this point may keep exactly these ops."""
        if not self.whole or any(number not in self._ops for number in kept.numbers):
            return False
        if kept.numbers and not self.profile.keeps_unsynced:
            return False
        if kept.forgotten and (kept.tears or not self.profile.truncate_discards):
            return False
        mask = 0
        for number in kept.numbers:
            mask |= 1 << (number - self._first)
        if any(self._closed[number] & ~mask for number in kept.numbers):
            return False
        return self._are_legal(kept.tears, mask)

    def _are_legal(self, tears: tuple[Tear, ...], mask: int) -> bool:
        torn = {tear.number for tear in tears}
        return not torn or any(torn <= {op.number for op in ops} for ops in self.writes_in(mask))

    def _can_tear(self, op: Data, mask: int) -> bool:
        """Whether `op` may be written in part while the ops of `mask` are kept.

        A torn op is not whole, so nothing that must follow it may be there. The size that
        publishes it counts as following only where the profile ties the two together.
        """
        if self.profile.joined(op):
            return False
        return not mask & self._dependents[op.number] & ~(1 << (op.number - self._first))

    def image(self, kept: Kept) -> DiskImage:
        """Return the disk that a crash leaves if it keeps exactly these ops.

        Raises:
            ValueError: ops that are not pending here.
        """
        mask, torn, tears = self._mask(kept.numbers), 0, kept.tears
        stale = self.unwritten(forgotten=kept.forgotten).exposed(mask) if kept.stale else ()
        if kept.forgotten and self._forgetting is not None:
            return self._forgetting.image(
                [self._ops[number] for number in kept.numbers], stale=stale
            )
        for tear in tears:
            torn |= 1 << (tear.number - self._first)
        harmed = self._everything & ~mask | torn
        # Inodes that lost nothing are as in the full image; only the others are made anew.
        remade: dict[int, Node] = {}
        for holder, bits in self._holders.items():
            if bits & harmed:
                own_tears = tears if bits & torn else ()
                remade[holder] = self._remake((holder, bits & mask, own_tears, ()))
        for holder in {inode for inode, _ in stale}:
            own = tuple(place for place in stale if place[0] == holder)
            bits = self._holders.get(holder, 0)
            remade[holder] = self._remake((holder, bits & mask, tears if bits & torn else (), own))
        return self.full.derive(remade)

    def _mask(self, numbers: tuple[int, ...]) -> int:
        mask, first, ops = 0, self._first, self._ops
        for number in numbers:
            if number not in ops:
                missing = sorted(set(numbers) - ops.keys())
                raise ValueError(
                    f"kept: expected pending ops but got {missing}, which are not pending"
                )
            mask |= 1 << number - first
        return mask

    def _remake(self, remains: _Remains) -> Node:
        """Return what a crash leaves of one inode."""
        known = self._remade.get(remains)
        if known is None:
            holder, mask, tears, stale = remains
            start = _or_empty(self.durable.node(holder), self.full.node(holder))
            ops = [self._ops[number] for number in self._numbers(mask)]
            changes = apply(self.full, ops, tears, start={holder: start}, stale=stale)
            known = self._remade[remains] = changes.node(holder) or start
        return known

    def _must_precede(self, op: MicroOp, target: Hashable) -> int:
        """Return the mask of the pending ops that are on disk whenever the new `op` is."""
        mask = self._open_group | self._barrier
        newest = self._targets.get(target)
        if newest is not None:
            mask |= self._closed[newest]
        if self._orders_targets:
            for number, earlier in self._ops.items():
                known = mask >> (number - self._first) & 1
                if not known and self.profile.must_precede(earlier, op):
                    mask |= self._closed[number]
        if self._open_group:
            for number in self._numbers(self._open_group):
                mask |= self._closed[number]
        return mask

    def _changes_nothing(self, op: Data, target: Hashable) -> bool:
        """Whether `op` writes what is there already, in every image that a crash may leave.

        Such an op may be left out: no image tells whether it is kept. Ops that other ops follow
        only through it do not exist, since nothing pending comes before it.
        """
        if op.joins_next or self.profile.program_order or self._barrier or self._open_group:
            return False
        if self.profile.truncate_discards:
            return False
        if target in self._targets:
            return False
        node = self.durable.node(op.inode)
        if not isinstance(node, FileContent) or len(node.blocks) <= op.block:
            return False
        return node.blocks[op.block][op.start : op.start + len(op.content)] == op.content

    def _numbers(self, mask: int) -> list[int]:
        """Return the numbers of the ops in a mask, ascending."""
        numbers, before_first = [], self._first - 1
        while mask:
            low = mask & -mask
            numbers.append(before_first + low.bit_length())
            mask ^= low
        return numbers

    def _drop(self, numbers: Iterable[int]) -> None:
        """Forget those of the ops that are still pending: their write has failed for good."""
        gone = 0
        listed = frozenset(numbers)
        durable = self.durable
        for number in sorted(listed):
            op = self._ops.pop(number, None)
            if op is None:
                continue
            gone |= 1 << (number - self._first)
            del self._closed[number], self._dependents[number]
            # Without the size that follows it, the block never belongs to the file.
            if isinstance(op, Data) and number + 1 not in listed:
                self._dropped = (*self._dropped, op)
        self._closed = {number: mask & ~gone for number, mask in self._closed.items()}
        self._dependents = {number: mask & ~gone for number, mask in self._dependents.items()}
        self._targets = {op.target: number for number, op in self._ops.items()}
        self._everything &= ~gone
        self._barrier &= ~gone
        self._holders = {holder: mask & ~gone for holder, mask in self._holders.items()}
        self._remade.clear()
        self._full = apply(durable, self._ops.values())
        self._unapplied = []

    def _make_durable(self, covered: int) -> None:
        self._remade.clear()
        if covered == self._everything:
            settled = list(self._ops.values())
            self._ops.clear()
        else:
            settled = [self._ops.pop(number) for number in self._numbers(covered)]
        self._settled += settled
        if self._forgetting is not None:
            self._forgetting.settle(settled)
        if not self._ops:
            self._targets.clear()
            for each in (self._closed, self._dependents, self._holders):
                each.clear()
            self._everything = self._barrier = 0
            return
        for op in settled:
            del self._closed[op.number], self._dependents[op.number]
            if self._targets.get(op.target) == op.number:
                del self._targets[op.target]
        self._everything &= ~covered
        self._barrier &= ~covered
        first = next(iter(self._ops))
        shift = first - self._first
        self._closed = {number: (mask & ~covered) >> shift for number, mask in self._closed.items()}
        self._dependents = {number: mask >> shift for number, mask in self._dependents.items()}
        self._everything >>= shift
        self._barrier >>= shift
        self._holders = {
            holder: left
            for holder, mask in self._holders.items()
            if (left := (mask & ~covered) >> shift)
        }
        self._first = first


def _or_empty(durable: Node | None, seen: Node | None) -> Node:
    if durable is not None:
        return durable
    return DirectoryContent({}) if isinstance(seen, DirectoryContent) else FileContent(0, ())
