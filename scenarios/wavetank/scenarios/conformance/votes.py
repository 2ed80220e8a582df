"""Checks of term and vote."""

from __future__ import annotations

from typing import Final

from wavetank.engine import PersistentState
from wavetank.scenarios.conformance.assertions import entries, expect, refused, require
from wavetank.scenarios.conformance.check import group_of
from wavetank.scenarios.conformance.store_harness import Bench
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["VOTES"]


def absent_at_first(bench: Bench) -> None:
    """A new store is at term 0 and has voted for nobody."""
    expect(bench.open().load_state(), PersistentState(0, ""), "the state of a new store")


def roundtrip(bench: Bench) -> None:
    """What is saved is loaded."""
    store = bench.open()
    for state in (PersistentState(1, "a"), PersistentState(2, ""), PersistentState(2, "node-b")):
        store.save_state(state)
        expect(store.load_state(), state, "the state")


def survives_reopen(bench: Bench) -> None:
    """Term and vote are there after a restart, also beside appends."""
    store = bench.open()
    store.save_state(PersistentState(5, "node-c"))
    store.append_log_entries(entries(1, 2, term=5))
    expect(bench.reopen(store).load_state(), PersistentState(5, "node-c"), "after a restart")
    expect(bench.kill().load_state(), PersistentState(5, "node-c"), "after a kill")


def only_latest_kept(bench: Bench) -> None:
    """Of many saves the last one counts, and their files do not pile up."""
    store = bench.open()
    store.save_state(PersistentState(1, "a"))
    few = sum(map(len, bench.files().values()))
    for term in range(2, 200):
        store.save_state(PersistentState(term, "a"))
    store = bench.reopen(store)
    expect(store.load_state(), PersistentState(199, "a"), "the state after 199 saves")
    many = sum(map(len, bench.files().values()))
    require(many < 10 * few + 65536, f"few bytes on disk after 199 saves, not {many}")


def durable_before_return(bench: Bench) -> None:
    """A vote that was returned from is there when the power goes right then."""
    store = bench.open()
    for state in (PersistentState(1, "a"), PersistentState(2, "b")):
        store.save_state(state)
        store = bench.cut_power()
        expect(store.load_state(), state, "the state after a power cut")


def never_goes_back(bench: Bench) -> None:
    """A lower term is refused."""
    store = bench.open()
    store.save_state(PersistentState(4, "a"))
    refused(lambda: store.save_state(PersistentState(3, "a")), "a save of term 3 after term 4")
    expect(store.load_state(), PersistentState(4, "a"), "the state")


def same_term_other_vote_refused(bench: Bench) -> None:
    """A vote that was given is neither changed nor withdrawn within its term."""
    store = bench.open()
    store.save_state(PersistentState(4, "a"))
    refused(lambda: store.save_state(PersistentState(4, "b")), "a second vote in term 4")
    refused(lambda: store.save_state(PersistentState(4, "")), "taking back the vote of term 4")
    expect(bench.reopen(store).load_state(), PersistentState(4, "a"), "the state")


_VOTES = (Capability.VOTES,)
_STRICT = (Capability.VOTES, Capability.REFUSES_STALE_VOTES)

VOTES: Final = group_of(
    "vote",
    (
        (absent_at_first, _VOTES),
        (roundtrip, _VOTES),
        (survives_reopen, _VOTES),
        (only_latest_kept, _VOTES),
        (durable_before_return, _VOTES),
        (never_goes_back, _STRICT),
        (same_term_other_vote_refused, _STRICT),
    ),
)
"""Every check of this group."""
