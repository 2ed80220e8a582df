"""Images chosen by what is read of them: where the legal ones are too many to try, and most alike.

A program that opens a disk reads a part of it. Whatever it does not read cannot change what it
does, so one image stands for all that are equal in what was read. `forked_images` lets a reader
loose on the image that lost most; each undecided size, block or name that it looked at is a fork,
where the other things that it might have found there are tried in turn. What comes out is one image
for each way in which the reader can go, and together they stand for every legal image.

This is sound if the reader is deterministic and reports every read (read_trace.py). Ops on one
place are never reordered, so what stands there is how many of them were kept; the last may be torn.
Where truncations may discard, a second search starts on the disk that discards: what a block shows
there depends on its file's sizes too, so they are decided with it.

Devices on which writes are atomic or growth comes whole are not searched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from attrs import evolve, frozen

from wavetank.sim.crashes._apply import Tear
from wavetank.sim.crashes._pending_index import holder
from wavetank.sim.crashes._tears import tears
from wavetank.sim.crashes._unwritten import UnwrittenBlocks
from wavetank.sim.crashes.pending import Kept, PendingOps
from wavetank.sim.crashes.tearing import AppendFill, AtomicUnit, Tearing
from wavetank.sim.ops import Data, Dirent, MicroOp
from wavetank.sim.read_trace import Cell

__all__ = ["Reader", "forked_images"]

Reader = Callable[[Kept], Iterable[Cell]]
"""Opens the image that is left if these ops are kept, and tells what was looked at, in order."""

_FILLS: Final = frozenset({AppendFill.ZEROS, AppendFill.STALE})
_Target = tuple[str, int, str] | tuple[str, int, int] | tuple[str, int]


@frozen(kw_only=True)
class _Branch:
    """The legal images that agree in what has been decided so far; as masks of ops.

    Attributes:
        kept: ops that are there; it is a legal set itself, and stands for the branch.
        lost: ops that are not.
        settled: what has been looked at.
        tears: of the one write that is torn.
        may_tear: whether it is open if and which write is torn.
        stale: whether unwritten blocks show foreign bytes; None as long as nobody looked at one.
        forgotten: whether what a truncation cut off is gone. Nothing is torn then.
    """

    kept: int
    lost: int = 0
    settled: frozenset[_Target] = frozenset()
    tears: tuple[Tear, ...] = ()
    may_tear: bool = True
    stale: bool | None = None
    forgotten: bool = False


def forked_images(
    pending: PendingOps, reader: Reader, *, holding: int = 0, limit: int, tearing: Tearing
) -> tuple[Kept, ...] | None:
    """Return images that stand for all legal ones: one for each way in which the reader can go.

    Args:
        pending: what is durable and what is not.
        reader: opens an image and tells what it looked at; it must be deterministic.
        holding: a mask; only images that hold these ops are wanted. It must be a closed set.
        limit: give up beyond so many images.
        tearing: what the device does below a block.

    Returns:
        The images in a fixed order, or None: more than `limit`, or what is left out here.
    """
    atomic = tearing.atomic_unit is AtomicUnit.WRITE or tearing.atomic_write_max_bytes
    together = atomic or tearing.append_fill not in _FILLS
    if together:
        return None
    if not pending.profile.keeps_unsynced:
        return () if holding else (pending.kept(0),)
    forks = _Forks(pending, tearing)
    stale = None if tearing.append_fill is AppendFill.STALE else False
    least = holding | forks.always
    todo = [_Branch(kept=least, may_tear=tearing.tears_blocks, stale=stale)]
    if pending.may_discard:
        todo.append(_Branch(kept=least, may_tear=False, stale=stale, forgotten=True))
    images: list[Kept] = []
    while todo:
        if len(images) + len(todo) > limit:
            return None
        branch = todo.pop()
        image = pending.kept(
            branch.kept, branch.tears, stale=branch.stale is True, forgotten=branch.forgotten
        )
        images.append(image)
        for cell in reader(image):
            for target in forks.targets(cell, forgotten=branch.forgotten):
                if target not in branch.settled:
                    branch, others = forks.settle(branch, target)
                    todo += others
                    if len(images) + len(todo) > limit:
                        return None
    return tuple(images)


class _Forks:
    """What may stand in each place of a disk.

    Args:
        pending: what is durable and what is not.
        tearing: what the device does below a block.

    Attributes:
        always: a mask of ops that every branch keeps: overwrites that change nothing.
    """

    def __init__(self, pending: PendingOps, tearing: Tearing) -> None:
        self._pending = pending
        self._tearing = tearing
        self._unwritten: UnwrittenBlocks = pending.unwritten()
        self._unwritten_if_forgotten = pending.unwritten(forgotten=True)
        self.always = 0 if tearing.harms_equal_bytes else pending.idle
        self._ops: dict[_Target, list[MicroOp]] = {}
        self._named: dict[int, list[_Target]] = {}
        self._held: dict[int, list[_Target]] = {}
        self._writes: dict[int, list[Data]] = {}
        for op in pending.ops:
            if self.always & pending.bit(op.number):
                continue
            self._ops.setdefault(op.target, []).append(op)
            self._held.setdefault(holder(op), []).append(op.target)
            if isinstance(op, Dirent):
                self._named.setdefault(op.directory, []).append(op.target)
            elif isinstance(op, Data) and not pending.profile.joined(op):
                self._writes.setdefault(op.call, []).append(op)

    def targets(self, cell: Cell, *, forgotten: bool) -> Iterable[_Target]:
        """Return the places that a look at `cell` reveals."""
        if cell[0] == "names":
            return self._named.get(cell[1], ())
        if cell[0] == "attributes":
            # Its time depends on each change of it that was kept.
            return (cell, *self._held.get(cell[1], ()))
        if forgotten and cell[0] == "data":
            return (("size", cell[1]), cell)
        return (cell,)

    def settle(self, branch: _Branch, target: _Target) -> tuple[_Branch, list[_Branch]]:
        """Fix `target` as the branch's image has it; return a branch for each other state."""
        ops = self._ops.get(target, [])
        there = sum(1 for op in ops if branch.kept & self._pending.bit(op.number))
        mine: _Branch | None = None
        others: list[_Branch] = []
        for count in range(there, len(ops) + 1):
            choice = self._with_first(branch, target, ops, count)
            if choice is None:
                continue
            whole, stale = self._look(choice, target)
            if mine is None:
                mine = whole
            else:
                others.append(whole)
            others += stale
            if count and choice.may_tear:
                others += self._torn(choice, ops[count - 1])
        assert mine is not None, f"{target}: nothing can stand here"
        return mine, others

    def _with_first(
        self, branch: _Branch, target: _Target, ops: list[MicroOp], count: int
    ) -> _Branch | None:
        """Return the branch with the first `count` ops of a place there and the others lost."""
        kept, lost = branch.kept, branch.lost
        if count:
            kept |= self._pending.needs(ops[count - 1].number)
        if count < len(ops):
            lost |= self._pending.dependents(ops[count].number)
        if kept & lost:
            return None
        return evolve(branch, kept=kept, lost=lost, settled=branch.settled | {target})

    def _look(self, choice: _Branch, target: _Target) -> tuple[_Branch, list[_Branch]]:
        """Decide what an unwritten block shows, if this is the first that is looked at."""
        if choice.stale is not None or choice.tears or target[0] != "data":
            return choice, []
        unwritten = self._unwritten_if_forgotten if choice.forgotten else self._unwritten
        if target[1:] not in unwritten.exposed(choice.kept):
            return choice, []
        return evolve(choice, stale=False), [evolve(choice, stale=True, may_tear=False)]

    def _torn(self, choice: _Branch, last: MicroOp) -> Iterator[_Branch]:
        """Yield the branch with the last write to a place torn there, in each possible way."""
        if not isinstance(last, Data) or self._pending.profile.joined(last):
            return
        ops = {op.number: op for op in self._writes[last.call] if self._can_tear(op, choice)}
        if last.number not in ops:
            return
        # Of a large write only cuts are tried; alone, a block of it may be small enough for all.
        for torn in dict.fromkeys(tears([tuple(ops.values()), (last,)], self._tearing)):
            if any(tear.number == last.number for tear in torn):
                others = [ops[tear.number] for tear in torn if tear.number != last.number]
                if not any(op.target in choice.settled for op in others):
                    branch = self._with_torn(choice, torn, (last, *others))
                    if not branch.kept & branch.lost:
                        yield branch

    def _can_tear(self, op: Data, choice: _Branch) -> bool:
        follows = self._pending.dependents(op.number) & ~self._pending.bit(op.number)
        return not choice.kept & follows

    def _with_torn(self, choice: _Branch, torn: tuple[Tear, ...], ops: tuple[Data, ...]) -> _Branch:
        kept, lost = choice.kept, choice.lost
        for op in ops:
            kept |= self._pending.needs(op.number)
            lost |= self._pending.dependents(op.number) & ~self._pending.bit(op.number)
        settled = choice.settled.union(op.target for op in ops)
        return evolve(
            choice, kept=kept, lost=lost, settled=settled, tears=torn, may_tear=False, stale=False
        )
