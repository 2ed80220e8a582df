"""SQLite's documentation, row by row: which mode may lose what under which profile."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import frozen

from wavetank.engine import PersistentState
from wavetank.scenarios import (
    Append,
    Limits,
    OpenStore,
    Recording,
    Reopen,
    SaveState,
    TruncateSuffix,
    Workload,
    explore,
    record,
)
from wavetank.scenarios.conformance import suite_options
from wavetank.scenarios.conformance.check import entries
from wavetank.scenarios.stores.sqlite import (
    SQLITE_LISTED,
    SQLITE_MODES,
    SqliteMode,
    SyncLevel,
    sqlite_store,
)
from wavetank.sim import LAZYFS, PROCESS_KILL, SAFE_PROFILES, SEQUENTIAL, Profile

STEPS = (
    OpenStore(),
    SaveState(PersistentState(1, "node-a")),
    Append(entries(1, 2)),
    Append(entries(3, 1, size_bytes=700)),
    TruncateSuffix(3),
    Append(entries(3, 1, term=2)),
    Reopen(),
    Append(entries(4, 1, term=2)),
)
MAX_IMAGES = 1000
MAX_IMAGES_OFF = 500
STEPS_OFF = STEPS[:4]
"""Without any sync the images soon are countless, and the first few show it all."""

ALL = frozenset(profile.name for profile in SAFE_PROFILES)
NONE = frozenset[str]()
POWER_CUT = ALL - {"process-kill"}
UNLINK_CAN_BE_LOST = POWER_CUT - {"lazyfs"}
"""Under `process-kill` nothing is lost, and under `lazyfs` names are durable at once."""
OLD_BYTES_SHOW = frozenset({"ext4", "posix", "writeback"})
"""A file that has grown may show what was cut off it before, where its new bytes never came."""
DATA_MAY_OVERTAKE = POWER_CUT - {"sequential", "data-journal", "lazyfs"}
"""Database pages may reach the disk before the journal that could take them back."""


@frozen
class Row:
    """What a mode loses.

    Attributes:
        documented: what SQLite's documentation says, in other words.
        durability: profiles under which a commit that was acknowledged is gone.
        integrity: profiles under which the database is damaged or shows what was never there.
    """

    documented: str
    durability: frozenset[str]
    integrity: frozenset[str] = NONE


OFF = "OFF hands everything to the operating system and syncs nothing: a power cut may corrupt"
ROWS = {
    "delete-off": Row(OFF, POWER_CUT, DATA_MAY_OVERTAKE),
    "delete-normal": Row("less often synced than FULL, which has this gap too", UNLINK_CAN_BE_LOST),
    "delete-full": Row(
        "a commit is the journal's deletion; the directory is not synced, so it may roll back",
        UNLINK_CAN_BE_LOST,
    ),
    "delete-extra": Row("as FULL, and the directory is synced after the deletion", NONE),
    "truncate-off": Row(OFF, POWER_CUT, DATA_MAY_OVERTAKE),
    "truncate-normal": Row("the truncated journal is synced from FULL on", POWER_CUT),
    "truncate-full": Row(
        "the truncated journal is synced; nothing is said of old bytes that show again",
        OLD_BYTES_SHOW,
    ),
    "truncate-extra": Row("as FULL: no directory entry changes", OLD_BYTES_SHOW),
    "persist-off": Row(OFF, POWER_CUT, DATA_MAY_OVERTAKE),
    "persist-normal": Row("the header is overwritten with zeros and synced", NONE),
    "persist-full": Row("the header is overwritten with zeros and synced", NONE),
    "persist-extra": Row("as FULL: no directory entry changes", NONE),
    "wal-off": Row(OFF, POWER_CUT, DATA_MAY_OVERTAKE),
    "wal-normal": Row("consistent, but a commit may roll back: only checkpoints sync", POWER_CUT),
    "wal-full": Row("the WAL is synced after each transaction: durable", NONE),
    "wal-extra": Row("as FULL: EXTRA concerns rollback journals", NONE),
}

LOST = frozenset({"O1", "O2", "O3", "O8", "O12"})
DAMAGED_KINDS = ("does not open", "entry never submitted", "parts of different moments")


def recorded(mode: SqliteMode, told: list[str]) -> Recording:
    store = sqlite_store(mode, on_integrity=told.append)
    steps = STEPS_OFF if mode.level is SyncLevel.OFF else STEPS
    workload = Workload(name="rows", seed=0, steps=steps, options=suite_options(store))
    recording = record(workload, store)
    assert recording.problems == ()
    assert set(told) == {"ok"}
    return recording


LISTED = [mode for mode in SQLITE_MODES if f"sqlite:{mode.name}" in SQLITE_LISTED]
# One row of each kind of answer: loses nothing, loses commits, loses them with an unlink.
SHOWN = [mode for mode in LISTED if mode.name in ("wal-full", "wal-normal", "delete-full")]


def test_there_is_a_row_for_each_mode() -> None:
    assert set(ROWS) == {mode.name for mode in SQLITE_MODES}


def held_to_its_documentation(
    mode: SqliteMode, profiles: Sequence[Profile] = SAFE_PROFILES, max_images: int = MAX_IMAGES
) -> None:
    wanted = ROWS[mode.name]
    loses: set[str] = set()
    damages: set[str] = set()
    told: list[str] = []
    recording = recorded(mode, told)
    limits = Limits(max_images=MAX_IMAGES_OFF if mode.level is SyncLevel.OFF else max_images)
    for profile in profiles:
        told.clear()
        sweep = explore(recording, profile, limits=limits)
        problems = [finding.problem for finding in sweep.findings]
        assert {problem.invariant for problem in problems} <= LOST | {"O7", "O11"}
        if any(problem.kind.startswith(DAMAGED_KINDS) for problem in problems):
            damages.add(profile.name)
        else:
            assert set(told) == {"ok"}
            assert len(told) == sweep.recoveries
        if any(problem.invariant in ("O1", "O2", "O3") for problem in problems):
            loses.add(profile.name)
    names = {profile.name for profile in profiles}
    assert loses == wanted.durability & names
    assert damages == wanted.integrity & names


@pytest.mark.parametrize("mode", SHOWN, ids=lambda mode: mode.name)
def test_a_mode_of_each_kind_loses_what_its_documentation_says(
    mode: SqliteMode,
) -> None:
    held_to_its_documentation(mode, (PROCESS_KILL, LAZYFS, SEQUENTIAL), 150)


@pytest.mark.minutes
@pytest.mark.parametrize("mode", SQLITE_MODES, ids=lambda mode: mode.name)
def test_each_mode_loses_what_its_documentation_says_and_no_more(mode: SqliteMode) -> None:
    held_to_its_documentation(mode)
