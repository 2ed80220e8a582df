"""A named check as a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import frozen

from wavetank.scenarios.conformance.store_harness import Bench
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["Check", "group_of"]


@frozen(kw_only=True)
class Check:
    """One question to a store.

    Attributes:
        name: of the check, alone in its group.
        group: the file it stands in.
        summary: what a right store does, in one sentence.
        run: asks; raises `CheckFailure`, or whatever the store raises.
        needs: the capabilities without which the question makes no sense.
        shares: whether it rests on work that is done once for its whole group.
    """

    name: str
    group: str
    summary: str
    run: Callable[[Bench], None]
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
    checks: Iterable[tuple[Callable[[Bench], None], Iterable[Capability]]],
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
