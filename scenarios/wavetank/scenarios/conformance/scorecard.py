"""What came of the checks: one result each, and all of them together."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

__all__ = ["CheckResult", "Outcome", "Scorecard"]


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
