"""The concurrent scenarios on real threads and a real directory: histories are linearizable."""

from pathlib import Path

import pytest
from racy_stores import EARLY_INDEX

from wavetank.scenarios import BUILTIN, CONCURRENT_SCENARIOS
from wavetank.scenarios.concurrency.concurrent_run import start_of
from wavetank.scenarios.concurrency.stress import run_on_threads

NAMES = [
    name
    for name, each in CONCURRENT_SCENARIOS.items()
    if not (each.slow_calls or each.pairs) and name != "concurrent-deadlines"
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("runs", [2, pytest.param(60, marks=pytest.mark.minutes)])
def test_a_history_of_real_threads_is_linearizable(name: str, runs: int, tmp_path: Path) -> None:
    start = start_of(CONCURRENT_SCENARIOS[name].workload(0), BUILTIN)
    for number in range(runs):
        verdict = run_on_threads(start, str(tmp_path / f"store-{number}"))
        assert verdict.failure is None, verdict.failure


@pytest.mark.minutes
def test_real_threads_may_meet_an_index_that_is_shown_too_early(tmp_path: Path) -> None:
    """What a scheduler finds at once takes threads some luck: here a sync is slow enough."""
    start = start_of(CONCURRENT_SCENARIOS["concurrent-readers"].workload(0), EARLY_INDEX)
    verdicts = [run_on_threads(start, str(tmp_path / f"store-{n}")) for n in range(200)]
    assert any(not verdict.linearizable for verdict in verdicts)
