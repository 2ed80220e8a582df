"""Times contenders in rounds, each round in another order."""

from __future__ import annotations

import time  # noqa: TID251 - a benchmark reads the clock of the machine
from collections.abc import Callable, Mapping

from wavetank.reports.bench.comparison import Attempt, Comparison, Scale
from wavetank.reports.bench.samples import order_of_round, units_within

__all__ = ["choose_units", "time_rounds"]


def time_rounds(
    contenders: Mapping[str, Attempt], *, rounds: int, on_round: Callable[[int], None]
) -> dict[str, list[float]]:
    """Time every contender once a round.

    Args:
        contenders: by name.
        rounds: how many.
        on_round: told of the number of rounds that are over.

    Returns:
        The seconds of each contender, by round.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        on_round(number)
        for name in order_of_round(list(contenders), number):
            times[name].append(_work_s(contenders[name]))
    return times


def choose_units(comparison: Comparison, scale: Scale) -> int:
    """Return how many units of work a round does, so that all rounds keep to their budget.

    Every contender does a tenth of the work first. That also loads what is loaded only once.
    """
    trial = max(1, comparison.most_units // 10)
    work_s = 0.0
    started_s = time.perf_counter()
    for attempt in comparison.contenders(trial).values():
        work_s += _work_s(attempt)
    setup_s = time.perf_counter() - started_s - work_s
    return units_within(
        scale.budget_s,
        rounds=scale.rounds,
        setup_s=setup_s,
        unit_s=work_s / trial,
        most=comparison.most_units,
    )


def _work_s(attempt: Attempt) -> float:
    with attempt() as work:
        started_s = time.perf_counter()
        work()
        return time.perf_counter() - started_s
