"""Opens, `verify` and `dump` beside other work, and what a failed open leaves behind."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count

import pytest
from attrs import define, evolve, field
from engine_site import NOTHING_RETAINED, WRITES, Call, EngineSite, WatchedFileSystem, entries

from wavetank.engine import (
    CorruptedLogError,
    File,
    FileStorage,
    FileStorageOptions,
    LockTimeoutError,
    LogBounds,
    LogEntry,
    NotInitializedError,
    PersistentState,
    RecoveryMode,
    SnapshotMetadata,
    StorageConfig,
    StorageError,
    StorageIOError,
    dump_directory,
    verify_directory,
)
from wavetank.engine.dump import DumpedDamage
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

READ_ONLY = FileStorageOptions(read_only=True)
KEEP_LOG = evolve(NOTHING_RETAINED, auto_truncate_on_snapshot=False, preallocate=0)
RESERVING = evolve(KEEP_LOG, preallocate=4096)
View = tuple[PersistentState, LogBounds, tuple[LogEntry, ...], SnapshotMetadata | None]


def simulated() -> EngineSite:
    return EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")


def view(store: FileStorage) -> View:
    """Return all that a store shows."""
    bounds = store.log_bounds()
    log: tuple[LogEntry, ...] = ()
    if bounds.last_index >= bounds.first_index:
        log = tuple(store.get_log_entries(bounds.first_index, bounds.last_index + 1))
    snapshot = None
    with suppress(StorageError):
        snapshot = store.load_snapshot()[0]
    return store.load_state(), bounds, log, snapshot


@define
class Neighbour:
    """Whoever works on the store while somebody else looks at its directory."""

    site: EngineSite
    options: FileStorageOptions
    store: FileStorage = field(init=False)
    seen: list[View] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.store = self.site.open(self.options)
        self.store.save_state(PersistentState(3, "a"))
        for first in (1, 4, 7):
            self.store.append_log_entries(entries(first, first + 2, size=40))
        self.store.save_snapshot(SnapshotMetadata(2, 1), b"two")
        self.seen.append(view(self.store))

    def note(self) -> None:
        self.seen.append(view(self.store))

    def append(self) -> None:
        last = self.store.last_log_index
        self.store.append_log_entries(entries(last + 1, last + 3, size=700))
        self.note()

    def save_state(self) -> None:
        term = self.store.load_state().current_term
        self.store.save_state(PersistentState(term + 1, "b"))
        self.note()

    def compact(self) -> None:
        self.store.save_snapshot(SnapshotMetadata(self.store.last_log_index - 1, 1), b"more")
        self.note()
        self.store.truncate_log_prefix(self.store.last_log_index)
        self.note()

    def install(self) -> None:
        self.store.save_snapshot(SnapshotMetadata(self.store.last_log_index + 50, 1), b"far")
        self.note()

    def cut(self) -> None:
        self.store.truncate_log_suffix(self.store.last_log_index - 1)
        self.note()

    def close(self) -> None:
        self.store.close()

    def reopen(self) -> None:
        self.store.close()
        self.store = self.site.open(self.options)
        self.append()

    def restart(self) -> None:
        self.store = self.site.reopen(self.options)
        self.append()


OPERATIONS = ("append", "save_state", "compact", "install", "cut", "close", "reopen", "restart")


@define
class Interposed(WatchedFileSystem):
    """A filesystem whose user is interrupted: before its call number `at`, `work` is done."""

    at: int = -1
    work: Callable[[], None] = field(default=lambda: None)
    done: bool = False

    def note(self, kind: str, path: str, length: int = 0) -> None:
        super().note(kind, path, length)
        if len(self.calls) == self.at + 1 and not self.done:
            self.done = True
            self.work()


def interleavings(
    options: FileStorageOptions, operation: str
) -> Iterator[tuple[Neighbour, Interposed]]:
    """Yield a new neighbour for every call of a look, with the filesystem to look through."""
    for at in count():
        neighbour = Neighbour(simulated(), options)
        work = getattr(neighbour, operation)
        through = Interposed(neighbour.site.filesystem, at=at, work=work)
        yield neighbour, through
        if not through.done:
            assert at > 10
            return


@pytest.mark.parametrize("options", [KEEP_LOG, RESERVING], ids=["plain", "reserving"])
@pytest.mark.parametrize("operation", OPERATIONS)
class TestBesideOtherWork:
    def test_verify_finds_a_sound_store(self, operation: str, options: FileStorageOptions) -> None:
        for neighbour, through in interleavings(options, operation):
            report = verify_directory(neighbour.site.directory, fs=through)
            assert report.places == ()

    def test_a_dump_holds_no_damage(self, operation: str, options: FileStorageOptions) -> None:
        for neighbour, through in interleavings(options, operation):
            dump = dump_directory(neighbour.site.directory, fs=through)
            parts = list(dump.frames())
            assert [part for part in parts if isinstance(part, DumpedDamage)] == []
            documents = [*dump.state, *dump.snapshot, *([dump.metadata] if dump.metadata else [])]
            assert [document.damage for document in documents] == [""] * len(documents)
            assert set(dump.snapshot_data.values()) == {True}
            assert dump.log_damage == ""

    def test_a_read_only_open_shows_a_state_that_the_store_had(
        self, operation: str, options: FileStorageOptions
    ) -> None:
        for neighbour, through in interleavings(options, operation):
            config = StorageConfig(directory=neighbour.site.directory)
            with FileStorage(config, READ_ONLY, fs=through, runtime=SerialRuntime()) as store:
                assert store.recovery_report.lost == ()
                assert store.recovery_report.cut is None
                assert view(store) in neighbour.seen


@define
class Observer:
    """Looks at a directory before every call of the store that works in it."""

    site: EngineSite
    looks: int = 0

    def __call__(self, _: Call) -> None:
        directory, fs = self.site.directory, self.site.filesystem
        try:
            report = verify_directory(directory, fs=fs)
            dump = dump_directory(directory, fs=fs)
            config = StorageConfig(directory=directory)
            with FileStorage(config, READ_ONLY, fs=fs, runtime=SerialRuntime()) as store:
                assert store.recovery_report.lost == ()
                assert store.recovery_report.cut is None
        except NotInitializedError:
            return
        self.looks += 1
        assert report.places == ()
        assert [part for part in dump.frames() if isinstance(part, DumpedDamage)] == []


@pytest.mark.parametrize("options", [KEEP_LOG, RESERVING], ids=["plain", "reserving"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_nobody_who_looks_between_two_calls_of_a_store_sees_damage(
    operation: str, options: FileStorageOptions
) -> None:
    neighbour = Neighbour(simulated(), options)
    observer = Observer(neighbour.site)
    neighbour.site.watched.refuse = observer
    getattr(neighbour, operation)()
    assert observer.looks > 1


def test_nobody_who_looks_while_a_store_is_made_sees_damage() -> None:
    site = simulated()
    site.filesystem.mkdir(site.directory)
    observer = Observer(site)
    site.watched.refuse = observer
    site.open()
    assert observer.looks > 1


BESIDE_VERIFY: dict[str, Callable[[FileStorage], object]] = {
    "append": lambda store: store.append_log_entries(
        entries(store.last_log_index + 1, store.last_log_index + 2), timeout=0
    ),
    "save_state": lambda store: store.save_state(PersistentState(9, "z"), timeout=0),
    "save_snapshot": lambda store: store.save_snapshot(
        SnapshotMetadata(store.last_log_index - 1, 1), b"more", timeout=0
    ),
    "install": lambda store: store.save_snapshot(
        SnapshotMetadata(store.last_log_index + 9, 1), b"far", timeout=0
    ),
    "cut": lambda store: store.truncate_log_suffix(store.last_log_index, timeout=0),
    "compact": lambda store: store.truncate_log_prefix(2, timeout=0),
}


@pytest.mark.parametrize("options", [KEEP_LOG, RESERVING], ids=["plain", "reserving"])
@pytest.mark.parametrize("operation", BESIDE_VERIFY)
def test_a_store_that_is_worked_on_verifies_itself_as_sound(
    operation: str, options: FileStorageOptions
) -> None:
    happened = 0
    for at in count():
        neighbour = Neighbour(simulated(), options)
        neighbour.site.forget()

        def work(_: Call, at: int = at, neighbour: Neighbour = neighbour) -> None:
            nonlocal happened
            store, calls = neighbour.store, neighbour.site.watched.calls
            if len(calls) == at + 1:
                with suppress(LockTimeoutError):
                    # Nothing changes, but a snapshot that is durable waits for this lock without
                    # limit, which no call inside another one may.
                    store.truncate_log_suffix(store.last_log_index + 1, timeout=0)
                    BESIDE_VERIFY[operation](store)
                    happened += 1

        neighbour.site.watched.refuse = work
        assert neighbour.store.verify().places == ()
        if len(neighbour.site.watched.calls) <= at:
            break
    assert happened > 5


class Interrupting:
    """A token that does some work when it is asked for the third time."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.asked = 0
        self.work = work

    def is_set(self) -> bool:
        self.asked += 1
        if self.asked == 3:
            self.work()
        return False


