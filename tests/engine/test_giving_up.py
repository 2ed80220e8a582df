"""Calls that give up, for want of a lock or at a token's wish: nothing is held, nothing changed.

Calls run inside one another in one thread: the filesystem makes the inner ones in the middle of the
outer one, which holds its locks then.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
from engine_site import CHANGES, INLINE, Call, EngineSite, entries
from full_disks import content
from hypothesis import given
from hypothesis import strategies as st

from wavetank.engine import (
    CancelToken,
    FileStorage,
    FileStorageOptions,
    LockTimeoutError,
    OperationCancelledError,
    PersistentState,
    SnapshotMetadata,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

OPTIONS = FileStorageOptions(
    retained_log_size=0,
    compaction_requires_snapshot=False,
    auto_truncate_on_snapshot=False,
    chunk_size=512,
    features=INLINE,
)
HELD = 36
"""Entries in the log, in batches of three."""


class Token:
    """Is set from its nth look on; counts the looks."""

    def __init__(self, looks_before: int) -> None:
        self._looks_before = looks_before
        self.looks = 0

    def is_set(self) -> bool:
        self.looks += 1
        return self.looks > self._looks_before


Operation = Callable[[FileStorage, float | None, CancelToken | None], object]

OPERATIONS: dict[str, Operation] = {
    "save_state": lambda store, timeout, cancel: store.save_state(
        PersistentState(store.load_state().current_term + 1), timeout=timeout, cancel=cancel
    ),
    "load_state": lambda store, timeout, cancel: store.load_state(timeout=timeout, cancel=cancel),
    "append": lambda store, timeout, cancel: store.append_log_entries(
        entries(store.last_log_index + 1, store.last_log_index + 2, size=100),
        timeout=timeout,
        cancel=cancel,
    ),
    "entries": lambda store, timeout, cancel: store.get_log_entries(
        store.last_log_index - 1, store.last_log_index + 1, timeout=timeout, cancel=cancel
    ),
    "entry": lambda store, timeout, cancel: store.get_log_entry(
        store.last_log_index, timeout=timeout, cancel=cancel
    ),
    "suffix": lambda store, timeout, cancel: store.truncate_log_suffix(
        store.last_log_index, timeout=timeout, cancel=cancel
    ),
    "prefix": lambda store, timeout, cancel: store.truncate_log_prefix(
        store.first_log_index + 1, timeout=timeout, cancel=cancel
    ),
    "save_snapshot": lambda store, timeout, cancel: store.save_snapshot(
        SnapshotMetadata(store.first_log_index, 1),
        (b"s" * 512 for _ in range(3)),
        timeout=timeout,
        cancel=cancel,
    ),
    "load_snapshot": lambda store, timeout, cancel: store.load_snapshot(
        timeout=timeout, cancel=cancel
    ),
    "open_snapshot": lambda store, timeout, cancel: store.open_snapshot(
        timeout=timeout, cancel=cancel
    ).close(),
    "verify": lambda store, timeout, cancel: store.verify(timeout=timeout, cancel=cancel),
}

KEPT_OUT: dict[str, tuple[Call, set[str]]] = {
    "append": (Call("datasync", "log.dat"), {"append", "suffix", "prefix", "verify"}),
    "suffix": (Call("datasync", "log.dat"), {"append", "suffix", "prefix", "verify"}),
    "save_state": (Call("fsync", "state.json.tmp"), {"save_state", "verify"}),
    "save_snapshot": (Call("fsync", "snapshot.dat.tmp"), {"save_snapshot", "verify"}),
    "prefix": (Call("fsync", "log.dat.tmp"), {"prefix"}),
    "verify": (Call("pread", "state.json"), {"save_state", "verify"}),
}
"""For each call that holds locks: a moment at which it does, and who has to wait for it then."""

WAIT_FOR_THE_LOG = {"save_snapshot"}
"""Once its snapshot is durable it waits for the log without a limit, which no inner call may."""


def place() -> EngineSite:
    return EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")


def filled(site: EngineSite) -> FileStorage:
    store = site.open(OPTIONS)
    for first in range(1, HELD, 3):
        store.append_log_entries(entries(first, first + 2, size=200))
    store.save_state(PersistentState(1, "node-a"))
    store.save_snapshot(SnapshotMetadata(1, 1), b"one" * 500)
    return store


def inside(site: EngineSite, moment: Call, work: Callable[[], None]) -> list[Call]:
    """Let `work` run once, at the next call like that; returns that call once it has been made."""
    made: list[Call] = []

    def look(call: Call) -> None:
        if (call.kind, call.name) == (moment.kind, moment.name) and not made:
            made.append(call)
            work()

    site.watched.refuse = look
    return made


def require_free(store: FileStorage) -> None:
    """Do everything without ever waiting."""
    for operation in OPERATIONS.values():
        operation(store, 0, None)
    store.close()


@pytest.mark.parametrize("outer", KEPT_OUT)
def test_only_those_wait_that_need_the_same_lock(outer: str) -> None:
    site = place()
    store = filled(site)
    moment, expected = KEPT_OUT[outer]
    gave_up = set()

    def work() -> None:
        for name, operation in OPERATIONS.items():
            if name in WAIT_FOR_THE_LOG and outer in ("append", "suffix"):
                continue
            try:
                operation(store, 0, None)
            except LockTimeoutError:
                gave_up.add(name)

    made = inside(site, moment, work)
    OPERATIONS[outer](store, None, None)
    assert made
    assert gave_up == expected
    require_free(store)


_ATTEMPTS = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 4) | st.none()), max_size=8
)


@given(outer=st.sampled_from(sorted(KEPT_OUT)), attempts=_ATTEMPTS)
def test_whoever_gives_up_whenever_holds_nothing_afterwards(
    outer: str, attempts: Sequence[tuple[str, int | None]]
) -> None:
    site = place()
    store = filled(site)

    def work() -> None:
        for name, looks_before in attempts:
            if name in WAIT_FOR_THE_LOG and outer in ("append", "suffix"):
                continue
            token = None if looks_before is None else Token(looks_before)
            with suppress(LockTimeoutError, OperationCancelledError):
                OPERATIONS[name](store, 0, token)

    made = inside(site, KEPT_OUT[outer][0], work)
    OPERATIONS[outer](store, None, None)
    assert made
    require_free(store)


LOOKS = {
    "save_state": 2,
    "load_state": 2,
    "append": 2,
    "entries": 2,
    "entry": 2,
    "suffix": 2,
    "prefix": 4 + HELD // 3,
    "save_snapshot": 5,
    "load_snapshot": 2,
    "open_snapshot": 2,
    "verify": 6,
}
"""How often each call asks: before and after each lock, and before each chunk or frame copied."""


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_token_counts_until_something_counts_and_leaves_nothing(name: str) -> None:
    looks_before = 0
    while True:
        site = place()
        store = filled(site)
        before, names = content(store), site.names()
        site.forget()
        token = Token(looks_before)
        try:
            OPERATIONS[name](store, None, token)
        except OperationCancelledError:
            assert site.names() == names
            assert content(store) == before
            changed = {call.name.removesuffix(".tmp") for call in site.calls(CHANGES)}
            assert changed <= {
                "save_snapshot": {"snapshot.dat", "snapshot_meta.json"},
                "prefix": {"log.dat"},
            }.get(name, set())
            assert content(site.reopen(OPTIONS)) == before
            looks_before += 1
        else:
            break
    assert looks_before == token.looks == LOOKS[name]


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("append", Call("pwrite", "log.dat")),
        ("suffix", Call("pwrite", "log.dat")),
        ("save_state", Call("pwrite", "state.json.tmp")),
        ("save_snapshot", Call("fsync", "snapshot.dat.tmp")),
        ("prefix", Call("fsync", "log.dat.tmp")),
    ],
)
def test_past_that_a_call_completes(name: str, moment: Call) -> None:
    site = place()
    store = filled(site)
    token = Token(1 << 30)
    expected = filled(place())
    OPERATIONS[name](expected, None, None)

    def set_token() -> None:
        token.looks = 1 << 30

    made = inside(site, moment, set_token)
    OPERATIONS[name](store, None, token)
    assert made
    assert content(store) == content(expected) == content(site.reopen(OPTIONS))
