"""`CrashDisk`: a disk that loses what was not synced, for code that is no Raft store.

Code reaches it through the filesystem seam (`fs`) or, unmodified, through `open` and `os` inside
`process()`. Whoever drives says what is acknowledged, and when the power goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from wavetank.scenarios.exploration.loss import Loss, kept_after, told_lost
from wavetank.sim import (
    POSIX,
    ROOT_INODE,
    DirectoryContent,
    PendingOps,
    Profile,
    SimDisk,
    SimFileSystem,
)

if TYPE_CHECKING:
    from wavetank.sim.python_files import PythonFiles

__all__ = ["EVERYTHING", "CrashDisk", "SharedPythonFiles"]

EVERYTHING: Final = Loss(newest=2**63)
"""The loss of all that was not synced, as far as the profile lets it be lost."""

_DIRECTORY: Final = "/simulated"


class SharedPythonFiles:
    """Python's own files, as several disks use them one after the other: opened when first needed.

    Opening costs a tenth of a second, since names are replaced all over the interpreter.
    """

    def __init__(self) -> None:
        self._files: PythonFiles | None = None

    def files(self) -> PythonFiles:
        """Return the simulation, opening it if it is not open.

        Raises:
            PythonFilesError: another one is open.
        """
        if self._files is None:
            # Nobody who does not ask loads it.
            from wavetank.sim.python_files import PythonFiles  # noqa: PLC0415 - see above

            files = PythonFiles(_DIRECTORY)
            files.__enter__()
            self._files = files
        return self._files

    def close(self) -> None:
        """Give the interpreter its own files back; may be called again."""
        files, self._files = self._files, None
        if files is not None:
            files.__exit__(None, None, None)


class CrashDisk:
    """A machine's disk, empty but for one directory.

    Args:
        profile: what a power cut may lose.
        files: of Python's own modules, to share with other disks; one of its own by default.

    Attributes:
        profile: the same.
        directory: an empty directory that is there from the beginning.

    >>> from pathlib import Path
    >>> with CrashDisk() as disk:
    ...     with disk.process():
    ...         _ = Path(disk.directory, "notes").write_text("milk")
    ...     disk.acknowledge("milk")
    ...     disk.crash()
    ...     with disk.process():
    ...         left = Path(disk.directory, "notes").exists()
    >>> disk.acknowledged, left
    (('milk',), False)
    """

    def __init__(self, profile: Profile = POSIX, *, files: SharedPythonFiles | None = None) -> None:
        self.profile = profile
        self.directory: Final = _DIRECTORY
        self._disk = SimDisk()
        self._disk.adopt(ROOT_INODE, _DIRECTORY.strip("/"), DirectoryContent({}))
        self._fs = SimFileSystem(self._disk)
        self._acknowledged: list[tuple[int, object]] = []
        self._lost: tuple[str, ...] = ()
        self._shared = files or SharedPythonFiles()
        self._owns_files = files is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def fs(self) -> SimFileSystem:
        """The filesystem for the process that runs now; another one after each crash and kill."""
        return self._fs

    @property
    def acknowledged(self) -> tuple[object, ...]:
        """What has been acknowledged, in order, and so must be there."""
        return tuple(token for _, token in self._acknowledged)

    @property
    def lost(self) -> tuple[str, ...]:
        """What the last power cut lost or tore, and which sync would have kept it, in words.

        >>> from pathlib import Path
        >>> with CrashDisk() as disk:
        ...     with disk.process():
        ...         _ = Path(disk.directory, "notes").write_text("milk")
        ...     disk.crash()
        >>> disk.lost[0]
        'the name /simulated/notes: no sync of the directory /simulated had come'
        """
        return self._lost

    def acknowledge(self, token: object) -> None:
        """Promise that something survives from now on.

        Args:
            token: stands for it; anything that the checks understand.
        """
        self._disk.mark("acknowledged")
        self._acknowledged.append((len(self._disk.log), token))

    @contextmanager
    def process(self) -> Iterator[None]:
        """Let the code inside use this disk for all files, as a process that is killed at the end.

        `open`, `os`, `pathlib`, `shutil`, `tempfile`, `mmap` and `fcntl` mean this disk meanwhile.
        What is left in the buffers of open files is lost.

        Raises:
            UnroutedCallError: the code did what no simulated disk sees, such as starting a process.
            PythonFilesError: another disk is in use; close that first.
        """
        files = self._shared.files()
        with files.process(self._disk):
            yield
        if files.refusal is not None:
            raise files.refusal

    def kill(self) -> None:
        """Kill the process: what it has given to the system survives, open files do not."""
        self._lost = ()
        self._disk = self._disk.process_kill()
        self._fs = SimFileSystem(self._disk)

    def crash(self, loss: Loss = EVERYTHING, *, back: int = 0) -> None:
        """Cut the power and restart the machine.

        Args:
            loss: what the cut takes of all that was not synced; by default as much as it can.
            back: records of the op log, counted back from the last, that had not been written when
                the power went; what was acknowledged since is taken back.

        Raises:
            ValueError: `back` is negative.
        """
        if back < 0:
            raise ValueError(f"back: expected records >= 0 but got {back}")
        log, pending = self._disk.log, PendingOps(self._disk.image, self.profile)
        position, wanted = 0, len(self._disk.log) - back
        for record in self._disk.log:
            if position >= wanted and pending.whole:
                break
            pending.take(record)
            position += 1
        kept = kept_after(pending, loss)
        self._lost = tuple(told_lost(tuple(islice(log, position)), pending, kept))
        self._disk = SimDisk(pending.image(kept))
        self._fs = SimFileSystem(self._disk)
        self._acknowledged = [(0, token) for at, token in self._acknowledged if at <= position]

    def close(self) -> None:
        """Give the interpreter its own files back; may be called again."""
        if self._owns_files:
            self._shared.close()
