"""What goes wrong in a cluster run: partitions, process kills and power cuts, drawn from a seed.

Power cuts come at moments that a store must not get wrong: inside and right after the saving of a
vote, a snapshot, a truncation or a start, and now and then an append. The network is cut so that a
loss shows: a few nodes fall behind, one of those that kept up loses power, and is left with those
that fell behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random  # noqa: TID251 - named, seeded streams only
from typing import Final

from wavetank.scenarios.cluster.machine import Interruption, Machine
from wavetank.scenarios.cluster.messages import Message
from wavetank.scenarios.cluster.network import Network, Timeline
from wavetank.scenarios.cluster.plan import ClusterPlan
from wavetank.scenarios.raft.steps import Append, SaveSnapshot, SaveState, Step, TruncateSuffix
from wavetank.sim import Data

__all__ = ["Disruption"]

_CHANCE_BY_STEP: Final[Mapping[type[Step], float]] = {
    SaveState: 0.05,
    SaveSnapshot: 0.08,
    TruncateSuffix: 0.2,
    Append: 0.004,
}
"""How likely the power goes in a handler that makes such a call."""
_CHANCE_AT_CREATION: Final = 0.4
_CHANCE_AT_START: Final = 0.08
_CHANCE_AT_BLOCK_END: Final = 0.5
_BLOCK_END_BYTES: Final = 4
"""A write that begins so few bytes before the end of a block, and crosses it, is cut more often."""
_BEHIND: Final = 0.4
"""How often a power cut of a handler comes right behind it."""
_PAUSE_S: Final = 0.6
_SOON_S: Final = (0.005, 0.05)
_LATER_S: Final = (0.1, 1.5)


class Disruption:
    """The faults of one run.

    Args:
        plan: how many nodes there are, and how many must run.
        timeline: when.
        network: what is cut.
        machines: what is killed.
        random: where it is drawn from.

    Attributes:
        cuts: power cuts.
        kills: process kills.
    """

    def __init__(
        self,
        plan: ClusterPlan,
        timeline: Timeline,
        network: Network[Message],
        machines: Sequence[Machine],
        random: Random,
    ) -> None:
        self.cuts = 0
        self.kills = 0
        self._plan = plan
        self._timeline = timeline
        self._network = network
        self._machines = machines
        self._random = random
        self._is_calm = False
        # Whose power went inside a call last: what that left may show at the next cut.
        self._struck = ""

    def begin(self) -> None:
        """Let things go wrong from now on."""
        self._timeline.after(self._random.uniform(0.2, 1.5), self._next)

    def stop(self) -> None:
        """Let nothing go wrong any more, and start whatever is down."""
        self._is_calm = True
        self._network.calm_down()
        for machine in self._machines:
            self._start(machine)

    def cut_at(self, machine: Machine, began_at: int) -> Interruption | None:
        """See `Watcher.cut_at`."""
        end = len(machine.disk.log)
        if self._is_calm or end == began_at or not self._may_end(machine):
            return None
        steps = [noted.step for noted in machine.ledger.running]
        cut = self._inside_append(machine, began_at) if _appends(steps) else None
        random = self._random
        if cut is None and random.random() < _chance(machine, steps):
            behind = random.random() < _BEHIND
            cut = Interruption(end if behind else random.randint(began_at, end))
        if cut is not None:
            self.cuts += 1
            self._struck = machine.name
        return cut

    def _inside_append(self, machine: Machine, began_at: int) -> Interruption | None:
        """Tear an append that crosses the end of a block, right where it does."""
        for position, op in enumerate(machine.disk.log.since(began_at), began_at):
            is_short = isinstance(op, Data) and op.continues and len(op.content) <= _BLOCK_END_BYTES
            if is_short and self._random.random() < _CHANCE_AT_BLOCK_END:
                # Its size comes with the next record.
                return Interruption(position + 2, keeps_all=True)
        return None

    def ended(self, machine: Machine) -> None:
        """See `Watcher.ended`."""
        self._restart_later(machine, _LATER_S if machine.failures else None)

    # Who may go down, and comes back when

    def _may_end(self, machine: Machine) -> bool:
        if not self._plan.keeps_majority:
            return True
        running = sum(each.node is not None or each is machine for each in self._machines)
        return running > self._plan.majority

    def _start(self, machine: Machine) -> None:
        if machine.node is None and not machine.refuses:
            machine.start()

    def _restart_later(self, machine: Machine, span: tuple[float, float] | None = None) -> None:
        if span is None:
            span = _SOON_S if self._is_calm or self._random.random() < 0.5 else _LATER_S  # noqa: PLR2004
        self._timeline.after(self._random.uniform(*span), partial(self._start, machine))

    def _cut(self, machine: Machine, span: tuple[float, float] | None = None) -> None:
        if machine.node is not None and self._may_end(machine):
            self.cuts += 1
            machine.cut_power()
            self._restart_later(machine, span)

    # Episodes

    def _next(self) -> None:
        if self._is_calm:
            return
        episodes: list[Callable[[], float]] = [
            *[self._leave_behind] * 4,
            *[self._isolate] * 2,
            self._split,
            self._cut_one,
            self._end_one,
        ]
        if not self._plan.keeps_majority:
            episodes += [self._cut_all] * 4
        lasts_s = self._random.choice(episodes)()
        self._timeline.after(lasts_s + self._random.expovariate(1 / _PAUSE_S), self._next)

    def _cut_one(self) -> float:
        self._cut(self._random.choice(self._machines))
        return 0.0

    def _cut_all(self) -> float:
        for machine in self._machines:
            self._cut(machine)
        return 1.0

    def _end_one(self) -> float:
        machine = self._random.choice(self._machines)
        if machine.node is not None and self._may_end(machine):
            self.kills += 1
            if self._random.random() < 0.3:  # noqa: PLR2004 - a weight
                machine.close()
            else:
                machine.kill()
            self._restart_later(machine)
        return 0.0

    def _isolate(self) -> float:
        """Cut one node off, the leader as likely as not, with some of the clients."""
        leaders = [each for each in self._machines if each.node and each.node.role.name == "leader"]
        chosen = self._random.choice(
            leaders if leaders and self._random.random() < 0.5 else self._machines  # noqa: PLR2004
        )
        return self._separate([chosen.name])

    def _split(self) -> float:
        names = list(self._plan.node_names)
        self._random.shuffle(names)
        return self._separate(names[: self._random.randint(1, len(names) - 1)])

    def _separate(self, names: Sequence[str]) -> float:
        clients = list(self._plan.client_names)
        self._random.shuffle(clients)
        some = clients[: self._random.randint(0, len(clients))]
        others = [
            name
            for name in (*self._plan.node_names, *clients)
            if name not in names and name not in some
        ]
        self._network.partition([*names, *some], others)
        lasts_s = self._random.uniform(0.5, 2.0)
        self._timeline.after(lasts_s, self._network.heal)
        return lasts_s

    def _leave_behind(self) -> float:
        """Let some nodes fall behind; then cut the power of one of the others, and leave it there.

        What it was acknowledged by then, no node that it can reach has.
        """
        names = list(self._plan.node_names)
        self._random.shuffle(names)
        if self._struck and self._random.random() < 0.5:  # noqa: PLR2004 - a coin
            names.remove(self._struck)
            names.insert(self._plan.majority - 1, self._struck)
        ahead, behind = names[: self._plan.majority], names[self._plan.majority :]
        clients = self._plan.client_names
        self._network.partition([*ahead, *clients], behind)
        first_s, second_s = self._random.uniform(0.6, 1.2), self._random.uniform(1.2, 2.2)
        victim = ahead.pop()

        def regroup() -> None:
            if self._is_calm:
                return
            self._network.partition(ahead, [victim, *behind, *clients])
            for machine in self._machines:
                if machine.name == victim:
                    self._cut(machine, _SOON_S)

        self._timeline.after(first_s, regroup)
        self._timeline.after(first_s + second_s, self._network.heal)
        return first_s + second_s


def _appends(steps: Sequence[Step]) -> bool:
    return any(isinstance(step, Append) for step in steps)


def _chance(machine: Machine, steps: Sequence[Step]) -> float:
    if not steps:
        return _CHANCE_AT_START if machine.cuts or machine.restarts else _CHANCE_AT_CREATION
    return max(_CHANCE_BY_STEP.get(type(step), 0.0) for step in steps)
