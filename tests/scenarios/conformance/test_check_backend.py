"""The suite on stores that are right, wrong, and badly behaved."""

import re

import pytest
from suite_stores import (
    SIMPLE,
    SimpleStore,
    WithoutAppendSync,
    WithoutChecksum,
    WithoutDirectorySync,
    ending,
    hanging,
    leaking,
    printing,
    raising,
    wandering,
)

from wavetank.scenarios.conformance import (
    BUILTIN,
    CAPABILITIES,
    CHECKS,
    RAFTLOCK_PUBLISHED,
    Capability,
    Outcome,
    Scorecard,
    UnknownCheckError,
    check_backend,
    choose_checks,
)
from wavetank.sim import POSIX, SEQUENTIAL, Profile


def failed(card: Scorecard) -> set[str]:
    return {result.id for result in card.results if result.outcome is Outcome.FAIL}


WITHOUT_CRASHES = ["basics", "truncate", "vote", "snapshot", "open_close", "torn", "concurrent"]


def test_the_engine_passes_every_check_that_its_capabilities_call_for() -> None:
    faults = ["faults.fsync_error_poisons", "faults.rename_error", "faults.preallocation_error"]
    card = check_backend(BUILTIN, checks=[*WITHOUT_CRASHES, *faults])
    assert failed(card) == set()
    skipped = {result.id for result in card.results if result.outcome is Outcome.SKIP}
    assert skipped == {
        "basics.limited_read_returns_one_at_least",
        "basics.start_at_index_above_one",
        "truncate.everything_then_other_index",
        "faults.preallocation_error",
        "torn.empty_tail_file",
        "torn.missing_tail_file",
    }


def test_the_engine_survives_crashes_and_its_images_left_over_are_told() -> None:
    """All images, on all stores, are what the scorecards hold."""
    card = check_backend(BUILTIN, checks=["crash"], max_images=30, profiles=[SEQUENTIAL])
    assert {result.outcome for result in card.results} == {Outcome.PASS}
    (note,) = {note for result in card.results for note in result.notes}
    assert re.fullmatch(r"30 images judged under sequential, \d+ left over", note)


def test_the_published_store_fails_where_it_is_known_to() -> None:
    card = check_backend(RAFTLOCK_PUBLISHED, checks=["basics", "truncate", "vote", "torn"])
    assert failed(card) == {
        "truncate.prefix_all_keeps_base",
        "truncate.append_after_prefix_all",
        "truncate.compaction_never_outruns_snapshot",
        "vote.durable_before_return",
        "torn.partial_first_batch",
        "torn.hole_inside_batch",
        "torn.torn_sector_no_resurrection",
        "torn.cut_mid_record",
        "torn.length_beyond_end",
    }


def test_a_store_of_a_third_party_passes_what_it_declares() -> None:
    card = check_backend(SimpleStore, capabilities=SIMPLE, max_images=60)
    assert failed(card) == set()
    assert card.backend == "SimpleStore"
    assert card["crash.acked_survives"].outcome is Outcome.PASS
    assert card["snapshot.roundtrip"].reason == "not declared: snapshots"


@pytest.mark.parametrize(
    ("store", "profile", "reported"),
    [
        (
            WithoutDirectorySync,
            SEQUENTIAL,
            {"vote.durable_before_return", "crash.term_vote_never_regress"},
        ),
        (
            WithoutAppendSync,
            SEQUENTIAL,
            {"open_close.clean_close_leaves_nothing_pending", "crash.acked_survives"},
        ),
        (WithoutChecksum, POSIX, {"crash.no_gap_no_invention"}),
    ],
)
def test_a_store_with_one_bug_is_reported_for_it(
    store: type[SimpleStore], profile: Profile, reported: set[str]
) -> None:
    groups = ["basics", "truncate", "vote", "open_close", "crash"]
    card = check_backend(
        store, capabilities=SIMPLE, checks=groups, profiles=[profile], max_images=300
    )
    assert reported <= failed(card)
    assert not {each for each in failed(card) if each.startswith(("basics.", "truncate."))}


