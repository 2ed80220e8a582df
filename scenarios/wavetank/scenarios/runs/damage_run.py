"""A unit whose store is damaged once its life is over, instead of crashed.

The matrix of `wavetank damage` judges every damage to stores made for it. Here a share of them is
done to the files that a scenario leaves, closed and killed, in every recovery mode; which ones goes
by the seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import chain, islice, zip_longest
from random import Random  # noqa: TID251 - seeded by the unit
from typing import Final

from attrs import define, evolve, field

from wavetank.engine import RecoveryMode
from wavetank.scenarios.case import AtRest, Case
from wavetank.scenarios.corruption.cells import Cell, judged_cells
from wavetank.scenarios.corruption.damaged_cases import damage_problem, tell_damage
from wavetank.scenarios.corruption.damaged_store import StoreRecord
from wavetank.scenarios.corruption.damages import Damage, damages
from wavetank.scenarios.corruption.lives import is_ruled, life_of
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.runs.events import DamageEvent
from wavetank.scenarios.runs.listening import FindingFound, ScenarioProgress
from wavetank.scenarios.runs.results import ScenarioResult
from wavetank.scenarios.runs.unit import ProgressSink, Unit, case_of

__all__ = ["run_damage_of"]

_TOLD_EVERY: Final = 100


def run_damage_of(unit: Unit, workload: Workload, progress: ProgressSink | None) -> ScenarioResult:
    """Run a life of the engine, damage what it leaves, and judge what an open makes of that.

    With options of which the rules of damage do not say what is right, nothing is judged.

    Args:
        unit: of a scenario that says how many damages are done.
        workload: its own.
        progress: told of findings and of how many damaged stores have been opened.
    """
    assert unit.scenario.damaged is not None, "it is asked for"
    found = _Found(unit, workload, progress or (lambda _: None))
    is_whole = is_ruled(workload.options)
    for closed in (True, False) if is_whole else ():
        life = life_of(workload, closed=closed)
        at_rest = AtRest(closed=closed)
        for live in life.problems:
            found.add(live.problem, at_rest)
        if life.record is None:
            is_whole = False
            continue
        every = tuple(damages(life.record))
        chosen = _chosen(every, unit.scenario.damaged, Random(f"damage/{unit.seed}"))  # noqa: S311 - reproducible on purpose
        is_whole = is_whole and len(chosen) == len(every)
        for done, cell in _cells(life.record, chosen):
            found.take(done, cell, at_rest)
    return found.result(complete=is_whole)


def _chosen(every: Sequence[Damage], count: int, random: Random) -> tuple[Damage, ...]:
    """Return so many: of each kind to each part of each file one, then of each another one."""
    kinds: dict[tuple[str, str, str], list[Damage]] = {}
    for damage in every:
        part = damage.region.meaning.split()[0]
        kinds.setdefault((damage.kind.value, damage.region.file, part), []).append(damage)
    for places in kinds.values():
        random.shuffle(places)
    rounds = chain.from_iterable(zip_longest(*kinds.values()))
    return tuple(islice((damage for damage in rounds if damage is not None), count))


def _cells(record: StoreRecord, chosen: Sequence[Damage]) -> Iterator[tuple[Damage, Cell]]:
    for damage in chosen:
        for cell in judged_cells(record, (damage,), tuple(RecoveryMode)):
            yield damage, cell


@define
class _Found:
    """What has been judged so far, and what was wrong, each kind once."""

    _unit: Unit
    _workload: Workload
    _tell: ProgressSink
    _judged: int = 0
    _stories: dict[tuple[str, str], tuple[Violation, Case]] = field(factory=dict)
    _events: list[DamageEvent] = field(factory=list)

    def take(self, damage: Damage, cell: Cell, at_rest: AtRest) -> None:
        """Take the answer of a damaged store."""
        self._judged += 1
        words = (str(damage),)
        self._events.append(
            DamageEvent(
                closed=at_rest.closed,
                damage=words[0],
                mode=cell.mode.value,
                outcome=cell.outcome,
                problem=cell.problem,
            )
        )
        if cell.problem:
            done = evolve(at_rest, damages=words, mode=cell.mode.value)
            self.add(damage_problem(cell, words), done, cell)
        if self._judged % _TOLD_EVERY == 0:
            self._tell(
                ScenarioProgress(
                    name=self._workload.name,
                    seed=self._unit.seed,
                    profile=self._unit.profiles[0].profile.name,
                    judged=self._judged,
                    options=self._workload.overrides,
                )
            )

    def add(self, problem: Problem, at_rest: AtRest, cell: Cell | None = None) -> None:
        """Note what is wrong, unless something of its kind is known."""
        kind = (problem.invariant, problem.kind)
        if kind in self._stories:
            return
        case = evolve(
            case_of(self._unit, self._workload, self._unit.profiles[0]),
            depth=0,
            at_rest=at_rest,
            invariant=problem.invariant,
            kind=problem.kind,
        )
        self._stories[kind] = (tell_damage(case, problem, cell), case)
        self._tell(FindingFound(case, problem, self._judged))

    def result(self, *, complete: bool) -> ScenarioResult:
        """Return all as one result."""
        found = (f"{kind}: {case.id}" for kind, (_, case) in self._stories.items())
        told = (*map(repr, self._events), *found)
        return ScenarioResult(
            name=self._workload.name,
            seed=self._unit.seed,
            backend=self._unit.backend,
            profile=self._unit.profiles[0].profile.name,
            steps=len(self._workload.steps),
            compactions=0,
            crash_points=0,
            legal=None,
            distinct=self._judged,
            judged=self._judged,
            unjudged=0,
            cache_hits=0,
            recoveries=self._judged,
            depth=0,
            complete=complete,
            forked_points=0,
            stopped_after_first=False,
            violations=tuple(story for story, _ in self._stories.values()),
            cases=tuple(case for _, case in self._stories.values()),
            options=self._workload.overrides,
            relaxed=self._workload.promises.relaxed,
            events=tuple(self._events),
            digest=blake2b("\n".join(told).encode(), digest_size=16).hexdigest(),
        )
