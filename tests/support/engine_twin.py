"""A store under any options, and beside it what it must hold.

`Twin` does each step to both and compares; `ANY_OPTIONS`, `STEPS` and
`MANY_STEPS` are what hypothesis draws from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field, fields
from engine_site import EngineSite, entries
from hypothesis import strategies as st

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    PersistentState,
    RecoveryMode,
    SnapshotMetadata,
    StorageFeatureFlags,
)

__all__ = ["ANY_OPTIONS", "MANY_STEPS", "STEPS", "Step", "Twin"]

_FLAGS: Final = [attribute.name for attribute in fields(StorageFeatureFlags)]

ANY_OPTIONS: Final = st.builds(
    FileStorageOptions,
    features=st.builds(StorageFeatureFlags, **{name: st.booleans() for name in _FLAGS}),
    auto_truncate_on_snapshot=st.booleans(),
    sync_on_append=st.booleans(),
    recovery_mode=st.sampled_from(RecoveryMode),
    retained_log_size=st.sampled_from([0, 1, 5, 100]),
    chunk_size=st.sampled_from([512, 4096, 1 << 20]),
    preallocate=st.sampled_from([0, 1, 5000]),
)


@define
class Twin:
    """A store, and beside it what it must hold.

    Args:
        site: where the store lives.
        turns: the options of each opening, in turn.
    """

    site: EngineSite
    turns: list[FileStorageOptions]
    opened: int = 0
    log: list[LogEntry] = field(factory=list)
    state: PersistentState = field(factory=lambda: PersistentState(0))
    snapshot: tuple[SnapshotMetadata, bytes] | None = None
    store: FileStorage = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.store = self.site.open(self.turns[0])

    @property
    def covered(self) -> int:
        return self.snapshot[0].last_included_index if self.snapshot else 0

    def append(self, number: int) -> None:
        batch = entries(len(self.log) + 1, len(self.log) + number, size=50 * number)
        self.store.append_log_entries(batch)
        self.log += batch

    def suffix(self, number: int) -> None:
        if len(self.log) > self.covered:
            kept = max(self.covered, len(self.log) - number)
            self.store.truncate_log_suffix(kept + 1)
            del self.log[kept:]

    def save_snapshot(self, number: int) -> None:
        index = min(self.covered + number, len(self.log))
        if index > self.covered:
            self.snapshot = SnapshotMetadata(index, 1), b"snapshot " * 100 * number
            self.store.save_snapshot(*self.snapshot)

    def prefix(self, _: int) -> None:
        self.store.truncate_log_prefix(self.covered)

    def save_state(self, number: int) -> None:
        self.state = PersistentState(self.state.current_term + 1, "x" * number)
        self.store.save_state(self.state)

    def close(self, number: int) -> None:
        self.store.close()
        self.kill(number)

    def kill(self, _: int) -> None:
        """Lose nothing: the page cache survives the end of a process."""
        self.opened += 1
        self.store = self.site.reopen(self.turns[self.opened % len(self.turns)])
        report = self.store.recovery_report
        assert (report.cut, report.lost) == (None, ())

    def check(self) -> None:
        extent = self.store.log_bounds()
        assert extent.last_index == len(self.log)
        assert extent.first_index <= self.covered + 1
        if extent.entry_count:
            found = self.store.get_log_entries(extent.first_index, extent.last_index + 1)
            assert found == self.log[extent.first_index - 1 :]
        assert self.store.load_state() == self.state
        if self.snapshot:
            assert self.store.load_snapshot() == self.snapshot


Step = tuple[Callable[[Twin, int], None], int]

_STEP: Final = st.tuples(
    st.sampled_from(
        [
            *[Twin.append] * 3,
            Twin.suffix,
            Twin.save_snapshot,
            Twin.prefix,
            Twin.save_state,
            Twin.close,
            Twin.kill,
        ]
    ),
    st.integers(1, 9),
)
STEPS: Final = st.lists(_STEP, max_size=25)
MANY_STEPS: Final = st.lists(_STEP, min_size=8, max_size=25)
