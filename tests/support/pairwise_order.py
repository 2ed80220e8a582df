"""The order of pending ops by asking `Profile.must_precede` of each pair: a twin of `PendingOps`.

It keeps sets of numbers and takes time that grows with the square of the log.
"""

from wavetank.sim import Mark, MicroOp, Profile, Record, Sync


class PairwiseOrder:
    """The pending ops, and what each needs, under a profile."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.ops: dict[int, MicroOp] = {}
        self.needs: dict[int, frozenset[int]] = {}
        self.group: frozenset[int] = frozenset()
        self.barrier: frozenset[int] = frozenset()

    def take(self, record: Record) -> None:
        if isinstance(record, Sync):
            self._sync(record)
        elif not isinstance(record, Mark):
            self._add(record)

    def dependents(self, number: int) -> frozenset[int]:
        return frozenset(other for other, needed in self.needs.items() if number in needed)

    def _add(self, op: MicroOp) -> None:
        needed = {op.number} | self.barrier
        for number, earlier in self.ops.items():
            if number in self.group or self.profile.must_precede(earlier, op):
                needed |= self.needs[number]
        self.group |= {op.number}
        self.ops[op.number] = op
        for number in self.group:
            self.needs[number] = frozenset(needed)
        if not self.profile.joined(op):
            self.group = frozenset()
            if self.profile.at_once(op):
                self._remove(self.needs[op.number])

    def _sync(self, sync: Sync) -> None:
        self._remove(frozenset(sync.dropped))
        if sync.failed:
            return
        covered: frozenset[int] = frozenset()
        for number, op in self.ops.items():
            if self.profile.covers(sync, op):
                covered |= self.needs[number]
        if self.profile.persists(sync):
            self._remove(covered)
        else:
            self.barrier |= covered

    def _remove(self, gone: frozenset[int]) -> None:
        self.ops = {number: op for number, op in self.ops.items() if number not in gone}
        self.needs = {number: self.needs[number] - gone for number in self.ops}
        self.barrier -= gone
