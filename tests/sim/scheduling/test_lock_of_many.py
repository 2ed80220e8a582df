"""A simulated lock has one holder, whoever takes it while others are about to."""

from wavetank.sim.scheduling.runtime import SimRuntime
from wavetank.sim.scheduling.strategies import Pct, Sticky, Strategy


def most_inside(strategy: Strategy) -> int:
    """Return how many tasks were inside one lock at once."""
    inside, most = 0, 0
    with SimRuntime(strategy) as runtime:
        lock = runtime.lock()

        def work() -> None:
            nonlocal inside, most
            for _ in range(3):
                with lock:
                    inside += 1
                    most = max(most, inside)
                    runtime.pause()
                    runtime.pause()
                    inside -= 1

        for task in [runtime.spawn(name, work) for name in "abc"]:
            task.join()
    return most


def test_one_task_at_a_time_is_inside_a_lock() -> None:
    strategies: list[Strategy] = [
        *(Pct(seed, steps=60, depth=5) for seed in range(100)),
        *(Sticky(seed, 4) for seed in range(100)),
    ]
    assert {most_inside(strategy) for strategy in strategies} == {1}
