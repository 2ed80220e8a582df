"""The control backend makes the recorded package's file operations and shows its known faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from attrs import field, frozen, mutable
from hypothesis import given
from hypothesis import strategies as st

from wavetank.engine.errors import (
    CorruptedLogError,
    CorruptedSnapshotError,
    CorruptedStateError,
    EmptyEntriesError,
    EntryNotFoundError,
    IndexOutOfRangeError,
    InvalidLogRangeError,
    LockTimeoutError,
    NonContiguousEntriesError,
    NoSnapshotError,
    OperationCancelledError,
    OutOfOrderEntriesError,
    StorageClosedError,
    StorageIOError,
)
from wavetank.engine.filesystem import Buffer, File, FileStat, FileSystem, OpenFlag
from wavetank.engine.os_filesystem import OsFileSystem
from wavetank.engine.runtime import Lock, Task
from wavetank.engine.storage import Storage
from wavetank.engine.thread_runtime import ThreadRuntime
from wavetank.engine.values import LogBounds, LogEntry, PersistentState, SnapshotMetadata
from wavetank.scenarios.stores.raftlock.published import RaftlockOptions, RaftlockPublished

TRACE: Mapping[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "raftlock_published_trace.json").read_text()
)
FLAGS = {
    "O_RDONLY": OpenFlag.READ,
    "O_WRONLY": OpenFlag.WRITE,
    "O_CREAT": OpenFlag.CREATE,
    "O_TRUNC": OpenFlag.TRUNCATE,
    "O_APPEND": OpenFlag.APPEND,
}
INLINE = RaftlockOptions(async_truncation=False)
EMPTY = LogBounds(first_index=1, last_index=0, last_term=0)


@frozen(kw_only=True)
class Effect:
    """One file operation that asks for a change or for durability; paths without the directory."""

    kind: str
    path: str
    target: str = ""
    flags: OpenFlag | None = None
    offset: int | None = None
    data: bytes = b""


@mutable
class Recorder:
    """Keeps the effects, and fails what stands in `refused`: a kind, or a kind and a path."""

    directory: str
    effects: list[Effect] = field(factory=list)
    refused: set[str] = field(factory=set)

    def relative(self, path: str) -> str:
        return path.removeprefix(f"{self.directory}/")

    def enter(self, kind: str, path: str) -> None:
        if self.refused & {kind, f"{kind} {self.relative(path)}"}:
            raise OSError(5, f"refused {kind}", path)

    def keep(self, effect: Effect) -> None:
        self.effects.append(effect)


@frozen
class RecordingFile:
    """A file that tells the recorder what is done to it."""

    inner: File
    recorder: Recorder
    path: str

    def pread(self, length: int, offset: int) -> bytes:
        return self.inner.pread(length, offset)

    def pwrite(self, data: Buffer, offset: int) -> int:
        self.recorder.enter("write", self.path)
        taken = self.inner.pwrite(data, offset)
        self._keep("write", offset=offset, data=bytes(data[:taken]))
        return taken

    def append(self, data: Buffer) -> int:
        self.recorder.enter("write", self.path)
        offset = self.inner.size()
        taken = self.inner.append(data)
        self._keep("write", offset=offset, data=bytes(data[:taken]))
        return taken

    def truncate(self, size: int) -> None:
        self.inner.truncate(size)
        self._keep("truncate", offset=size)

    def size(self) -> int:
        return self.inner.size()

    def fsync(self) -> None:
        self.recorder.enter("fsync", self.path)
        self.inner.fsync()
        self._keep("fsync")

    def datasync(self) -> None:
        self.inner.datasync()
        self._keep("datasync")

    def preallocate(self, offset: int, length: int) -> None:
        self.inner.preallocate(offset, length)
        self._keep("preallocate", offset=offset)

    def advise_dont_need(self) -> None:
        self.inner.advise_dont_need()

    def lock(self) -> None:
        self.inner.lock()
        self._keep("lock")

    def close(self) -> None:
        self.inner.close()

    def _keep(self, kind: str, *, offset: int | None = None, data: bytes = b"") -> None:
        self.recorder.keep(Effect(kind=kind, path=self.path, offset=offset, data=data))


@frozen
class RecordingFileSystem:
    """A filesystem that tells the recorder what is done to it."""

    inner: FileSystem
    recorder: Recorder

    def open(self, path: str, flags: OpenFlag) -> File:
        file = self.inner.open(path, flags)
        relative = self.recorder.relative(path)
        if flags & (OpenFlag.CREATE | OpenFlag.TRUNCATE):
            self.recorder.keep(Effect(kind="open", path=relative, flags=flags))
        return RecordingFile(file, self.recorder, relative)

    def rename(self, source: str, target: str) -> None:
        self.recorder.enter("rename", source)
        self.inner.rename(source, target)
        self._keep("rename", source, target=self.recorder.relative(target))

    def unlink(self, path: str) -> None:
        self.inner.unlink(path)
        self._keep("unlink", path)

    def link(self, source: str, target: str) -> None:
        self.inner.link(source, target)
        self._keep("link", source, target=self.recorder.relative(target))

    def mkdir(self, path: str) -> None:
        self.inner.mkdir(path)
        self._keep("mkdir", path)

    def rmdir(self, path: str) -> None:
        self.inner.rmdir(path)
        self._keep("rmdir", path)

    def listdir(self, path: str) -> Sequence[str]:
        return self.inner.listdir(path)

    def stat(self, path: str) -> FileStat:
        return self.inner.stat(path)

    def fsync_dir(self, path: str) -> None:
        self.inner.fsync_dir(path)
        self._keep("fsync_dir", path)

    def _keep(self, kind: str, path: str, *, target: str = "") -> None:
        relative = self.recorder.relative(path)
        self.recorder.keep(Effect(kind=kind, path=relative, target=target))


@frozen
class Cancelled:
    """A cancel token that is set from its `after`-th question on."""

    after: int = 0
    asked: list[None] = field(factory=list)

    def is_set(self) -> bool:
        self.asked.append(None)
        return len(self.asked) > self.after


class LateRuntime(ThreadRuntime):
    """Keeps spawned work until it is asked for."""

    def __init__(self) -> None:
        self._late: list[Callable[[], None]] = []

    def spawn(self, name: str, work: Callable[[], None]) -> Task:
        self._late.append(work)
        return super().spawn(name, lambda: None)

    def run_late_work(self) -> None:
        while self._late:
            self._late.pop(0)()


class IntrudingRuntime(ThreadRuntime):
    """Runs one piece of work where somebody is about to take a lock, or has just taken it."""

    def __init__(self) -> None:
        self._work: list[tuple[Callable[[], None], bool]] = []

    def intrude(self, work: Callable[[], None], *, held: bool = False) -> None:
        self._work.append((work, held))

    def step(self, *, held: bool) -> None:
        if self._work and self._work[0][1] is held:
            self._work.pop()[0]()

    def lock(self) -> Lock:
        return IntrudingLock(super().lock(), self)


@frozen
class IntrudingLock:
    """A real lock with two places where an `IntrudingRuntime` may step in."""

    inner: Lock
    runtime: IntrudingRuntime

    def acquire(self, timeout_s: float | None = None) -> bool:
        self.runtime.step(held=False)
        if not self.inner.acquire(timeout_s):
            return False
        self.runtime.step(held=True)
        return True

    def release(self) -> None:
        self.inner.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def opened(
    directory: Path, options: RaftlockOptions = INLINE, fs: FileSystem | None = None
) -> RaftlockPublished:
    return RaftlockPublished(
        str(directory), fs=fs or OsFileSystem(), runtime=ThreadRuntime(), options=options
    )


def recording(directory: Path) -> tuple[RaftlockPublished, Recorder]:
    recorder = Recorder(str(directory))
    return opened(directory, fs=RecordingFileSystem(OsFileSystem(), recorder)), recorder


def entries(first: int, last: int, term: int = 1) -> list[LogEntry]:
    return [LogEntry(index, term, f"command {index}".encode()) for index in range(first, last + 1)]


def whole_log(store: Storage) -> list[LogEntry]:
    bounds = store.log_bounds()
    if bounds.entry_count == 0:
        return []
    return list(store.get_log_entries(bounds.first_index, bounds.last_index + 1))


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


# --- the recording ---------------------------------------------------------------------------


def recorded_effects(ops: Sequence[Mapping[str, Any]]) -> list[Effect]:
    """The ops that had an effect, without the writes of no bytes."""
    return [recorded_effect(op) for op in ops if op["effect"] and op.get("length") != 0]


def recorded_effect(op: Mapping[str, Any]) -> Effect:
    if op["op"] == "rename":
        return Effect(kind="rename", path=op["from"], target=op["to"])
    if op["op"] == "open":
        flags = OpenFlag(sum(FLAGS[name] for name in op["flags"]))
        return Effect(kind="open", path=op["path"], flags=flags)
    if op["op"] == "write":
        data = bytes.fromhex(op["data_hex"])
        return Effect(kind="write", path=op["path"], offset=op["offset"], data=data)
    return Effect(kind=op["op"], path=op["path"])


def called(store: Storage, method: str, args: Mapping[str, Any]) -> object:
    """Make one recorded call and return its result in the recording's form."""
    calls: Mapping[str, Callable[[], object]] = {
        "save_state": lambda: store.save_state(PersistentState(args["term"], args["voted_for"])),
        "append": lambda: store.append_log_entries(
            [
                LogEntry(entry["index"], entry["term"], bytes.fromhex(entry["command_hex"]))
                for entry in args["entries"]
            ]
        ),
        "truncate_suffix": lambda: store.truncate_log_suffix(args["index"]),
        "truncate_prefix": lambda: store.truncate_log_prefix(args["index"]),
        "save_snapshot": lambda: store.save_snapshot(
            SnapshotMetadata(args["last_included_index"], args["last_included_term"]),
            bytes.fromhex(args["data_hex"]),
        ),
        "bounds": lambda: {"first": store.first_log_index, "last": store.last_log_index},
        "load_state": lambda: state_result(store.load_state()),
        "load_snapshot": lambda: snapshot_result(*store.load_snapshot()),
        "close": store.close,
    }
    return calls[method]()


