"""The suite on one store: `check_backend`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from traceback import extract_tb
from typing import Final

from attrs import frozen

from wavetank.scenarios.conformance.assertions import CheckFailure, CheckSkipped
from wavetank.scenarios.conformance.check import Check
from wavetank.scenarios.conformance.checks import choose_checks
from wavetank.scenarios.conformance.isolation import Ask, run_here, run_isolated
from wavetank.scenarios.conformance.scorecard import CheckResult, Outcome, Scorecard
from wavetank.scenarios.conformance.store_harness import Bench, suite_options
from wavetank.scenarios.conformance.sweeps import Sweeps
from wavetank.scenarios.stores.adapter import StoreAdapter, StoreFactory, adapter_of
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.scenarios.stores.python_stores import on_simulated_disk
from wavetank.sim import POSIX, PROCESS_KILL, Profile

__all__ = ["CHECK_PROFILES", "Examiner", "check_backend", "examining"]

CHECK_PROFILES: Final = (PROCESS_KILL, POSIX)
"""Under which profiles the checks of the crash group try crashes, unless told otherwise."""

_LIMIT_S: Final = 120.0


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
    plug = adapter_of(factory, name=name, capabilities=capabilities)
    chosen = choose_checks(checks)

    def asking() -> AbstractContextManager[Ask]:
        return examining(plug, profiles=tuple(profiles), max_images=max_images)

    run = run_isolated(chosen, asking, limit_s) if isolated else run_here(chosen, asking)
    results = []
    for result in run:
        results.append(result)
        if on_result is not None:
            on_result(result)
    return Scorecard(
        backend=plug.name,
        capabilities=tuple(each.value for each in Capability if each in plug.capabilities),
        profiles=tuple(profile.name for profile in profiles),
        results=tuple(results),
    )


@contextmanager
def examining(
    plug: StoreAdapter,
    *,
    profiles: tuple[Profile, ...] = CHECK_PROFILES,
    max_images: int | None = None,
) -> Iterator[Ask]:
    """Give what asks a store check after check, Python's files routed to it where it needs that.

    Args:
        plug: the store.
        profiles: what a crash may lose, in the crash group.
        max_images: crash images per profile; None for all.
    """
    with on_simulated_disk(plug) as simulated:
        yield Examiner(simulated, profiles=profiles, max_images=max_images).ask


@frozen(kw_only=True)
class _Verdict:
    outcome: Outcome
    reason: str = ""


class Examiner:
    """Asks one store check after check; the crash images are swept once for all of them.

    Args:
        plug: the store.
        profiles: what a crash may lose.
        max_images: crash images per profile; None for all.
    """

    def __init__(
        self,
        plug: StoreAdapter,
        *,
        profiles: Sequence[Profile] = CHECK_PROFILES,
        max_images: int | None = None,
    ) -> None:
        self._plug = plug
        self._sweeps = Sweeps(plug, suite_options(plug), profiles, max_images)

    def ask(self, check: Check) -> CheckResult:
        """Return what comes of a check; nothing that a store raises comes through."""
        verdict = self._verdict(check)
        return CheckResult(
            name=check.name,
            group=check.group,
            outcome=verdict.outcome,
            reason=verdict.reason,
            notes=self._sweeps.left if check.shares else (),
        )

    def _verdict(self, check: Check) -> _Verdict:
        missing = check.missing(self._plug.capabilities)
        if missing:
            words = ", ".join(each.value for each in missing)
            return _Verdict(outcome=Outcome.SKIP, reason=f"not declared: {words}")
        bench = Bench(self._plug, sweeps=self._sweeps)
        try:
            check.run(bench)
            bench.close_all()
        except CheckSkipped as skipped:
            return _Verdict(outcome=Outcome.SKIP, reason=str(skipped))
        except CheckFailure as failure:
            return _Verdict(outcome=Outcome.FAIL, reason=str(failure))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit too is the store's doing
            return _Verdict(outcome=Outcome.FAIL, reason=_told(error))
        return _Verdict(outcome=Outcome.PASS)


def _told(error: BaseException) -> str:
    """Return an error with the place in the store's own code where it was raised."""
    frames = extract_tb(error.__traceback__ or sys.exc_info()[2])
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    frames = extract_tb(root.__traceback__) or frames
    # The last parts of the path say which file it is, and nothing of the machine.
    place = f" at {_short(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _short(path: str) -> str:
    return "/".join(path.split("/")[-2:])
