"""The keys of a scenario file: what stands for which value, and under which names.

Reading and writing both go by these tables, so that neither knows a key that the other does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from wavetank.engine import PersistentState, SnapshotMetadata
from wavetank.scenarios.raft.steps import (
    Append,
    Cancel,
    Cancelled,
    Close,
    Dump,
    Inspect,
    Interrupted,
    KillProcess,
    OpenAgain,
    Read,
    ReadBounds,
    ReadSnapshot,
    ReadState,
    Refused,
    Reopen,
    SaveSnapshot,
    SaveState,
    TruncatePrefix,
    TruncateSuffix,
    Verify,
    Wait,
)
from wavetank.scenarios.scenario_files.amounts import ByRound, Draw, EndAt, FrameOf, Times
from wavetank.scenarios.scenario_files.moves import (
    AppendEntries,
    AppendSizes,
    BeginCrashes,
    Campaign,
    Choose,
    Compact,
    Conflict,
    Fill,
    GrantVote,
    InstallSnapshot,
    ReadBack,
    ReplaceBranch,
    SeeTerm,
    StaleSnapshot,
    StaleVoteRequest,
    TakeSnapshot,
)

__all__ = [
    "CALLS",
    "CANCELLATION",
    "EXACT",
    "FORMS",
    "INTERRUPTION",
    "REFUSED",
    "RENAMED",
    "STEPS",
    "ExactSnapshot",
    "HexBytes",
    "RepeatedText",
]


@frozen
class ExactSnapshot:
    """The table that stands for a `SaveSnapshot`."""

    index: int
    term: int
    data: bytes
    chunk_bytes: int = 0

    def step(self) -> SaveSnapshot:
        """Return the step."""
        metadata = SnapshotMetadata(self.index, self.term)
        return SaveSnapshot(metadata, self.data, self.chunk_bytes)

    @classmethod
    def of(cls, step: SaveSnapshot) -> ExactSnapshot:
        """Return the table of a step."""
        metadata = step.metadata
        index, term = metadata.last_included_index, metadata.last_included_term
        return cls(index, term, step.data, step.chunk_bytes)


@frozen
class HexBytes:
    """The table of bytes that are no text."""

    hex: str


@frozen
class RepeatedText:
    """The table of a text that comes again and again."""

    times: int
    of: str


EXACT: Final[Mapping[str, type]] = MappingProxyType(
    {
        "save_state": SaveState,
        "append_entries": Append,
        "read": Read,
        "truncate_suffix": TruncateSuffix,
        "truncate_prefix": TruncatePrefix,
        "save_snapshot": SaveSnapshot,
    }
)
"""Calls with exact values, by key."""

REFUSED: Final[Mapping[str, type]] = MappingProxyType({**EXACT, "open_again": OpenAgain})
"""What a store may have to refuse, by key."""


STEPS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "campaign": Campaign,
        "see_term": SeeTerm,
        "grant_vote": GrantVote,
        "stale_vote_request": StaleVoteRequest,
        "append": AppendEntries,
        "append_sizes": AppendSizes,
        "read_back": ReadBack,
        "conflict": Conflict,
        "take_snapshot": TakeSnapshot,
        "install_snapshot": InstallSnapshot,
        "replace_branch": ReplaceBranch,
        "stale_snapshot": StaleSnapshot,
        "compact": Compact,
        "reopen": Reopen,
        "kill": KillProcess,
        "fill": Fill,
        "begin_crashes": BeginCrashes,
        "choose": Choose,
        **EXACT,
        "refused": Refused,
        "cancelled": Cancelled,
        "interrupted": Interrupted,
        "inspect": Inspect,
    }
)
"""What may stand in ``steps``, by key; loops and conditions come beside."""

CALLS: Final[Mapping[str, type]] = MappingProxyType(
    {
        **EXACT,
        "read_state": ReadState,
        "read_bounds": ReadBounds,
        "read_snapshot": ReadSnapshot,
        "verify": Verify,
        "dump": Dump,
        "close": Close,
        "open_again": OpenAgain,
        "wait": Wait,
        "cancel": Cancel,
    }
)
"""What a task may do, by key."""

FORMS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "from": Draw,
        "by_round": ByRound,
        "end_at": EndAt,
        "frame": FrameOf,
        "times": Times,
    }
)
"""Numbers that are tables, by the key that tells which."""

RENAMED: Final[Mapping[type, Mapping[str, str]]] = MappingProxyType(
    {
        PersistentState: {"current_term": "term", "voted_for": "vote"},
        Draw: {"low": "from", "high": "to"},
        ByRound: {"values": "by_round"},
        EndAt: {"unit": "end_at"},
        FrameOf: {"size_bytes": "frame"},
    }
)
"""Keys that differ from the names of the attributes that they stand for."""

CANCELLATION: Final = ("looks", "in_data")
"""What stands beside the call of a cancelled step."""

INTERRUPTION: Final = ("profile", "after", "newest", "also", "torn_sectors")
"""What stands beside the call of an interrupted step."""
