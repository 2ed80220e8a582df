"""Which pending ops must be on disk before which others; one more op costs the same in any log.

`Profile.must_precede` states the order rules for two ops. Asking it of each new op and every
pending one would make a log of n ops cost n squared. The rules speak of a few classes of ops
(overwrites, names and sizes, appends to one file), so for each class its last ops are remembered,
and a new op points to these alone; what they point to comes before it as well.

The ops are nodes of a graph. Ops of one atomic group share a node, named by the group's first op.
Negative nodes stand for no op: each points to all ops of a class so far, so that any number of
later ops can point to them at once. A node that is not in the graph is durable and in nobody's way.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from typing import Final

from attrs import define, field

from wavetank.sim.ops import Attribute, Data, Dirent, MicroOp, Size
from wavetank.sim.profiles.profile import Profile

__all__ = ["OpOrder"]

_PRUNE_AT: Final = 64
"""Removed nodes beyond the pending ops, after which leftovers are looked for."""


@define
class _Class:
    """Ops that come before all ops of another class.

    Attributes:
        join: the node that points to those before `fresh`; None if there are none.
        fresh: the nodes since then.
    """

    join: int | None = None
    fresh: list[int] = field(factory=list)

    def copy(self) -> _Class:
        return _Class(self.join, list(self.fresh))


@define
class _Calls:
    """Ops of one class of which those of different calls stay in order.

    Attributes:
        call: the call whose ops came last.
        current: their nodes; each points to `before`.
        before: the node that stands for all ops of earlier calls; None if there are none.
    """

    call: int = -1
    current: list[int] = field(factory=list)
    before: int | None = None

    def copy(self) -> _Calls:
        return _Calls(self.call, list(self.current), self.before)


class OpOrder:
    """The order of the pending ops under a profile.

    Args:
        profile: the filesystem's promises.
    """

    __slots__ = (
        "_appends",
        "_barrier",
        "_dependents",
        "_group_of",
        "_joining",
        "_last",
        "_members",
        "_metadata",
        "_needs",
        "_newest_on",
        "_next_join",
        "_open",
        "_overwrites",
        "_parents",
        "_profile",
        "_removed",
        "_sources",
    )

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        # By node: the nodes that are on disk whenever it is. A node may come before its parents.
        self._parents: dict[int, tuple[int, ...]] = {}
        # The node of each op that is not the first of its group, and the ops of each such group.
        self._group_of: dict[int, int] = {}
        self._members: dict[int, tuple[int, ...]] = {}
        # The group that has ops to come, and its ops so far: they join their classes when it ends.
        self._open: int | None = None
        self._joining: tuple[MicroOp, ...] = ()
        self._next_join = -1
        self._removed = 0
        self._barrier: int | None = None
        # Masks, for as long as bits stand for the same ops.
        self._needs: dict[int, int] = {}
        self._dependents: dict[int, int] | None = None
        self._clear_classes()

    def _clear_classes(self) -> None:
        # The node of the newest op on each target.
        self._newest_on: dict[Hashable, int] = {}
        self._last: int | None = None
        self._metadata = _Calls()
        self._overwrites = _Class()
        # By inode.
        self._appends: dict[int, int] = {}
        self._sources: dict[int, _Class] = {}

    def copy(self) -> OpOrder:
        """Return an equal value with a future of its own."""
        twin = OpOrder(self._profile)
        twin._parents = dict(self._parents)
        twin._group_of = dict(self._group_of)
        twin._members = dict(self._members)
        twin._open = self._open
        twin._joining = self._joining
        twin._next_join = self._next_join
        twin._removed = self._removed
        twin._barrier = self._barrier
        twin._newest_on = dict(self._newest_on)
        twin._last = self._last
        twin._metadata = self._metadata.copy()
        twin._overwrites = self._overwrites.copy()
        twin._appends = dict(self._appends)
        twin._sources = {inode: each.copy() for inode, each in self._sources.items()}
        return twin

    @property
    def is_group_open(self) -> bool:
        """Whether the newest op reaches the disk only together with the next."""
        return self._open is not None

    def has_barrier(self) -> bool:
        """Whether a pending op comes before all that is added from now on."""
        todo = [] if self._barrier is None else [self._barrier]
        while todo:
            node = todo.pop()
            parents = self._parents.get(node)
            if parents is not None:
                if node >= 0 and self._members.get(node) != ():
                    return True
                todo += parents
        self._barrier = None
        return False

    def newest_on(self, target: Hashable) -> int | None:
        """Return the newest pending op on a target, or the first op of its group."""
        return self._newest_on.get(target)

    # Changes

    def add(self, op: MicroOp) -> None:
        """Put one more op behind those that must precede it."""
        number = op.number
        node = number if self._open is None else self._open
        parents = [parent for parent in self._before(op) if parent != node]
        if node == number:
            self._parents[node] = tuple(parents)
        else:
            self._group_of[number] = node
            self._members[node] = (*self._members.get(node, (node,)), number)
            self._parents[node] += tuple(parents)
            self._needs.pop(node, None)
        self._dependents = None
        self._newest_on[op.target] = node
        if self._profile.joined(op):
            self._open = node
            self._joining += (op,)
            return
        self._open = None
        for each in self._joining:
            self._register(each, node)
        self._joining = ()
        self._register(op, node)

    def put_first(self, numbers: Iterable[int]) -> None:
        """Let ops come before all that is added from now on, as a sync does that only orders."""
        nodes = {self._node_of(number): None for number in numbers}
        if nodes:
            before = () if self._barrier is None else (self._barrier,)
            self._barrier = self._join((*before, *nodes))

    def closure(self, numbers: Iterable[int]) -> set[int]:
        """Return the nodes of ops, with all that must be on disk before them."""
        found: set[int] = set()
        todo = [self._node_of(number) for number in numbers]
        while todo:
            node = todo.pop()
            if node not in found:
                parents = self._parents.get(node)
                if parents is not None:
                    found.add(node)
                    todo += parents
        return found

    def ops_of(self, nodes: Iterable[int]) -> list[int]:
        """Return the numbers of the ops of some nodes, ascending."""
        numbers: list[int] = []
        for node in nodes:
            if node >= 0:
                numbers += self._members.get(node, (node,))
        return sorted(numbers)

    def remove(self, nodes: Collection[int], ops: Iterable[MicroOp], *, left: int) -> None:
        """Take out a closure whose ops have become durable.

        Args:
            nodes: as `closure` returned them.
            ops: all of their ops.
            left: how many ops are still pending.
        """
        for op in ops:
            node = self._group_of.pop(op.number, op.number)
            if self._newest_on.get(op.target) == node:
                del self._newest_on[op.target]
        for node in nodes:
            del self._parents[node]
            self._members.pop(node, None)
        self._forget_masks()
        self._removed += len(nodes)
        if self._removed > left + _PRUNE_AT:
            self._prune()

    def clear(self) -> None:
        """Take out everything: all ops have become durable."""
        self._parents.clear()
        self._group_of.clear()
        self._members.clear()
        self._barrier = None
        self._removed = 0
        self._forget_masks()
        self._clear_classes()

    def drop(self, numbers: Collection[int], left: Iterable[MicroOp]) -> None:
        """Take out ops that can never reach the disk.

        What was ordered through them stays in order; ops that are added later do not follow them.

        Args:
            numbers: those ops.
            left: all others that are pending, in program order.
        """
        for number in numbers:
            node = self._group_of.pop(number, number)
            members = self._members.get(node, (node,))
            self._members[node] = tuple(each for each in members if each != number)
        self._clear_classes()
        for op in left:
            node = self._node_of(op.number)
            self._newest_on[op.target] = node
            self._register(op, node)
        self._forget_masks()

    # Masks

    def needs(self, number: int, bits: Mapping[int, int]) -> int:
        """Return the mask of the ops that are on disk whenever one is, itself among them.

        Args:
            number: that op.
            bits: the bit of each pending op by its number; as long as no op is removed, it must
                not change but for ops that are added.
        """
        masks, parents_of = self._needs, self._parents
        wanted = self._node_of(number)
        todo = [wanted]
        while todo:
            node = todo[-1]
            if node in masks:
                todo.pop()
                continue
            parents = [parent for parent in parents_of[node] if parent in parents_of]
            missing = [parent for parent in parents if parent not in masks]
            if missing:
                todo += missing
                continue
            mask = self._own(node, bits)
            for parent in parents:
                mask |= masks[parent]
            masks[node] = mask
            todo.pop()
        return masks[wanted]

    def dependents(self, number: int, bits: Mapping[int, int]) -> int:
        """Return the mask of the ops that are lost whenever one is, itself among them.

        Arguments as for `needs`.
        """
        if self._dependents is None:
            self._dependents = self._all_dependents(bits)
        return self._dependents[self._node_of(number)]

    def _all_dependents(self, bits: Mapping[int, int]) -> dict[int, int]:
        masks = {node: self._own(node, bits) for node in self._parents}
        for node in reversed(self._sorted()):
            mine = masks[node]
            for parent in self._parents[node]:
                if parent in masks:
                    masks[parent] |= mine
        return masks

    def _sorted(self) -> list[int]:
        """Return the nodes, each behind its parents."""
        done: dict[int, None] = {}
        for start in self._parents:
            todo = [start]
            while todo:
                node = todo[-1]
                missing = [
                    parent
                    for parent in self._parents[node]
                    if parent in self._parents and parent not in done
                ]
                if missing:
                    todo += missing
                    continue
                done.setdefault(node)
                todo.pop()
        return list(done)

    def _own(self, node: int, bits: Mapping[int, int]) -> int:
        if node < 0:
            return 0
        members = self._members.get(node)
        if members is None:
            return bits[node]
        mask = 0
        for number in members:
            mask |= bits[number]
        return mask

    def _forget_masks(self) -> None:
        self._needs.clear()
        self._dependents = None

    # Rules

    def _before(self, op: MicroOp) -> Iterator[int]:
        """Yield nodes that stand for all that must precede a new op; `Profile.must_precede`."""
        if self._barrier is not None:
            yield self._barrier
        profile = self._profile
        if profile.program_order:
            if self._last is not None:
                yield self._last
            return
        newest = self._newest_on.get(op.target)
        if newest is not None:
            yield newest
        if isinstance(op, Dirent):
            yield from self._before_name(op)
        elif isinstance(op, Attribute):
            are_ordered = profile.metadata_ordered or profile.dirents_ordered
            yield from self._before_metadata(op, are_ordered=are_ordered)
        elif isinstance(op, Size):
            yield from self._before_metadata(op, are_ordered=profile.metadata_ordered)
        if profile.appends_ordered and isinstance(op, (Data, Size)) and profile.extends(op):
            newest = self._appends.get(op.inode)
            if newest is not None:
                yield newest

    def _before_name(self, op: Dirent) -> Iterator[int]:
        profile = self._profile
        are_ordered = profile.metadata_ordered or profile.dirents_ordered
        yield from self._before_metadata(op, are_ordered=are_ordered)
        if profile.rename_after_source and op.replaces and op.inode in self._sources:
            yield from self._all_of(self._sources[op.inode])

    def _before_metadata(
        self, op: Dirent | Size | Attribute, *, are_ordered: bool
    ) -> Iterator[int]:
        if are_ordered:
            calls = self._metadata
            if calls.call != op.call:
                if calls.current:
                    calls.before = self._join(calls.current)
                calls.call, calls.current = op.call, []
            if calls.before is not None:
                yield calls.before
        if self._profile.overwrites_before_metadata:
            yield from self._all_of(self._overwrites)

    def _register(self, op: MicroOp, node: int) -> None:
        """Let an op be one of its classes."""
        profile = self._profile
        self._last = node
        if isinstance(op, (Dirent, Attribute)):
            if profile.metadata_ordered or profile.dirents_ordered:
                self._add_metadata(op.call, node)
            if profile.rename_after_source and isinstance(op, Attribute):
                self._sources.setdefault(op.inode, _Class()).fresh.append(node)
            return
        if isinstance(op, Size) and profile.metadata_ordered:
            self._add_metadata(op.call, node)
        if profile.rename_after_source:
            self._sources.setdefault(op.inode, _Class()).fresh.append(node)
        if profile.extends(op):
            if profile.appends_ordered:
                self._appends[op.inode] = node
        elif isinstance(op, Data) and profile.overwrites_before_metadata:
            self._overwrites.fresh.append(node)

    def _add_metadata(self, call: int, node: int) -> None:
        calls = self._metadata
        if calls.call != call:
            if calls.current:
                calls.before = self._join(calls.current)
            calls.call, calls.current = call, []
        calls.current.append(node)

    def _all_of(self, each: _Class) -> Iterator[int]:
        """Yield the node that stands for all ops of a class, if there are any."""
        if each.fresh:
            before = () if each.join is None else (each.join,)
            each.join = self._join((*before, *each.fresh))
            each.fresh = []
        if each.join is not None:
            yield each.join

    def _join(self, nodes: Collection[int]) -> int:
        """Return a node that stands for all of some."""
        if len(nodes) == 1:
            return next(iter(nodes))
        node = self._next_join
        self._next_join -= 1
        self._parents[node] = tuple(nodes)
        return node

    def _node_of(self, number: int) -> int:
        return self._group_of.get(number, number)

    def _prune(self) -> None:
        """Forget nodes that stand for no pending op."""
        parents = self._parents
        for node in self._sorted():
            is_empty = node < 0 or self._members.get(node) == ()
            if is_empty and not any(parent in parents for parent in parents[node]):
                del parents[node]
                self._members.pop(node, None)
        self._removed = 0
        self._metadata.current = [node for node in self._metadata.current if node in parents]
        for each in (self._overwrites, *self._sources.values()):
            each.fresh = [node for node in each.fresh if node in parents]
            if each.join not in parents:
                each.join = None
        self._sources = {
            inode: each
            for inode, each in self._sources.items()
            if each.fresh or each.join is not None
        }
        self._appends = {inode: node for inode, node in self._appends.items() if node in parents}
