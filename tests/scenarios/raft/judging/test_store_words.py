"""What a store had to show and what it shows, in words that differ where they must."""

from attrs import evolve

from wavetank.engine import LogBounds, LogEntry, PersistentState, SnapshotMetadata
from wavetank.scenarios import EMPTY, ModelState, Observation
from wavetank.scenarios.raft.judging.store_words import promised_lines, shown_lines

ONE, TWO = LogEntry(1, 1, b"one"), LogEntry(2, 1, b"two" * 20)
MODEL = ModelState(
    state=PersistentState(2, ""),
    entries=(ONE, TWO),
    snapshot=(SnapshotMetadata(1, 1), b"as of 1"),
    compactable_through=1,
)
SEEN = Observation(
    state=PersistentState(2, ""),
    bounds=LogBounds(first_index=1, last_index=2, last_term=1),
    entries=(ONE, TWO),
    snapshot=MODEL.snapshot,
)


def test_what_is_right_has_three_lines() -> None:
    assert promised_lines((MODEL,), SEEN) == (
        "term 2, no vote",
        "log 1..2, last term 1; the entries up to 1 may be compacted away",
        "snapshot of index 1, term 1: 7 bytes b'as of 1'",
    )
    assert shown_lines(SEEN, (MODEL,)) == (
        "term 2, no vote",
        "log 1..2, last term 1",
        "snapshot of index 1, term 1: 7 bytes b'as of 1'",
    )


def test_an_altered_entry_has_a_line_on_each_side() -> None:
    seen = evolve(SEEN, entries=(ONE, LogEntry(2, 1, b"other")))
    possible = (evolve(MODEL, entries=(ONE,)), MODEL)

    assert promised_lines(possible, seen)[3:] == (
        "entry 2: none, or entry 2: term 1, 60 bytes b'twotwotwotwotwotwotwotwo'...",
    )
    assert shown_lines(seen, possible)[3:] == ("entry 2: term 1, 5 bytes b'other'",)


def test_more_than_three_alternatives_are_counted() -> None:
    states = tuple(evolve(EMPTY, state=PersistentState(term, "")) for term in range(5))
    assert promised_lines(states)[0] == (
        "term 0, no vote, or term 1, no vote, or term 2, no vote, or 2 others"
    )