def state_result(state: PersistentState) -> dict[str, object]:
    return {"term": state.current_term, "voted_for": state.voted_for}


def snapshot_result(metadata: SnapshotMetadata, data: bytes) -> dict[str, object]:
    return {
        "last_included_index": metadata.last_included_index,
        "last_included_term": metadata.last_included_term,
        "data_hex": data.hex(),
    }


def test_the_twenty_recorded_calls_make_the_recorded_operations(tmp_path: Path) -> None:
    recorder = Recorder(str(tmp_path))
    fs = RecordingFileSystem(OsFileSystem(), recorder)
    placeholders = TRACE["placeholders"]
    options = RaftlockOptions(
        async_truncation=False,
        pid=int(placeholders["pid"]),
        started_ms=int(placeholders["time"]),
        host=placeholders["host"],
    )
    store = opened(tmp_path, options, fs)
    for number, step in enumerate(TRACE["steps"]):
        if step["method"] == "open":
            # The store is open before the first step, whose ops are compared with those.
            store = store if number == 0 else opened(tmp_path, options, fs)
        else:
            assert called(store, step["method"], step["args"]) == step["result"], step["call"]
        assert recorder.effects == recorded_effects(step["ops"]), step["call"]
        recorder.effects.clear()
    assert contents(tmp_path) == {
        name: bytes.fromhex(data) for name, data in TRACE["final"].items()
    }


