"""Where stores of the matrix are made: each step by a public call, what was before it kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    NoSnapshotError,
    PersistentState,
    SnapshotMetadata,
    StorageConfig,
)
from wavetank.scenarios.corruption.damaged_store import (
    DIRECTORY,
    LOG,
    Files,
    StoreContent,
    StoreRecord,
    disk_of,
    end_of_frames,
    files_of,
    view_of,
)
from wavetank.sim import SEQUENTIAL, PendingOps, SerialRuntime, SimDisk, SimFileSystem

__all__ = ["StoreBuilder", "content_of", "older_versions"]


class StoreBuilder:
    """Makes one store, and keeps what its files held before each step."""

    def __init__(self, options: FileStorageOptions) -> None:
        self._options = options
        self._disk = SimDisk()
        self._versions: list[dict[str, bytes]] = []
        self.store = self._open()

    def _open(self) -> FileStorage:
        return FileStorage(
            StorageConfig(directory=DIRECTORY),
            self._options,
            fs=SimFileSystem(self._disk),
            runtime=SerialRuntime(),
        )

    def _keep(self) -> None:
        self._versions.append(self.files())

    def files(self) -> dict[str, bytes]:
        """Return what the files hold now."""
        return files_of(SimFileSystem(self._disk))

    def vote(self, term: int) -> None:
        """Save a term and a vote."""
        self._keep()
        self.store.save_state(PersistentState(term, f"node-{term}"))

    def append(self, term: int, count: int = 3) -> None:
        """Append a batch of so many entries of a term."""
        self._keep()
        self.store.append_log_entries(_batch(self.store.last_log_index + 1, term, count))

    def append_small(self, term: int) -> None:
        """Append one entry without a command, as a new leader does."""
        self._keep()
        self.store.append_log_entries([LogEntry(self.store.last_log_index + 1, term, b"")])

    def truncate(self, index: int) -> None:
        """Remove the entries from an index on."""
        self._keep()
        self.store.truncate_log_suffix(index)

    def snapshot(self, index: int) -> None:
        """Save a snapshot up to an index, which may lie beyond the log."""
        self._keep()
        beyond = index > self.store.last_log_index
        term = self.store.last_log_term if beyond else self.store.get_log_entry(index).term
        data = b"".join(b"all up to %d; " % index for _ in range(50))
        self.store.save_snapshot(SnapshotMetadata(index, term), data)

    def close(self) -> None:
        """Close the store cleanly."""
        self._keep()
        self.store.close()

    def reopen(self) -> None:
        """Open the store after a close or, without one, after a kill of the process."""
        self._keep()
        self._disk = self._disk.process_kill()
        self.store = self._open()

    def tear(self, term: int) -> None:
        """Die inside an append: half of its frame is there, and nobody was told that it is."""
        self._keep()
        files = self.files()
        before, begin = files[LOG], end_of_frames(files[LOG])
        self.append(term)
        whole = self.files()[LOG]
        torn = (begin + end_of_frames(whole)) // 2
        files[LOG] = whole[:torn] + before[torn:]
        self._versions.pop()
        self._disk = disk_of(files)

    def record(self, name: str, *, closed: bool) -> StoreRecord:
        """Return the store as it is now, its run over."""
        files = self.files()
        return self._record(name, files, closed=closed)

    def _record(
        self,
        name: str,
        files: dict[str, bytes],
        *,
        closed: bool,
        before: StoreContent | None = None,
    ) -> StoreRecord:
        return StoreRecord(
            name=name,
            files=files,
            older=older_versions(self._versions, files),
            closed=closed,
            content=content_of(files, self._options),
            before=before,
            options=self._options,
        )

    def inside(self, call: Callable[[StoreBuilder], None]) -> Iterator[StoreRecord]:
        """Yield what a kill leaves at each moment inside `call`, each once, in order."""
        disk, begin = self._disk, len(self._disk.log)
        seen = [self.files()]
        before = content_of(seen[0], self._options)
        call(self)
        seen.append(self.files())
        pending = PendingOps(disk.image, SEQUENTIAL)
        records = tuple(disk.log)
        pending.take_all(records[:begin])
        for record in records[begin:]:
            pending.take(record)
            if not pending.whole:
                continue
            files = files_of(SimFileSystem(SimDisk(pending.full)))
            if files not in seen:
                seen.append(files)
                yield self._record("", files, closed=False, before=before)


def _batch(first: int, term: int, count: int) -> tuple[LogEntry, ...]:
    # Commands of different sizes, so that sectors and frames do not fall together.
    return tuple(
        LogEntry(index, term, b"set key-%d " % index + bytes([64 + index % 60]) * (90 + 17 * index))
        for index in range(first, first + count)
    )


def content_of(files: Files, options: FileStorageOptions) -> StoreContent:
    """Return what must be shown of a store: asked of a copy, so that asking changes nothing.

    Args:
        files: undamaged.
        options: of the run that left them.
    """
    store = FileStorage(
        StorageConfig(directory=DIRECTORY),
        options,
        fs=SimFileSystem(disk_of(files)),
        runtime=SerialRuntime(),
    )
    bounds = store.log_bounds()
    entries: list[LogEntry] = []
    if bounds.first_index <= bounds.last_index:
        entries = store.get_log_entries(bounds.first_index, bounds.last_index + 1)
    try:
        snapshot = store.load_snapshot()
    except NoSnapshotError:
        snapshot = None
    return StoreContent(state=store.load_state(), log=view_of(bounds, entries), snapshot=snapshot)


def older_versions(versions: Sequence[Files], files: Files) -> dict[str, tuple[bytes | None, ...]]:
    """Return what each file held before, newest first, each content once.

    Args:
        versions: of all files, the oldest first.
        files: what they hold now.
    """
    names = sorted({name for version in (*versions, files) for name in version})
    return {
        name: tuple(
            content
            for content in dict.fromkeys(version.get(name) for version in reversed(versions))
            if content != files.get(name)
        )
        for name in names
    }
