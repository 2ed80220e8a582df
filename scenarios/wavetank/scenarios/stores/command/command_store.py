"""A command as a store under test: ``./driver {dir}`` starts the store in a directory.

The driver is asked once, in an empty directory, what it declares. From then on each opening of the
store is a new process, in whatever directory its site has.
"""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from attrs import field, frozen

from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.scenarios.stores.command.driver_process import DriverProcess, Witness
from wavetank.scenarios.stores.command.driver_store import DriverStore
from wavetank.scenarios.stores.command.traced_drivers import traced_on_simulated_disk
from wavetank.scenarios.traced.images import room_for_images

__all__ = ["COMMAND_PREFIX", "CommandError", "DriverCommand", "command_store"]

COMMAND_PREFIX: Final = "command:"
"""How the name of a store begins that is a command."""

_DIRECTORY: Final = "{dir}"
_LIMIT_S: Final = 10.0


class CommandError(ValueError):
    """A command that cannot start a store; the message says what was expected."""


@frozen
class DriverCommand:
    """How a driver is started.

    Attributes:
        words: program and arguments; ``{dir}`` stands for the directory.
        limit_s: seconds of real time in which each answer must come.
    """

    words: tuple[str, ...]
    limit_s: float

    @classmethod
    def of(cls, text: str, limit_s: float) -> DriverCommand:
        """Return a command as it is written in one line; no shell runs it.

        Raises:
            CommandError: it is none, or has no ``{dir}``.

        >>> DriverCommand.of("./driver --dir={dir}", 10.0).words
        ('./driver', '--dir={dir}')
        """
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise CommandError(
                f"command: expected words but {text!r} has {error}".lower()
            ) from error
        if _DIRECTORY not in " ".join(words[1:]):
            raise CommandError(
                f"command: expected a program and, among its arguments, {_DIRECTORY}, which stands "
                f"for the store's directory, but got {text!r}"
            )
        return cls(words, limit_s)

    def start(self, directory: Path, root: Path, witness: Witness | None = None) -> DriverStore:
        """Start the driver, and return its store once it is open.

        Args:
            directory: real, where the store lives.
            root: the real directory above, whose path is told nobody.
            witness: sees what the driver does.

        Raises:
            StorageError: the store does not open; a `DriverError` if the driver is to blame.
        """
        words = [word.replace(_DIRECTORY, str(directory)) for word in self.words]
        process = DriverProcess(words, limit_s=self.limit_s, root=str(root), witness=witness)
        return DriverStore(process)


@frozen
class CommandProcesses:
    """The processes of one command that have been started on real directories.

    Attributes:
        command: starts them.
    """

    command: DriverCommand
    _running: list[tuple[str, DriverStore]] = field(factory=list, init=False, repr=False)

    def open(self, site: Site) -> DriverStore:
        """Start a driver in the real directory of a site; the directory is made."""
        self._running[:] = [each for each in self._running if not each[1].is_over]
        directory = Path(site.directory)
        directory.mkdir(parents=True, exist_ok=True)
        store = self.command.start(directory, directory.parent)
        self._running.append((site.directory, store))
        return store

    def kill(self, directory: str) -> None:
        """See `StoreProcesses.kill`."""
        for place, store in self._running:
            if place == directory:
                store.kill()

    def on_simulated_disk(self, store: StoreAdapter) -> AbstractContextManager[StoreAdapter]:
        """See `StoreProcesses.on_simulated_disk`."""
        return traced_on_simulated_disk(store, self.command.start)


def command_store(command: str, *, limit_s: float = _LIMIT_S) -> StoreAdapter:
    """Return the store that a command starts, with what its driver declares.

    Args:
        command: program and arguments, with ``{dir}`` where the directory goes.
        limit_s: seconds of real time in which each answer must come.

    Raises:
        CommandError: it is no such command.
        StorageError: the driver does not open a store in an empty directory; a `DriverError` if it
            cannot be run, ends, or does not keep to the protocol.

    >>> command_store("cat {dir}")
    Traceback (most recent call last):
    wavetank.scenarios.stores.command.errors.DriverEndedError: start: expected an answer of cat \
but it ended with exit code 1; it had said: cat: /store: Is a directory
    """
    processes = CommandProcesses(DriverCommand.of(command, limit_s))
    with TemporaryDirectory(prefix="wavetank-", dir=room_for_images()) as root:
        directory = Path(root) / "store"
        directory.mkdir()
        store = processes.command.start(directory, Path(root))
        declared = store.declared
        store.close()
    return StoreAdapter(
        name=f"{COMMAND_PREFIX}{command}",
        summary="a store in another language, behind a driver",
        factory=processes.open,
        capabilities=declared,
        processes=processes,
    )
