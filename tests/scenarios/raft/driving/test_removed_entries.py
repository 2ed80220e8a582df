"""A set that changes with a history is at each moment what a set of its own would be."""

import copy
import gc
import pickle
import tracemalloc
from collections.abc import Set as AbstractSet
from random import Random
from typing import Final

import pytest

from wavetank.engine import LogEntry
from wavetank.scenarios.raft.driving.removed_entries import RemovedEntries

ENTRIES: Final = [LogEntry(index, 1, b"") for index in range(1, 9)]


@pytest.mark.parametrize("seed", range(20))
def test_each_moment_is_what_a_set_of_its_own_would_be(seed: int) -> None:
    chance = Random(seed)
    moments: list[tuple[RemovedEntries, AbstractSet[LogEntry]]] = [(RemovedEntries(), frozenset())]
    for _ in range(30):
        # Now and then another history begins at an old moment.
        shared, own = moments[-1] if chance.random() < 0.8 else chance.choice(moments)
        add, drop = chance.sample(ENTRIES, 2), chance.sample(ENTRIES, 2)
        moments.append((shared.changed(add=add, drop=drop), (own | set(add)) - set(drop)))
    for shared, own in moments:
        as_sets: list[AbstractSet[LogEntry]] = [shared, own]
        assert as_sets == as_sets[::-1]
        assert (len(shared), hash(shared)) == (len(own), hash(RemovedEntries(own)))
        assert [each in shared for each in ENTRIES] == [each in own for each in ENTRIES]
        assert [*copy.deepcopy(shared)] == [*pickle.loads(pickle.dumps(shared))] == [*shared]


def test_what_changes_nothing_is_the_same_moment() -> None:
    removed = RemovedEntries(ENTRIES[:2])
    assert removed.changed(add=ENTRIES[:1], drop=ENTRIES[2:3]) is removed


def test_the_moments_of_a_history_share_what_they_hold() -> None:
    """Sets of their own would take a slot for each entry at each moment."""
    moments = [RemovedEntries()]
    gc.collect()
    tracemalloc.start()
    for index in range(1, 1001):
        moments.append(moments[-1].changed(add=[LogEntry(index, 1, b"")]))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(moments[-1]) == 1000
    assert taken / 1000 < 1000
