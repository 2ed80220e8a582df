"""Virtual time runs in order, and the network does to messages what its plan says."""

from collections.abc import Callable
from functools import partial
from random import Random

import pytest
from attrs import evolve

from wavetank.scenarios.cluster.network import Network, Timeline
from wavetank.scenarios.cluster.plan import ClusterPlan

QUIET = ClusterPlan(loss=0.0, duplication=0.0, delay=0.0)


def network_of(plan: ClusterPlan) -> tuple[Timeline, Network[int], list[tuple[str, str, int]]]:
    timeline = Timeline()
    network: Network[int] = Network(timeline, plan, Random("network"))
    seen: list[tuple[str, str, int]] = []

    def receiver(name: str) -> Callable[[str, int], None]:
        return lambda sender, message: seen.append((sender, name, message))

    for name in ("a", "b", "c"):
        network.join(name, receiver(name))
    return timeline, network, seen


def test_events_of_one_moment_run_in_the_order_in_which_they_were_set() -> None:
    timeline = Timeline()
    seen: list[tuple[int, float]] = []

    def note(number: int) -> None:
        seen.append((number, timeline.now_s))

    for number in range(3):
        timeline.after(1.0, partial(note, number))
    timeline.after(0.5, lambda: timeline.after(0.25, partial(note, 9)))
    timeline.run_until(2.0)
    assert (seen, timeline.now_s) == ([(9, 0.75), (0, 1.0), (1, 1.0), (2, 1.0)], 2.0)


def test_time_stops_when_the_run_is_over() -> None:
    timeline = Timeline()
    seen: list[int] = []
    for number in range(3):
        timeline.after(number + 1.0, partial(seen.append, number))
    timeline.run_until(9.0, lambda: len(seen) == 2)
    assert (seen, timeline.now_s) == ([0, 1], 2.0)


def test_each_message_arrives_once_where_nothing_goes_wrong() -> None:
    timeline, network, seen = network_of(QUIET)
    network.send("a", "b", 1)
    network.send("b", "c", 2)
    timeline.run_until(1.0)
    assert sorted(seen) == [("a", "b", 1), ("b", "c", 2)]
    assert network.sent == 2


@pytest.mark.parametrize(
    ("plan", "arrived"),
    [(evolve(QUIET, loss=1.0), 0), (evolve(QUIET, duplication=1.0), 2)],
    ids=["lost", "twice"],
)
def test_a_message_is_lost_or_comes_twice(plan: ClusterPlan, arrived: int) -> None:
    timeline, network, seen = network_of(plan)
    network.send("a", "b", 1)
    timeline.run_until(1.0)
    assert seen == [("a", "b", 1)] * arrived


def test_a_late_message_is_overtaken() -> None:
    plan = ClusterPlan(loss=0.0, duplication=0.0, delay=0.5)
    timeline, network, seen = network_of(plan)
    for number in range(20):
        network.send("a", "b", number)
    timeline.run_until(1.0)
    numbers = [number for _, _, number in seen]
    assert sorted(numbers) == list(range(20))
    assert numbers != list(range(20))


def test_a_partition_swallows_what_is_under_way() -> None:
    timeline, network, seen = network_of(QUIET)
    network.send("a", "b", 1)
    network.partition(["a"], ["b"])
    network.send("b", "a", 2)
    network.send("a", "c", 3)  # c is in no group
    timeline.run_until(1.0)
    assert seen == [("a", "c", 3)]
    network.heal()
    network.send("a", "b", 4)
    timeline.run_until(2.0)
    assert seen == [("a", "c", 3), ("a", "b", 4)]


def test_calm_ends_every_fault_of_the_network() -> None:
    timeline, network, seen = network_of(ClusterPlan(loss=1.0))
    network.partition(["a"], ["b"])
    network.calm_down()
    network.send("a", "b", 1)
    timeline.run_until(1.0)
    assert seen == [("a", "b", 1)]


def test_a_plan_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="nodes: expected an odd number but got 4"):
        ClusterPlan(nodes=4)
    with pytest.raises(ValueError, match="'loss' must be"):
        ClusterPlan(loss=1.5)
