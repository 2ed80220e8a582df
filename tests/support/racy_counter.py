"""A counter that two tasks may share, with and without a lock; its source is paused in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Counter"]


class Counter:
    """Counts, in four ways.

    Args:
        guard: entered around each change by `increment_guarded`.
    """

    def __init__(self, guard: Callable[[], object] | None = None) -> None:
        self.value = 0
        self.guard = guard

    def increment(self) -> None:
        """Read, then write: loses updates."""
        before = self.value
        self.value = before + 1

    def increment_in_place(self) -> None:
        """Read and write in one statement: loses updates all the same."""
        self.value += 1

    def increment_in_a_closure(self) -> None:
        """Do the same in a nested function."""

        def add(amount: int) -> None:
            before = self.value
            self.value = before + amount

        add(1)

    @contextmanager
    def increasing(self) -> Iterator[int]:
        """Do the same in a generator, around a block."""
        before = self.value
        yield before
        self.value = before + 1
