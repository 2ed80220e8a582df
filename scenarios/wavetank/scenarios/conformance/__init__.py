"""The suite for other stores: named checks, a scorecard, and a pytest class.

General layout::

    capabilities.py      what a store declares
    completed_store.py   a store of few methods as a whole `Storage`
    adapter.py, registry.py    a store under test; those that ship, and finding one by name
    store_harness.py             the simulated machine that a check works on
    assertions.py         entries to give, answers to require
    check.py, checks.py  a check as a value; all of them
    basics.py, truncation.py, votes.py, snapshots.py, open_close.py, failing.py, torn.py,
    crashes.py, concurrent.py
                         the checks, a module per group
    sweeps.py            the crash images, swept once for the crash group
    isolation.py         checks in processes of their own
    python_stores.py     stores of plain Python code, routed to the simulated disk
    check_backend.py     all of it on one store; scorecard.py holds what came of it
    pytest_suite.py      the same as a class of tests

Start reading at check_backend.py.
"""

from wavetank.scenarios.conformance.assertions import CheckFailure, CheckSkipped
from wavetank.scenarios.conformance.check import Check
from wavetank.scenarios.conformance.check_backend import CHECK_PROFILES, Examiner, check_backend
from wavetank.scenarios.conformance.checks import CHECKS, UnknownCheckError, choose_checks
from wavetank.scenarios.conformance.pytest_suite import RaftStoreSuite
from wavetank.scenarios.conformance.scorecard import CheckResult, Outcome, Scorecard
from wavetank.scenarios.conformance.store_harness import Bench, suite_options
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
    "Bench",
    "Capability",
    "Check",
    "CheckFailure",
    "CheckResult",
    "CheckSkipped",
    "Examiner",
    "MissingMethodError",
    "Outcome",
    "RaftStoreSuite",
    "Scorecard",
    "StoreAdapter",
    "StoreFactory",
    "StoreNotFoundError",
    "UnknownCheckError",
    "adapter_of",
    "check_backend",
    "choose_checks",
    "find_store",
    "shipped_names",
    "suite_options",
]
