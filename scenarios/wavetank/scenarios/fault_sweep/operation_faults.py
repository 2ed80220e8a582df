"""What goes wrong with each operation in turn, and what came of that, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import field, frozen

from wavetank.faults import Fault, parse_fault
from wavetank.scenarios.raft.steps import Step

__all__ = ["OPERATION_FAULTS", "OperationCounts", "OperationProblem", "OperationSweep"]

OPERATION_FAULTS: Final = tuple(
    parse_fault(f"{line}{howlong}")
    for line in (
        "any: fail EIO",
        "any: fail EIO after effect",
        "any: fail ENOSPC",
        "any: fail ENOSPC after effect",
        "open: fail EMFILE",
        "write: fail EIO after 7 bytes",
        "write: fail ENOSPC after 7 bytes",
        "write: short 7 bytes",
        "read: short 7 bytes",
    )
    for howlong in ("", " from now on")
)
"""What each operation in turn suffers, once and from then on."""


@frozen
class OperationProblem:
    """What was wrong after a fault.

    Attributes:
        fault: with the number of the operation that failed.
        step: of the workload, in which the problem showed first, or in which the power went.
        problem: one sentence.
        crash: what a power cut left before the recovery that failed; "" if there was none.
    """

    fault: Fault
    step: Step
    problem: str
    crash: str = ""

    def __str__(self) -> str:
        where = (
            f"the recovery from {self.crash} in '{self.step}'" if self.crash else f"'{self.step}'"
        )
        return f"'{self.fault}' in {where}: {self.problem}"


@frozen(kw_only=True)
class OperationCounts:
    """The results of all runs with one kind of fault, counted.

    Attributes:
        faults: how many were injected, one a run.
        refused: in how many of those runs a call failed because of it.
        problems: how many things were wrong.
    """

    faults: int = 0
    refused: int = 0
    problems: int = 0

    def __add__(self, other: OperationCounts) -> OperationCounts:
        return OperationCounts(
            faults=self.faults + other.faults,
            refused=self.refused + other.refused,
            problems=self.problems + other.problems,
        )


@frozen(kw_only=True)
class OperationSweep:
    """The results of a fault sweep.

    Attributes:
        kinds: the counts by the line of the fault, before it was given a number.
        problems: what was wrong.
        images: left by power cuts, that were recovered with every fault.
    """

    kinds: Mapping[str, OperationCounts] = field(factory=dict)
    problems: tuple[OperationProblem, ...] = ()
    images: int = 0

    @property
    def counts(self) -> OperationCounts:
        """All kinds together."""
        return sum(self.kinds.values(), OperationCounts())

    @property
    def faults(self) -> int:
        """How many faults were injected."""
        return self.counts.faults

    @property
    def refused(self) -> int:
        """In how many runs a call failed because of the fault."""
        return self.counts.refused

    @classmethod
    def of_all(cls, sweeps: Iterable[OperationSweep]) -> OperationSweep:
        """Return several sweeps as one.

        >>> one = OperationSweep(kinds={"any: fail EIO": OperationCounts(faults=2)}, images=1)
        >>> both = OperationSweep.of_all([one, one])
        >>> both.faults, both.images
        (4, 2)
        """
        parts = tuple(sweeps)
        kinds: dict[str, OperationCounts] = {}
        for part in parts:
            for kind, counts in part.kinds.items():
                kinds[kind] = kinds.get(kind, OperationCounts()) + counts
        return cls(
            kinds=kinds,
            problems=tuple(problem for part in parts for problem in part.problems),
            images=sum(part.images for part in parts),
        )
