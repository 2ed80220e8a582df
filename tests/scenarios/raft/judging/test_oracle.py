"""The oracle names the right invariant, and reports nobody who kept every promise."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from wavetank.engine import (
    FileStorageOptions,
    LogBounds,
    LogEntry,
    PersistentState,
    RecoveryMode,
    SnapshotMetadata,
    StorageFeatureFlags,
)
from wavetank.scenarios import (
    INVARIANTS,
    Append,
    Knowledge,
    ModelState,
    Observation,
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
    acknowledge,
    begin,
    judge,
)

OPTIONS = FileStorageOptions(retained_log_size=0)


def entry(index: int, term: int = 1) -> LogEntry:
    return LogEntry(index, term, b"%d of %d" % (index, term))


def span(first: int, last: int, term: int = 1) -> tuple[LogEntry, ...]:
    return tuple(entry(index, term) for index in range(first, last + 1))


SNAPSHOT = (SnapshotMetadata(2, 1), b"two")
KNOWN = ModelState(
    state=PersistentState(3, "node-a"),
    entries=span(1, 6),
    compactable_through=2,
    snapshot=SNAPSHOT,
)


def shows(state: ModelState) -> Observation:
    """What a store in exactly this state shows."""
    last = state.entries[-1].term if state.entries else state.base_term or 0
    bounds = LogBounds(
        first_index=state.base_index + 1, last_index=state.last_index, last_term=last
    )
    return Observation(
        state=state.state, bounds=bounds, entries=state.entries, snapshot=state.snapshot
    )


def invariants(
    seen: ModelState, *possible: ModelState, removed: tuple[LogEntry, ...] = ()
) -> list[str]:
    knowledge = Knowledge(possible=possible or (KNOWN,), removed=frozenset(removed))
    return [problem.invariant for problem in judge(shows(seen), knowledge, OPTIONS)]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (KNOWN, []),
        (evolve(KNOWN, base_index=2, base_term=1, entries=span(3, 6)), []),
        (evolve(KNOWN, state=PersistentState(2, "")), ["O1"]),
        (evolve(KNOWN, state=PersistentState(3, "node-b")), ["O1"]),
        (evolve(KNOWN, state=PersistentState(4, "")), ["O1"]),
        (evolve(KNOWN, entries=span(1, 5)), ["O2"]),
        (evolve(KNOWN, entries=()), ["O5", "O2"]),
        (evolve(KNOWN, entries=(*span(1, 5), LogEntry(6, 1, b"other"))), ["O2", "O2"]),
        (evolve(KNOWN, entries=span(1, 7)), ["O2"]),
        (evolve(KNOWN, base_index=3, base_term=1, entries=span(4, 6)), ["O5", "O2"]),
        (evolve(KNOWN, snapshot=None), ["O4"]),
        (evolve(KNOWN, snapshot=(SnapshotMetadata(2, 1), b"tw")), ["O4"]),
        (evolve(KNOWN, snapshot=(SnapshotMetadata(1, 1), b"one")), ["O4"]),
    ],
)
def test_each_kind_of_loss_has_its_invariant(seen: ModelState, expected: list[str]) -> None:
    assert invariants(seen) == expected


def test_what_a_truncation_removed_must_not_return() -> None:
    short = evolve(KNOWN, entries=span(1, 4))
    assert invariants(KNOWN, short, removed=span(5, 6)) == ["O3"]
    assert invariants(evolve(KNOWN, entries=span(1, 5)), short, removed=span(5, 6)) == ["O3"]


def test_a_batch_in_flight_comes_whole_or_not_at_all() -> None:
    possible = begin((KNOWN,), Append(span(7, 9)), OPTIONS)
    assert [invariants(evolve(KNOWN, entries=span(1, n)), *possible) for n in (6, 7, 8, 9)] == [
        [],
        ["O11"],
        ["O11"],
        [],
    ]


def test_parts_of_different_moments_do_not_mix() -> None:
    """A new snapshot from beyond the log over the old log leaves a hole."""
    step = SaveSnapshot(SnapshotMetadata(9, 3), b"nine")
    old, new = begin((KNOWN,), step, OPTIONS)
    assert invariants(old, old, new) == invariants(new, old, new) == []
    assert invariants(evolve(old, snapshot=new.snapshot), old, new) == ["O5"]
    assert invariants(evolve(new, snapshot=old.snapshot), old, new) == ["O5"]


def test_after_a_clean_close_every_loss_also_breaks_the_close() -> None:
    knowledge = Knowledge(possible=(KNOWN,), closed=True)
    seen = shows(evolve(KNOWN, state=PersistentState(2, "")))
    assert [problem.invariant for problem in judge(seen, knowledge, OPTIONS)] == ["O1", "O12"]


def test_every_invariant_named_is_documented() -> None:
    assert {f"O{n}" for n in range(1, 22)} == set(INVARIANTS)


steps = st.lists(
    st.one_of(
        st.builds(SaveState, st.builds(PersistentState, st.integers(3, 5), st.just("node-a"))),
        st.integers(1, 3),
        st.integers(3, 12).map(TruncateSuffix),
        st.integers(1, 12).map(TruncatePrefix),
        st.integers(3, 20).map(lambda index: SaveSnapshot(SnapshotMetadata(index, 3), b"later")),
    ),
    max_size=8,
)


@given(script=steps)
def test_a_store_that_did_or_did_not_do_the_last_step_is_never_reported(
    script: list[Step | int],
) -> None:
    """Inclusion law: what the model itself may be in, the oracle accepts at every moment."""
    state = KNOWN
    for item in script:
        step = legal(item, state)
        possible = begin((state,), step, OPTIONS)
        (after,) = acknowledge((state,), step, OPTIONS)
        assert invariants(state, *possible) == invariants(after, *possible) == []
        state = after


def legal(item: Step | int, state: ModelState) -> Step:
    """Turn a drawn item into a step that Raft could take in this state."""
    assert state.snapshot is not None
    covered = state.snapshot[0].last_included_index
    match item:
        case int():
            return Append(span(state.last_index + 1, state.last_index + item, 3))
        case TruncateSuffix(index):
            return TruncateSuffix(min(max(index, covered + 1), state.last_index + 1))
        case TruncatePrefix(index):
            return TruncatePrefix(min(index, covered + 1))
        case SaveSnapshot(metadata, data):
            index = max(metadata.last_included_index, covered + 1)
            return SaveSnapshot(SnapshotMetadata(index, metadata.last_included_term), data)
        case _:
            return item


def test_a_snapshot_may_be_given_up_only_where_that_is_agreed_and_the_log_covers_it() -> None:
    gone = evolve(KNOWN, snapshot=None)
    flags = StorageFeatureFlags(atomic_writes=False)
    salvaging = FileStorageOptions(features=flags, recovery_mode=RecoveryMode.AGGRESSIVE)

    def reported(seen: ModelState, options: FileStorageOptions) -> list[str]:
        knowledge = Knowledge(possible=(KNOWN,))
        return [problem.invariant for problem in judge(shows(seen), knowledge, options)]

    assert reported(gone, OPTIONS) == ["O4"]
    assert reported(gone, FileStorageOptions(features=flags)) == ["O4"]
    assert reported(gone, salvaging) == []
    assert reported(KNOWN, salvaging) == []
    shorter = evolve(gone, base_index=2, base_term=1, entries=span(3, 6))
    assert reported(shorter, salvaging) == ["O5"]


def test_a_hole_in_unsynced_appends_is_reported_all_the_same() -> None:
    options = FileStorageOptions(sync_on_append=False)
    possible: tuple[ModelState, ...] = (ModelState(),)
    for index in (1, 2, 3):
        possible = acknowledge(possible, Append((entry(index),)), options)
    knowledge = Knowledge(possible=possible)
    for kept in range(4):
        assert judge(shows(ModelState(entries=span(1, kept))), knowledge, options) == ()
    altered = ModelState(entries=(entry(1), entry(2, term=9)))
    assert judge(shows(altered), knowledge, options) != ()
