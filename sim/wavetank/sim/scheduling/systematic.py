"""Every schedule that can differ: depth-first search, bounded or with partial-order reduction.

`explore_all` runs a program again and again. Each run follows the choices of an earlier one up to a
point and chooses differently there. Without a bound only such choices are tried as can make a
difference: two steps of different tasks depend on one another if they touch the same lock, task or
file and one of them can change it (`Access`). Each order of dependent steps is then run at least
once. With a bound every choice is tried that switches away from a task that could go on no more
often than that.

What tasks share without any call in between (memory) is not seen: a run stands for all that differ
in nothing else.

Source: Flanagan and Godefroid, *Dynamic Partial-Order Reduction for Model Checking Software*, POPL
2005, with the sleep sets of Godefroid's *Partial-Order Methods* (1996).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeAlias

from attrs import define, field, frozen

from wavetank.sim.scheduling.scheduler import Access, SimTask

__all__ = ["Certificate", "NotDeterministicError", "Systematic", "explore_all"]

_NOTHING: Final = Access()
_Places: TypeAlias = defaultdict[Hashable, list[int]]


class NotDeterministicError(RuntimeError):
    """The same choices led to other tasks being ready: the program is not deterministic."""


@frozen(kw_only=True)
class Certificate:
    """What a search has covered.

    Attributes:
        runs: how many schedules were run to their end.
        complete: whether every schedule that can differ was run, within the bound if there is one.
        preemptions: the bound; None if there is none.
    """

    runs: int
    complete: bool
    preemptions: int | None


@define
class _Node:
    """One step of a run.

    Attributes:
        ready: what each task that could run would have touched, by number.
        running: the task that ran before, if it could go on.
        chosen: who ran.
        to_try: tasks that are still to run here instead.
        asleep: tasks whose running here would repeat an earlier run.
    """

    ready: dict[int, Access]
    running: int | None
    chosen: int
    to_try: list[int] = field(factory=list)
    asleep: dict[int, Access] = field(factory=dict)

    @property
    def access(self) -> Access:
        """What the step touched."""
        return self.ready[self.chosen]

    def try_also(self, task: int) -> None:
        """Let a task run here in a later run."""
        if task != self.chosen and task not in self.to_try and task not in self.asleep:
            self.to_try.append(task)

    def go_on(self) -> bool:
        """Choose the next task that is to be tried here; False if there is none."""
        self.asleep[self.chosen] = self.access
        while self.to_try:
            task = self.to_try.pop(0)
            if task not in self.asleep:
                self.chosen = task
                return True
        return False


class Systematic:
    """The strategy of one run: follow earlier choices, then the usual ones, and note all steps.

    Args:
        nodes: the choices to follow; the steps behind them are added.
    """

    def __init__(self, nodes: list[_Node]) -> None:
        self._nodes = nodes
        self._tasks: Sequence[SimTask] = ()
        self._place = 0

    def begin(self, tasks: Sequence[SimTask]) -> None:
        """See `Watching`."""
        self._tasks = tasks

    def next_look(self, step: int) -> int:
        """See `Strategy`."""
        return step

    def choose(self, step: int, running: int | None, ready: Sequence[int], usual: int) -> int:
        """See `Strategy`.

        Raises:
            NotDeterministicError: other tasks are ready than in the run that is followed.
        """
        accesses = {number: self._tasks[number].access or _NOTHING for number in ready}
        place = self._place
        self._place += 1
        if place < len(self._nodes):
            node = self._nodes[place]
            if set(node.ready) != set(accesses):
                raise NotDeterministicError(
                    f"step {step}: expected the ready tasks {sorted(node.ready)} as in the run "
                    f"before but got {sorted(accesses)}: a program must do the same under the same "
                    f"schedule"
                )
            return node.chosen
        asleep = _still_asleep(self._nodes[-1]) if self._nodes else {}
        awake = [number for number in accesses if number not in asleep]
        chosen = usual if usual in awake or not awake else awake[0]
        self._nodes.append(_Node(ready=accesses, running=running, chosen=chosen, asleep=asleep))
        return chosen


def explore_all(
    run: Callable[[Systematic], None], *, preemptions: int | None = None, limit: int = 10_000
) -> Certificate:
    """Run a program under every schedule that can differ.

    Args:
        run: runs the program once, on a `SimRuntime` with the strategy that it is given.
        preemptions: how often at most one run switches away from a task that could go on; None: as
            often as it can make a difference.
        limit: runs after which to stop.

    Raises:
        NotDeterministicError: the program does not do the same under the same schedule.

    >>> from wavetank.sim.scheduling.runtime import SimRuntime
    >>> seen = set()
    >>> def run(strategy):
    ...     with SimRuntime(strategy) as runtime:
    ...         order, lock = [], runtime.lock()
    ...         def work(name):
    ...             with lock:
    ...                 order.append(name)
    ...         tasks = [runtime.spawn(name, lambda name=name: work(name)) for name in "abc"]
    ...         for task in tasks:
    ...             task.join()
    ...     seen.add("".join(order))
    >>> explore_all(run).complete, sorted(seen)
    (True, ['abc', 'acb', 'bac', 'bca', 'cab', 'cba'])
    """
    nodes: list[_Node] = []
    races = _Races(nodes)
    runs = 0
    while True:
        followed = len(nodes)
        run(Systematic(nodes))
        runs += 1
        if preemptions is None:
            # Of the steps that were followed, the last is where another task was chosen.
            races.note(max(followed - 1, 0))
        else:
            _note_choices(nodes, followed, preemptions)
        while nodes and not nodes[-1].go_on():
            nodes.pop()
        if not nodes or runs >= limit:
            return Certificate(runs=runs, complete=not nodes, preemptions=preemptions)


def _still_asleep(node: _Node) -> dict[int, Access]:
    """Return who stays asleep behind a step: whoever touches nothing that it changed."""
    return {
        number: access
        for number, access in node.asleep.items()
        if number != node.chosen and not access.depends_on(node.access)
    }


def _note_choices(nodes: list[_Node], first: int, bound: int) -> None:
    """Let every other ready task run at each new step, as far as the bound goes."""
    used = 0
    for place, node in enumerate(nodes):
        if place >= first:
            switches_away = node.running is not None
            if used + switches_away <= bound:
                for task in node.ready:
                    node.try_also(task)
            node.asleep.clear()
        used += node.running is not None and node.chosen != node.running


class _Races:
    """Where tasks could have run earlier: two steps that depend on one another, in either order.

    For each step: of the earlier ones by other tasks that touch the same, the last that does not
    have to come first anyway is a place at which the step's task could have run instead.

    Args:
        nodes: the steps of the run that is looked at; those of one run after the other.
    """

    def __init__(self, nodes: list[_Node]) -> None:
        self._nodes = nodes
        self._clocks: list[dict[int, int]] = []
        """Of each step: the last step of each task before it."""

    def note(self, first: int) -> None:
        """Let tasks run earlier wherever that can differ.

        Args:
            first: the steps before it are those of the run before, and have been looked at.
        """
        del self._clocks[first:]
        touched = _Touched()
        latest: dict[int, int] = {}  # of each task: its last step so far
        born: dict[int, int] = {}  # of each task: the step that made it
        for place, node in enumerate(self._nodes):
            for number in node.ready:
                born.setdefault(number, place - 1)
            if place >= first:
                begun = latest.get(node.chosen, born[node.chosen])
                self._clocks.append(self._look(place, self._clock_behind(begun), touched))
            touched.add(place, node.access)
            latest[node.chosen] = place

    def _look(self, place: int, before: dict[int, int], touched: _Touched) -> dict[int, int]:
        """Let the task of a step run earlier, and return what comes before the step.

        Args:
            place: of the step.
            before: what comes before it in its own task.
            touched: what the steps before it touch.
        """
        node = self._nodes[place]
        task, access = node.chosen, node.access
        clock = dict(before)
        raced: set[int] = set()
        for earlier in touched.related(access):
            other = self._nodes[earlier]
            if other.chosen == task:
                continue
            # A task that waits for what a step gives back cannot run before it: what took it may.
            waits = task not in other.ready and not access.clashes_with(other.access)
            is_ordered = before.get(other.chosen, -1) >= earlier or other.chosen in raced
            if not waits and not is_ordered and access.depends_on(other.access):
                _try_earlier(other, task)
                if task in other.ready:
                    raced.add(other.chosen)
            if clock.get(other.chosen, -1) < earlier:
                for number, step in self._clock_behind(earlier).items():
                    clock[number] = max(clock.get(number, -1), step)
        return clock

    def _clock_behind(self, place: int) -> dict[int, int]:
        """Return the clock of a step that depends on the one at `place`; {} if there is none."""
        return {} if place < 0 else {**self._clocks[place], self._nodes[place].chosen: place}


class _Touched:
    """By resource: the steps that touch it, in their order, by what they do to it."""

    def __init__(self) -> None:
        self._writers: _Places = defaultdict(list)
        self._readers: _Places = defaultdict(list)
        self._adders: _Places = defaultdict(list)
        self._holders: _Places = defaultdict(list)

    def add(self, place: int, access: Access) -> None:
        """Take the next step."""
        for places, resources in (
            (self._writers, access.writes),
            (self._readers, access.reads),
            (self._adders, access.adds),
            (self._holders, access.holds),
        ):
            for resource in resources:
                places[resource].append(place)

    def related(self, access: Access) -> list[int]:
        """Return the steps that one depends on or follows, the last one first."""
        found: set[int] = set()
        for places, resources in (
            (self._holders, access.holds),
            (self._writers, access.writes | access.reads | access.adds),
            (self._readers, access.writes | access.adds),
            (self._adders, access.writes | access.reads | access.after),
        ):
            for resource in resources:
                found.update(places.get(resource, ()))
        return sorted(found, reverse=True)


def _try_earlier(node: _Node, task: int) -> None:
    if task in node.ready:
        node.try_also(task)
    else:
        for other in node.ready:
            node.try_also(other)
