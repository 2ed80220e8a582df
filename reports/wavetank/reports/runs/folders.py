"""`.wavetank/runs`: what is kept of each run.

    <seed>-<digest>/run.json        the document
                    events.ndjson   the event stream, which begins with the plan
    latest                          the newest of them: a link, or a file with its name

A run writes into a folder of its own that begins with a dot, which gets its name in the end: what
has a name is whole. The digest is that of the events, and so of the plan, too: an equal run has an
equal name, and takes the place of the one before.
"""

from __future__ import annotations

import shutil
import tempfile
import time  # noqa: TID251 - the age of what a killed run left
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate, islice
from pathlib import Path
from typing import Final

from attrs import field, frozen

from wavetank.reports.arguments.choices import UnknownChoiceError, nearest
from wavetank.reports.documents import to_text

__all__ = ["EVENTS", "KEPT", "RUNS", "NewFolder", "RunFolders"]

RUNS: Final = Path(".wavetank") / "runs"
"""Where runs lie, in the working directory."""

EVENTS: Final = "events.ndjson"
KEPT: Final = 20
"""Runs that are kept at most; older ones are deleted."""

KEPT_BYTES: Final = 200_000_000
"""Bytes that the kept runs take together at most, unless the newest alone takes more."""

_DOCUMENT: Final = "run.json"
_LATEST: Final = "latest"
_NAME_DIGITS: Final = 12
_NEW: Final = ".new-"
_LEFT_S: Final = 86400.0
"""Seconds after which an unfinished folder is taken for that of a run that was killed."""


@frozen
class NewFolder:
    """A folder that a run writes into.

    Attributes:
        path: where it is until it is kept.
    """

    path: Path

    @property
    def events(self) -> Path:
        """Where the event stream goes."""
        return self.path / EVENTS


@frozen
class RunFolders:
    """The runs that are kept in one directory.

    Args:
        directory: made when the first run is kept.
    """

    directory: Path = field(default=RUNS)

    @contextmanager
    def new(self) -> Iterator[NewFolder]:
        """Give a folder to write into; unless it is kept in the block, it is deleted behind it.

        Raises:
            OSError: it cannot be made.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        for left in self.directory.glob(f"{_NEW}*"):
            if time.time() - left.stat().st_mtime > _LEFT_S:
                shutil.rmtree(left, ignore_errors=True)
        path = Path(tempfile.mkdtemp(prefix=_NEW, dir=self.directory))
        try:
            yield NewFolder(path)
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def keep(
        self, folder: NewFolder, document: dict[str, object], *, seed: int, digest: str
    ) -> Path:
        """Keep a run, and delete the oldest if there are too many.

        Args:
            folder: that holds its events.
            document: of the run.
            seed: the first.
            digest: of its events.

        Returns:
            Where it is now.

        Raises:
            OSError: something cannot be written.
        """
        (folder.path / _DOCUMENT).write_text(to_text(document) + "\n", encoding="utf-8")
        kept = self.directory / f"{seed}-{digest[:_NAME_DIGITS]}"
        if kept.exists():
            shutil.rmtree(kept)
        folder.path.replace(kept)
        kept.chmod(0o755)
        self._point_to(kept.name)
        for old in self._too_old():
            shutil.rmtree(old)
        return kept

    def _too_old(self) -> list[Path]:
        """Return the runs behind those that there is room for."""
        sizes = accumulate(_size(path) for path in self._newest_first())
        fit = sum(size <= KEPT_BYTES for size in islice(sizes, KEPT))
        return self._newest_first()[max(fit, 1) :]

    def names(self) -> tuple[str, ...]:
        """Return the names of the runs, the newest first."""
        return tuple(path.name for path in self._newest_first())

    def events_of(self, name: str) -> Path:
        """Return the event stream of a run.

        Args:
            name: of a kept run, ``latest``, a folder, or a file of events.

        Raises:
            UnknownChoiceError: it is none of these; the message names the nearest run.
        """
        if name == _LATEST:
            name = self._latest() or name
        for path in (self.directory / name / EVENTS, Path(name) / EVENTS, Path(name)):
            if path.is_file():
                return path
        raise UnknownChoiceError(
            f"run: expected a run kept in {self.directory}, latest, a folder or a file of events, "
            f"got {name!r}{nearest(name, self.names())}"
        )

    def _newest_first(self) -> list[Path]:
        paths = [
            path
            for path in self.directory.glob("*-*")
            if not path.name.startswith(".") and (path / _DOCUMENT).is_file()
        ]
        return sorted(
            paths, key=lambda path: ((path / _DOCUMENT).stat().st_mtime_ns, path.name), reverse=True
        )

    def _point_to(self, name: str) -> None:
        new, latest = self.directory / f".{_LATEST}", self.directory / _LATEST
        new.unlink(missing_ok=True)
        try:
            new.symlink_to(name)
        except OSError:
            new.write_text(name, encoding="utf-8")  # a filesystem without links
        new.replace(latest)

    def _latest(self) -> str | None:
        latest = self.directory / _LATEST
        if latest.is_symlink():
            return latest.readlink().name
        return latest.read_text(encoding="utf-8").strip() if latest.is_file() else None


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
