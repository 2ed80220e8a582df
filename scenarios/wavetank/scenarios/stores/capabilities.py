"""What a store under test says it can do: declared by its author, never guessed.

A check that needs a capability which a store does not declare is skipped by name.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import Final

__all__ = ["CAPABILITIES", "LOG_STORE", "Capability"]


class Capability(Enum):
    """Something that not every Raft store does; the value is its word."""

    VOTES = "votes"
    TRUNCATE_SUFFIX = "truncate suffix"
    TRUNCATE_PREFIX = "truncate prefix"
    SNAPSHOTS = "snapshots"
    INSTALLS_SNAPSHOTS = "installs snapshots"
    DURABLE_APPENDS = "durable appends"
    ATOMIC_BATCHES = "atomic batches"
    ANY_FIRST_INDEX = "any first index"
    LIMITED_READS = "limited reads"
    REFUSES_GAPS = "refuses gaps"
    REFUSES_STALE_VOTES = "refuses stale votes"
    REFUSES_STALE_SNAPSHOTS = "refuses stale snapshots"
    CHECKS_ARGUMENTS = "checks arguments"
    COMPACTION_NEEDS_SNAPSHOT = "compaction needs snapshot"
    BACKGROUND_COMPACTION = "background compaction"
    REFUSES_SECOND_OPENER = "refuses second opener"
    DETECTS_DAMAGE = "detects damage"
    TYPED_ERRORS = "typed errors"
    THREAD_SAFE = "thread safe"
    LOCK_TIMEOUTS = "lock timeouts"
    SITE_FILESYSTEM = "site filesystem"
    SITE_RUNTIME = "site runtime"
    NO_LITTER = "no litter"


CAPABILITIES: Final = MappingProxyType(
    {
        Capability.VOTES: "saves term and vote with save_state, durable on return",
        Capability.TRUNCATE_SUFFIX: "removes entries from an index on, durable on return",
        Capability.TRUNCATE_PREFIX: "removes entries before an index",
        Capability.SNAPSHOTS: "saves and loads a snapshot, durable on return",
        Capability.INSTALLS_SNAPSHOTS: "a snapshot beyond the log becomes the log's new base",
        Capability.DURABLE_APPENDS: "an append that has returned survives a power cut",
        Capability.ATOMIC_BATCHES: "a crash leaves a batch as a whole or not at all",
        Capability.ANY_FIRST_INDEX: "an empty log takes a first entry of any index",
        Capability.LIMITED_READS: "has get_log_entries_limited(start, end, max_bytes)",
        Capability.REFUSES_GAPS: "refuses entries that do not follow one another",
        Capability.REFUSES_STALE_VOTES: "refuses a lower term, and another vote in one term",
        Capability.REFUSES_STALE_SNAPSHOTS: "refuses a snapshot older than the one it has",
        Capability.CHECKS_ARGUMENTS: "refuses what Raft never asks for: terms that fall, what a "
        "snapshot covers cut off, ranges beyond the log, names and entries over its limits",
        Capability.COMPACTION_NEEDS_SNAPSHOT: "removes no entry that no snapshot covers",
        Capability.BACKGROUND_COMPACTION: "compacts beside other work when a snapshot is saved",
        Capability.REFUSES_SECOND_OPENER: "refuses a directory that another instance has open",
        Capability.DETECTS_DAMAGE: "has checksums: never shows what the medium has altered",
        Capability.TYPED_ERRORS: "every error is a StorageError, with the system's as its cause",
        Capability.THREAD_SAFE: "any number of threads may call one store",
        Capability.LOCK_TIMEOUTS: "honours timeout= wherever it waits for another call",
        Capability.SITE_FILESYSTEM: "reaches its files through site.fs alone",
        Capability.SITE_RUNTIME: "takes its threads, locks and clock from site.runtime alone",
        Capability.NO_LITTER: "a clean open leaves no temporary files",
    }
)
"""What each capability promises, in one sentence."""

LOG_STORE: Final = frozenset(
    {
        Capability.VOTES,
        Capability.TRUNCATE_SUFFIX,
        Capability.TRUNCATE_PREFIX,
        Capability.DURABLE_APPENDS,
    }
)
"""What a store is taken for that declares nothing: as much as a Raft node cannot do without."""
