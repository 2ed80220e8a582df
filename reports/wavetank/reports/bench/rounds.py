"""Time contenders in rounds and turn the times into ratios with a spread."""

from __future__ import annotations

import resource
import time  # noqa: TID251 - a benchmark reads the clock of the machine
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from attrs import frozen

from wavetank.reports.bench.comparison import Attempt, Comparison, Scale

__all__ = [
    "Spread",
    "choose_units",
    "order_of_round",
    "processor_s",
    "ratios",
    "time_rounds",
    "units_within",
]


@frozen(kw_only=True)
class Spread:
    """The median of some samples, and the lowest and highest of them.

    Attributes:
        median: the middle sample, or the mean of the two middle ones.
        low: the lowest sample.
        high: the highest sample.
        count: how many samples there are.
    """

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """Summarise samples.

        Args:
            samples: at least one.

        Raises:
            ValueError: there are none.

        >>> Spread.of([3.0, 1.0, 2.0])
        Spread(median=2.0, low=1.0, high=3.0, count=3)
        """
        if not samples:
            raise ValueError("Spread.of: expected at least one sample, got none")
        return cls(median=median(samples), low=min(samples), high=max(samples), count=len(samples))


def ratios(peer_s: Sequence[float], engine_s: Sequence[float]) -> list[float]:
    """Return by how much the engine was faster than a peer, round by round.

    Both times of a pair come from one round, so that a slow minute of the machine slows both.

    Args:
        peer_s: the peer's time in each round, in seconds.
        engine_s: the engine's time for the same work in the same rounds.

    Raises:
        ValueError: the numbers of rounds differ, or the engine took no time.

    >>> ratios([2.0, 3.0], [1.0, 6.0])
    [2.0, 0.5]
    """
    if len(peer_s) != len(engine_s):
        raise ValueError(
            f"ratios: expected as many rounds of the peer as of the engine ({len(engine_s)}), "
            f"got {len(peer_s)}"
        )
    if any(each <= 0 for each in engine_s):
        raise ValueError(f"ratios: expected times of the engine above 0 s, got {min(engine_s)} s")
    return [peer / engine for peer, engine in zip(peer_s, engine_s, strict=True)]


def order_of_round(names: Sequence[str], number: int) -> list[str]:
    """Return the order in which contenders take their turn in a round.

    Rounds come in pairs, forwards and backwards, and the first one moves on by one from pair to
    pair. So nobody always follows the same neighbour and pays for what that one left in the caches,
    and over a pair everybody waits equally long.

    Args:
        names: every contender, at least one.
        number: of the round, from 0.

    >>> ["".join(order_of_round("abc", number)) for number in range(4)]
    ['abc', 'cba', 'bca', 'acb']
    """
    first = number // 2 % len(names)
    order = [*names[first:], *names[:first]]
    return order[::-1] if number % 2 else order


def units_within(
    budget_s: float | None, *, rounds: int, setup_s: float, unit_s: float, most: int
) -> int:
    """Return how many units of work each contender does in a round.

    Args:
        budget_s: seconds for all rounds; None for no limit.
        rounds: how many there are.
        setup_s: what a round costs beside the work, in seconds, all contenders together.
        unit_s: what a unit costs, in seconds, all contenders together.
        most: units, however fast the machine is.

    Returns:
        At most `most`, at least a tenth of it and 1, even if that takes longer than the budget.

    >>> units_within(7.0, rounds=7, setup_s=0.5, unit_s=0.01, most=400)
    50
    >>> units_within(None, rounds=7, setup_s=0.5, unit_s=0.01, most=400)
    400
    """
    if budget_s is None or unit_s <= 0:
        return most
    affordable = int((budget_s / rounds - setup_s) / unit_s)
    return max(1, most // 10, min(most, affordable))


def time_rounds(
    contenders: Mapping[str, Attempt],
    *,
    rounds: int,
    on_round: Callable[[int], None],
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time every contender once a round.

    Args:
        contenders: by name.
        rounds: how many.
        on_round: told of the number of rounds that are over.
        clock: in seconds.

    Returns:
        The seconds of each contender, by round.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        on_round(number)
        for name in order_of_round(list(contenders), number):
            times[name].append(_work_s(contenders[name], clock))
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


def _work_s(attempt: Attempt, clock: Callable[[], float] = time.perf_counter) -> float:
    with attempt() as work:
        started_s = clock()
        work()
        return clock() - started_s


def processor_s() -> float:
    """Return the processor time of this process and of its children that have ended, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
