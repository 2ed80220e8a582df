"""The services of one open store, each behind its lock, and what they mean to one another.

Lock order: snapshot, rewrite of the log, log; state stands alone. Left out: the public face
(file_storage.py), and what each service does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from wavetank.engine.directory import LOG, RECOVERY_MARKER, StoreDirectory, let_go
from wavetank.engine.errors import OperationCancelledError, StorageError, StorageIOError
from wavetank.engine.filesystem import File
from wavetank.engine.inspection import Guards
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.log.log import LogStore
from wavetank.engine.metrics import Counter, Meter
from wavetank.engine.options import FileStorageOptions
from wavetank.engine.recovery import RecoveredStore
from wavetank.engine.report import VerifyReport
from wavetank.engine.runtime import Runtime, Task
from wavetank.engine.snapshot_store import InPlaceSnapshotWriter, SnapshotStore, SnapshotWriter
from wavetank.engine.state import StateStore
from wavetank.engine.status import Health, Reading, is_full_disk
from wavetank.engine.storage import CancelToken, SnapshotData
from wavetank.engine.values import SnapshotMetadata
from wavetank.engine.verify import examine, examine_once

__all__ = ["Services"]


class Services:
    """State, log and snapshots of a recovered store.

    Args:
        directory: where it lives.
        recovered: what recovery hands over.
        options: how it behaves.
        lock_file: the open LOCK, closed last; None for a store that takes no lock.
        runtime: locks, threads and clock.
        health: the store's condition.
        meter: is told of what happens.
        logger: likewise.

    Attributes:
        state: term and vote.
        log: the entries.
        snapshots: the snapshot.
    """

    def __init__(
        self,
        directory: StoreDirectory,
        recovered: RecoveredStore,
        options: FileStorageOptions,
        *,
        lock_file: File | None,
        runtime: Runtime,
        health: Health,
        meter: Meter,
        logger: logging.Logger,
    ) -> None:
        self._directory = directory
        self._options = options
        self._lock_file = lock_file
        self._runtime = runtime
        self._health = health
        self._meter = meter
        self._logger = logger
        self._state_lock = self._lock("state")
        self._log_lock = self._lock("log")
        self._rewrite_lock = self._lock("log rewrite")
        self._snapshot_lock = self._lock("snapshot")
        self.state = StateStore(
            directory,
            recovered.state,
            lock=self._state_lock,
            health=health,
            atomic=options.features.atomic_writes,
        )
        self.snapshots = self._snapshot_store(recovered)
        self.log = LogStore(
            directory,
            recovered.log,
            published=recovered.metadata,
            current_snapshot=self.snapshots.metadata,
            options=options,
            lock=self._log_lock,
            rewrite_lock=self._rewrite_lock,
            health=health,
            meter=meter,
        )
        self._compaction = AutoCompaction(
            self.log,
            health=health,
            runtime=runtime,
            logger=logger,
            in_background=options.features.async_truncation,
        )

    def _snapshot_store(self, recovered: RecoveredStore) -> SnapshotStore:
        atomic = self._options.features.atomic_writes
        chunk_size = self._options.transfer_size
        record, file = recovered.snapshot.record, recovered.snapshot.file
        return SnapshotStore(
            self._directory,
            (record, file) if record and file else None,
            runtime=self._runtime,
            lock=self._snapshot_lock,
            writer=(SnapshotWriter if atomic else InPlaceSnapshotWriter)(
                self._directory, chunk_size=chunk_size, health=self._health
            ),
            chunk_size=chunk_size,
            health=self._health,
        )

    def _lock(self, name: str) -> RWOperationLocker:
        # Work that has passed the point of no return waits without limit; calls bring their own.
        def on_slow(mode: str, duration_s: float) -> None:
            self._meter.count(Counter.SLOW_OPERATIONS)
            self._logger.info("slow: %s of the %s took %.3f s", mode, name, duration_s)

        return RWOperationLocker(
            self._runtime,
            name=name,
            default_timeout_s=None,
            on_slow=on_slow if self._options.features.metrics else None,
        )

    def sizes(self) -> dict[str, int]:
        """Return the sizes that the metrics tell; no I/O."""
        sizes = {"state_size": self.state.size, "snapshot_size": self.snapshots.size}
        return sizes | self.log.sizes()

    def save_snapshot(
        self,
        metadata: SnapshotMetadata,
        data: SnapshotData,
        timeout_s: float | None,
        cancel: CancelToken | None,
    ) -> None:
        """Replace the snapshot, and let the log follow; see `Storage.save_snapshot`."""
        with self._snapshot_lock.update(timeout_s, cancel):
            self._health.require_writable()
            base_index = self.log.bounds.first_index - 1
            self.snapshots.replace(metadata, data, base_index=base_index, cancel=cancel)
            discarded = self.log.align_with(metadata)
        if self._options.auto_truncate_on_snapshot and not discarded:
            self._compaction.behind(metadata.last_included_index)

    def examine(self, timeout_s: float | None, cancel: CancelToken | None) -> VerifyReport:
        """Read everything back; see `FileStorage.verify`.

        Small files are read, and large ones opened, a part at a time behind its lock; large
        ones are read beside other calls.
        """
        needs_snapshot = self._options.compaction_requires_snapshot
        with Reading("verification", self._directory.path):
            if self._health.read_only:
                return examine(self._directory, needs_snapshot=needs_snapshot)
            guards = Guards(
                state=self._guard(self._state_lock, timeout_s, cancel),
                log=self._guard(self._log_lock, timeout_s, cancel),
                snapshot=self._guard(self._snapshot_lock, timeout_s, cancel),
                log_end=lambda: self.log.end,
            )
            return examine_once(self._directory, needs_snapshot=needs_snapshot, guards=guards)

    @contextmanager
    def _guard(
        self, lock: RWOperationLocker, timeout_s: float | None, cancel: CancelToken | None
    ) -> Iterator[None]:
        with lock.update(timeout_s, cancel):
            self._health.require_open()
            yield

    def close(self, timeout_s: float | None) -> None:
        """End background work, make everything durable, release the directory.

        Args:
            timeout_s: seconds to wait for each lock.

        Raises:
            LockTimeoutError: another call still runs; nothing is closed.
            StorageIOError: the filesystem refused; the files are closed all the same.
        """
        self._compaction.wait(self._options.truncation_timeout)
        self._health.closing = True
        try:
            with (
                self._snapshot_lock.update(timeout_s),
                self._rewrite_lock.update(timeout_s),
                self._log_lock.update(timeout_s),
                self._state_lock.update(timeout_s),
            ):
                self._close_alone()
        finally:
            self._health.closing = False

    def _close_alone(self) -> None:
        if self._health.closed:
            return  # by another thread, while this one waited for the locks
        self._health.closed = True
        try:
            if self._health.cause is None and not self._health.read_only:
                self._finish()
        finally:
            self._release()

    def _finish(self) -> None:
        with self._health.mutation("close of the store", self._directory.path_of(LOG)):
            self.log.finish()
            self._directory.unlink(RECOVERY_MARKER)
            self._directory.sync()

    def _release(self) -> None:
        # Readers that are still inside have the files; they leave before anything is closed.
        with self._log_lock.exclusive():
            self.log.close()
        self.snapshots.close()
        if self._lock_file is not None:
            let_go(self._lock_file)


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
