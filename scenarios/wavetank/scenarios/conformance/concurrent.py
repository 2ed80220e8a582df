"""Checks with real threads, on a real directory.

A thread may be anywhere when another acts, so that a check that passes says less than one that
fails. Each ends by itself; one that hangs is stopped from outside (isolation.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory
from typing import Final

from wavetank.engine import (
    LogEntry,
    OsFileSystem,
    PersistentState,
    Storage,
    Task,
    ThreadRuntime,
)
from wavetank.scenarios.conformance.assertions import (
    CheckFailure,
    entries,
    expect,
    refused,
    require,
)
from wavetank.scenarios.conformance.check import group_of
from wavetank.scenarios.conformance.gated_filesystem import HeldFileSystem
from wavetank.scenarios.conformance.store_harness import Bench
from wavetank.scenarios.stores.adapter import Site
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["CONCURRENT", "CONCURRENT_OPEN_CLOSE"]

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


def linearizable(bench: Bench) -> None:
    """Each read shows all that was acknowledged before it began and nothing not yet begun."""
    with _real_store(bench) as store:
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


def no_deadlock(bench: Bench) -> None:
    """Calls of every kind, from several threads at once, all end."""
    with _real_store(bench) as store:
        has_votes = bench.plug.has(Capability.VOTES)

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


def no_lost_wakeup(bench: Bench) -> None:
    """Threads that wait for one another's calls all get their turn."""
    with _real_store(bench) as store:
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


def readers_never_see_unacked(bench: Bench) -> None:
    """While an append is not durable yet, no reader is shown its entries."""
    fs = HeldFileSystem(OsFileSystem(), ThreadRuntime())
    with _real_store(bench, fs) as store:
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


def close_races(bench: Bench) -> None:
    """Calls that meet a close are answered rightly or refused; none hangs."""
    for _ in range(5):
        with _real_store(bench) as store:
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


def lock_timeouts(bench: Bench) -> None:
    """A call that waits longer than it may gives up, and changes nothing then or later."""
    fs = HeldFileSystem(OsFileSystem(), ThreadRuntime())
    with _real_store(bench, fs) as store:
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


def concurrent_readers_one_writer(bench: Bench) -> None:
    """Readers beside a writer see whole batches, in order, and never an error."""
    with _real_store(bench) as store:
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
def _real_store(bench: Bench, fs: HeldFileSystem | None = None) -> Iterator[Storage]:
    """Open the store in a real directory, and close it in the end."""
    with TemporaryDirectory(prefix="wavetank-check-") as directory:
        store = bench.plug.open(
            Site(
                fs=fs or OsFileSystem(),
                runtime=ThreadRuntime(),
                directory=f"{directory}/store",
                options=bench.options,
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
