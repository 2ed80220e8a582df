"""Races around the close: background work, second closers, and who has the directory."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from wavetank.engine import (
    CancelToken,
    FileStorage,
)
from wavetank.engine.directory import let_go
from wavetank.engine.log.active import ActiveLog
from wavetank.engine.log.compaction import LogCompactor
from wavetank.engine.log.format import LogHeader
from wavetank.engine.log.reader import LogSection
from wavetank.scenarios.mutants.races.race import STORE, Race, race

__all__ = ["CLOSING_RACES"]

_COMPACTOR: Final = "_compactor"


class _ClosesBesideCompaction(FileStorage):
    """Closes without waiting for compaction in the background."""

    def close(self) -> None:
        with self._closing.update(self._timeout_s), ExitStack() as locks:
            if self._status.closed:
                return
            for lock in (self._snapshot_lock, self._published.lock, self._state_lock):
                locks.enter_context(lock.update(self._timeout_s))
            is_writable = self._status.writable
            self._status.close()
            if is_writable:
                self._finish()
            with self._releasing():
                self._published.log_file.retire()


class _GoesOnAfterClose(LogCompactor):
    """Rewrites the log to the end, whatever has become of the store."""

    def _rewrite(self, header: LogHeader, section: LogSection, cancel: CancelToken | None) -> None:
        new: ActiveLog | None = None
        log_file = self._published.log_file
        log_file.readers.append(None)
        try:
            new = self._copy(header, section, cancel)
            with self._published.lock.update():
                self._catch_up(new, section.end - 1)
                self._take_over(new)
        except BaseException:
            self._abandon(new)
            raise
        finally:
            log_file.leave()


class _LetsTheDirectoryGo(FileStorage):
    """Gives the lock of the directory back as soon as it works."""

    def _waiting(self, timeout: float | None) -> float | None:
        if self._lock_file is not None:
            let_go(self._lock_file)
        return super()._waiting(timeout)


class _UnlocksFirst(FileStorage):
    """Gives the lock of the directory back before the close has done its work."""

    def _finish(self) -> None:
        if self._lock_file is not None:
            let_go(self._lock_file)
        super()._finish()


class _ClosesTwice(FileStorage):
    """Looks whether it is closed before it takes the locks, and not under them."""

    def close(self) -> None:
        if self._status.closed:
            return
        self._auto_compaction.wait(self._options.truncation_timeout)
        with ExitStack() as locks:
            for lock in (
                self._snapshot_lock,
                self._compactor.lock,
                self._published.lock,
                self._state_lock,
            ):
                locks.enter_context(lock.update(self._timeout_s))
            self._status.close()
            self._finish()
            self._release()


class _ClosesUnderReaders(FileStorage):
    """Closes the file of the log without waiting for those who read it."""

    def _release(self) -> None:
        with self._releasing():
            log_file = self._published.log_file
            let_go(log_file.file)
            log_file.retire()


CLOSING_RACES: Final[tuple[Race, ...]] = (
    race(
        "L4",
        "compaction in the background goes on after the close, and renames its log",
        "what a newer instance has appended is lost",
        {STORE: _ClosesBesideCompaction, _COMPACTOR: _GoesOnAfterClose},
    ),
    race(
        "L5",
        "the lock of the directory is given back while the store is open",
        "two instances write one directory",
        {STORE: _LetsTheDirectoryGo},
    ),
    race(
        "Q1",
        "the lock of the directory is given back before the close has done its work",
        "the close damages what a newer instance has done",
        {STORE: _UnlocksFirst},
    ),
    race(
        "Q2",
        "two closers both do the work of the close",
        "a close that fails, on files that are closed",
        {STORE: _ClosesTwice},
    ),
    race(
        "Q3",
        "the close does not wait for those who read the log",
        "reads that fail",
        {STORE: _ClosesUnderReaders},
    ),
)
"""In the order in which they are shown."""
