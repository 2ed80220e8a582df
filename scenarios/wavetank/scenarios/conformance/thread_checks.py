"""Checks with real threads, on a real directory.

A thread may be anywhere when another acts, so that a check that passes says less than one that
fails. Each ends by itself; one that hangs is stopped from outside (isolation.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory
from typing import Final

from wavetank.engine import (
    File,
    FileStat,
    FileSystem,
    LogEntry,
    OpenFlag,
    OsFileSystem,
    PersistentState,
    Runtime,
    Storage,
    Task,
    ThreadRuntime,
)
from wavetank.scenarios.conformance.check import (
    CheckFailure,
    entries,
    expect,
    group_of,
    refused,
    require,
)
from wavetank.scenarios.conformance.store_harness import StoreHarness
from wavetank.scenarios.stores.adapter import Site
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["CONCURRENT", "CONCURRENT_OPEN_CLOSE"]


class GatedFileSystem:
    """A filesystem that passes everything on, and syncs of files only when they are let go.

    Args:
        inner: does the work.
        runtime: whose threads wait.
    """

    def __init__(self, inner: FileSystem, runtime: Runtime) -> None:
        self._inner = inner
        self._changed = runtime.condition()
        self._holds = False
        self._waiting = 0

    def hold(self) -> None:
        """Let every sync from now on wait."""
        with self._changed:
            self._holds = True

    def release(self) -> None:
        """Let those that wait go on, and all later ones."""
        with self._changed:
            self._holds = False
            self._changed.notify_all()

    def wait_until_held(self, timeout_s: float) -> bool:
        """Return once a sync waits; False if none came."""
        with self._changed:
            while not self._waiting:
                if not self._changed.wait(timeout_s):
                    return False
            return True

    def pass_gate(self) -> None:
        """Wait while syncs are held."""
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
            while self._holds:
                self._changed.wait()
            self._waiting -= 1

    def open(self, path: str, flags: OpenFlag) -> File:
        """See `FileSystem.open`."""
        return _GatedFile(self._inner.open(path, flags), self)

    def rename(self, source: str, target: str) -> None:
        """See `FileSystem.rename`."""
        self._inner.rename(source, target)

    def unlink(self, path: str) -> None:
        """See `FileSystem.unlink`."""
        self._inner.unlink(path)

    def link(self, source: str, target: str) -> None:
        """See `FileSystem.link`."""
        self._inner.link(source, target)

    def mkdir(self, path: str) -> None:
        """See `FileSystem.mkdir`."""
        self._inner.mkdir(path)

    def rmdir(self, path: str) -> None:
        """See `FileSystem.rmdir`."""
        self._inner.rmdir(path)

    def listdir(self, path: str) -> Sequence[str]:
        """See `FileSystem.listdir`."""
        return self._inner.listdir(path)

    def stat(self, path: str) -> FileStat:
        """See `FileSystem.stat`."""
        return self._inner.stat(path)

    def fsync_dir(self, path: str) -> None:
        """See `FileSystem.fsync_dir`."""
        self._inner.fsync_dir(path)


class _GatedFile:
    """An open file of a `GatedFileSystem`."""

    def __init__(self, inner: File, gate: GatedFileSystem) -> None:
        self._inner = inner
        self._gate = gate
        self.pread = inner.pread
        self.pwrite = inner.pwrite
        self.append = inner.append
        self.truncate = inner.truncate
        self.size = inner.size
        self.preallocate = inner.preallocate
        self.advise_dont_need = inner.advise_dont_need
        self.lock = inner.lock
        self.close = inner.close

    def fsync(self) -> None:
        self._gate.pass_gate()
        self._inner.fsync()

    def datasync(self) -> None:
        self._gate.pass_gate()
        self._inner.datasync()


_APPENDS: Final = 60
_READERS: Final = 3
_WAIT_S: Final = 20.0
_SHORT_S: Final = 0.05


class _Writer:
    """Appends one entry after the other, and says how far it is."""

    def __init__(self, store: Storage, count: int) -> None:
        self.begun = 0
        self.done = 0
        self.over = False
        self._store = store
        self._count = count

    def run(self) -> None:
        try:
            for index in range(1, self._count + 1):
                self.begun = index
                self._store.append_log_entries(entries(index, 1))
                self.done = index
        finally:
            self.over = True


def linearizable(harness: StoreHarness) -> None:
    """Each read shows all that was acknowledged before it began and nothing not yet begun."""
    with _real_store(harness) as store:
        writer = _Writer(store, _APPENDS)
        wrong: list[str] = []

        def read() -> None:
            while not writer.over and not wrong:
                least = writer.done
                last = store.last_log_index
                shown = tuple(store.get_log_entries(1, last + 1)) if last else ()
                most = writer.begun
                if not least <= last <= most or shown != entries(1, last):
                    wrong.append(f"a read between {least} and {most} appends showed {last}")

        _run_together(writer.run, *[read] * _READERS)
        expect(wrong, [], "reads that no order of the calls explains")


def no_deadlock(harness: StoreHarness) -> None:
    """Calls of every kind, from several threads at once, all end."""
    with _real_store(harness) as store:
        has_votes = harness.adapter.has(Capability.VOTES)

        def append() -> None:
            for index in range(1, _APPENDS + 1):
                store.append_log_entries(entries(index, 1))

        def vote() -> None:
            for term in range(1, _APPENDS + 1) if has_votes else ():
                store.save_state(PersistentState(term, "node-a"))
                store.load_state()

        def read() -> None:
            for _ in range(_APPENDS):
                last = store.last_log_index
                if last:
                    store.get_log_entries(1, last + 1)
                    store.get_log_entry(last)

        _run_together(append, vote, read, read)
        expect(store.last_log_index, _APPENDS, "the last index")


def no_lost_wakeup(harness: StoreHarness) -> None:
    """Threads that wait for one another's calls all get their turn."""
    with _real_store(harness) as store:
        turns = ThreadRuntime().condition()

        def take_turns(remainder: int) -> Callable[[], None]:
            def work() -> None:
                for index in range(remainder + 1, _APPENDS + 1, _READERS):
                    with turns:
                        while store.last_log_index != index - 1:
                            if not turns.wait(_WAIT_S):
                                raise CheckFailure(f"entry {index - 1} was never shown")
                        store.append_log_entries(entries(index, 1))
                        turns.notify_all()

            return work

        _run_together(*(take_turns(remainder) for remainder in range(_READERS)))
        expect(tuple(store.get_log_entries(1, _APPENDS + 1)), entries(1, _APPENDS), "the log")


