"""Auto compaction: drops what a new snapshot covers, inside the call or beside it.

Left out: copying (_log_compactor.py), and which entries are retained (_log_store.py).
"""

from __future__ import annotations

import logging
from functools import partial

from wavetank.engine._directory import is_full_disk
from wavetank.engine._health import Health
from wavetank.engine._log_store import LogStore
from wavetank.engine.errors import OperationCancelledError, StorageError, StorageIOError
from wavetank.engine.runtime import Runtime, Task

__all__ = ["AutoCompaction"]


class AutoCompaction:
    """Compacts the log after snapshots.

    Args:
        log: what to compact.
        health: poisoned by a failure in the background, so that the next change tells of it.
        runtime: where threads come from.
        logger: told about what nobody is there to be told of.
        in_background: run beside the caller.
    """

    def __init__(
        self,
        log: LogStore,
        *,
        health: Health,
        runtime: Runtime,
        logger: logging.Logger,
        in_background: bool,
    ) -> None:
        self._log = log
        self._health = health
        self._runtime = runtime
        self._logger = logger
        self._in_background = in_background
        self._tasks: list[Task] = []

    def behind(self, index: int) -> None:
        """Drop the entries up to a snapshot's index, but for the retained ones.

        Raises:
            StorageError: it was tried inside the call, and failed for another reason than room.
        """
        if not self._in_background:
            self._compact_if_there_is_room(index)
            return
        self._tasks = [task for task in self._tasks if not task.done()]
        work = partial(self._compact_beside, index)
        self._tasks.append(self._runtime.spawn("wavetank-compaction", work))

    def wait(self, timeout_s: float) -> None:
        """Wait for each compaction in the background, at most so many seconds."""
        for task in self._tasks:
            task.join(timeout_s)

    def _compact_beside(self, index: int) -> None:
        try:
            self._compact_if_there_is_room(index)
        except OperationCancelledError:
            self._logger.info("compaction behind index %d gave way to close", index)
        except StorageError as error:
            self._health.poison(error)
            self._logger.warning("compaction behind index %d failed: %s", index, error)

    def _compact_if_there_is_room(self, index: int) -> None:
        try:
            self._log.compact_behind(index)
        except StorageIOError as error:
            if self._health.cause is not None or not is_full_disk(error):
                raise
            self._logger.warning(
                "compaction behind index %d: %s; the next snapshot tries again", index, error
            )