def test_a_snapshot_saved_while_verify_asks_its_token_is_no_damage() -> None:
    store = simulated().open(KEEP_LOG)
    store.append_log_entries(entries(1, 300))

    def work() -> None:
        store.save_snapshot(SnapshotMetadata(150, 1), b"x", timeout=0)
        store.truncate_log_prefix(151, timeout=0)

    assert store.verify(cancel=Interrupting(work)).places == ()
    assert store.first_log_index == 151


def is_open(file: File) -> bool:
    try:
        file.size()
    except OSError:
        return False
    return True


def new(site: EngineSite) -> None:
    assert site.directory


def killed(site: EngineSite) -> None:
    store = site.open(KEEP_LOG)
    store.save_state(PersistentState(2, "a"))
    store.append_log_entries(entries(1, 3))
    store.save_snapshot(SnapshotMetadata(2, 1), b"two")
    store.append_log_entries(entries(4, 5))
    site.kill()
    site.write("log.dat", site.read("log.dat") + b"torn")


def closed(site: EngineSite) -> None:
    killed(site)
    site.open(KEEP_LOG).close()


def without_lock(site: EngineSite) -> None:
    """An open then judges once more before it makes LOCK."""
    closed(site)
    site.remove("LOCK")


def committed_snapshot(site: EngineSite) -> None:
    """The renames are left to do, and the log ends before the snapshot."""
    killed(site)
    store = site.open(KEEP_LOG)
    site.fail_change(8)
    with suppress(StorageIOError):
        store.save_snapshot(SnapshotMetadata(50, 1), b"fifty")
    site.heal()
    site.kill()
    assert "snapshot.marker" in site.names()


