"""One use of a lock as a context manager: cancelled on the way in, and told of if it was slow.

Left out: who may enter when (locker.py).
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from wavetank.engine.errors import OperationCancelledError
from wavetank.engine.storage import CancelToken

__all__ = ["Hold", "WatchedHold"]


class Hold:
    """One use of the lock as a context manager; a class, since a generator costs twice as much."""

    __slots__ = ("_cancel", "_enter", "_leave", "_timeout_s")

    def __init__(
        self,
        enter: Callable[[float | None], None],
        leave: Callable[[], None],
        timeout_s: float | None,
        cancel: CancelToken | None,
    ) -> None:
        self._enter = enter
        self._leave = leave
        self._timeout_s = timeout_s
        self._cancel = cancel

    def __enter__(self) -> None:
        if self._cancel is None:
            self._enter(self._timeout_s)
            return
        _require_wanted(self._cancel)
        self._enter(self._timeout_s)
        try:
            _require_wanted(self._cancel)
        except BaseException:
            self._leave()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()


class WatchedHold:
    """A use of the lock that is told of if it was slow, whether it ended well or not."""

    __slots__ = ("_hold", "_mode", "_now_s", "_on_slow", "_slow_after_s", "_start_s")

    def __init__(
        self,
        hold: Hold,
        mode: str,
        now_s: Callable[[], float],
        slow_after_s: float,
        on_slow: Callable[[str, float], None],
    ) -> None:
        self._hold = hold
        self._mode = mode
        self._now_s = now_s
        self._slow_after_s = slow_after_s
        self._on_slow = on_slow
        self._start_s = 0.0

    def __enter__(self) -> None:
        self._start_s = self._now_s()
        try:
            self._hold.__enter__()
        except BaseException:
            self._tell()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hold.__exit__(kind, error, trace)
        self._tell()

    def _tell(self) -> None:
        duration_s = self._now_s() - self._start_s
        if duration_s >= self._slow_after_s:
            self._on_slow(self._mode, duration_s)


def _require_wanted(cancel: CancelToken) -> None:
    if cancel.is_set():
        raise OperationCancelledError("the cancel token was set before anything was written")
