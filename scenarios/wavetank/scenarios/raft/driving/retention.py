"""What compactions of this project's engine must have removed by now (O20).

The model takes any first index that is low enough, since no promise to a node depends on what a
store keeps behind its snapshot. The engine promises more: a compaction that has ended keeps
``retained_log_size`` entries and no others that may go. Without this check one that does nothing
would pass everything else, and the log would grow for ever.
"""

from __future__ import annotations

from collections.abc import Iterator

from wavetank.engine import FileStorageOptions, LogBounds
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.model import ModelState
from wavetank.scenarios.raft.steps import (
    Cancelled,
    Interrupted,
    KillProcess,
    SaveSnapshot,
    Step,
    TruncatePrefix,
)

__all__ = ["Retention"]


class Retention:
    """Follows a run step by step, and knows how low the first index may still be.

    Args:
        options: of the store.
    """

    def __init__(self, options: FileStorageOptions) -> None:
        self._options = options
        self._floor = 0
        # Behind which entry a snapshot of the step before lets a compaction in the background go,
        # and where the log ended then: it may run before the next step or behind it.
        self._pending: tuple[int, int] | None = None

    def take(self, step: Step, shown: ModelState) -> None:
        """Note what a step that has returned lets go.

        Args:
            step: it, with all background work of the step before it.
            shown: what the store holds now.
        """
        inner = step.step if isinstance(step, (Cancelled, Interrupted)) else step
        pending, self._pending = self._pending, None
        if isinstance(step, (KillProcess, Interrupted)):
            # What was under way has ended with the process, or has never become durable.
            self._floor = self._floor if isinstance(step, KillProcess) else 0
        elif pending is not None:
            self._raise(pending[0], min(pending[1], shown.last_index))
        if isinstance(inner, TruncatePrefix):
            self._raise(inner.index, shown.last_index)
        elif isinstance(inner, SaveSnapshot) and self._options.auto_truncate_on_snapshot:
            self._pending = (inner.metadata.last_included_index + 1, shown.last_index)

    def problems(self, bounds: LogBounds) -> Iterator[Problem]:
        """Yield that a log begins too early, if it does."""
        if bounds.first_index < self._floor:
            yield Problem(
                "O20",
                "a compaction leaves what may go",
                f"expected a log that begins at {self._floor} or behind it, with "
                f"{self._options.retained_log_size} entries retained, but it is {bounds}",
            )

    def _raise(self, first_kept: int, last_index: int) -> None:
        kept_from = last_index + 1 - self._options.retained_log_size
        self._floor = max(self._floor, min(first_kept, kept_from))