def test_the_recording_is_whole() -> None:
    ops = [op for step in TRACE["steps"] for op in step["ops"]]
    assert (len(TRACE["steps"]), len(ops)) == (20, 330)
    assert sum(op["effect"] for op in ops) == 131
    assert len(recorded_effects(ops)) == 127


def lay_out(directory: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        (directory / name).write_bytes(data)


def test_the_recorded_final_files_open(tmp_path: Path) -> None:
    lay_out(tmp_path, {name: bytes.fromhex(data) for name, data in TRACE["final"].items()})
    store = opened(tmp_path)
    assert store.log_bounds() == LogBounds(first_index=8, last_index=9, last_term=2)
    assert whole_log(store) == [
        LogEntry(8, 2, b"cmd-0008-t2abcdefghijklmnopqrstuvwxyz0"),
        LogEntry(9, 2, b"cmd-0009-t2abcdefg"),
    ]
    assert store.load_state() == PersistentState(2, "node-B")
    metadata, data = store.load_snapshot()
    assert (metadata, len(data)) == (SnapshotMetadata(7, 2), 5000)
    assert data.hex() == TRACE["final"]["snapshot.dat"]
    assert contents(tmp_path)["metadata.json"] == b'{"first_index":8,"last_index":9}'


# --- faults that need no crash ---------------------------------------------------------------


def test_m1_without_an_index_entries_since_the_last_rewrite_are_lost(tmp_path: Path) -> None:
    options = RaftlockOptions(index_map=False)
    store = opened(tmp_path, options)
    store.append_log_entries(entries(1, 4))
    store.truncate_log_suffix(4)
    store.append_log_entries(entries(4, 6))
    assert store.last_log_index == 6
    store.close()
    assert opened(tmp_path, options).last_log_index == 3


def test_without_an_index_reads_scan_the_log(tmp_path: Path) -> None:
    options = RaftlockOptions(index_map=False)
    store = opened(tmp_path, options)
    store.append_log_entries([*entries(1, 3), *entries(4, 6, term=2)])
    assert store.last_log_term == 2
    assert store.get_log_entry(5) == LogEntry(5, 2, b"command 5")
    store.truncate_log_prefix(3)
    assert whole_log(store) == [*entries(3, 3), *entries(4, 6, term=2)]
    store.close()
    reopened = opened(tmp_path, options)
    assert reopened.log_bounds() == LogBounds(first_index=3, last_index=6, last_term=2)
    assert whole_log(reopened) == [*entries(3, 3), *entries(4, 6, term=2)]


def test_t3_compacting_to_empty_forgets_the_base(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append_log_entries(entries(1, 5))
    store.truncate_log_prefix(6)
    assert store.log_bounds() == EMPTY
    with pytest.raises(NonContiguousEntriesError, match="begin at 1 but got 6"):
        store.append_log_entries(entries(6, 6))


def test_n7_an_older_snapshot_replaces_a_newer_one(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.save_snapshot(SnapshotMetadata(9, 3), b"newer")
    store.save_snapshot(SnapshotMetadata(4, 1), b"older")
    assert store.load_snapshot() == (SnapshotMetadata(4, 1), b"older")


def test_n8_a_snapshot_beyond_the_log_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append_log_entries(entries(1, 3))
    store.save_snapshot(SnapshotMetadata(10, 2), b"state")
    assert whole_log(store) == entries(1, 3)
    with pytest.raises(NonContiguousEntriesError, match="begin at 4 but got 11"):
        store.append_log_entries(entries(11, 11, term=2))


def test_a10_entries_over_the_read_limit_and_all_behind_them_vanish(tmp_path: Path) -> None:
    options = RaftlockOptions(max_entry_size=24 + 10)
    store = opened(tmp_path, options)
    store.append_log_entries([LogEntry(1, 1, b"0123456789"), LogEntry(2, 1, b"0123456789a")])
    store.append_log_entries([LogEntry(3, 1, b"short")])
    assert store.last_log_index == 3
    with pytest.raises(CorruptedLogError, match="body length <= 34 but got 35"):
        store.get_log_entry(2)
    store.close()
    assert whole_log(opened(tmp_path, options)) == [LogEntry(1, 1, b"0123456789")]


def test_s5_term_and_vote_go_back(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.save_state(PersistentState(5, "node-A"))
    store.save_state(PersistentState(5, "node-B"))
    store.save_state(PersistentState(2, ""))
    assert store.load_state() == PersistentState(2, "")


def test_l5_two_instances_share_a_directory_and_one_loses_what_it_acknowledged(
    tmp_path: Path,
) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    first.append_log_entries([LogEntry(1, 1, b"first")])
    second.append_log_entries([LogEntry(1, 1, b"second")])
    assert whole_log(second) == [LogEntry(1, 1, b"second")]
    assert whole_log(opened(tmp_path)) == [LogEntry(1, 1, b"first")]


def test_l4_a_background_compaction_runs_on_after_close(tmp_path: Path) -> None:
    runtime = LateRuntime()
    store = RaftlockPublished(str(tmp_path), fs=OsFileSystem(), runtime=runtime)
    store.append_log_entries(entries(1, 3))
    store.save_snapshot(SnapshotMetadata(2, 1), b"state")
    store.close()
    newer = opened(tmp_path)
    newer.append_log_entries(entries(4, 4))
    runtime.run_late_work()
    assert whole_log(opened(tmp_path)) == entries(3, 3)


def test_l1_an_append_that_waited_behind_another_hides_an_acknowledged_entry(
    tmp_path: Path,
) -> None:
    runtime = IntrudingRuntime()
    store = RaftlockPublished(str(tmp_path), fs=OsFileSystem(), runtime=runtime, options=INLINE)
    store.append_log_entries(entries(1, 3))
    runtime.intrude(partial(store.append_log_entries, entries(4, 4)))
    for _retry in range(2):
        with pytest.raises(CorruptedLogError, match=r"each index 1\.\.4 but got 5 entries"):
            store.append_log_entries(entries(4, 4))
        assert store.log_bounds() == LogBounds(first_index=1, last_index=3, last_term=1)


# --- ordinary behaviour ----------------------------------------------------------------------


def test_a_new_store_is_empty(tmp_path: Path) -> None:
    store = opened(tmp_path / "with" / "parents")
    assert store.log_bounds() == EMPTY
    assert (store.first_log_index, store.last_log_index, store.last_log_term) == (1, 0, 0)
    assert store.load_state() == PersistentState(0, "")
    with pytest.raises(NoSnapshotError):
        store.load_snapshot()
    assert contents(tmp_path / "with" / "parents") == {}


REFUSED_APPENDS: list[tuple[list[LogEntry], type[Exception]]] = [
    ([], EmptyEntriesError),
    ([*entries(4, 4), *entries(6, 6)], OutOfOrderEntriesError),
    ([*entries(4, 4), *entries(4, 4)], OutOfOrderEntriesError),
    (entries(5, 5), NonContiguousEntriesError),
    (entries(3, 4), NonContiguousEntriesError),
]


@pytest.mark.parametrize(("batch", "error"), REFUSED_APPENDS)
def test_a_refused_append_touches_nothing(
    tmp_path: Path, batch: list[LogEntry], error: type[Exception]
) -> None:
    store, recorder = recording(tmp_path)
    store.append_log_entries(entries(1, 3))
    recorder.effects.clear()
    with pytest.raises(error):
        store.append_log_entries(batch)
    assert recorder.effects == []
    assert whole_log(store) == entries(1, 3)


def test_reads_stay_within_the_log(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append_log_entries(entries(1, 5))
    store.truncate_log_prefix(3)
    assert store.get_log_entries(4, 6) == entries(4, 5)
    assert store.get_log_entry(3) == entries(3, 3)[0]
    for start, end in [(2, 4), (5, 7), (6, 7), (1, 3)]:
        with pytest.raises(IndexOutOfRangeError):
            store.get_log_entries(start, end)
    for index in (2, 6):
        with pytest.raises(EntryNotFoundError):
            store.get_log_entry(index)
    with pytest.raises(InvalidLogRangeError):
        store.get_log_entries(4, 4)


def test_truncations_beyond_the_end_are_refused(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append_log_entries(entries(1, 3))
    for truncate in (store.truncate_log_suffix, store.truncate_log_prefix):
        with pytest.raises(IndexOutOfRangeError, match="index <= 4 but got 5"):
            truncate(5)
    store.truncate_log_suffix(4)
    assert whole_log(store) == entries(1, 3)


def test_cutting_the_suffix_behind_an_empty_log_does_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.truncate_log_suffix(1)
    assert store.log_bounds() == EMPTY


def test_a_snapshot_compacts_in_the_background_by_default(tmp_path: Path) -> None:
    runtime = LateRuntime()
    store = RaftlockPublished(str(tmp_path), fs=OsFileSystem(), runtime=runtime)
    store.append_log_entries(entries(1, 3))
    store.save_snapshot(SnapshotMetadata(2, 1), b"state")
    assert whole_log(store) == entries(1, 3)
    runtime.run_late_work()
    assert whole_log(store) == entries(3, 3)


def test_a_snapshot_leaves_the_log_if_so_optioned(tmp_path: Path) -> None:
    store = opened(tmp_path, RaftlockOptions(auto_truncate_on_snapshot=False))
    store.append_log_entries(entries(1, 3))
    store.save_snapshot(SnapshotMetadata(2, 1), [b"sta", b"te"])
    assert whole_log(store) == entries(1, 3)
    assert store.load_snapshot() == (SnapshotMetadata(2, 1), b"state")


def test_a_snapshot_is_written_in_chunks(tmp_path: Path) -> None:
    recorder = Recorder(str(tmp_path))
    fs = RecordingFileSystem(OsFileSystem(), recorder)
    store = opened(tmp_path, RaftlockOptions(async_truncation=False, chunk_size=4), fs)
    store.save_snapshot(SnapshotMetadata(2, 1), b"0123456789")
    pieces = [
        effect.data
        for effect in recorder.effects
        if (effect.kind, effect.path) == ("write", "snapshot.dat.tmp")
    ]
    assert pieces == [b"0123", b"4567", b"89"]


def test_an_append_without_sync_does_not_sync(tmp_path: Path) -> None:
    recorder = Recorder(str(tmp_path))
    fs = RecordingFileSystem(OsFileSystem(), recorder)
    opened(tmp_path, RaftlockOptions(sync_on_append=False), fs).append_log_entries(entries(1, 2))
    assert "fsync" not in {effect.kind for effect in recorder.effects}


def test_a_vote_is_escaped_as_in_go(tmp_path: Path) -> None:
    store = opened(tmp_path)
    vote = 'a<b>&"\u2028\u00e9'
    store.save_state(PersistentState(1, vote))
    expected = (
        rb'{"current_term":1,"voted_for":"a\u003cb\u003e\u0026\"\u2028' + "é".encode() + b'"}'
    )
    assert contents(tmp_path)["state.json"] == expected
    assert store.load_state() == PersistentState(1, vote)


def test_a_closed_store_refuses_calls(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        store.load_state,
        store.log_bounds,
        store.load_snapshot,
        lambda: store.append_log_entries(entries(1, 1)),
        lambda: store.get_log_entries(1, 1),
        lambda: store.truncate_log_prefix(1),
    ]
    for call in calls:
        with pytest.raises(StorageClosedError):
            call()


def test_a_set_cancel_token_stops_a_call_before_it_writes(tmp_path: Path) -> None:
    store, recorder = recording(tmp_path)
    recorder.effects.clear()
    with pytest.raises(OperationCancelledError):
        store.save_state(PersistentState(1), cancel=Cancelled())
    with pytest.raises(OperationCancelledError):
        store.append_log_entries(entries(1, 1), cancel=Cancelled(after=1))
    assert recorder.effects == []


def test_an_append_cancelled_half_way_is_cut_back(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append_log_entries(entries(1, 1))
    before = contents(tmp_path)
    with pytest.raises(OperationCancelledError):
        store.append_log_entries(entries(2, 20), cancel=Cancelled(after=3))
    assert contents(tmp_path) == before
    store.append_log_entries(entries(2, 3))
    assert whole_log(opened(tmp_path)) == entries(1, 3)


def test_a_lock_that_is_not_free_in_time(tmp_path: Path) -> None:
    runtime = IntrudingRuntime()
    store = RaftlockPublished(str(tmp_path), fs=OsFileSystem(), runtime=runtime, options=INLINE)
    refused: list[str] = []

    def intruder() -> None:
        with pytest.raises(LockTimeoutError, match="load_state: expected the lock within 0 s"):
            store.load_state(timeout=0)
        refused.append("load_state")

    runtime.intrude(intruder, held=True)
    store.save_state(PersistentState(1))
    assert refused == ["load_state"]
    assert store.load_state() == PersistentState(1)


# --- what opening makes of damaged files -----------------------------------------------------


def stored(directory: Path) -> dict[str, bytes]:
    """Make a store with entries 1..3, a state and a snapshot at 1; return its files."""
    store = opened(directory, RaftlockOptions(auto_truncate_on_snapshot=False))
    store.append_log_entries(entries(1, 3))
    store.save_state(PersistentState(2, "node-A"))
    store.save_snapshot(SnapshotMetadata(1, 1), b"state")
    store.close()
    return contents(directory)


@pytest.mark.parametrize("tail", [b"\0", b"\0\0\0", b"\0\0\0\x20"])
def test_a2_a_torn_length_is_a_clean_end_and_the_next_append_lands_behind_it(
    tmp_path: Path, tail: bytes
) -> None:
    log = stored(tmp_path)["log.dat"]
    (tmp_path / "log.dat").write_bytes(log + tail)
    store = opened(tmp_path)
    store.append_log_entries(entries(4, 4))
    assert whole_log(store) == entries(1, 4)
    assert contents(tmp_path)["log.dat"].startswith(log + tail)
    assert whole_log(opened(tmp_path)) == entries(1, 3)


@given(cut=st.integers(0, 200))
def test_any_cut_of_the_log_opens_with_a_prefix(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    directory = tmp_path_factory.mktemp("store")
    log = stored(directory)["log.dat"]
    size = min(cut, len(log))
    (directory / "log.dat").write_bytes(log[:size])
    ends = [0, 37, 74, 111]
    count = max(number for number, end in enumerate(ends) if end <= size)
    assert whole_log(opened(directory)) == entries(1, count)
    # Up to four bytes behind the last whole record pass for a clean end; more are cut away.
    torn = size - ends[count]
    assert len(contents(directory)["log.dat"]) == ends[count] + (torn if torn <= 4 else 0)


def test_a4_damage_in_the_middle_cuts_the_acknowledged_rest(tmp_path: Path) -> None:
    log = bytearray(stored(tmp_path)["log.dat"])
    log[37 + 4 + 7] ^= 0xFF
    (tmp_path / "log.dat").write_bytes(log)
    assert whole_log(opened(tmp_path)) == entries(1, 1)
    assert contents(tmp_path)["log.dat"] == bytes(log[:37])


def test_a3_a_changed_command_is_not_noticed(tmp_path: Path) -> None:
    log = stored(tmp_path)["log.dat"]
    (tmp_path / "log.dat").write_bytes(log.replace(b"command 2", b"gommand 2"))
    assert opened(tmp_path).get_log_entry(2) == LogEntry(2, 1, b"gommand 2")


def test_a_missing_log_opens_as_an_empty_one(tmp_path: Path) -> None:
    stored(tmp_path)
    (tmp_path / "log.dat").unlink()
    (tmp_path / "metadata.json").write_bytes(b'{"first_index":1,"last_index":3}')
    assert opened(tmp_path).log_bounds() == EMPTY
    assert contents(tmp_path)["metadata.json"] == b'{"first_index":0,"last_index":0}'


def test_a_missing_state_is_term_0(tmp_path: Path) -> None:
    stored(tmp_path)
    (tmp_path / "state.json").unlink()
    assert opened(tmp_path).load_state() == PersistentState(0, "")


@pytest.mark.parametrize("name", ["state.json", "metadata.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"current_term":"2","first_index":-1}', b"\0" * 33, b"[" * 100_000],
)
def test_an_unreadable_state_or_metadata_refuses_the_start(
    tmp_path: Path, name: str, content: bytes
) -> None:
    stored(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorruptedStateError, match=name):
        opened(tmp_path)
    assert "recovery.marker" in contents(tmp_path)


def test_a_metadata_range_turned_round_refuses_the_start(tmp_path: Path) -> None:
    stored(tmp_path)
    (tmp_path / "metadata.json").write_bytes(b'{"first_index":3,"last_index":1}')
    with pytest.raises(CorruptedStateError, match="first_index 3 > last_index 1"):
        opened(tmp_path)


def test_a_missing_metadata_is_rewritten_from_the_log(tmp_path: Path) -> None:
    assert "metadata.json" not in stored(tmp_path)
    assert opened(tmp_path).last_log_index == 3
    assert contents(tmp_path)["metadata.json"] == b'{"first_index":1,"last_index":3}'


UNREADABLE_SNAPSHOTS: list[dict[str, bytes]] = [
    {"snapshot_meta.json": b""},
    {"snapshot_meta.json": b'{"last_included_index":0,"last_included_term":1}'},
    {"snapshot_meta.json": b"{}", "snapshot.dat": b""},
]


@pytest.mark.parametrize("files", UNREADABLE_SNAPSHOTS)
def test_an_unreadable_snapshot(tmp_path: Path, files: dict[str, bytes]) -> None:
    stored(tmp_path)
    lay_out(tmp_path, files)
    with pytest.raises(CorruptedSnapshotError, match="snapshot_meta"):
        opened(tmp_path).load_snapshot()


def test_a_snapshot_without_data(tmp_path: Path) -> None:
    stored(tmp_path)
    (tmp_path / "snapshot.dat").unlink()
    with pytest.raises(CorruptedSnapshotError, match=r"snapshot\.dat"):
        opened(tmp_path).load_snapshot()


def test_n11_short_data_is_accepted(tmp_path: Path) -> None:
    stored(tmp_path)
    (tmp_path / "snapshot.dat").write_bytes(b"sta")
    assert opened(tmp_path).load_snapshot() == (SnapshotMetadata(1, 1), b"sta")


NEW_METADATA = b'{"last_included_index":3,"last_included_term":1}'
MARKER_AS_WRITTEN = b"pid=1,time=1,last_idx=3,last_term=1,files_written,meta_committed"


def test_n2_a_snapshot_stopped_between_its_renames_gets_the_old_data(tmp_path: Path) -> None:
    stored(tmp_path)
    lay_out(
        tmp_path,
        {
            "snapshot.marker": MARKER_AS_WRITTEN,
            "snapshot_meta.json": NEW_METADATA,
            "snapshot.dat.tmp": b"new state",
        },
    )
    assert opened(tmp_path).load_snapshot() == (SnapshotMetadata(3, 1), b"state")
    assert "snapshot.dat.tmp" not in contents(tmp_path)
    assert contents(tmp_path)["snapshot.marker"] == MARKER_AS_WRITTEN
    opened(tmp_path)
    assert "snapshot.marker" not in contents(tmp_path)


def test_the_word_that_the_reader_looks_for_finishes_a_first_snapshot(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {
            "snapshot.marker": MARKER_AS_WRITTEN + b"=true",
            "snapshot_meta.json": NEW_METADATA,
            "snapshot.dat.tmp": b"new state",
        },
    )
    assert opened(tmp_path).load_snapshot() == (SnapshotMetadata(3, 1), b"new state")


def test_after_a_marker_a_metadata_without_log_is_reset(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {"recovery.marker": b"", "metadata.json": b'{"first_index":4,"last_index":9}'},
    )
    store, recorder = recording(tmp_path)
    assert store.log_bounds() == EMPTY
    assert [effect.kind for effect in recorder.effects[:3]] == ["open", "write", "rename"]
    assert contents(tmp_path) == {"metadata.json": b'{"first_index":0,"last_index":0}'}


def test_left_over_temporary_files_are_removed_at_open(tmp_path: Path) -> None:
    names = ["state.json", "metadata.json", "log.dat", "snapshot_meta.json", "snapshot.dat"]
    lay_out(tmp_path, {f"{name}.tmp": b"junk" for name in names})
    (tmp_path / "foreign.tmp").write_bytes(b"kept")
    opened(tmp_path)
    assert contents(tmp_path) == {"foreign.tmp": b"kept"}


# --- what a refusing filesystem leads to -----------------------------------------------------


@pytest.mark.parametrize("kind", ["write", "fsync"])
def test_a8_a_failed_append_is_cut_back_without_sync_and_the_store_goes_on(
    tmp_path: Path, kind: str
) -> None:
    store, recorder = recording(tmp_path)
    store.append_log_entries(entries(1, 2))
    before = contents(tmp_path)
    recorder.effects.clear()
    recorder.refused.add(kind)
    with pytest.raises(StorageIOError, match=f"append_log_entries: .*refused {kind}"):
        store.append_log_entries(entries(3, 4))
    assert recorder.effects[-1] == Effect(kind="truncate", path="log.dat", offset=74)
    assert contents(tmp_path) == before
    recorder.refused.clear()
    store.append_log_entries(entries(3, 3))
    assert whole_log(opened(tmp_path)) == entries(1, 3)


@pytest.mark.parametrize("kind", ["write", "fsync", "rename"])
def test_a_failed_rewrite_leaves_the_log_and_no_temporary_file(tmp_path: Path, kind: str) -> None:
    store, recorder = recording(tmp_path)
    store.append_log_entries(entries(1, 4))
    before = contents(tmp_path)
    recorder.refused.add(kind)
    with pytest.raises(StorageIOError):
        store.truncate_log_suffix(3)
    assert contents(tmp_path) == before
    assert whole_log(store) == entries(1, 4)


@pytest.mark.parametrize("kind", ["fsync", "rename"])
def test_a_failed_snapshot_leaves_the_old_one_and_no_litter(tmp_path: Path, kind: str) -> None:
    store, recorder = recording(tmp_path)
    store.save_snapshot(SnapshotMetadata(1, 1), b"old")
    before = contents(tmp_path)
    recorder.refused.add(kind)
    with pytest.raises(StorageIOError):
        store.save_snapshot(SnapshotMetadata(2, 1), b"new")
    assert contents(tmp_path) == before


def test_a_snapshot_whose_data_cannot_be_renamed_takes_the_metadata_with_it(
    tmp_path: Path,
) -> None:
    store, recorder = recording(tmp_path)
    store.save_snapshot(SnapshotMetadata(1, 1), b"old")
    recorder.refused.add("rename snapshot.dat.tmp")
    with pytest.raises(StorageIOError):
        store.save_snapshot(SnapshotMetadata(2, 1), b"new")
    assert contents(tmp_path) == {"snapshot.dat": b"old"}


# --- options ---------------------------------------------------------------------------------


def test_wrong_options_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"RaftlockOptions\.chunk_size: expected at least 1"):
        RaftlockOptions(chunk_size=0)
    with pytest.raises(TypeError, match=r"RaftlockOptions\.pid: expected int but got True"):
        RaftlockOptions(pid=True)


# --- any work without crashes ----------------------------------------------------------------

WORK = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 4)),
        st.tuples(st.just("suffix"), st.integers(0, 6)),
        st.tuples(st.just("prefix"), st.integers(0, 6)),
        st.tuples(st.just("snapshot"), st.integers(0, 6)),
        st.tuples(st.just("state"), st.integers(0, 9)),
        st.tuples(st.just("reopen"), st.just(0)),
    ),
    max_size=20,
)


@mutable
class Model:
    """What a right store would hold, as long as the log never becomes empty by compaction."""

    log: list[LogEntry] = field(factory=list)
    state: PersistentState = field(factory=lambda: PersistentState(0))
    snapshot: tuple[SnapshotMetadata, bytes] | None = None
    term: int = 1

    @property
    def next_index(self) -> int:
        return self.log[-1].index + 1 if self.log else 1

    def work(self, store: Storage, kind: str, number: int) -> None:
        if kind == "append":
            batch = entries(self.next_index, self.next_index + number - 1, self.term)
            store.append_log_entries(batch)
            self.log += batch
        elif kind == "state":
            self.state = PersistentState(number, f"node-{number}")
            store.save_state(self.state)
        elif self.log and number < len(self.log):
            self.cut(store, kind, self.log[number].index)

    def cut(self, store: Storage, kind: str, index: int) -> None:
        if kind == "suffix":
            # A suffix that begins at the base would empty a compacted log, which is T3.
            if index > self.log[0].index or index == 1:
                store.truncate_log_suffix(index)
                self.log = [entry for entry in self.log if entry.index < index]
                self.term += 1
            return
        if kind == "snapshot" and index > 1:
            self.snapshot = (SnapshotMetadata(index - 1, 1), f"state {index - 1}".encode())
            store.save_snapshot(*self.snapshot)
        elif kind == "prefix":
            store.truncate_log_prefix(index)
        self.log = [entry for entry in self.log if entry.index >= index]

    def check(self, store: Storage) -> None:
        assert whole_log(store) == self.log
        assert store.last_log_term == (self.log[-1].term if self.log else 0)
        assert [store.get_log_entry(entry.index) for entry in self.log] == self.log
        assert store.load_state() == self.state
        if self.snapshot is not None:
            assert store.load_snapshot() == self.snapshot


@given(work=WORK)
def test_work_without_crashes_is_done_right(
    tmp_path_factory: pytest.TempPathFactory, work: list[tuple[str, int]]
) -> None:
    directory = tmp_path_factory.mktemp("store")
    store, model = opened(directory), Model()
    for kind, number in work:
        if kind == "reopen":
            store.close()
            store = opened(directory)
        else:
            model.work(store, kind, number)
        model.check(store)
