"""Which of the operations that match are struck: from which number on, and how many.

Left out: counting them (injector.py).
"""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import ge, instance_of

__all__ = ["Which"]


@frozen(kw_only=True)
class Which:
    """Which of the operations that match are struck.

    Attributes:
        first: the number of the first of them, from 1 on.
        times: how many in a row; None from then on.

    Raises:
        ValueError: a number is less than 1.
    """

    first: int = field(default=1, validator=[instance_of(int), ge(1)])
    times: int | None = field(default=1)

    @times.validator
    def _check_times(self, _: object, times: int | None) -> None:
        if times is not None and times < 1:
            raise ValueError(f"times: expected None or a number >= 1 but got {times}")

    def holds(self, number: int) -> bool:
        """Whether the match of this number is struck."""
        return self.first <= number and (self.times is None or number < self.first + self.times)

    def __str__(self) -> str:
        if self.times is None:
            return " from now on"
        return "" if self.times == 1 else f" {self.times} times"
