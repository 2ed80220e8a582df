"""Calls at once, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["together"]

_T = TypeVar("_T")


def together(calls: Sequence[Callable[[], _T]]) -> list[_T]:
    """Make calls at once, and wait for all of them.

    Args:
        calls: functions without arguments; none begins before all threads have been started.

    Returns:
        What they returned, in their order; what the first of them raised comes out.

    >>> together([lambda: 1, lambda: 2])
    [1, 2]
    """
    start = threading.Event()
    results: dict[int, _T] = {}
    errors: dict[int, BaseException] = {}

    def work(number: int, call: Callable[[], _T]) -> None:
        start.wait()
        try:
            results[number] = call()
        except Exception as error:  # noqa: BLE001 - raised to the caller
            errors[number] = error

    threads = [
        threading.Thread(
            target=work, args=each, name=f"{each[0]} {getattr(each[1], '__name__', 'call')}"
        )
        for each in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    start.set()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in range(len(calls))]