def readers_never_see_unacked(harness: StoreHarness) -> None:
    """While an append is not durable yet, no reader is shown its entries."""
    fs = GatedFileSystem(OsFileSystem(), ThreadRuntime())
    with _real_store(harness, fs) as store:
        store.append_log_entries(entries(1, 2))
        fs.hold()
        append = _spawn(lambda: store.append_log_entries(entries(3, 1)))
        seen: list[int] = []
        reader = _spawn(lambda: seen.append(store.last_log_index))
        try:
            if not fs.wait_until_held(_WAIT_S):
                raise CheckFailure("an append returned without a sync")
            reader.join(_SHORT_S)
            early = tuple(seen)
        finally:
            fs.release()
        _join(append)
        _join(reader)
        require(set(early) <= {2}, f"a reader beside the append to be shown 2 entries, not {early}")
        expect(store.last_log_index, 3, "the last index once the append is over")


def close_races(harness: StoreHarness) -> None:
    """Calls that meet a close are answered rightly or refused; none hangs."""
    for _ in range(5):
        with _real_store(harness) as store:
            store.append_log_entries(entries(1, 5))
            wrong: list[object] = []

            def read(store: Storage = store, wrong: list[object] = wrong) -> None:
                with suppress(Exception):
                    while True:
                        came = tuple(store.get_log_entries(1, 6))
                        if came != entries(1, 5):
                            wrong.append(came)

            readers = [_spawn(read) for _ in range(_READERS)]
            store.close()
            for reader in readers:
                _join(reader)
            expect(wrong, [], "reads that met the close")


