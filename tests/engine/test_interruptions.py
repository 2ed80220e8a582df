"""An error that is no StorageError (Ctrl-C, no memory) at every call of both seams.

Whatever call of the filesystem or the runtime it strikes, before or after the call has done its
work: the store is as before the operation, as after it, or poisoned; it can be closed, and then
nothing stays open; and the next open finds everything that was acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import pytest
from attrs import define, evolve, field, frozen
from engine_site import entries
from interrupting import InterruptedFileSystem, InterruptedRuntime, Interruption, Moment

from wavetank.engine import (
    DumpedFrame,
    FileStorage,
    FileStorageOptions,
    LogEntry,
    NoSnapshotError,
    PersistentState,
    SnapshotMetadata,
    StorageClosedError,
    StorageConfig,
    StorageFeatureFlags,
    StoragePoisonedError,
    dump_directory,
    verify_directory,
)
from wavetank.sim import POSIX, PendingOps, SerialRuntime, SimDisk, SimFileSystem, all_images

DIRECTORY: Final = "/store"
INLINE: Final = FileStorageOptions(
    retained_log_size=0,
    chunk_size=512,
    features=StorageFeatureFlags(async_truncation=False),
)
BESIDE: Final = evolve(INLINE, features=StorageFeatureFlags())
KEEPING: Final = evolve(INLINE, auto_truncate_on_snapshot=False)
LAZY: Final = evolve(INLINE, sync_on_append=False)
IN_PLACE: Final = evolve(
    INLINE, features=StorageFeatureFlags(async_truncation=False, atomic_writes=False)
)
SCANNING: Final = evolve(
    KEEPING, features=StorageFeatureFlags(async_truncation=False, index_map=False)
)
READ_ONLY: Final = evolve(INLINE, read_only=True)
RESERVING: Final = evolve(INLINE, preallocate=4096)


class Struck(BaseException):
    """An error that nobody can have expected."""


@frozen
class Content:
    """Everything that a user can read from a store."""

    state: PersistentState
    first_index: int
    last_term: int
    log: tuple[LogEntry, ...]
    snapshot: tuple[SnapshotMetadata, bytes] | None


def content_of(store: FileStorage) -> Content:
    try:
        snapshot = store.load_snapshot()
    except NoSnapshotError:
        snapshot = None
    bounds = store.log_bounds()
    found = [
        store.get_log_entry(index) for index in range(bounds.first_index, bounds.last_index + 1)
    ]
    assert found == list(store)
    return Content(store.load_state(), bounds.first_index, bounds.last_term, tuple(found), snapshot)


@define(eq=False)
class Run:
    """One process that uses a store, in which one call can be interrupted.

    Attributes:
        states: what each sequence number that was ever seen in a state file stood for.
        frames: what each batch number that was ever seen in a log stood for.
    """

    disk: SimDisk
    options: FileStorageOptions
    interruption: Interruption = field(factory=Interruption)
    runtime: SerialRuntime = field(factory=SerialRuntime)
    states: dict[int, object] = field(factory=dict)
    frames: dict[tuple[int, int], object] = field(factory=dict)
    filesystem: InterruptedFileSystem = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.filesystem = InterruptedFileSystem(SimFileSystem(self.disk), self.interruption)

    def open(self) -> FileStorage:
        return FileStorage(
            StorageConfig(directory=DIRECTORY),
            self.options,
            fs=self.filesystem,
            runtime=InterruptedRuntime(self.runtime, self.interruption),
        )

    def note_numbers(self) -> None:
        """Look at every number in the directory; none may stand for two things."""
        dump = dump_directory(DIRECTORY, fs=SimFileSystem(self.disk))
        for document in dump.state:
            if document.fields is not None and ".tmp" not in document.name:
                said = (document.fields["current_term"], document.fields["voted_for"])
                sequence = document.fields["sequence"]
                assert isinstance(sequence, int)
                assert self.states.setdefault(sequence, said) == said
        if dump.log_header is None:
            return
        for frame in dump.frames():
            assert isinstance(frame, DumpedFrame)
            held = frame, dump.entries(frame)
            assert self.frames.setdefault((dump.log_header.incarnation, frame.batch), held) == held


@frozen
class Operation:
    """Something to do with a store, in the middle of which an error strikes.

    Args:
        options: of the store.
        work: what to do.
        prepare: what to do before, undisturbed.
        gives_up_snapshot: a snapshot that is written in place is lost where that breaks off.
    """

    options: FileStorageOptions
    work: Callable[[FileStorage, Run], object]
    prepare: Callable[[FileStorage], object] = lambda _: None
    gives_up_snapshot: bool = False


def fill(store: FileStorage) -> None:
    store.save_state(PersistentState(1, "node-a"))
    for first in (1, 4, 7):
        store.append_log_entries(entries(first, first + 2, size=100))


def fill_with_a_snapshot(store: FileStorage) -> None:
    fill(store)
    store.save_snapshot(SnapshotMetadata(2, 1), b"two" * 300)


def fill_with_space_ahead(store: FileStorage) -> None:
    fill(store)
    store.append_log_entries(entries(10, 10, size=9000))


def fill_with_a_compaction_to_come(store: FileStorage) -> None:
    fill(store)
    store.save_snapshot(SnapshotMetadata(5, 1), b"five")


def compact_beside(store: FileStorage, run: Run) -> None:
    store.save_snapshot(SnapshotMetadata(5, 1), b"five" * 300)
    run.runtime.run_pending(9)


def append(store: FileStorage, _: Run) -> None:
    store.append_log_entries(entries(10, 11, term=2))


def cut(store: FileStorage, _: Run) -> None:
    store.truncate_log_suffix(6)


def compact(store: FileStorage, _: Run) -> None:
    store.truncate_log_prefix(3)


def save_state(store: FileStorage, _: Run) -> None:
    store.save_state(PersistentState(2, "node-b"))


def save_snapshot(store: FileStorage, _: Run) -> None:
    store.save_snapshot(SnapshotMetadata(5, 1), [b"fi", b"ve" * 600])


def discard(store: FileStorage, _: Run) -> None:
    store.save_snapshot(SnapshotMetadata(20, 3), b"twenty")


def discard_branch(store: FileStorage, _: Run) -> None:
    store.save_snapshot(SnapshotMetadata(6, 3), b"six")


def read(store: FileStorage, _: Run) -> None:
    content_of(store)
    with store.open_snapshot() as stream:
        next(stream)


OPERATIONS: Final = {
    "save_state": Operation(INLINE, save_state, fill),
    "save_state in place": Operation(IN_PLACE, save_state, fill),
    "append": Operation(INLINE, append, fill),
    "append without metrics": Operation(
        evolve(INLINE, features=StorageFeatureFlags(async_truncation=False, metrics=False)),
        append,
        fill,
    ),
    "append unsynced": Operation(LAZY, append, fill),
    "append into a reservation": Operation(RESERVING, append, fill),
    "append with space ahead": Operation(
        INLINE,
        lambda store, _: store.append_log_entries(entries(11, 12, term=2)),
        fill_with_space_ahead,
    ),
    "truncate the suffix": Operation(INLINE, cut, fill),
    "truncate the suffix without an index": Operation(SCANNING, cut, fill),
    "truncate the prefix": Operation(KEEPING, compact, fill_with_a_snapshot),
    "truncate the prefix without an index": Operation(SCANNING, compact, fill_with_a_snapshot),
    "save a snapshot": Operation(INLINE, save_snapshot, fill_with_a_snapshot),
    "save a snapshot in place": Operation(
        IN_PLACE, save_snapshot, fill_with_a_snapshot, gives_up_snapshot=True
    ),
    "save a snapshot and compact beside": Operation(BESIDE, compact_beside, fill_with_a_snapshot),
    "discard the log": Operation(INLINE, discard, fill_with_a_snapshot),
    "discard another branch": Operation(BESIDE, discard_branch, fill),
    "read": Operation(INLINE, read, fill_with_a_snapshot),
    "verify": Operation(INLINE, lambda store, _: store.verify(), fill_with_a_snapshot),
    "back up": Operation(INLINE, lambda store, _: store.backup("/copy"), fill_with_a_snapshot),
    "metrics": Operation(INLINE, lambda store, _: store.metrics_summary(), fill),
}
CLOSES: Final = {
    "close": Operation(INLINE, lambda store, _: store.close(), fill_with_a_snapshot),
    "close unsynced": Operation(LAZY, lambda store, _: store.close(), fill_with_a_snapshot),
    "close after nothing": Operation(INLINE, lambda store, _: store.close()),
    "close with space ahead": Operation(
        INLINE,
        lambda store, _: store.close(),
        fill_with_space_ahead,
    ),
    "close beside a compaction": Operation(
        BESIDE,
        lambda store, _: store.close(),
        fill_with_a_compaction_to_come,
    ),
}


def prepared(operation: Operation) -> SimDisk:
    """Return a disk with a store that was filled and closed."""
    run = Run(SimDisk(), operation.options)
    store = run.open()
    operation.prepare(store)
    store.close()
    return run.disk


def moments_of(operation: Operation, disk: SimDisk) -> tuple[list[Moment], list[Content]]:
    """Return every moment of an undisturbed operation, and the contents that it goes through."""
    run = Run(disk.process_kill(), operation.options)
    store = run.open()
    before = content_of(store)
    run.interruption.arm(None, Struck)
    operation.work(store, run)
    moments = list(run.interruption.moments)
    after = content_of(store)
    store.close()
    # A snapshot counts before the log is compacted or discarded for it.
    return moments, [before, evolve(before, snapshot=after.snapshot), after]


def close_surely(store: FileStorage) -> None:
    """Close a store; the second time nothing disturbs it."""
    try:
        store.close()
    except (Struck, KeyboardInterrupt, MemoryError):
        store.close()


def go_on(store: FileStorage, left: Content) -> Content:
    """Change the store once more in each way; return what it must hold then."""
    following = LogEntry(left.first_index + len(left.log), max(left.last_term, 5), b"following")
    store.append_log_entries([following])
    state = PersistentState(left.state.current_term + 1, "node-z")
    store.save_state(state)
    expected = evolve(left, state=state, log=(*left.log, following), last_term=following.term)
    assert content_of(store) == expected
    return expected


def interrupted(
    operation: Operation, disk: SimDisk, number: int, error: type[BaseException]
) -> tuple[FileStorage, Run, Moment]:
    """Do an operation, and let an error strike at the moment of this number."""
    run = Run(disk.process_kill(), operation.options)
    store = run.open()
    run.note_numbers()
    content_of(store)
    run.interruption.arm(number, error)
    with suppress(error):
        operation.work(store, run)
    struck = run.interruption.struck
    assert struck is not None
    run.interruption.disarm()
    run.note_numbers()
    return store, run, struck


def is_poisoned(store: FileStorage, reason: str) -> bool:
    """Whether the store refuses changes; if so, it must say why."""
    try:
        store.truncate_log_suffix(store.last_log_index + 1)  # changes nothing
    except StoragePoisonedError as refusal:
        if reason in str(refusal):
            return True
        raise
    return False


def judge(
    operation: Operation,
    disk: SimDisk,
    contents: list[Content],
    number: int,
    error: type[BaseException],
) -> Moment:
    store, run, struck = interrupted(operation, disk, number, error)
    left = content_of(store)
    assert left in contents
    allowed = contents
    if is_poisoned(store, error.__name__):
        assert content_of(store) == left
    else:
        allowed = [go_on(store, left)]
    run.note_numbers()
    run.runtime.run_pending(9)
    close_surely(store)
    assert run.filesystem.open_files == []
    if not operation.gives_up_snapshot or len(allowed) == 1:
        check_next_open(run, allowed)
    return struck


def check_next_open(run: Run, allowed: list[Content]) -> None:
    """Open the store once more: it holds one of these, goes on, and is sound."""
    store = run.open()
    run.note_numbers()
    left = content_of(store)
    assert any(equal_but_compacted(left, content) for content in allowed)
    go_on(store, left)
    run.note_numbers()
    assert store.verify().sound
    store.close()
    assert run.filesystem.open_files == []
    assert verify_directory(DIRECTORY, fs=SimFileSystem(run.disk)).sound


def equal_but_compacted(left: Content, content: Content) -> bool:
    """Whether two contents are equal, but for entries that a snapshot covers."""
    covered = left.snapshot[0].last_included_index if left.snapshot is not None else 0
    dropped = left.first_index - content.first_index
    if not 0 <= dropped <= max(0, covered + 1 - content.first_index):
        return False
    return left == evolve(content, first_index=left.first_index, log=content.log[dropped:])


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_an_operation_survives_an_error_at_any_call_of_a_seam(name: str) -> None:
    operation = OPERATIONS[name]
    disk = prepared(operation)
    moments, contents = moments_of(operation, disk)
    assert moments
    for number, moment in enumerate(moments):
        assert judge(operation, disk, contents, number, Struck) == moment


def test_an_interrupted_backup_leaves_nothing_but_at_most_an_empty_directory() -> None:
    operation = OPERATIONS["back up"]
    moments, _ = moments_of(operation, disk := prepared(operation))
    for number, moment in enumerate(moments):
        _, run, _ = interrupted(operation, disk, number, Struck)
        filesystem = SimFileSystem(run.disk)
        if "copy" in filesystem.listdir("/"):
            assert moment == Moment("mkdir", "copy", after=True)
            assert not filesystem.listdir("/copy")


@pytest.mark.parametrize("name", list(CLOSES))
def test_a_close_ends_and_releases_everything_wherever_an_error_strikes(name: str) -> None:
    operation = CLOSES[name]
    run = Run(SimDisk(), operation.options)
    store = run.open()
    operation.prepare(store)
    acknowledged = content_of(store)
    run.interruption.arm(None, Struck)
    store.close()
    moments = list(run.interruption.moments)
    assert moments
    for number, moment in enumerate(moments):
        run = Run(SimDisk(), operation.options)
        store = run.open()
        operation.prepare(store)
        assert content_of(store) == acknowledged
        run.interruption.arm(number, Struck)
        with suppress(Struck):
            store.close()
        assert run.interruption.struck == moment
        if is_open(store):
            # It struck before anything was given up; a second close ends it.
            store.close()
        assert run.filesystem.open_files == []
        assert not is_open(store)
        check_next_open(run, [acknowledged])


def is_open(store: FileStorage) -> bool:
    try:
        store.load_state()
    except StorageClosedError:
        return False
    return True


def killed(operation: Operation) -> SimDisk:
    run = Run(SimDisk(), operation.options)
    store = run.open()
    operation.prepare(store)
    return run.disk.process_kill()


OPENS: Final[dict[str, Callable[[], SimDisk]]] = {
    "of nothing": SimDisk,
    "after a close": lambda: prepared(Operation(INLINE, read, fill_with_a_snapshot)),
    "after a kill": lambda: killed(Operation(INLINE, read, fill_with_a_snapshot)),
    "after a kill with space ahead": lambda: killed(Operation(INLINE, read, fill_with_space_ahead)),
}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, INLINE) for name in OPENS),
        ("after a close", READ_ONLY),
        ("after a kill", READ_ONLY),
    ],
    ids=lambda value: value if isinstance(value, str) else f"read_only={value.read_only}",
)
def test_an_open_that_an_error_ends_leaves_nothing_open_and_loses_nothing(
    name: str, options: FileStorageOptions
) -> None:
    disk = OPENS[name]()
    run = Run(disk.process_kill(), options)
    run.interruption.arm(None, Struck)
    store = run.open()
    moments, acknowledged = list(run.interruption.moments), content_of(store)
    for number, moment in enumerate(moments):
        run = Run(disk.process_kill(), options)
        run.interruption.arm(number, Struck)
        with pytest.raises(Struck):
            run.open()
        assert run.interruption.struck == moment
        assert run.filesystem.open_files == []
        run.options = INLINE
        check_next_open(run, [acknowledged])


@pytest.mark.minutes
def test_no_crash_after_an_interrupted_save_leaves_a_store_that_does_not_open() -> None:
    operation = OPERATIONS["save_state"]
    disk = prepared(operation)
    moments, contents = moments_of(operation, disk)
    judged = set()
    for number in range(len(moments)):
        store, run, _ = interrupted(operation, disk, number, KeyboardInterrupt)
        begun = len(run.disk.log)
        acknowledged = {content.state for content in contents}
        following = PersistentState(2, "node-c")
        with suppress(StoragePoisonedError):
            if store.load_state() == contents[0].state:
                store.save_state(following)
                acknowledged.add(following)
        pending = PendingOps(run.disk.image, POSIX)
        for position, record in enumerate(run.disk.log, start=1):
            pending.take(record)
            if position < begun or not pending.whole:
                continue
            for kept in all_images(pending, limit=4096).images:
                image = pending.image(kept)
                if image.digest() in judged:
                    continue
                judged.add(image.digest())
                assert Run(SimDisk(image), INLINE).open().load_state() in acknowledged
    assert len(judged) > 50


def test_a_poisoned_store_names_what_interrupted_it() -> None:
    operation = OPERATIONS["append"]
    moments, _ = moments_of(operation, disk := prepared(operation))
    number = moments.index(Moment("datasync", "log.dat", after=False))
    store, _, _ = interrupted(operation, disk, number, KeyboardInterrupt)
    with pytest.raises(
        StoragePoisonedError, match=r"append to the log failed \(KeyboardInterrupt\)"
    ):
        store.append_log_entries(entries(10, 10))


def test_what_ends_a_compaction_beside_is_raised_by_one_close_which_releases_everything() -> None:
    operation = OPERATIONS["save a snapshot and compact beside"]
    moments, _ = moments_of(operation, disk := prepared(operation))
    number = moments.index(Moment("open", "log.dat.tmp", after=False))
    store, run, _ = interrupted(operation, disk, number, MemoryError)
    assert store.last_log_index == 9
    with pytest.raises(MemoryError):
        store.close()
    assert run.filesystem.open_files == []
    store.close()
    run.open().close()
