"""What a power cut may leave: the durable image and the ops still pending, under one profile.

`PendingOps` reads an op log record by record. It keeps the durable image up to date with every
completed sync, and knows for each pending op the set of ops that must be on disk with it. A legal
image is the durable image plus any set of pending ops that holds with each op all that it needs:
`Kept` names one. Inside this package a set is a mask, with one bit for each pending op in program
order; masks are valid until the next record is taken. Reading a record takes the same time in any
log (_op_order.py, _pending_index.py); masks and images are made when they are asked for.

Ops that change attributes nobody has looked at are hidden: no set is made for them, and a set holds
them only with an op that they must precede.

Which of the legal sets are tried is decided in crash_images.py; _apply.py says how ops change an
image.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeAlias

from attrs import frozen

from wavetank.sim.attributes import AttributeKind, Attributes
from wavetank.sim.crashes._apply import Tear, apply
from wavetank.sim.crashes._forgetting import ForgettingDisk
from wavetank.sim.crashes._op_order import OpOrder
from wavetank.sim.crashes._pending_index import PendingIndex, holder
from wavetank.sim.crashes._unwritten import UnwrittenBlocks
from wavetank.sim.image import DirectoryContent, DiskImage, FileContent, Node
from wavetank.sim.ops import Attribute, Data, Dirent, Mark, MicroOp, Record, Sync
from wavetank.sim.profiles.profile import Profile

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
    """

    __slots__ = (
        "_attributes",
        "_bits",
        "_dropped",
        "_durable",
        "_forgetting",
        "_full",
        "_holder_masks",
        "_idle",
        "_index",
        "_made",
        "_newest",
        "_newest_attribute",
        "_newest_shown",
        "_nothing_new",
        "_numbers",
        "_ops",
        "_order",
        "_remade",
        "_settled",
        "_unapplied",
        "_unordered",
        "profile",
    )

    def __init__(self, image: DiskImage, profile: Profile) -> None:
        self.profile = profile
        self._durable = image
        self._full = image
        # Most logs are read on before anybody asks for an image: they are made when asked for.
        self._settled: list[MicroOp] = []
        self._unapplied: list[MicroOp] = []
        self._ops: dict[int, MicroOp] = {}
        # Those of them that change attributes, and what inodes were made with.
        self._attributes: dict[int, Attribute] = {}
        self._made: dict[int, Attributes] = {}
        self._order = OpOrder(profile)
        self._index = PendingIndex(profile)
        # What no sync has put in front yet of all that follows, where syncs do no more than that.
        persists = profile.fsync_persists and profile.full_fsync_persists
        self._unordered = None if persists else PendingIndex(profile)
        # Overwrites with the bytes that are durable in their place.
        self._idle: set[int] = set()
        # The bit of each pending op, and the other way round; None until somebody asks.
        self._bits: dict[int, int] | None = None
        self._numbers: list[int] = []
        self._holder_masks: dict[int, int] | None = None
        # Crashes that keep the same ops of an inode leave it the same, whatever else they keep.
        self._remade: dict[_Remains, Node] = {}
        self._newest = -1
        # The newest op if it changes attributes, and the newest of all others.
        self._newest_attribute: Attribute | None = None
        self._newest_shown = -1
        self._nothing_new = False
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
        """The pending ops in program order, without those that are hidden."""
        if not self._attributes:
            return self._ops.values()
        return [op for op in self._ops.values() if not self._is_hidden(op)]

    @property
    def numbers(self) -> Collection[int]:
        """The numbers of all pending ops in program order, of the hidden ones too."""
        return self._ops.keys()

    @property
    def nothing_new(self) -> bool:
        """Whether the newest op is an overwrite with the bytes that were there."""
        return self._nothing_new and not self._shows_times

    @property
    def newest_is_hidden(self) -> bool:
        """Whether the newest op is one that no image shows."""
        return self._newest_attribute is not None and self._is_hidden(self._newest_attribute)

    @property
    def hidden(self) -> int:
        """The mask of the ops that change attributes which nobody has looked at."""
        if not self._attributes:
            return 0
        mask = 0
        for op in self._attributes.values():
            if self._is_hidden(op):
                mask |= self.bit(op.number)
        return mask

    def __len__(self) -> int:
        return len(self._ops)

    @property
    def may_discard(self) -> bool:
        """Whether a truncation can have discarded what an image without that would show."""
        return self._forgetting is not None and self._forgetting.may_differ(
            self.durable, self._ops.values()
        )

    @property
    def whole(self) -> bool:
        """Whether no atomic group stands open: only then is this a point to crash at."""
        return not self._order.is_group_open

    def fork(self) -> PendingOps:
        """Return an equal value with a future of its own."""
        twin = PendingOps(self.durable, self.profile)
        twin._full = self.full
        twin._ops = dict(self._ops)
        twin._order = self._order.copy()
        twin._index = self._index.copy()
        twin._unordered = self._unordered and self._unordered.copy()
        twin._idle = set(self._idle)
        twin._newest = self._newest
        twin._newest_attribute = self._newest_attribute
        twin._newest_shown = self._newest_shown
        twin._nothing_new = self._nothing_new
        twin._attributes = dict(self._attributes)
        twin._made = dict(self._made)
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
        number = op.number
        self._nothing_new = isinstance(op, Data) and self._changes_nothing(op)
        self._newest = number
        self._newest_attribute = op if isinstance(op, Attribute) else None
        if self._newest_attribute is None:
            self._newest_shown = number
        if isinstance(op, Dirent) and op.inode is not None and op.made is not None:
            self._made[op.inode] = op.made
        self._unapplied.append(op)
        if not self._ops and self.profile.at_once(op) and not self.profile.joined(op):
            self._settle([op])
            return
        if isinstance(op, Attribute):
            self._attributes[number] = op
        if self._nothing_new:
            self._idle.add(number)
        if self._bits is not None:
            self._add_bit(op)
        self._ops[number] = op
        self._order.add(op)
        self._index.add(op)
        if self._unordered is not None:
            self._unordered.add(op)
        if not self._order.is_group_open and self.profile.at_once(op):
            self._make_durable((number,))

    def sync(self, sync: Sync) -> None:
        """Make durable what a completed sync covers and all that must precede it.

        Where the profile's syncs only put things in order, all of that comes before whatever is
        issued from now on. What it could not write is gone first.
        """
        if sync.dropped:
            self._drop(sync.dropped)
        if sync.failed:
            return
        if self.profile.persists(sync):
            self._make_durable(self._index.covered(sync))
        elif self._unordered is not None:
            covered = self._unordered.covered(sync)
            self._order.put_first(covered)
            for number in covered:
                self._unordered.remove(self._ops[number])

    def bit(self, number: int) -> int:
        """Return the mask of op `number` alone."""
        return self._all_bits()[number]

    def needs(self, number: int) -> int:
        """Return the mask of ops that are on disk whenever op `number` is, itself among them."""
        return self._order.needs(number, self._all_bits())

    def dependents(self, number: int) -> int:
        """Return the mask of ops that are lost whenever op `number` is, itself among them."""
        return self._order.dependents(number, self._all_bits())

    @property
    def everything(self) -> int:
        """The mask of all pending ops, of the hidden ones only those that others need."""
        return self.without_hidden(self._all)

    def without_hidden(self, mask: int) -> int:
        """Return a legal set with only those of the hidden ops that others in it need."""
        hidden = self.hidden
        if not mask & hidden:
            return mask
        kept = 0
        for number in self._numbers_in(mask & ~hidden):
            kept |= self.needs(number)
        return kept

    @property
    def _all(self) -> int:
        return (1 << len(self._ops)) - 1

    @property
    def idle(self) -> int:
        """The mask of the overwrites with bytes that are durable in their place.

        No image shows whether they are kept, unless the device destroys what it writes. With any
        legal set, the set that holds them besides is legal.
        """
        bits, mask = self._all_bits(), 0
        if self._shows_times:
            return 0
        for number in self._idle:
            mask |= bits[number]
        return mask

    @property
    def newest_needs(self) -> int:
        """The mask of the newest op and all that must be there with it; 0 if it is durable.

        A hidden op does not count.
        """
        newest = self._newest_shown if self.newest_is_hidden else self._newest
        return self.needs(newest) if newest in self._ops else 0

    def kept(
        self,
        mask: int,
        tears: tuple[Tear, ...] = (),
        *,
        stale: bool = False,
        forgotten: bool = False,
    ) -> Kept:
        """Return the name of the set that a mask stands for."""
        return Kept(tuple(self._numbers_in(mask)), tears, stale, forgotten)

    def unwritten(self, *, forgotten: bool = False) -> UnwrittenBlocks:
        """Return which sets leave blocks unwritten that their files show.

        Args:
            forgotten: whether a block counts as never written when it was cut off since; only
                where the profile says that a truncation may forget.
        """
        bits = {bit: self._ops[number] for number, bit in self._all_bits().items()}
        durable = self._forgetting.durable if forgotten and self._forgetting else self.durable
        return UnwrittenBlocks(bits, self._dropped, durable, self._newest, cuts=forgotten)

    def writes_in(self, mask: int, *, idle: bool = False) -> list[tuple[Data, ...]]:
        """Return the data ops of a legal set that may be torn, those of one write together.

        Args:
            mask: the set.
            idle: whether overwrites that change nothing count: where a tear shows in them.
        """
        writes: dict[int, list[Data]] = {}
        for number in self._numbers_in(mask):
            op = self._ops[number]
            if not idle and number in self._idle:
                continue
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
        mask = self._mask(kept.numbers)
        if any(self.needs(number) & ~mask for number in kept.numbers):
            return False
        return self._are_legal(kept.tears, mask)

    def _are_legal(self, tears: tuple[Tear, ...], mask: int) -> bool:
        torn = {tear.number for tear in tears}
        if not torn:
            return True
        writes = self.writes_in(mask, idle=True)
        return any(torn <= {op.number for op in ops} for ops in writes)

    def _can_tear(self, op: Data, mask: int) -> bool:
        """Whether `op` may be written in part while the ops of `mask` are kept.

        A torn op is not whole, so nothing that must follow it may be there. The size that
        publishes it counts as following only where the profile ties the two together.
        """
        if self.profile.joined(op):
            return False
        return not mask & self.dependents(op.number) & ~self.bit(op.number)

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
            torn |= self.bit(tear.number)
        harmed = self._all & ~mask | torn
        masks = self._masks_of_holders()
        # Inodes that lost nothing are as in the full image; only the others are made anew.
        remade: dict[int, Node] = {}
        for inode, bits in masks.items():
            if bits & harmed:
                own_tears = tears if bits & torn else ()
                remade[inode] = self._remake((inode, bits & mask, own_tears, ()))
        for inode in {inode for inode, _ in stale}:
            own = tuple(place for place in stale if place[0] == inode)
            bits = masks.get(inode, 0)
            remade[inode] = self._remake((inode, bits & mask, tears if bits & torn else (), own))
        return self.full.derive(remade)

    def _mask(self, numbers: tuple[int, ...]) -> int:
        bits, mask = self._all_bits(), 0
        for number in numbers:
            bit = bits.get(number)
            if bit is None:
                missing = sorted(set(numbers) - bits.keys())
                raise ValueError(
                    f"kept: expected pending ops but got {missing}, which are not pending"
                )
            mask |= bit
        return mask

    def _remake(self, remains: _Remains) -> Node:
        """Return what a crash leaves of one inode."""
        known = self._remade.get(remains)
        if known is None:
            inode, mask, tears, stale = remains
            start = _or_empty(
                self.durable.node(inode), self.full.node(inode), self._made.get(inode)
            )
            ops = [self._ops[number] for number in self._numbers_in(mask)]
            changes = apply(self.full, ops, tears, start={inode: start}, stale=stale)
            known = self._remade[remains] = changes.node(inode) or start
        return known

    def _changes_nothing(self, op: Data) -> bool:
        """Whether `op` writes what is there already, in every image that a crash may leave.

        Nothing must precede such an op but ops of the same kind on the same block.
        """
        profile = self.profile
        if op.joins_next or profile.program_order or profile.truncate_discards:
            return False
        if self._order.is_group_open or self._order.has_barrier():
            return False
        earlier = self._order.newest_on(op.target)
        if earlier is not None and earlier not in self._idle:
            return False
        node = self.durable.node(op.inode)
        if not isinstance(node, FileContent) or len(node.blocks) <= op.block:
            return False
        return node.blocks[op.block][op.start : op.start + len(op.content)] == op.content

    def _is_hidden(self, op: MicroOp) -> bool:
        if not isinstance(op, Attribute):
            return False
        reads = self._durable.attribute_reads
        return reads is None or not reads.shows(op.change)

    @property
    def _shows_times(self) -> bool:
        reads = self._durable.attribute_reads
        return reads is not None and reads.has_seen(AttributeKind.TIMES)

    def _all_bits(self) -> dict[int, int]:
        if self._bits is None:
            self._bits, self._numbers, self._holder_masks = {}, [], None
            for op in self._ops.values():
                self._add_bit(op)
        return self._bits

    def _add_bit(self, op: MicroOp) -> None:
        assert self._bits is not None
        bit = 1 << len(self._numbers)
        self._bits[op.number] = bit
        self._numbers.append(op.number)
        if self._holder_masks is not None:
            inode = holder(op)
            self._holder_masks[inode] = self._holder_masks.get(inode, 0) | bit

    def _masks_of_holders(self) -> dict[int, int]:
        """Return the mask of the ops that change an inode, by inode."""
        bits = self._all_bits()
        if self._holder_masks is None:
            self._holder_masks = {}
            for number, bit in bits.items():
                inode = holder(self._ops[number])
                self._holder_masks[inode] = self._holder_masks.get(inode, 0) | bit
        return self._holder_masks

    def _numbers_in(self, mask: int) -> list[int]:
        """Return the numbers of the ops in a mask, ascending."""
        self._all_bits()
        digits = f"{mask:b}"[::-1]
        return [
            number for number, digit in zip(self._numbers, digits, strict=False) if digit == "1"
        ]

    def _forget_bits(self) -> None:
        self._bits = None
        self._remade.clear()

    def _drop(self, numbers: Iterable[int]) -> None:
        """Forget those of the ops that are still pending: their write has failed for good."""
        listed = frozenset(numbers)
        durable = self.durable
        gone: list[MicroOp] = []
        for number in sorted(listed):
            op = self._ops.pop(number, None)
            if op is None:
                continue
            self._attributes.pop(number, None)
            gone.append(op)
            # Without the size that follows it, the block never belongs to the file.
            if isinstance(op, Data) and number + 1 not in listed:
                self._dropped = (*self._dropped, op)
        self._order.drop([op.number for op in gone], self._ops.values())
        self._forget(gone)
        self._full = apply(durable, self._ops.values())
        self._unapplied = []

    def _make_durable(self, numbers: Collection[int]) -> None:
        """Settle ops, and all that must be on disk before them."""
        if not numbers:
            return
        nodes = self._order.closure(numbers)
        settled = [self._ops.pop(number) for number in self._order.ops_of(nodes)]
        for op in settled if self._attributes else ():
            self._attributes.pop(op.number, None)
        if self._ops:
            self._order.remove(nodes, settled, left=len(self._ops))
        else:
            self._order.clear()
        self._forget(settled)
        self._settle(settled)

    def _settle(self, ops: list[MicroOp]) -> None:
        self._settled += ops
        if self._forgetting is not None:
            self._forgetting.settle(ops)

    def _forget(self, ops: list[MicroOp]) -> None:
        """Let ops that are no longer pending be nowhere."""
        self._forget_bits()
        for index in (self._index, self._unordered):
            if index is None:
                continue
            if not self._ops:
                index.clear()
                continue
            for op in ops:
                index.remove(op)
        if self._idle:
            self._idle.difference_update([op.number for op in ops])


def _or_empty(durable: Node | None, seen: Node | None, made: Attributes | None) -> Node:
    if durable is not None:
        return durable
    if isinstance(seen, DirectoryContent):
        return DirectoryContent({}, made)
    return FileContent(0, (), made)