def lock_timeouts(harness: StoreHarness) -> None:
    """A call that waits longer than it may gives up, and changes nothing then or later."""
    fs = GatedFileSystem(OsFileSystem(), ThreadRuntime())
    with _real_store(harness, fs) as store:
        store.append_log_entries(entries(1, 2))
        fs.hold()
        append = _spawn(lambda: store.append_log_entries(entries(3, 1)))
        try:
            if not fs.wait_until_held(_WAIT_S):
                raise CheckFailure("an append returned without a sync")
            refused(
                lambda: store.append_log_entries(entries(4, 1), timeout=_SHORT_S),
                f"an append that may wait {_SHORT_S} s for another",
            )
        finally:
            fs.release()
        _join(append)
        store.append_log_entries(entries(4, 1, term=2))
        wanted = entries(1, 3) + entries(4, 1, term=2)
        expect(tuple(store.get_log_entries(1, 5)), wanted, "the log")


def concurrent_readers_one_writer(harness: StoreHarness) -> None:
    """Readers beside a writer see whole batches, in order, and never an error."""
    with _real_store(harness) as store:
        torn: list[int] = []
        over: list[bool] = []

        def write() -> None:
            for number in range(20):
                store.append_log_entries(entries(3 * number + 1, 3, size_bytes=400))
            over.append(True)

        def read() -> None:
            while not over:
                last = store.last_log_index
                if last % 3:
                    torn.append(last)
                if last:
                    came: tuple[LogEntry, ...] = tuple(store.get_log_entries(1, last + 1))
                    expect(came, entries(1, last, size_bytes=400), "a read beside the writer")

        _run_together(write, *[read] * _READERS)
        expect(torn, [], "the indices at which a reader saw part of a batch")


@contextmanager
def _real_store(harness: StoreHarness, fs: GatedFileSystem | None = None) -> Iterator[Storage]:
    """Open the store in a real directory, and close it in the end."""
    with TemporaryDirectory(prefix="wavetank-check-") as directory:
        store = harness.adapter.open(
            Site(
                fs=fs or OsFileSystem(),
                runtime=ThreadRuntime(),
                directory=f"{directory}/store",
                options=harness.options,
            )
        )
        try:
            yield store
        finally:
            with suppress(Exception):
                store.close()


def _spawn(work: Callable[[], None]) -> Task:
    return ThreadRuntime().spawn("wavetank-check", work)


def _join(task: Task) -> None:
    if not task.join(_WAIT_S):
        raise CheckFailure(f"a call did not end within {_WAIT_S:.0f} s")


def _run_together(*works: Callable[[], None]) -> None:
    for task in [_spawn(work) for work in works]:
        _join(task)


_THREADS = (Capability.THREAD_SAFE,)
_HELD = (Capability.THREAD_SAFE, Capability.SITE_FILESYSTEM, Capability.DURABLE_APPENDS)

CONCURRENT: Final = group_of(
    "concurrent",
    (
        (linearizable, _THREADS),
        (no_deadlock, _THREADS),
        (no_lost_wakeup, _THREADS),
        (readers_never_see_unacked, _HELD),
        (close_races, _THREADS),
        (lock_timeouts, (*_HELD, Capability.LOCK_TIMEOUTS)),
    ),
)
"""Every check of this group."""

CONCURRENT_OPEN_CLOSE: Final = group_of(
    "open_close",
    ((concurrent_readers_one_writer, (*_THREADS, Capability.ATOMIC_BATCHES)),),
)
"""The one check with threads that belongs to another group."""
