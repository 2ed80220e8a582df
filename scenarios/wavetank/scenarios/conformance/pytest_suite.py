"""The suite as a class for pytest (or unittest): one test for each check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar
from unittest import SkipTest

from wavetank.scenarios.conformance.check import Check, CheckFailure, CheckResult, Outcome
from wavetank.scenarios.conformance.check_backend import CHECK_PROFILES, CHECKS, check_backend
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.scenarios.stores.capabilities import LOG_STORE, Capability
from wavetank.sim import Profile

__all__ = ["RaftStoreSuite"]


class RaftStoreSuite:
    """Every check of the suite as a test method, ``test_<group>_<name>``.

    A subclass whose name begins with ``Test`` says how to open its store, and what it can do::

        class TestMyStore(RaftStoreSuite):
            capabilities = frozenset({Capability.VOTES, Capability.DURABLE_APPENDS})

            def open_store(self, site):
                return MyStore(site.directory)

    Attributes:
        capabilities: what the store declares; checks that need more are skipped by name.
        profiles: what a crash may lose, in the crash group.
        max_images: crash images tried per profile; None for all.
        limit_s: seconds of real time after which a check is stopped.
        isolated: whether checks run in forked processes; off, a debugger can follow.
    """

    capabilities: ClassVar[frozenset[Capability]] = LOG_STORE
    profiles: ClassVar[Sequence[Profile]] = CHECK_PROFILES
    max_images: ClassVar[int | None] = 6000
    limit_s: ClassVar[float] = 120.0
    isolated: ClassVar[bool] = True

    def open_store(self, site: Site) -> object:
        """Open the store at `site`, making it if nothing is there.

        Args:
            site: where it lives.

        Raises:
            NotImplementedError: a subclass does not say how.
        """
        raise NotImplementedError(
            f"{type(self).__name__}: expected a method open_store(self, site) that opens the store"
        )


def _test_of(check: Check) -> Callable[[RaftStoreSuite], None]:
    def test(self: RaftStoreSuite) -> None:
        result = _result_of(self, check)
        if result.outcome is Outcome.SKIP:
            raise SkipTest(result.reason)
        if result.outcome is Outcome.FAIL:
            raise CheckFailure(f"{check.summary} But: {result.reason}")

    test.__name__ = f"test_{check.group}_{check.name}"
    test.__qualname__ = f"{RaftStoreSuite.__name__}.{test.__name__}"
    test.__doc__ = check.summary
    return test


def _result_of(suite: RaftStoreSuite, check: Check) -> CheckResult:
    """Return what comes of a check; a group that shares its work is asked as a whole, once."""
    kind = type(suite)
    known: dict[str, CheckResult] = kind.__dict__.get("_shared_results", {})
    if check.id not in known:
        adapter = StoreAdapter(
            name=kind.__name__, factory=suite.open_store, capabilities=kind.capabilities
        )
        card = check_backend(
            adapter,
            checks=[f"{check.group}.*" if check.shares else check.id],
            profiles=kind.profiles,
            max_images=kind.max_images,
            limit_s=kind.limit_s,
            isolated=kind.isolated,
        )
        known = known | {result.id: result for result in card.results}
        if check.shares:
            kind._shared_results = known  # type: ignore[attr-defined]  # noqa: SLF001 - of this class alone
    return known[check.id]


for _check in CHECKS:
    setattr(RaftStoreSuite, f"test_{_check.group}_{_check.name}", _test_of(_check))
