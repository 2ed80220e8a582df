"""What judging an image costs, counted: recoveries, and Python calls.

Counts do not depend on the machine's load, so each is held to the value that was seen, or to a
small margin above it. What the engine's own operations cost is in tests/engine/test_costs.py.
"""

import gc
import sys
from typing import Final

import pytest
from counting import calls_made

from wavetank.scenarios.catalogue import SCENARIOS
from wavetank.scenarios.exploration.explorer import Exploration, explore
from wavetank.scenarios.raft.recording import record
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.raft.reopening.recovery_run import RecoveryCache
from wavetank.scenarios.stores.registry import BUILTIN
from wavetank.sim import EXT4, SEQUENTIAL, Profile

RUN: Final = record(SCENARIOS["election-storm"].workload(0), BUILTIN)


@pytest.mark.parametrize(
    ("profile", "legal", "recoveries"), [(SEQUENTIAL, 167, 204), (EXT4, 767, 565)]
)
def test_images_share_recoveries(profile: Profile, legal: int, recoveries: int) -> None:
    explored = explore(RUN, profile)
    assert (explored.legal, explored.judged) == (legal, legal)
    # Each image has a recovery and a second crash, and many are equal in all that these read.
    assert explored.recoveries <= recoveries


def test_an_image_takes_at_most_3900_calls_of_python() -> None:
    explored: list[Exploration] = []
    calls = calls_made(lambda: explored.append(explore(RUN, SEQUENTIAL)))
    # Those written in C count too; where images share recoveries, as under other profiles, fewer.
    assert 1000 < calls / explored[0].judged <= 3900


def test_forgetting_recoveries_costs_recoveries_and_changes_no_verdict() -> None:
    cache = RecoveryCache(RUN.workload, RUN.backend)
    cache.most_remembered = 10
    subject = RaftSubject(RUN.workload, RUN.backend, cache=cache)
    forgetful, usual = explore(RUN, SEQUENTIAL, subject=subject), explore(RUN, SEQUENTIAL)
    assert forgetful.digest == usual.digest
    assert forgetful.points == usual.points
    assert usual.recoveries < forgetful.recoveries < 2 * usual.recoveries


@pytest.mark.slow
def test_what_an_exploration_remembers_goes_with_it() -> None:
    explore(RUN, SEQUENTIAL)  # fills what is kept for all, such as hashes of blocks
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(2):
        explore(RUN, SEQUENTIAL)
    gc.collect()
    # Nothing for each image, of which there are 167: a handful that Python itself keeps.
    assert sys.getallocatedblocks() - before < 100
