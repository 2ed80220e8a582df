"""A caller gives up waiting and withdraws its batch while another takes batches from the queue.

Found by the scenario concurrent-timeouts: the batch was withdrawn between the look whether there is
one and the taking, which raised IndexError and poisoned the store.
"""

from attrs import evolve

from wavetank.engine import LogEntry
from wavetank.scenarios import BUILTIN, CONCURRENT_SCENARIOS
from wavetank.scenarios.concurrency.concurrent_run import start_of
from wavetank.scenarios.concurrency.schedules import Player
from wavetank.scenarios.raft.steps import Append, TaskPlan, TaskStep
from wavetank.sim.scheduling.schedule import Grain
from wavetank.sim.scheduling.strategies import RandomChoice


def test_a_batch_that_is_withdrawn_while_others_are_taken_harms_nobody() -> None:
    batch = Append((LogEntry(7, 1, b"seven"),))
    workload = evolve(
        CONCURRENT_SCENARIOS["concurrent-timeouts"].workload(0),
        tasks=(
            TaskPlan(name="writer", steps=(TaskStep(call=batch),)),
            TaskPlan(name="hasty", steps=(TaskStep(call=batch, timeout_s=0.0),)),
        ),
        after=(),
        slow_calls=(),
    )
    results: set[tuple[str, ...]] = set()
    with Player(start_of(workload, BUILTIN)) as player:
        for seed in range(150):
            run = player.run(RandomChoice(seed), Grain.STORES, thorough=False)
            assert run.problem is None, (run.problem, str(run.schedule))
            calls = sorted(run.history.calls, key=lambda call: call.task)
            results.add(tuple(str(call.result) for call in calls))
    assert results == {("timed out", "done"), ("refused", "done"), ("done", "refused")}
