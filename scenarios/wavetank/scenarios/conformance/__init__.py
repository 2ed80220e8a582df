"""Conformance checks for any Raft store: named checks, a scorecard, and a pytest class.

    check_backend.py      all checks on one store; start reading here
    check.py              a check as a value, its assertions, and what came of it
    store_harness.py      the machine that a check works on, and the stores on it
    machines.py           simulated machines, and real directories for other languages
    basic_checks.py       appends and reads; term and vote
    compaction_checks.py  the removal of entries at either end; snapshots
    restart_checks.py     opening and closing, leftovers, stale files
    torn_checks.py        torn tails, and bytes altered after a clean close
    workload_checks.py    every crash of a workload, and every operation of it failing
    thread_checks.py      real threads on a real directory
    isolation.py          checks in processes of their own
    pytest_suite.py       the same as a class of tests

What a store declares, and how it is found, is in `wavetank.scenarios.stores`.
"""

from wavetank.scenarios.conformance.check import (
    Check,
    CheckFailure,
    CheckResult,
    CheckSkipped,
    Outcome,
    Scorecard,
)
from wavetank.scenarios.conformance.check_backend import (
    CHECK_PROFILES,
    CHECKS,
    UnknownCheckError,
    check_backend,
    choose_checks,
)
from wavetank.scenarios.conformance.pytest_suite import RaftStoreSuite
from wavetank.scenarios.conformance.store_harness import StoreHarness, suite_options
from wavetank.scenarios.stores.adapter import StoreAdapter, StoreFactory, adapter_of
from wavetank.scenarios.stores.capabilities import CAPABILITIES, LOG_STORE, Capability
from wavetank.scenarios.stores.completed_store import BackendError, MissingMethodError
from wavetank.scenarios.stores.registry import (
    BUILTIN,
    ENTRY_POINT_GROUP,
    RAFTLOCK_PUBLISHED,
    StoreNotFoundError,
    find_store,
    shipped_names,
)

__all__ = [
    "BUILTIN",
    "CAPABILITIES",
    "CHECKS",
    "CHECK_PROFILES",
    "ENTRY_POINT_GROUP",
    "LOG_STORE",
    "RAFTLOCK_PUBLISHED",
    "BackendError",
    "Capability",
    "Check",
    "CheckFailure",
    "CheckResult",
    "CheckSkipped",
    "MissingMethodError",
    "Outcome",
    "RaftStoreSuite",
    "Scorecard",
    "StoreAdapter",
    "StoreFactory",
    "StoreHarness",
    "StoreNotFoundError",
    "UnknownCheckError",
    "adapter_of",
    "check_backend",
    "choose_checks",
    "find_store",
    "shipped_names",
    "suite_options",
]
