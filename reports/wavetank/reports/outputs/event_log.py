"""Events as NDJSON, written to files while they come."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Self

from wavetank.reports.documents.events import event_line
from wavetank.scenarios import Event

__all__ = ["EventLog"]


class EventLog:
    """Takes events, and writes each as one line to every file; a context manager.

    Args:
        paths: of the files, which are made anew.

    Raises:
        OSError: a file cannot be written.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._digest = blake2b(digest_size=16)
        self._stack = ExitStack()
        with ExitStack() as opening:
            self._files = [
                opening.enter_context(path.open("w", encoding="utf-8")) for path in paths
            ]
            self._stack = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def digest(self) -> str:
        """A hash of all lines so far."""
        return self._digest.hexdigest()

    def take(self, event: Event) -> None:
        """Take one event."""
        line = event_line(event)
        self._digest.update(line.encode())
        for file in self._files:
            file.write(line)

    def close(self) -> None:
        """Write out what waits, and take no more."""
        self._stack.close()
