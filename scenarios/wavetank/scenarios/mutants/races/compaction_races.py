"""Races in compaction: a new log in the place of the old one, beside appends and truncations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wavetank.engine import CancelToken
from wavetank.engine.directory import LOG
from wavetank.engine.log.active import ActiveLog
from wavetank.engine.log.compaction import LogCompactor, successor
from wavetank.engine.log.format import LogHeader
from wavetank.engine.log.log import LogWriter
from wavetank.engine.log.reader import LogSection
from wavetank.scenarios.mutants.races.race import Race, race

__all__ = ["COMPACTION_RACES"]

_WRITER: Final = "_log_writer"
_COMPACTOR: Final = "_compactor"


class _CopiesOnly(LogCompactor):
    """Puts the copy in the place of the log as it was when the copying began."""

    def _catch_up(self, new: ActiveLog, copied_through: int) -> None:
        pass


class _CatchesUpEarly(LogCompactor):
    """Catches up with the log before it takes the log's lock."""

    def _rewrite(self, header: LogHeader, section: LogSection, cancel: CancelToken | None) -> None:
        new: ActiveLog | None = None
        try:
            with self._preparing():
                new = self._copy(header, section, cancel)
                self._catch_up(new, section.end - 1)
            with self._published.lock.update():
                with self._preparing():
                    self._status.require_writable()
                with self._poison_on_error():
                    self._take_over(new)
        except BaseException:
            self._abandon(new)
            self._discard_copy()
            raise


class _TellsNobody(LogWriter):
    """Truncates a suffix without a word to the compaction that is copying it."""

    def _truncate_from(self, first_removed: int, last_term: int) -> None:
        kept_through = self.kept_through
        super()._truncate_from(first_removed, last_term)
        self.kept_through = kept_through


class _NamesInTwoSteps(LogCompactor):
    """Removes the old log before it gives the new one its name."""

    def _take_over(self, new: ActiveLog) -> None:
        self._directory.unlink(LOG)
        super()._take_over(new)


class _LocksTheLogFirst(LogCompactor):
    """Takes the lock of the log, and then the one of rewriting; others do it the other way."""

    def _compact(
        self,
        first_kept: Callable[[ActiveLog], int],
        timeout_s: float | None,
        cancel: CancelToken | None,
    ) -> None:
        with self._published.lock.update(timeout_s, cancel):
            log = self._writer.log
            index = first_kept(log)
            if index <= log.first_index:
                return
            self.lock.acquire_update(timeout_s, cancel)
            header = successor(log, index - 1, self._frames.term(log, index - 1))
            section = self._frames.section(log, index, log.last_index + 1)
            self._writer.watch()
        try:
            self._rewrite(header, section, cancel)
        finally:
            self.lock.release_update()


class _TwoAtOnce(LogCompactor):
    """Rewrites the log without a lock that keeps a second rewrite out."""

    def _compact(
        self,
        first_kept: Callable[[ActiveLog], int],
        timeout_s: float | None,
        cancel: CancelToken | None,
    ) -> None:
        with self._published.lock.update(timeout_s, cancel):
            log = self._writer.log
            index = first_kept(log)
            if index <= log.first_index:
                return
            header = successor(log, index - 1, self._frames.term(log, index - 1))
            section = self._frames.section(log, index, log.last_index + 1)
            self._writer.watch()
        self._rewrite(header, section, cancel)


COMPACTION_RACES: Final[tuple[Race, ...]] = (
    race(
        "K1",
        "what is appended while the log is copied does not reach the new log",
        "acknowledged entries lost",
        {_COMPACTOR: _CopiesOnly},
    ),
    race(
        "K2",
        "a rewrite catches up with appends before it takes the lock of the log",
        "acknowledged entries lost",
        {_COMPACTOR: _CatchesUpEarly},
    ),
    race(
        "K3",
        "a suffix truncation does not reach the log that is being copied",
        "deleted entries return",
        {_WRITER: _TellsNobody},
    ),
    race(
        "K4",
        "the old log is removed before the new one has its name",
        "a directory without a log, for whoever looks at it and after a power cut",
        {_COMPACTOR: _NamesInTwoSteps},
    ),
    race(
        "K5",
        "compaction takes the lock of the log before the one of rewriting",
        "a deadlock, which only the time limits of the locks end",
        {_COMPACTOR: _LocksTheLogFirst},
    ),
    race(
        "K6",
        "nothing keeps two rewrites of the log apart",
        "a log that is a mixture of two",
        {_COMPACTOR: _TwoAtOnce},
    ),
)
"""In the order in which they are shown."""
