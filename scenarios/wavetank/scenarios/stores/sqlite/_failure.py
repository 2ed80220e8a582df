"""The first refusal since somebody asked, so that what SQLite makes of it hides nothing.

SQLite tells a caller one code, and often goes on to clean up after it. What the filesystem really
said is noted here. After a signal, such as the end of a process under simulation, the dead process
touches nothing any more, whatever SQLite tries.
"""

from __future__ import annotations

import errno
from types import TracebackType
from typing import Final

import apsw

from wavetank.scenarios.stores.sqlite._refusals import refusal

__all__ = ["Failure"]

_PASSED_ON: Final = (apsw.Error,)


class Failure:
    """What went wrong below SQLite.

    Attributes:
        first: the first refusal or signal that nobody has taken yet.
    """

    __slots__ = ("_notes", "first", "over")

    def __init__(self) -> None:
        self.first: BaseException | None = None
        self.over = False
        self._notes: dict[tuple[int, bool], _Noting] = {}

    def noting(self, code: int, *, closing: bool = False) -> _Noting:
        """Turn what the filesystem refuses into SQLite's `code`, and note it.

        Args:
            code: SQLite's code for a refusal at this place.
            closing: whether it only gives something back, which is done even when all is over.
        """
        note = self._notes.get((code, closing))
        if note is None:
            note = self._notes[code, closing] = _Noting(self, code, closing=closing)
        return note

    def note(self, error: BaseException | None) -> bool:
        """Note an error, if none is; a refusal that was noted already is not noted again."""
        if self.first is None and not isinstance(error, _PASSED_ON):
            self.first = error
        return True

    def take(self) -> BaseException | None:
        """Return the first refusal, and forget it; a signal is never forgotten."""
        first = self.first
        if isinstance(first, Exception):
            self.first = None
        return first

    def end(self) -> None:
        """Let nothing through any more: nobody is left who could want it."""
        self.over = True


class _Noting:
    """Guards one call on the filesystem."""

    __slots__ = ("_closing", "_code", "_failure")

    def __init__(self, failure: Failure, code: int, *, closing: bool) -> None:
        self._failure = failure
        self._code = code
        self._closing = closing

    def __enter__(self) -> None:
        if self._failure.over and not self._closing:
            first = self._failure.first
            if first is not None and not isinstance(first, Exception):
                # Again and again: apsw tells its caller the last of them.
                raise first
            raise refusal(OSError(errno.EBADF, "the process has ended"), self._code)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, _PASSED_ON):
            return
        failure = self._failure
        if failure.first is None:
            failure.first = error
        if isinstance(error, OSError):
            raise refusal(error, self._code) from error
        if not isinstance(error, Exception):
            failure.first = error
            failure.over = True
