"""The log that counts, behind its lock, and how memory takes up what the disk already has.

Left out: every byte; its users write first and tell afterwards.
"""

from __future__ import annotations

from wavetank.engine._active_log import ActiveLog
from wavetank.engine._directory import let_go
from wavetank.engine._frame import FrameHeader
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.values import LogBounds

__all__ = ["CurrentLog"]


class CurrentLog:
    """The log as readers see it.

    Args:
        log: log.dat, open and recovered.
        lock: guards it; whoever changes it holds the update.

    Attributes:
        log: the log; another one after `replace`.
        bounds: its extent as one value, read without the lock.
        lock: the lock.
        kept_through: index up to which the log has stayed what it was at the last `watch`.
    """

    def __init__(self, log: ActiveLog, lock: RWOperationLocker) -> None:
        self.log = log
        self.bounds: LogBounds = log.bounds()
        self.lock = lock
        self.kept_through = log.last_index

    def watch(self) -> None:
        """Begin to note how far the log stays what it is now; one watcher at a time."""
        self.kept_through = self.log.last_index

    def accept(self, frame: FrameHeader, *, synced: bool) -> None:
        """Show a frame that has been written, and made durable if `synced`."""
        with self.lock.exclusive():
            log = self.log
            log.accept(frame)
            self.kept_through = min(self.kept_through, log.last_index)
            if synced:
                log.durable_batch = log.last_batch
            self.bounds = log.bounds()

    def replace(self, new: ActiveLog) -> None:
        """Show another log, and close the file of the one before."""
        old = self.log
        with self.lock.exclusive():
            self.log = new
            self.bounds = new.bounds()
        let_go(old.file)