def damaged_frame(site: EngineSite) -> None:
    closed(site)
    site.flip("log.dat", -40)


def damaged_snapshot(site: EngineSite) -> None:
    closed(site)
    site.flip("snapshot.dat", 0)


AGGRESSIVE = evolve(KEEP_LOG, recovery_mode=RecoveryMode.AGGRESSIVE)
OPENS = {
    "new": (new, KEEP_LOG),
    "killed": (killed, KEEP_LOG),
    "closed": (closed, KEEP_LOG),
    "without LOCK": (without_lock, KEEP_LOG),
    "committed snapshot": (committed_snapshot, KEEP_LOG),
    "damaged frame": (damaged_frame, AGGRESSIVE),
    "damaged snapshot": (damaged_snapshot, AGGRESSIVE),
    "read-only": (killed, READ_ONLY),
    "read-only, damaged": (damaged_frame, READ_ONLY),
}


@pytest.mark.parametrize(
    "error", [MemoryError, KeyboardInterrupt, OSError], ids=lambda e: e.__name__
)
@pytest.mark.parametrize("kind", OPENS)
def test_an_open_that_fails_at_any_call_leaves_no_file_open(
    kind: str, error: type[BaseException]
) -> None:
    prepare, options = OPENS[kind]
    failed = 0
    for at in count():
        site = simulated()
        prepare(site)

        def fail(_: Call, at: int = at, site: EngineSite = site) -> None:
            if len(site.watched.calls) == at + 1:
                raise error(5, "of a test")

        site.watched.refuse = fail
        try:
            site.open(options)
        except (error, StorageIOError):
            failed += 1
            assert [file for file in site.watched.files if is_open(file)] == []
        else:
            if len(site.watched.calls) <= at:
                break
            site.kill()
        site.heal()
        store = site.open(options)
        assert store.last_log_index in (0, 3, 5, 50)
    assert failed > 10


