"""All checks on one store: `check_backend`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from difflib import get_close_matches
from fnmatch import fnmatchcase
from traceback import extract_tb
from typing import Final

from wavetank.scenarios.conformance.basic_checks import BASICS, VOTES
from wavetank.scenarios.conformance.check import (
    Check,
    CheckFailure,
    CheckResult,
    CheckSkipped,
    Outcome,
    Scorecard,
)
from wavetank.scenarios.conformance.compaction_checks import SNAPSHOTS, TRUNCATION
from wavetank.scenarios.conformance.isolation import RunCheck, run_here, run_isolated
from wavetank.scenarios.conformance.machines import OpLogNeededError, real_machines
from wavetank.scenarios.conformance.restart_checks import OPEN_CLOSE
from wavetank.scenarios.conformance.schedule_checks import SCHEDULED
from wavetank.scenarios.conformance.store_harness import StoreHarness, suite_options
from wavetank.scenarios.conformance.thread_checks import CONCURRENT, CONCURRENT_OPEN_CLOSE
from wavetank.scenarios.conformance.torn_checks import TORN
from wavetank.scenarios.conformance.workload_checks import CRASHES, FAILING, CrashExploration
from wavetank.scenarios.stores.adapter import StoreAdapter, StoreFactory, adapter_of
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.scenarios.stores.python_stores import on_simulated_disk
from wavetank.sim import POSIX, PROCESS_KILL, Profile
from wavetank.sim.traces import RecorderMissingError

__all__ = ["CHECKS", "CHECK_PROFILES", "UnknownCheckError", "check_backend", "choose_checks"]

CHECK_PROFILES: Final = (PROCESS_KILL, POSIX)
"""Under which profiles the checks of the crash group try crashes, unless told otherwise."""

_LIMIT_S: Final = 120.0

CHECKS: Final[tuple[Check, ...]] = (
    *BASICS,
    *TRUNCATION,
    *VOTES,
    *SNAPSHOTS,
    *OPEN_CLOSE,
    *CONCURRENT_OPEN_CLOSE,
    *FAILING,
    *TORN,
    *CRASHES,
    *CONCURRENT,
    *SCHEDULED,
)
"""Every check."""


class UnknownCheckError(LookupError):
    """A name or pattern that no check has."""


def check_backend(
    factory: StoreFactory | StoreAdapter,
    *,
    name: str | None = None,
    capabilities: Iterable[Capability] | None = None,
    checks: Iterable[str] = (),
    profiles: Sequence[Profile] = CHECK_PROFILES,
    max_images: int | None = None,
    limit_s: float = _LIMIT_S,
    isolated: bool = True,
    on_result: Callable[[CheckResult], None] | None = None,
) -> Scorecard:
    """Ask a store every check that its capabilities call for.

    Args:
        factory: opens the store at a `Site`, making it if nothing is there.
        name: of the store, for people.
        capabilities: what it declares; None for what the factory carries as an attribute.
        checks: names, groups or shell patterns; all by default.
        profiles: what a crash may lose, in the crash group.
        max_images: crash images tried per profile; None for all.
        limit_s: seconds of real time after which a check is stopped.
        isolated: run in forked processes, so that a store that hangs or ends the process costs one
            check; off, in this process, where a debugger can follow.
        on_result: told of each result as it comes.

    Raises:
        TypeError: the factory cannot be called, or a capability is none.
        UnknownCheckError: a name that no check has.

    >>> from wavetank.scenarios.conformance import BUILTIN
    >>> check_backend(BUILTIN, checks=["basics.empty_*"]).passed
    True
    """
    adapter = adapter_of(factory, name=name, capabilities=capabilities)
    chosen = choose_checks(checks)

    def session() -> AbstractContextManager[RunCheck]:
        return _session(adapter, tuple(profiles), max_images)

    run = run_isolated(chosen, session, limit_s) if isolated else run_here(chosen, session)
    results = []
    for result in run:
        results.append(result)
        if on_result is not None:
            on_result(result)
    return Scorecard(
        backend=adapter.name,
        capabilities=tuple(each.value for each in Capability if each in adapter.capabilities),
        profiles=tuple(profile.name for profile in profiles),
        results=tuple(results),
    )


@contextmanager
def _session(
    adapter: StoreAdapter, profiles: tuple[Profile, ...], max_images: int | None
) -> Iterator[RunCheck]:
    """Give what runs check after check; the crashes are explored once for all of them."""
    with ExitStack() as stack:
        simulated = _Simulated(stack, adapter, profiles, max_images)

        def run(check: Check) -> CheckResult:
            outcome, reason = _outcome(check, adapter, simulated)
            return CheckResult(
                name=check.name,
                group=check.group,
                outcome=outcome,
                reason=reason,
                notes=simulated.left if check.shares else (),
            )

        yield run


class _Simulated:
    """The store on simulated machines, from the first check on that asks for one.

    Args:
        stack: what ends with the session.
        adapter: the store.
        profiles: what a crash may lose.
        max_images: per profile; None for all.
    """

    def __init__(
        self,
        stack: ExitStack,
        adapter: StoreAdapter,
        profiles: tuple[Profile, ...],
        max_images: int | None,
    ) -> None:
        self._stack = stack
        self._adapter = adapter
        self._profiles = profiles
        self._max_images = max_images
        self._crashes: CrashExploration | None = None

    def harness(self) -> StoreHarness:
        """Return a new simulated machine with the store.

        Raises:
            RecorderMissingError: what the store does cannot be seen on this machine.
        """
        if self._crashes is None:
            store = self._stack.enter_context(on_simulated_disk(self._adapter))
            self._crashes = CrashExploration(
                store, suite_options(store), self._profiles, self._max_images
            )
        return StoreHarness(self._crashes.adapter, crashes=self._crashes)

    @property
    def left(self) -> tuple[str, ...]:
        """Where crash images were left over, a sentence for each profile."""
        return () if self._crashes is None else self._crashes.left


def _outcome(check: Check, adapter: StoreAdapter, simulated: _Simulated) -> tuple[Outcome, str]:
    """Return what comes of a check, and why; nothing that a store raises comes through."""
    missing = check.missing(adapter.capabilities)
    if missing:
        return Outcome.SKIP, f"not declared: {', '.join(each.value for each in missing)}"
    if adapter.processes is not None:
        with suppress(OpLogNeededError), real_machines(adapter) as make:
            return _asked(check, StoreHarness(adapter, make=make))
    try:
        harness = simulated.harness()
    except RecorderMissingError as error:
        return Outcome.SKIP, f"needs a trace of what the store does: {error}"
    return _asked(check, harness)


def _asked(check: Check, harness: StoreHarness) -> tuple[Outcome, str]:
    try:
        check.run(harness)
        harness.close_all()
    except CheckSkipped as skipped:
        return Outcome.SKIP, str(skipped)
    except CheckFailure as failure:
        return Outcome.FAIL, str(failure)
    except (KeyboardInterrupt, OpLogNeededError):
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit too is the store's doing
        # Of a driver's own code nothing is known.
        is_foreign = harness.adapter.processes is not None
        return Outcome.FAIL, _named(error) if is_foreign else _told(error)
    return Outcome.PASS, ""


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _told(error: BaseException) -> str:
    """Return an error with the place in the store's own code where it was raised."""
    frames = extract_tb(error.__traceback__ or sys.exc_info()[2])
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    frames = extract_tb(root.__traceback__) or frames
    # The last parts of the path say which file it is, and nothing of the machine.
    place = f" at {_short(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return f"{_named(error)}{place}"


def _short(path: str) -> str:
    return "/".join(path.split("/")[-2:])


def choose_checks(patterns: Iterable[str]) -> tuple[Check, ...]:
    """Return the checks of some names, in the order of the names; all of them for no name.

    Args:
        patterns: names, groups, ``group.name``, or shell patterns of these.

    Raises:
        UnknownCheckError: one of them matches none.

    >>> [check.id for check in choose_checks(["roundtrip"])]
    ['vote.roundtrip', 'snapshot.roundtrip']
    """
    wanted = tuple(patterns)
    for pattern in wanted:
        if not any(_matches(check, pattern) for check in CHECKS):
            known = sorted({name for check in CHECKS for name in (check.name, check.group)})
            near = get_close_matches(pattern, known, n=1)
            raise UnknownCheckError(
                f"check: expected a name, a group or a pattern but got {pattern!r}"
                + (f"; nearest match: {near[0]}" if near else "; see `wavetank list checks`")
            )
    if not wanted:
        return CHECKS
    found = (check for pattern in wanted for check in CHECKS if _matches(check, pattern))
    return tuple(dict.fromkeys(found))


def _matches(check: Check, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (check.name, check.group, check.id))
