"""Damage to a store at rest as a case: judged again from its text, and told to a person."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from wavetank.engine import RecoveryMode
from wavetank.scenarios.case import AtRest, Case
from wavetank.scenarios.corruption.cells import Cell, judged_cells
from wavetank.scenarios.corruption.damaged_store import StoreRecord
from wavetank.scenarios.corruption.damages import damages
from wavetank.scenarios.corruption.lives import life_of
from wavetank.scenarios.corruption.rules import Rule
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.reproduction import ReplayResult, ReplayVerdict, fixed

__all__ = [
    "DAMAGE_INVARIANTS",
    "damage_problem",
    "judge_damage_again",
    "replay_damage",
    "tell_damage",
]

DAMAGE_INVARIANTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "D1": "what is damaged at rest is repaired, refused with its place, or named as lost, as "
        "the rules of damage say",
    }
)
"""What is checked of stores that are damaged at rest, by id."""


def damage_problem(cell: Cell, done: tuple[str, ...]) -> Problem:
    """Return what is wrong with the answer of a damaged store.

    Args:
        cell: the answer.
        done: the damage, in words.
    """
    what, _, _ = cell.problem.partition(":")
    told = f"after {' and '.join(done)}, opened in the mode {cell.mode.value}: {cell.problem}"
    return Problem("D1", what, told)


def replay_damage(case: Case) -> ReplayResult:
    """Look again for the finding of a case with damage at rest.

    Args:
        case: of a finding.
    """
    answer = _again(case)
    if isinstance(answer, str):
        return ReplayResult(verdict=ReplayVerdict.ERROR, explanation=answer)
    if any(case.is_shown_by(each.invariant, each.kind) for each in answer):
        return ReplayResult(
            verdict=ReplayVerdict.FAILED,
            explanation=f"the same damage was done again: it breaks {case.invariant} again",
        )
    return fixed(case, "the same damage was done again")


def judge_damage_again(case: Case) -> tuple[Problem, ...]:
    """Return the problem of a case with damage at rest as it shows today; () if it is gone."""
    answer = _again(case)
    found = () if isinstance(answer, str) else answer
    return tuple(each for each in found if case.is_shown_by(each.invariant, each.kind))


def tell_damage(case: Case, problem: Problem, cell: Cell | None = None) -> Violation:
    """Return the story of a finding with damage at rest.

    Args:
        case: of the finding.
        problem: what was wrong.
        cell: the answer; None if nobody has it any more.
    """
    assert case.at_rest is not None, "it is of a damaged store"
    rules = () if cell is None else tuple(cell.expected.rules)
    applied = ", ".join(rule.value for rule in rules if rule is not Rule.UNTOUCHED)
    ends = "closed" if case.at_rest.closed else "killed"
    return Violation(
        id=case.id,
        invariant=problem.invariant,
        kind=problem.kind,
        summary=problem.summary,
        why=f"no crash is needed: the store was {ends}, its files were damaged, and it was opened "
        f"again" + (f"; the rules that apply: {applied}" if applied else ""),
        steps=tuple(f"{number}: {step}" for number, step in enumerate(case.workload.steps)),
        lost=case.at_rest.damages,
        profiles=(case.profile.name,),
        cure="",
        rules=(),
        crash=None,
    )


def _again(case: Case) -> tuple[Problem, ...] | str:
    """Return what is wrong with a case as it runs today, or why that cannot be told."""
    assert case.at_rest is not None, "it is of a damaged store"
    life = life_of(case.workload, closed=case.at_rest.closed)
    if life.record is None or not case.at_rest.damages:
        return tuple(live.problem for live in life.problems)
    return _judged(life.record, case.at_rest)


def _judged(record: StoreRecord, at_rest: AtRest) -> tuple[Problem, ...] | str:
    known = {str(damage): damage for damage in damages(record)}
    missing = [each for each in at_rest.damages if each not in known]
    if missing:
        return f"the store has no place for this damage any more: {missing[0]}"
    done = [known[each] for each in at_rest.damages]
    cells = judged_cells(record, done, (RecoveryMode(at_rest.mode),))
    return tuple(damage_problem(cell, at_rest.damages) for cell in cells if cell.problem)
