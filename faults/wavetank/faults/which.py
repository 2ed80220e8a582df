"""Which of the operations that match are struck: from which number on, how many, by what chance.

Left out: counting them (_tally.py).
"""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import ge, instance_of

__all__ = ["Chance", "Which"]


@frozen
class Chance:
    """A throw of dice at each match.

    Attributes:
        probability: that it is struck, more than 0 and at most 1.
        stream: the name of the random numbers. The n-th match takes the n-th number of the stream,
            whatever other faults do; with another name or another seed of the run, others.

    Raises:
        ValueError: the probability is none, or the name is no word or holds ``#`` or ``:``.

    >>> print(Chance(0.1, "disk"))
    with probability 0.1 from disk
    """

    probability: float = field(validator=instance_of(float))
    stream: str = field(validator=instance_of(str))

    def __attrs_post_init__(self) -> None:
        self._check_probability()
        self._check_stream()

    def _check_probability(self) -> None:
        probability = self.probability
        if not 0 < probability <= 1:
            raise ValueError(f"probability: expected more than 0, at most 1, but got {probability}")

    def _check_stream(self) -> None:
        stream = self.stream
        if stream.split() != [stream] or set("#:") & set(stream):
            raise ValueError(f"stream: expected a word without '#' or ':' but got {stream!r}")

    def __str__(self) -> str:
        return f"with probability {self.probability!r} from {self.stream}"


@frozen(kw_only=True)
class Which:
    """Which of the operations that match are struck.

    Attributes:
        first: the number of the first of them, from 1 on.
        times: how many in a row; None from then on.
        chance: by which each of these is struck; None for all. Only with ``times=None``.

    Raises:
        ValueError: a number is less than 1, or a chance stands beside a number of times.
    """

    first: int = field(default=1, validator=[instance_of(int), ge(1)])
    times: int | None = field(default=1)
    chance: Chance | None = field(default=None)

    def __attrs_post_init__(self) -> None:
        self._check_times()
        self._check_chance()

    def _check_times(self) -> None:
        times = self.times
        if times is not None and times < 1:
            raise ValueError(f"times: expected None or a number >= 1 but got {times}")

    def _check_chance(self) -> None:
        chance = self.chance
        if chance is not None and self.times is not None:
            raise ValueError(f"times: expected None beside '{chance}' but got {self.times}")

    def holds(self, number: int) -> bool:
        """Whether the match of this number may be struck, by chance if there is one."""
        return self.first <= number and (self.times is None or number < self.first + self.times)

    def __str__(self) -> str:
        if self.chance is not None:
            return f" {self.chance}"
        if self.times is None:
            return " from now on"
        return "" if self.times == 1 else f" {self.times} times"