@pytest.mark.parametrize("options", [KEEP_LOG, READ_ONLY], ids=["writable", "read-only"])
@pytest.mark.parametrize("door", ["lock", "condition"])
def test_an_open_whose_runtime_fails_leaves_no_file_open(
    door: str, options: FileStorageOptions
) -> None:
    failed = 0
    for at in count():
        site = simulated()
        killed(site)
        asked = count()
        runtime = SerialRuntime()
        make = getattr(runtime, door)

        def fail(
            at: int = at, asked: Iterator[int] = asked, make: Callable[[], object] = make
        ) -> object:
            if next(asked) == at:
                raise MemoryError
            return make()

        setattr(runtime, door, fail)
        site.make_runtime = lambda runtime=runtime: runtime  # type: ignore[misc]
        try:
            site.open(options)
        except MemoryError:
            failed += 1
            assert [file for file in site.watched.files if is_open(file)] == []
        else:
            break
    assert failed


# Logs that are read warm first


def large(site: EngineSite, options: FileStorageOptions = KEEP_LOG) -> list[int]:
    """Write frames of 9 KB to a log of more than 64 KiB; return where each begins, and the end."""
    store = site.open(options)
    offsets = [48]
    for index in range(1, 13):
        store.append_log_entries(entries(index, index, size=9000))
        offsets.append(offsets[-1] + 72 + 16 + 9000)
    return offsets


def log_calls(site: EngineSite) -> list[tuple[str, int]]:
    return [(call.kind, call.length) for call in site.watched.calls if call.name == "log.dat"]


def test_only_the_unproven_end_of_a_large_log_is_read_again_from_the_medium() -> None:
    site = simulated()
    offsets = large(site)
    site.kill()
    store = site.open(KEEP_LOG)
    end = offsets[-1]
    assert log_calls(site) == [
        ("open", 0),
        ("size", 0),
        ("pread", end),
        ("fsync", 0),
        ("advise_dont_need", 0),
        ("pread", end - offsets[-3]),  # the last proven frame, and the one behind it
        ("pread", end - offsets[-2]),
        ("pwrite", end - offsets[-2] + 72),
        ("fsync", 0),
    ]
    assert store.get_log_entries(1, 13) == [
        e for i in range(1, 13) for e in entries(i, i, size=9000)
    ]


def test_what_only_the_cache_held_is_not_shown() -> None:
    """The cache shows frames that the medium lost, as after a sync that failed."""
    site = simulated()
    offsets = large(site)
    site.kill()
    whole = site.read("log.dat")

    def lose(call: Call) -> None:
        if call.kind == "advise_dont_need":
            site.write(
                "log.dat", whole[: offsets[-3] + 100] + bytes(len(whole) - offsets[-3] - 100)
            )

    site.watched.refuse = lose
    store = site.open(KEEP_LOG)
    assert store.last_log_index == 10
    assert store.recovery_report.cut is not None
    assert store.recovery_report.cut.offset == offsets[-3]


def test_a_loss_that_the_medium_shows_is_refused() -> None:
    site = simulated()
    offsets = large(site)
    site.kill()

    def lose(call: Call) -> None:
        if call.kind == "advise_dont_need":
            site.watched.refuse = lambda _: None
            content = bytearray(site.read("log.dat"))
            content[offsets[-3] + 200 : offsets[-3] + 210] = bytes(10)
            site.write("log.dat", bytes(content))

    site.watched.refuse = lose
    with pytest.raises(CorruptedLogError, match="index 11"):
        site.open(KEEP_LOG)


def test_an_open_whose_first_sync_fails_is_refused_though_the_log_was_read() -> None:
    site = simulated()
    large(site)
    site.kill()
    site.fail_change(0)
    with pytest.raises(StorageIOError):
        site.open(KEEP_LOG)
    assert [call.kind for call in site.calls()] == ["fsync"]


def test_zeros_read_from_the_medium_are_not_written_again() -> None:
    """Every frame of a log that was made anew is proven, and an open has left its zeros behind."""
    site = simulated()
    options = evolve(KEEP_LOG, compaction_requires_snapshot=False)
    store = site.open(options)
    store.append_log_entries(entries(1, 2))
    store.append_log_entries(entries(3, 4))
    store.truncate_log_prefix(3)
    site.reopen(options)
    assert [call for call in site.calls(WRITES) if call.name == "log.dat"] == [
        Call("pwrite", "log.dat", 72)
    ]
    store = site.reopen(options)
    assert [call.kind for call in site.calls()] == ["fsync", "fsync_dir"]
    assert store.get_log_entries(3, 5) == entries(3, 4)