def test_batches_of_a_store_that_writes_entry_by_entry_are_not_atomic() -> None:
    card = check_backend(
        SimpleStore,
        capabilities=SIMPLE | {Capability.ATOMIC_BATCHES},
        checks=["crash.unacked_whole_or_absent"],
    )
    assert "inside the batch" in card["unacked_whole_or_absent"].reason


@pytest.mark.slow
def test_a_factory_that_raises_is_reported_check_by_check() -> None:
    card = check_backend(raising, checks=["basics.append_read_each", "basics.full_range"])
    assert [result.outcome for result in card.results] == [Outcome.FAIL] * 2
    assert "no store today" in card["full_range"].reason
    assert "suite_stores.py" in card["full_range"].reason


def test_a_store_that_hangs_is_stopped_and_the_next_check_is_asked() -> None:
    checks = ["basics.append_read_each", "basics.full_range"]
    card = check_backend(hanging, capabilities=SIMPLE, checks=checks, limit_s=0.5)
    assert [result.reason for result in card.results] == ["did not end within 0.5 s: stopped"] * 2


def test_a_store_that_ends_the_process_costs_one_check_at_a_time() -> None:
    card = check_backend(
        ending, capabilities=SIMPLE, checks=["basics.append_read_each", "basics.full_range"]
    )
    reasons = {result.reason for result in card.results}
    assert reasons == {"the store ended the process with exit code 3"}


def test_work_that_is_shared_is_not_lost_again_and_again() -> None:
    card = check_backend(ending, capabilities=SIMPLE, checks=["crash"])
    first, *others = [each for each in card.results if each.outcome is Outcome.FAIL]
    assert first.reason == "the store ended the process with exit code 3"
    assert {other.reason for other in others} == {f"not asked, since {first.id} {first.reason}"}


def test_what_a_store_prints_becomes_a_note() -> None:
    card = check_backend(printing, capabilities=SIMPLE, checks=["basics.append_read_each"])
    (result,) = card.results
    assert result.outcome is Outcome.PASS
    assert len(result.notes) == 1
    assert "hello from the store" in result.notes[0]


def test_a_store_that_changes_the_working_directory_is_told_so() -> None:
    card = check_backend(
        wandering, capabilities=SIMPLE, checks=["basics.append_read_each", "basics.full_range"]
    )
    reason = "the store changed the working directory of the process"
    assert [result.reason for result in card.results] == [reason] * 2


def test_a_store_that_leaks_threads_and_descriptors_is_told_so() -> None:
    card = check_backend(leaking, capabilities=SIMPLE, checks=["leaves_nothing_running"])
    reason = card["leaves_nothing_running"].reason
    assert "thread left" in reason
    assert "descriptor of /dev/null" in reason


def test_checks_can_be_asked_in_this_process() -> None:
    card = check_backend(SimpleStore, capabilities=SIMPLE, checks=["basics"], isolated=False)
    assert failed(card) == set()


def test_a_store_that_declares_more_than_it_has_methods_for_is_told_which() -> None:
    card = check_backend(
        SimpleStore, capabilities=SIMPLE | {Capability.SNAPSHOTS}, checks=["snapshot.roundtrip"]
    )
    assert "expected a method save_snapshot" in card["snapshot.roundtrip"].reason


def test_checks_are_chosen_by_name_group_and_pattern() -> None:
    assert {check.group for check in choose_checks(["vote"])} == {"vote"}
    assert [check.id for check in choose_checks(["suffix_*", "truncate.suffix_none"])] == [
        *("truncate.suffix_none", "truncate.suffix_all"),
        *("truncate.suffix_middle", "truncate.suffix_beyond"),
    ]
    with pytest.raises(UnknownCheckError, match="nearest match: suffix_none"):
        choose_checks(["sufix_none"])


def test_names_of_checks_are_unique_within_their_group_and_say_what_they_ask() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    assert all(check.summary.endswith(".") for check in CHECKS)
    assert set(CAPABILITIES) == set(Capability)
    assert {need for check in CHECKS for need in check.needs} <= set(Capability)


@pytest.mark.slow
def test_a_store_of_plain_python_that_ends_the_process_is_refused_that() -> None:
    card = check_backend(ending, checks=["basics.append_read_each"])
    assert "os._exit" in card["append_read_each"].reason
