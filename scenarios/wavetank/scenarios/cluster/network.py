"""Virtual time and the network of a cluster: one queue of events, in one thread.

Messages are lost, come twice, come late and overtake one another; a partition lets only the
members of one group reach each other. Everything is drawn from one seeded stream.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from heapq import heappop, heappush
from itertools import count
from random import Random  # noqa: TID251 - named, seeded streams only
from typing import Final, Generic, TypeVar

from wavetank.scenarios.cluster.plan import ClusterPlan

__all__ = ["Network", "Timeline"]

_Message = TypeVar("_Message")

_LATENCY_S: Final = (0.001, 0.005)
_LATE_S: Final = (0.02, 0.25)


class Timeline:
    """Events in the order of virtual time; those of one moment in the order they were set.

    Attributes:
        now_s: the time of the event that runs.

    >>> timeline, seen = Timeline(), []
    >>> timeline.after(2.0, lambda: seen.append("later"))
    >>> timeline.after(1.0, lambda: seen.append("sooner"))
    >>> timeline.run_until(5.0)
    >>> seen, timeline.now_s
    (['sooner', 'later'], 5.0)
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Let something happen so many seconds from now."""
        heappush(self._queue, (self.now_s + delay_s, next(self._numbers), action))

    def run_until(self, end_s: float, is_over: Callable[[], bool] = lambda: False) -> None:
        """Run events until a time, or until something has come about."""
        while self._queue and self._queue[0][0] <= end_s and not is_over():
            self.now_s, _, action = heappop(self._queue)
            action()
        if not is_over():
            self.now_s = end_s


class Network(Generic[_Message]):
    """Carries messages between nodes and clients.

    Args:
        timeline: when they arrive.
        plan: how likely they are lost, doubled and late.
        random: where that is drawn from.

    Attributes:
        sent: how many messages were sent.
    """

    def __init__(self, timeline: Timeline, plan: ClusterPlan, random: Random) -> None:
        self.sent = 0
        self._timeline = timeline
        self._plan = plan
        self._random = random
        self._receivers: dict[str, Callable[[str, _Message], None]] = {}
        self._group_of: dict[str, int] = {}
        self._is_calm = False

    def join(self, name: str, receive: Callable[[str, _Message], None]) -> None:
        """Let messages to a name be delivered; `receive` is given the sender and the message."""
        self._receivers[name] = receive

    def partition(self, *groups: Collection[str]) -> None:
        """Cut the network into groups; whoever is in none of them reaches everybody."""
        self._group_of = {name: number for number, group in enumerate(groups) for name in group}

    def heal(self) -> None:
        """Let everybody reach everybody again."""
        self._group_of = {}

    def calm_down(self) -> None:
        """Lose, double and delay nothing from now on, and heal."""
        self._is_calm = True
        self.heal()

    def reaches(self, sender: str, receiver: str) -> bool:
        """Whether no partition lies between two members."""
        groups = self._group_of
        if not groups or sender not in groups or receiver not in groups:
            return True
        return groups[sender] == groups[receiver]

    def send(self, sender: str, receiver: str, message: _Message) -> None:
        """Send a message; a partition swallows it, be it there now or when it arrives."""
        self.sent += 1
        if not self.reaches(sender, receiver):
            return
        random, plan = self._random, self._plan
        if self._is_calm:
            self._deliver(random.uniform(*_LATENCY_S), sender, receiver, message)
            return
        roll = random.random()
        if roll < plan.loss:
            return
        copies = 2 if roll > 1.0 - plan.duplication else 1
        for _ in range(copies):
            late = random.random() < plan.delay
            self._deliver(
                random.uniform(*(_LATE_S if late else _LATENCY_S)), sender, receiver, message
            )

    def _deliver(self, delay_s: float, sender: str, receiver: str, message: _Message) -> None:
        def arrive() -> None:
            if self.reaches(sender, receiver):
                self._receivers[receiver](sender, message)

        self._timeline.after(delay_s, arrive)
