"""One input whose store is damaged at rest: here and there, in one mode or another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from random import Random  # noqa: TID251 - seeded by the input
from typing import Final

from attrs import evolve

from wavetank.engine import RecoveryMode
from wavetank.scenarios.case import Case
from wavetank.scenarios.corruption.cells import Cell, judged_cells
from wavetank.scenarios.corruption.damaged_cases import damage_problem, tell_damage
from wavetank.scenarios.corruption.damaged_store import StoreRecord
from wavetank.scenarios.corruption.damages import Damage, damages
from wavetank.scenarios.corruption.lives import life_of
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.fuzzing.coverage import DEFAULTS, Feature
from wavetank.scenarios.fuzzing.notes import Course, Notes
from wavetank.scenarios.stores.adapter import StoreAdapter

__all__ = ["try_damage"]

_AT_REST: Final = "at rest"
_PAIRS: Final = 4
"""Of so many damaged stores one is damaged twice."""
_FROM_OUTSIDE_EVERY: Final = 3
"""Of so many damaged stores one is looked at from outside, too."""


def try_damage(case: Case, store: StoreAdapter, images: int, notes: Notes) -> Course:
    """Run the steps of an input, damage what they leave, and note what the store makes of that.

    Args:
        case: the input.
        store: of the input; the engine.
        images: about how many damaged stores are opened.
        notes: of the input.
    """
    del store  # Nobody else's files are known well enough to say what is right.
    assert case.at_rest is not None, "it is of a damaged store"
    life = life_of(case.workload, closed=case.at_rest.closed)
    for live in life.problems:
        problem = live.problem
        as_case = partial(evolve, case, invariant=problem.invariant, kind=problem.kind)
        notes.problem(problem, live.step, as_case, partial(_live_story, as_case, problem))
    digest = blake2b(repr(life.problems).encode(), digest_size=16)
    reached: set[Feature] = set()
    cells = 0
    for done, cell in () if life.record is None else _cells(case, life.record, images):
        cells += 1
        digest.update(f"{done} {cell.mode.value} {cell.outcome} {cell.problem}\n".encode())
        reached |= {
            Feature(_AT_REST, damage.kind.value, f"{cell.mode.value}: {cell.outcome}", option)
            for damage in done
            for option in case.workload.overrides or (DEFAULTS,)
        }
        if cell.problem:
            words = tuple(map(str, done))
            problem = damage_problem(cell, words)
            found = evolve(
                case,
                invariant=problem.invariant,
                kind=problem.kind,
                at_rest=evolve(case.at_rest, damages=words, mode=cell.mode.value),
            )
            kinds = " and ".join(sorted({damage.kind.value for damage in done}))
            tell = partial(tell_damage, found, problem, cell)
            notes.problem(problem, kinds, partial(_same, found), tell)
    return Course(
        features=frozenset(reached),
        steps=len(case.workload.steps),
        images=cells,
        recoveries=cells,
        digest=digest.hexdigest(),
    )


def _cells(
    case: Case, record: StoreRecord, images: int
) -> Iterator[tuple[tuple[Damage, ...], Cell]]:
    random = Random(f"damage/{case.workload.seed}")  # noqa: S311 - reproducible on purpose
    every = tuple(damages(record))
    modes = tuple(RecoveryMode)
    for number in range(min(images, len(every))):
        count = 2 if number % _PAIRS == 0 and len(every) > 1 else 1
        done = tuple(random.sample(every, count))
        looks = number % _FROM_OUTSIDE_EVERY == 0
        for cell in judged_cells(record, done, (random.choice(modes),), from_outside=looks):
            yield done, cell


def _same(case: Case) -> Case:
    return case


def _live_story(case: Callable[[], Case], problem: Problem) -> Violation:
    return tell_damage(case(), problem)
