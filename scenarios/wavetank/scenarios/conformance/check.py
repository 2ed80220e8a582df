"""A check as a value, what a check is written with, and what came of it.

A check is a function that is given a machine with a store on it. It returns if the store does what
the check asks, and raises otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from attrs import frozen

from wavetank.engine import LogEntry, Storage
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.scenarios.stores.completed_store import MissingMethodError

if TYPE_CHECKING:
    from wavetank.scenarios.conformance.store_harness import StoreHarness

__all__ = [
    "Check",
    "CheckFailure",
    "CheckResult",
    "CheckSkipped",
    "Outcome",
    "Scorecard",
    "entries",
    "expect",
    "expect_log",
    "group_of",
    "refused",
    "require",
]


@frozen(kw_only=True)
class Check:
    """One question to a store.

    Attributes:
        name: of the check, alone in its group.
        group: what it is about.
        summary: what a right store does, in one sentence.
        run: asks; raises `CheckFailure`, or whatever the store raises.
        needs: the capabilities without which the question makes no sense.
        shares: whether it rests on work that is done once for its whole group.
    """

    name: str
    group: str
    summary: str
    run: Callable[[StoreHarness], None]
    needs: frozenset[Capability] = frozenset()
    shares: bool = False

    @property
    def id(self) -> str:
        """Group and name: the name by which a person asks for it."""
        return f"{self.group}.{self.name}"

    def missing(self, capabilities: Iterable[Capability]) -> tuple[Capability, ...]:
        """Return what it needs and is not among these, in the order of their declaration."""
        lacking = self.needs - frozenset(capabilities)
        return tuple(each for each in Capability if each in lacking)


def group_of(
    group: str,
    checks: Iterable[tuple[Callable[[StoreHarness], None], Iterable[Capability]]],
    *,
    shares: bool = False,
) -> tuple[Check, ...]:
    """Return the checks of a group, named and summarised by their functions."""
    return tuple(
        Check(
            name=run.__name__,
            group=group,
            summary=(run.__doc__ or "").strip().splitlines()[0],
            run=run,
            needs=frozenset(needs),
            shares=shares,
        )
        for run, needs in checks
    )


class Outcome(Enum):
    """What came of a check; the value is its word."""

    PASS = "pass"  # noqa: S105 - a verdict, no secret
    FAIL = "fail"
    SKIP = "skip"


@frozen(kw_only=True)
class CheckResult:
    """What came of one check.

    Attributes:
        name: of the check.
        group: of the check.
        outcome: pass, fail or skip.
        reason: why it failed or was skipped; "" if it passed.
        notes: what else was noticed, such as text that the store printed.
    """

    name: str
    group: str
    outcome: Outcome
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Group and name."""
        return f"{self.group}.{self.name}"


@frozen(kw_only=True)
class Scorecard:
    """What came of all checks on one store.

    Attributes:
        backend: the store's name.
        capabilities: the words of what it declares, in the order of their declaration.
        profiles: names of the profiles under which crashes were tried.
        results: one for each check, in the suite's order.
    """

    backend: str
    capabilities: tuple[str, ...]
    profiles: tuple[str, ...]
    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed and at least one passed."""
        outcomes = {result.outcome for result in self.results}
        return Outcome.FAIL not in outcomes and Outcome.PASS in outcomes

    def count(self, outcome: Outcome) -> int:
        """Return how many checks came out so."""
        return sum(result.outcome is outcome for result in self.results)

    def __getitem__(self, name: str) -> CheckResult:
        """Return the result of a check, by its name or by group and name.

        Raises:
            KeyError: no check of this name was asked.
        """
        for result in self.results:
            if name in (result.name, result.id):
                return result
        raise KeyError(name)


class CheckFailure(AssertionError):  # noqa: N818 - a failed assertion, as test runners know them
    """A store does not do what a check asks."""


class CheckSkipped(Exception):  # noqa: N818 - not an error: there is nothing to ask
    """A check has nothing to ask of this store; the text says why."""


def entries(first: int, count: int, *, term: int = 1, size_bytes: int = 0) -> tuple[LogEntry, ...]:
    """Return entries with contiguous indices, each with a command of its own.

    Args:
        first: index of the first.
        count: how many.
        term: of all of them.
        size_bytes: length of each command; as short as can be if 0.
    """
    return tuple(
        LogEntry(index, term, f"{term}/{index}:".encode().ljust(size_bytes, b"%x" % (index % 16)))
        for index in range(first, first + count)
    )


def expect(came: object, wanted: object, what: str) -> None:
    """Require that two values are equal.

    Raises:
        CheckFailure: they are not.
    """
    if came != wanted:
        raise CheckFailure(f"{what}: expected {_short(wanted)} but got {_short(came)}")


def require(holds: bool, what: str) -> None:  # noqa: FBT001 - the claim itself
    """Require that something is so.

    Raises:
        CheckFailure: it is not; the text says what was expected.
    """
    if not holds:
        raise CheckFailure(f"expected {what}")


def expect_log(store: Storage, wanted: Sequence[LogEntry], first: int = 1) -> None:
    """Require that a store shows exactly these entries, by its bounds and by a read.

    Raises:
        CheckFailure: it does not.
    """
    last = first + len(wanted) - 1
    expect((store.first_log_index, store.last_log_index), (first, last), "the log's bounds")
    if wanted:
        expect(tuple(store.get_log_entries(first, last + 1)), tuple(wanted), "the log")


def refused(act: Callable[[], object], what: str) -> Exception:
    """Require that a call is refused, and return the error.

    Raises:
        CheckFailure: it is not.
    """
    try:
        act()
    except MissingMethodError:
        raise
    except Exception as error:  # noqa: BLE001 - a store refuses with whatever errors it has
        return error
    raise CheckFailure(f"{what}: expected an error but it was taken")


def _short(value: object) -> str:
    if isinstance(value, tuple) and value and isinstance(value[0], LogEntry):
        return _indices(value)
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."  # noqa: PLR2004 - a line's worth


def _indices(found: Iterable[LogEntry]) -> str:
    told = ", ".join(
        f"{entry.index} of term {entry.term} ({len(entry.command)} bytes)" for entry in found
    )
    return f"entries {told}"
