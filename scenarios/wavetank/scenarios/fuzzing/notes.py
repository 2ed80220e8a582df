"""What is noted while an input runs: problems, each kind once, and the branches of recoveries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.subject import Problem, RecoveryRun
from wavetank.scenarios.fuzzing.coverage import Feature, branch_of
from wavetank.scenarios.raft.judging.observation import Observation

__all__ = ["Course", "FuzzFinding", "FuzzKey", "Notes"]

_STORIES: Final = 3
"""Of one input; a story takes as long as many inputs, and what is left untold comes again."""

FuzzKey = tuple[str, str, str]
"""Invariant, kind of problem, and kind of step: findings of one key are told once."""


@frozen(kw_only=True)
class FuzzFinding:
    """One thing that was wrong.

    Attributes:
        key: what is told once.
        case: brings it back.
        violation: its story.
    """

    key: FuzzKey
    case: Case
    violation: Violation


@frozen(kw_only=True)
class Course:
    """How an input ran.

    Attributes:
        features: what was reached.
        steps: how many steps ran.
        images: crash images judged, or damaged stores opened.
        recoveries: stores opened.
        digest: a hash of the run, the images and the verdicts.
    """

    features: frozenset[Feature]
    steps: int
    images: int
    recoveries: int
    digest: str


class Notes:
    """Takes notes of one input.

    Args:
        case: the input.
        known: findings whose story has been told.

    Attributes:
        findings: what was wrong and was not known, each kind once.
        wrong: the keys of all that was wrong.
        branches: what recoveries did, by the step in which the crash came.
    """

    def __init__(self, case: Case, known: frozenset[FuzzKey]) -> None:
        self.findings: list[FuzzFinding] = []
        self.wrong: dict[FuzzKey, None] = {}
        self.branches: dict[int, dict[str, None]] = {}
        self._steps = case.workload.all_steps
        self._known = set(known)
        self._step = 0

    def step(self, step: int) -> None:
        """Note that crashes are judged in a step from now on."""
        self._step = step

    def recovery(self, run: RecoveryRun[Observation]) -> None:
        """Note what a recovery did."""
        self.branch(branch_of(run))

    def branch(self, branch: str) -> None:
        """Note a branch of a recovery after a crash in the current step."""
        self.branches.setdefault(self._step, {})[branch] = None

    def problem(
        self,
        problem: Problem,
        step: int | str,
        case: Callable[[], Case],
        tell: Callable[[], Violation],
    ) -> None:
        """Note what is wrong.

        Args:
            problem: what is.
            step: number of the step in which it showed, or what to call what showed it.
            case: makes the case that brings it back.
            tell: makes its story; both are asked only if nothing like it is known.
        """
        operation = step if isinstance(step, str) else _operation(self._steps[step])
        key = problem.invariant, problem.kind, operation
        self.wrong[key] = None
        if key in self._known or len(self.findings) >= _STORIES:
            return
        self._known.add(key)
        found = case()
        self.findings.append(
            FuzzFinding(key=key, case=found, violation=evolve(tell(), id=found.id))
        )


def _operation(step: object) -> str:
    return type(getattr(step, "call", step)).__name__
