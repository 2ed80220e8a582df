"""The reference model says what it should, worked out by hand."""

from attrs import evolve

from wavetank.engine import (
    FileStorageOptions,
    LogBounds,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
)
from wavetank.scenarios import (
    EMPTY,
    Append,
    ModelState,
    OpenStore,
    Read,
    Reopen,
    SaveSnapshot,
    SaveState,
    TruncatePrefix,
    TruncateSuffix,
    acknowledge,
    begin,
)

OPTIONS = FileStorageOptions(retained_log_size=1)


def entries(first: int, last: int, term: int = 1) -> tuple[LogEntry, ...]:
    return tuple(LogEntry(index, term, b"%d" % index) for index in range(first, last + 1))


FIVE = ModelState(entries=entries(1, 5))


def test_a_step_in_flight_widens_and_its_acknowledgement_narrows() -> None:
    step = Append(entries(1, 2))
    after = ModelState(entries=entries(1, 2))
    assert begin((EMPTY,), step, OPTIONS) == (EMPTY, after)
    assert acknowledge((EMPTY,), step, OPTIONS) == (after,)


def test_reads_leave_everything_as_it_was() -> None:
    assert begin((FIVE,), Read(1, 3), OPTIONS) == (FIVE,)


def test_term_and_vote_are_replaced() -> None:
    state = PersistentState(4, "node-b")
    assert acknowledge((FIVE,), SaveState(state), OPTIONS) == (evolve(FIVE, state=state),)


def test_a_suffix_goes_from_the_index_on() -> None:
    (after,) = acknowledge((FIVE,), TruncateSuffix(3), OPTIONS)
    assert after.entries == entries(1, 2)


def test_a_prefix_goes_but_for_the_retained_entries_and_its_last_term_stays() -> None:
    covered = evolve(FIVE, snapshot=(SnapshotMetadata(5, 1), b""))
    (after,) = acknowledge((covered,), TruncatePrefix(6), OPTIONS)
    assert (after.base_index, after.base_term, after.entries) == (4, 1, entries(5, 5))


def test_a_snapshot_within_the_log_allows_compaction_up_to_it_and_not_beyond() -> None:
    (after,) = acknowledge((FIVE,), SaveSnapshot(SnapshotMetadata(3, 1), b"s"), OPTIONS)
    allowed = [
        first
        for first in range(1, 7)
        if after.allows_log(
            LogBounds(first_index=first, last_index=5, last_term=1), entries(first, 5)
        )
    ]
    assert allowed == [1, 2, 3, 4]


def test_without_automatic_truncation_a_snapshot_leaves_the_log_alone() -> None:
    options = FileStorageOptions(auto_truncate_on_snapshot=False)
    (after,) = acknowledge((FIVE,), SaveSnapshot(SnapshotMetadata(3, 1), b"s"), options)
    assert after.compactable_through == 0


def test_a_snapshot_beyond_the_log_or_of_another_branch_replaces_the_log() -> None:
    for metadata in (SnapshotMetadata(9, 2), SnapshotMetadata(4, 2)):
        (after,) = acknowledge((FIVE,), SaveSnapshot(metadata, b"s"), OPTIONS)
        index = metadata.last_included_index
        assert (after.base_index, after.base_term, after.entries) == (index, 2, ())
        assert after.allows_log(LogBounds(first_index=index + 1, last_index=index, last_term=2), ())


def test_an_unknown_step_followed_by_a_known_one_keeps_both_pasts() -> None:
    unknown = begin((EMPTY,), SaveState(PersistentState(1, "")), OPTIONS)
    known = acknowledge(unknown, Append(entries(1, 1)), OPTIONS)
    assert {state.state.current_term for state in known} == {0, 1}
    assert {state.entries for state in known} == {entries(1, 1)}


# Appends that are not durable on return

UNSYNCED = FileStorageOptions(retained_log_size=1, sync_on_append=False)


def logs(possible: tuple[ModelState, ...]) -> list[int]:
    return [state.last_index for state in possible]


def test_of_unsynced_appends_any_prefix_may_survive_and_programs_see_all() -> None:
    possible: tuple[ModelState, ...] = (EMPTY,)
    for batch in (entries(1, 2), entries(3, 3), entries(4, 6)):
        possible = acknowledge(possible, Append(batch), UNSYNCED)
    assert logs(possible) == [0, 2, 3, 6]
    assert possible[-1].entries == entries(1, 6)


def test_what_comes_after_unsynced_appends_holds_for_every_prefix() -> None:
    possible = acknowledge((EMPTY,), Append(entries(1, 2)), UNSYNCED)
    state = PersistentState(4, "node-b")
    assert [each.state for each in acknowledge(possible, SaveState(state), UNSYNCED)] == [state] * 2


def test_openings_and_truncations_make_the_whole_log_durable() -> None:
    possible = acknowledge((FIVE,), Append(entries(6, 7)), UNSYNCED)
    assert logs(possible) == [5, 7]
    for step in (Reopen(), OpenStore()):
        assert logs(acknowledge(possible, step, UNSYNCED)) == [7]
    assert logs(acknowledge(possible, TruncateSuffix(7), UNSYNCED)) == [6]
    nothing = acknowledge(possible, TruncateSuffix(8), UNSYNCED)
    assert logs(nothing) == [5, 7]


def test_a_snapshot_beyond_a_lost_tail_begins_the_log_anew() -> None:
    possible = acknowledge((FIVE,), Append(entries(6, 7)), UNSYNCED)
    metadata = SnapshotMetadata(7, 1)
    short, whole = acknowledge(possible, SaveSnapshot(metadata, b"seven"), UNSYNCED)
    assert (short.base_index, short.entries) == (7, ())
    assert (whole.base_index, whole.entries) == (0, entries(1, 7))
