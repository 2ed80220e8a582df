"""Options: bad ones are refused by name; whichever wrote a store, any others open it."""

import math
from collections.abc import Callable

import pytest
from attrs import define, field, fields
from engine_site import EngineSite, entries
from hypothesis import given, settings
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
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

FLAGS = [attribute.name for attribute in fields(StorageFeatureFlags)]
OPTIONS = [attribute.name for attribute in fields(FileStorageOptions)]
OUT_OF_RANGE: dict[str, list[object]] = {
    "retained_log_size": [-1, 2**63 + 1],
    "chunk_size": [0, 511, (1 << 30) + 1],
    "lock_timeout": [0, -1.0, math.inf, math.nan],
    "truncation_timeout": [0, -0.5, math.inf, math.nan],
    "max_entry_size": [0, 1 << 31],
    "preallocate": [-1, (1 << 30) + 1],
    "recovery_mode": ["brave"],
}


def test_every_flag_is_on_by_default() -> None:
    assert all(getattr(StorageFeatureFlags(), name) is True for name in FLAGS)
    assert set(FLAGS) == {
        "binary_format",
        "index_map",
        "async_truncation",
        "chunked_io",
        "atomic_writes",
        "lock_timeout",
        "metrics",
    }


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_a_flag_that_is_no_boolean_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=rf"StorageFeatureFlags\.{name}: expected bool"):
        StorageFeatureFlags(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_of_another_type_is_refused_by_name(name: str) -> None:
    with pytest.raises(TypeError, match=rf"FileStorageOptions\.{name}: expected"):
        FileStorageOptions(**{name: object()})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, found in OUT_OF_RANGE.items() for value in found]
)
def test_an_option_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"FileStorageOptions\.{name}: expected"):
        FileStorageOptions(**{name: value})  # type: ignore[arg-type]


def test_options_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        FileStorageOptions(StorageFeatureFlags())  # type: ignore[call-arg]


_ANY_OPTIONS = st.builds(
    FileStorageOptions,
    features=st.builds(StorageFeatureFlags, **{name: st.booleans() for name in FLAGS}),
    auto_truncate_on_snapshot=st.booleans(),
    sync_on_append=st.booleans(),
    recovery_mode=st.sampled_from(RecoveryMode),
    retained_log_size=st.sampled_from([0, 1, 5, 100]),
    chunk_size=st.sampled_from([512, 4096, 1 << 20]),
    preallocate=st.sampled_from([0, 1, 5000]),
)


@define
class Twin:
    """A store, and beside it what it must hold."""

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


_STEPS = st.lists(
    st.tuples(
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
    ),
    max_size=25,
)


@settings(max_examples=150)
@given(steps=_STEPS, turns=st.lists(_ANY_OPTIONS, min_size=1, max_size=5))
def test_any_options_go_on_where_any_others_stopped(
    steps: list[tuple[Callable[[Twin, int], None], int]], turns: list[FileStorageOptions]
) -> None:
    twin = Twin(EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store"), turns)
    for step, number in steps:
        step(twin, number)
        twin.check()
