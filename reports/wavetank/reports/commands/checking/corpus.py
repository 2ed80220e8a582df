"""Keep the checks that a store has failed, so that later runs begin with them.

One file per store in ``.wavetank/checks``. A check stays in it once it has failed, and says whether
it still does.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final
from zlib import crc32

import click
from attrs import frozen

from wavetank.scenarios.conformance import Outcome, Scorecard

__all__ = ["DIRECTORY", "CheckCorpus", "file_name"]

DIRECTORY: Final = Path(".wavetank") / "checks"
"""Where the files lie, in the working directory."""

_NAME: Final = 100
_SCHEMA: Final = "wavetank.corpus/1"


def file_name(backend: str) -> str:
    """Return a name for a file about a store; one of a long command ends with its checksum.

    >>> file_name("sqlite:wal-full")
    'sqlite-wal-full'
    >>> file_name("command:./driver {dir}")
    'command-.-driver-dir'
    """
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", backend).strip("-")
    return name if len(name) <= _NAME else f"{name[:_NAME]}-{crc32(backend.encode()):08x}"


@frozen
class CheckCorpus:
    """The failed checks of one store.

    Attributes:
        backend: the store's name.
        path: of the file.
    """

    backend: str
    path: Path

    @classmethod
    def of(cls, backend: str) -> CheckCorpus:
        """Return the corpus of a store."""
        return cls(backend, DIRECTORY / f"{file_name(backend)}.json")

    def failed(self) -> tuple[str, ...]:
        """Return the checks that have ever failed, those that failed last first.

        A file that cannot be read is said so on stderr, and left alone.
        """
        entries = self._entries() or {}
        return tuple(sorted(entries, key=lambda name: entries[name] != Outcome.FAIL.value))

    def keep(self, card: Scorecard) -> None:
        """Note which checks fail now, and which of those that failed before are mended.

        A file that cannot be read stays as it is.
        """
        entries = self._entries()
        if entries is None:
            return
        for result in card.results:
            if result.outcome is Outcome.FAIL or result.id in entries:
                entries[result.id] = result.outcome.value
        if entries:
            document = {"backend": self.backend, _SCHEMA: entries}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(f"{json.dumps(document, indent=1)}\n", encoding="utf-8")

    def _entries(self) -> dict[str, str] | None:
        """Return what is kept; None if there is a file that cannot be read."""
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            # Another schema has its failures under another name, and is left alone.
            failed = document[_SCHEMA]
            return {str(name): str(outcome) for name, outcome in failed.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            click.echo(f"wavetank: {self.path} is not a corpus: {error}", err=True)
            return None
