"""What runs have reached: operation, fault, recovery branch and option, together.

A `Feature` says that a crash in some operation, after some fault had struck, with some option
turned, made recovery take some branch. The branch is told from outside, by what the opening did to
the disk, so that it means something for any store. Steps that ran without a crash have a branch of
their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from attrs import field, frozen

from wavetank.faults import Fault
from wavetank.scenarios.exploration.subject import RecoveryRun
from wavetank.scenarios.raft.judging.observation import Observation
from wavetank.scenarios.raft.steps import (
    Cancelled,
    Interrupted,
    Refused,
    Step,
    TaskStep,
    Workload,
)
from wavetank.sim import Attribute, Data, Dirent, Mark, Record, Size

__all__ = ["DEFAULTS", "NO_CRASH", "NO_FAULT", "Coverage", "Feature", "branch_of", "features"]

NO_FAULT: Final = "none"
NO_CRASH: Final = "no crash"
DEFAULTS: Final = "defaults"
_NOTHING: Final = "nothing written"


class Feature(NamedTuple):
    """One thing that a run has reached.

    Attributes:
        operation: kind of the step.
        fault: what struck, without numbers and names.
        branch: what recovery did.
        option: an override, or `DEFAULTS`.
    """

    operation: str
    fault: str
    branch: str
    option: str


@frozen
class Coverage:
    """How many runs have reached each feature.

    Attributes:
        runs: by feature.
    """

    runs: Mapping[Feature, int] = field(factory=dict)

    def __len__(self) -> int:
        return len(self.runs)

    def __add__(self, other: Coverage) -> Coverage:
        merged = dict(self.runs)
        for feature, count in other.runs.items():
            merged[feature] = merged.get(feature, 0) + count
        return Coverage(merged)

    def by(self, part: Callable[[Feature], str]) -> dict[str, int]:
        """Return how many features have each value of a part, the most frequent first."""
        counts: dict[str, int] = {}
        for feature in self.runs:
            counts[part(feature)] = counts.get(part(feature), 0) + 1
        return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))

    def pairs(self) -> int:
        """Return how many different pairs of two parts of a feature were reached."""
        return len(
            {
                (one, other, feature[one], feature[other])
                for feature in self.runs
                for one in range(4)
                for other in range(one + 1, 4)
            }
        )


def features(
    workload: Workload,
    steps: Iterable[int],
    struck: Iterable[str],
    branches: Mapping[int, Iterable[str]],
) -> frozenset[Feature]:
    """Return what one run has reached.

    Args:
        workload: that ran.
        steps: those that ran.
        struck: the faults that struck, as lines.
        branches: that recoveries took, by the step in which the crash came.
    """
    every = workload.all_steps
    faults = _fault_kinds(workload.faults.faults, frozenset(struck))
    options = workload.overrides or (DEFAULTS,)
    reached = {(_operation(every[step]), NO_CRASH) for step in steps}
    reached |= {
        (_operation(every[step]), branch) for step, some in branches.items() for branch in some
    }
    return frozenset(
        Feature(operation, fault, branch, option)
        for operation, branch in reached
        for fault in faults
        for option in options
    )


def _fault_kinds(faults: Iterable[Fault], struck: frozenset[str]) -> tuple[str, ...]:
    kinds = dict.fromkeys(_fault_kind(fault) for fault in faults if str(fault) in struck)
    return tuple(kinds) or (NO_FAULT,)


def _fault_kind(fault: Fault) -> str:
    kind, what = fault.matcher.kind, str(fault.what).split()
    words = [word for word in what if not any(character.isdigit() for character in word)]
    return f"{kind.value if kind else 'any'}: {' '.join(words)}"


def _operation(step: Step | TaskStep) -> str:
    if isinstance(step, TaskStep):
        return f"{type(step.call).__name__} of a task"
    if isinstance(step, (Refused, Cancelled, Interrupted)):
        return f"{type(step).__name__} {type(step.step).__name__}"
    return type(step).__name__


def branch_of(run: RecoveryRun[Observation]) -> str:
    """Return what a recovery did, in words that equal recoveries share."""
    if run.refusal is not None:
        return f"refused: {run.refusal.kind}"
    return " + ".join(sorted(set(_acts(run.log)))) or _NOTHING


def _name_of(path: str) -> str:
    return path.rpartition("/")[2]


def _acts(log: Iterable[Record]) -> Iterator[str]:
    for record in log:
        if isinstance(record, Data):
            yield f"write {_name_of(record.path)}"
        elif isinstance(record, Size):
            yield f"size {_name_of(record.path)}"
        elif isinstance(record, Dirent):
            how = "remove" if record.inode is None else "replace" if record.replaces else "make"
            yield f"{how} {record.name}"
        elif isinstance(record, (Attribute, Mark)):
            continue
