"""Every scenario does the same in every process, whatever the hash seed and what carries tasks."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from wavetank.scenarios import ALL_SCENARIOS

TOLD = """
import sys
from wavetank.scenarios import ALL_SCENARIOS, BUILTIN, RunPlan, events_of, run
from wavetank.scenarios.concurrency.concurrent_run import start_of
from wavetank.scenarios.concurrency.schedules import Player, explore_schedules
from wavetank.sim.scheduling.switching import BatonThreads, Greenlets

back_end = {"greenlets": Greenlets, "threads": BatonThreads}[sys.argv[1]]
for name, scenario in ALL_SCENARIOS.items():
    if scenario.family and name != "exhaustive-2":
        continue
    plan = RunPlan(
        scenarios=(name,), seeds=(0,), profiles=("posix",), backend="builtin",
        max_images=20, schedules=6, cluster_runs=2,
    )
    result = run(plan)
    print(name, *events_of(result))
    if scenario.has_tasks:
        workload = next(iter(scenario.workloads(seed=0)))
        with Player(start_of(workload, BUILTIN), switching=back_end) as player:
            print(name, *explore_schedules(player, seed=1, count=12).events)
"""


def told(hash_seed: str, back_end: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", TOLD, back_end],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.minutes
def test_every_scenario_does_the_same_in_every_process_and_on_both_back_ends() -> None:
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(told, ("1", "2"), ("greenlets", "threads"))
    run = {line.split()[0] for line in one}
    assert run == {name for name in ALL_SCENARIOS if name != "exhaustive-3"}
    assert one == other
