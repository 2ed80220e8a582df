"""A damaged store, opened: all that it shows, or how it refuses.

The number of reads is bounded, so that an open that would never end is told as such.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from attrs import define, evolve, frozen

from wavetank.engine import (
    Buffer,
    FileStorage,
    FileStorageOptions,
    FileSystem,
    NoSnapshotError,
    PersistentState,
    RecoveryMode,
    RecoveryReport,
    SnapshotMetadata,
    StorageConfig,
    StorageError,
)
from wavetank.scenarios.corruption.damaged_store import (
    DIRECTORY,
    LogView,
    StoreRecord,
    disk_of,
    files_of,
    view_of,
)
from wavetank.scenarios.corruption.damages import DamagedFiles
from wavetank.scenarios.stores.interposed_filesystem import Deceit, MisledFile, MisledFileSystem
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

__all__ = ["Opener", "Shown", "look", "medium_of", "medium_on", "open_engine"]

_READ_LIMIT: Final = 5_000
# One of its own, so that no program's settings of loggers matter: thousands of losses are no news.
_SILENT: Final = logging.Logger(  # noqa: LOG001 - see above
    "wavetank.damage", level=logging.CRITICAL + 1
)
_Answer = TypeVar("_Answer")

Opener: TypeAlias = Callable[[FileSystem, FileStorageOptions], FileStorage]
"""Opens the store in `DIRECTORY`."""


class _TooMuchWorkError(RuntimeError):
    """More reads than any open of a store of a few kilobytes can need."""


@frozen(kw_only=True)
class Shown:
    """What became of an open.

    Attributes:
        refusal: the error with which it was refused; then nothing else is known.
        failure: what no store may do: an untyped error, a hang, a change behind a refusal; or "".
        report: what the engine says it has found.
        state: term and vote, or the error in their place.
        log: the log, or the error in its place.
        snapshot: metadata and data, None for none, or the error in their place.
        second: what the next open of the same directory shows; None if there was none.
    """

    refusal: StorageError | None = None
    failure: str = ""
    report: RecoveryReport | None = None
    state: PersistentState | StorageError | None = None
    log: LogView | StorageError | None = None
    snapshot: tuple[SnapshotMetadata, bytes] | StorageError | None = None
    second: Shown | None = None

    def same_content(self, other: Shown) -> bool:
        """Whether both show the same, or refuse to, report and errors' texts left aside."""
        return all(
            mine == theirs or (isinstance(mine, StorageError) and type(mine) is type(theirs))
            for mine, theirs in (
                (self.refusal, other.refusal),
                (self.state, other.state),
                (self.log, other.log),
                (self.snapshot, other.snapshot),
            )
        )


def open_engine(fs: FileSystem, options: FileStorageOptions) -> FileStorage:
    """Open the engine's own store; the opener whose answers count."""
    config = StorageConfig(directory=DIRECTORY)
    return FileStorage(config, options, fs=fs, runtime=SerialRuntime(), logger=_SILENT)


def look(
    record: StoreRecord,
    damaged: DamagedFiles,
    mode: RecoveryMode,
    opener: Opener = open_engine,
) -> Shown:
    """Open damaged files and ask for everything; close, and once more if they could be opened.

    Args:
        record: the undamaged store.
        damaged: its files now.
        mode: what the open may do with damage.
        opener: what opens it.
    """
    plain = SimFileSystem(disk_of(damaged.files))
    medium = _Medium(damaged)
    fs = MisledFileSystem(plain, medium.deceit())
    options = evolve(record.options, recovery_mode=mode)
    first = _guarded(lambda: _ask(opener(fs, options)), medium)
    if first.refusal is not None and files_of(plain) != damaged.files:
        return evolve(first, failure="a refused open has changed the directory")
    if first.refusal is not None or first.failure:
        return first
    medium.reads = 0
    return evolve(first, second=_guarded(lambda: _ask(opener(fs, options)), medium))


def medium_of(damaged: DamagedFiles) -> FileSystem:
    """Return a filesystem that holds damaged files, and loses what cannot be read of them."""
    return medium_on(disk_of(damaged.files), damaged)


def medium_on(disk: SimDisk, damaged: DamagedFiles) -> FileSystem:
    """Return the same for a disk on which the files are."""
    return MisledFileSystem(SimFileSystem(disk), _Medium(damaged).deceit())


def _guarded(work: Callable[[], Shown], medium: _Medium) -> Shown:
    try:
        shown = work()
    except StorageError as refusal:
        shown = Shown(refusal=refusal)
    except Exception as error:  # noqa: BLE001 - that no other error comes is what is judged
        shown = Shown(failure=f"an untyped error: {type(error).__name__}: {error}")
    if medium.reads > _READ_LIMIT:
        return Shown(failure=f"no end after {_READ_LIMIT} reads")
    return shown


def _ask(store: FileStorage) -> Shown:
    shown = Shown(
        report=store.recovery_report,
        state=_answer(store.load_state),
        log=_answer(lambda: _log(store)),
        snapshot=_answer(lambda: _snapshot(store)),
    )
    store.close()
    return shown


def _answer(question: Callable[[], _Answer]) -> _Answer | StorageError:
    try:
        return question()
    except StorageError as error:
        return error


def _log(store: FileStorage) -> LogView:
    bounds = store.log_bounds()
    if bounds.first_index > bounds.last_index:
        return view_of(bounds, ())
    return view_of(bounds, store.get_log_entries(bounds.first_index, bounds.last_index + 1))


def _snapshot(store: FileStorage) -> tuple[SnapshotMetadata, bytes] | None:
    try:
        return store.load_snapshot()
    except NoSnapshotError:
        return None


@define
class _Medium:
    """Gives EIO for bytes that it has lost, until they are written again or their file is gone."""

    damaged: DamagedFiles
    reads: int = 0

    def deceit(self) -> Deceit:
        lost = {
            f"{DIRECTORY}/{name}": list(places) for name, places in self.damaged.unreadable.items()
        }

        def read(file: MisledFile, length: int, offset: int) -> bytes:
            self.reads += 1
            if self.reads > _READ_LIMIT:
                raise _TooMuchWorkError(f"{file.path}: no end of reads")
            for begin, end in lost.get(file.path, ()):
                if offset < end and begin < offset + length:
                    raise OSError(errno.EIO, "the medium does not give it back", file.path)
            return file.inner.pread(length, offset)

        def write(file: MisledFile, data: Buffer, offset: int) -> int:
            written = file.inner.pwrite(data, offset)
            end = offset + written
            if file.path in lost:
                lost[file.path] = [
                    place for place in lost[file.path] if not offset <= place[0] < place[1] <= end
                ]
            return written

        def rename(fs: FileSystem, source: str, target: str) -> None:
            fs.rename(source, target)
            lost.pop(target, None)
            if source in lost:
                lost[target] = lost.pop(source)

        def unlink(fs: FileSystem, path: str) -> None:
            fs.unlink(path)
            lost.pop(path, None)

        return Deceit(read=read, write=write, rename=rename, unlink=unlink)
