"""Units of one kind of work, run here or in other processes, with their progress told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import TypeAlias, TypeVar

from attrs import frozen

__all__ = ["Progress", "Spread"]

_Result = TypeVar("_Result")

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and of how much."""


@frozen
class Spread:
    """Runs units of one kind, here or elsewhere, and returns their results in order.

    Attributes:
        executor: where they run; None: here.
        on_progress: told of each result.
    """

    executor: Executor | None
    on_progress: Progress | None

    def __call__(
        self, what: str, work: Callable[..., _Result], units: Sequence[tuple[object, ...]]
    ) -> tuple[_Result, ...]:
        """Return what some work makes of each unit, in their order."""
        results: list[_Result] = []
        for result in self._run(work, units):
            results.append(result)
            if self.on_progress is not None:
                self.on_progress(what, len(results), len(units))
        return tuple(results)

    def _run(
        self, work: Callable[..., _Result], units: Sequence[tuple[object, ...]]
    ) -> Iterator[_Result]:
        if self.executor is None:
            return (work(*unit) for unit in units)
        futures = [self.executor.submit(work, *unit) for unit in units]
        return (future.result() for future in futures)
