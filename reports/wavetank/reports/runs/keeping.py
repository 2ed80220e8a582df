"""A run written down while it goes on, and its failures stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from attrs import frozen

from wavetank.reports.outputs.event_log import EventLog
from wavetank.reports.runs.folders import NewFolder, RunFolders
from wavetank.reports.runs.session import Session
from wavetank.reports.stored.failures import FailureStore, StoredFailure
from wavetank.scenarios import Event

__all__ = ["KeptRun", "kept_run", "store_failures"]


@frozen
class KeptRun:
    """What is kept of a run.

    Attributes:
        folders: where it goes.
        folder: that is being written; None if nothing can be written there.
        log: writes its events.
    """

    folders: RunFolders
    folder: NewFolder | None
    log: EventLog

    def take(self, event: Event) -> None:
        """Take one event."""
        self.log.take(event)

    def finish(self, session: Session, document: dict[str, object]) -> Path | None:
        """Keep the run, and return where; None if nothing was finished, or it cannot be written."""
        self.log.close()
        if self.folder is None or not session.result.results:
            return None
        seed = session.result.plan.seeds[0]
        try:
            return self.folders.keep(self.folder, document, seed=seed, digest=self.log.digest)
        except OSError as error:
            _tell_not_kept(self.folders, error)
            return None


@contextmanager
def kept_run(reports: Mapping[str, Path]) -> Iterator[KeptRun]:
    """Give what keeps a run, and writes its events to the file for ``ndjson``, too.

    Args:
        reports: files by kind, as the option ``--report`` gives them.

    Raises:
        click.FileError: the file cannot be written.
    """
    folders = RunFolders()
    with ExitStack() as stack:
        folder = _new_folder(folders, stack)
        paths = [] if folder is None else [folder.events]
        paths += [path for kind, path in reports.items() if kind == "ndjson"]
        try:
            log = stack.enter_context(EventLog(paths))
        except OSError as error:
            raise click.FileError(str(paths[-1]), hint=str(error)) from error
        yield KeptRun(folders, folder, log)


def store_failures(failures: Iterable[StoredFailure]) -> None:
    """Store failures for `wavetank replay`; what prevents it, and what is unreadable, is told."""
    store = FailureStore()
    written: set[Path] = set()
    try:
        for each in failures:
            written.add(store.save(each))
    except OSError as error:
        click.echo(f"failures could not be stored in {store.directory}: {error}", err=True)
    unreadable = list(store.unreadable(besides=written))
    if unreadable:
        others = len(unreadable) - 1
        more = f" (and {others} more in {store.directory})" if others else ""
        click.echo(f"{unreadable[0]}{more}", err=True)


def _new_folder(folders: RunFolders, stack: ExitStack) -> NewFolder | None:
    try:
        return stack.enter_context(folders.new())
    except OSError as error:
        _tell_not_kept(folders, error)
        return None


def _tell_not_kept(folders: RunFolders, error: OSError) -> None:
    click.echo(f"the run could not be kept in {folders.directory}: {error}", err=True)
