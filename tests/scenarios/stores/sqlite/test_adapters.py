"""SQLite's modes as stores: found by name, and the suite's verdict on them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from wavetank.scenarios.conformance import (
    Capability,
    Outcome,
    StoreNotFoundError,
    check_backend,
    find_store,
    shipped_names,
)
from wavetank.scenarios.stores.sqlite import (
    SQLITE_LISTED,
    SQLITE_STORES,
    Journal,
    SqliteMode,
    SyncLevel,
)

CONTRACT = ("basics", "truncate", "vote", "open_close")


def test_every_journal_with_every_level_is_a_store() -> None:
    assert len(SQLITE_STORES) == len(Journal) * len(SyncLevel) == 16
    assert find_store("sqlite:wal-full") is SQLITE_STORES["sqlite:wal-full"]
    assert set(SQLITE_LISTED) < set(SQLITE_STORES)
    assert shipped_names()[-6:] == SQLITE_LISTED


@pytest.mark.parametrize(("name", "near"), [("sqlite:wal-ful", "wal-full"), ("sqlite", "sqlite:")])
def test_an_unknown_mode_gets_the_nearest(name: str, near: str) -> None:
    with pytest.raises(StoreNotFoundError, match=f"nearest match: .*{near}"):
        find_store(name)


def test_without_apsw_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavetank.scenarios.stores.sqlite.adapters.find_spec", lambda _: None)
    with pytest.raises(StoreNotFoundError, match=r"pip install 'wavetank\[sqlite\]'"):
        find_store("sqlite:wal-full")


def test_each_declares_that_it_keeps_what_it_acknowledges_and_none_that_it_sees_damage() -> None:
    for store in SQLITE_STORES.values():
        assert store.has(Capability.DURABLE_APPENDS)
        assert not store.has(Capability.DETECTS_DAMAGE)


# TRUNCATE has a row of its own (test_verdicts.py): its checks of snapshots meet crashes, too.
@pytest.mark.parametrize(
    ("journal", "more"),
    [(Journal.DELETE, ()), (Journal.PERSIST, ()), (Journal.WAL, ("snapshot", "concurrent"))],
)
def test_each_journal_keeps_the_contract(journal: Journal, more: Sequence[str]) -> None:
    mode = SqliteMode(journal, SyncLevel.EXTRA)
    card = check_backend(SQLITE_STORES[f"sqlite:{mode.name}"], checks=[*CONTRACT, *more])
    assert [(each.id, each.reason) for each in card.results if each.outcome is Outcome.FAIL] == []
