"""The damage matrix: every damage to every store in every recovery mode, each cell judged.

Cells share nothing and may be judged in other processes; what comes of it does not depend on where.
Pairs of damages are drawn from streams that are named by store and number, so that asking for more
of them keeps those that were there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from random import Random  # noqa: TID251 - seeded by the pair's name
from typing import Final, TypeAlias

from attrs import frozen

from wavetank.engine import RecoveryMode
from wavetank.scenarios.corruption.cells import judged_cells
from wavetank.scenarios.corruption.damages import Damage, damages
from wavetank.scenarios.corruption.expectation import Expectation
from wavetank.scenarios.corruption.opened import Opener, open_engine
from wavetank.scenarios.corruption.rules import Outcome, Rule
from wavetank.scenarios.corruption.stores import STORES, store_record

__all__ = ["CellKey", "DamageResult", "Progress", "WrongCell", "run_damage"]

_PAIRS_AT_ONCE: Final = 250
_FROM_OUTSIDE_EVERY: Final = 4
"""Of so many damages one is looked at from outside, too, which takes as long as all its opens."""


@frozen(order=True, kw_only=True)
class CellKey:
    """What cells are counted by.

    Attributes:
        store: name of the store.
        damage: its kind; of a pair both, in the order of the alphabet.
        mode: the recovery mode.
        rules: the rules that apply to it, those for parts that are not damaged left out.
        outcome: in one word; "none" where no word fits.
        pair: whether two damages were done.
    """

    store: str
    damage: str
    mode: str
    rules: tuple[str, ...]
    outcome: str
    pair: bool


@frozen(kw_only=True)
class WrongCell:
    """A cell in which the engine's answer is not right.

    Attributes:
        store: name of the store.
        damages: what was done to it, one or two.
        mode: the recovery mode.
        rules: the rules that apply.
        outcome: in one word; "none" where no word fits.
        problem: what is wrong.
    """

    store: str
    damages: tuple[str, ...]
    mode: str
    rules: tuple[str, ...]
    outcome: str
    problem: str


@frozen(kw_only=True)
class DamageResult:
    """What came of the matrix.

    Attributes:
        counts: cells by what they are counted by.
        wrong: every cell that is not right, in the order of the matrix.
    """

    counts: Mapping[CellKey, int]
    wrong: tuple[WrongCell, ...]

    @property
    def cells(self) -> int:
        """How many cells were judged."""
        return sum(self.counts.values())

    @property
    def pairs(self) -> int:
        """How many of them are of two damages."""
        return sum(count for key, count in self.counts.items() if key.pair)

    @property
    def passed(self) -> bool:
        """Whether all are right."""
        return not self.wrong

    def by(self, part: Callable[[CellKey], Iterable[str]]) -> dict[str, Counter[str]]:
        """Return how many cells have which outcome, by what `part` says of a cell."""
        counted: dict[str, Counter[str]] = {}
        for key, count in self.counts.items():
            for name in part(key):
                counted.setdefault(name, Counter())[key.outcome] += count
        return counted

    def outcomes(self) -> dict[str, int]:
        """Return how many cells have which outcome, each of the four words."""
        total = self.by(lambda _: ("all",)).get("all", Counter())
        return {outcome.value: total[outcome.value] for outcome in Outcome}


Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and of how much."""


def run_damage(
    stores: Sequence[str] | None = None,
    *,
    pairs: int = 0,
    one_in: int = 1,
    opener: Opener = open_engine,
    executor: Executor | None = None,
    on_progress: Progress | None = None,
) -> DamageResult:
    """Judge the whole matrix.

    Args:
        stores: names of stores; None for all.
        pairs: cells of two damages to judge besides, spread over the stores.
        one_in: judge one in so many of the single damages to each store; 1 for all.
        opener: what opens the stores; with an executor, a function that it can send.
        executor: where the work runs; None runs it here, store after store.
        on_progress: told of it as results come.

    Raises:
        KeyError: there is no such store.
        ValueError: `pairs` is below 0, or `one_in` below 1.
    """
    if pairs < 0:
        raise ValueError(f"pairs: expected 0 or more, got {pairs}")
    if one_in < 1:
        raise ValueError(f"one_in: expected 1 or more, got {one_in}")
    names = tuple(STORES if stores is None else stores)
    for name in names:
        STORES[name]
    units: list[tuple[object, ...]] = [(name, one_in, opener) for name in names]
    for number, name in enumerate(names):
        share = range(number, pairs, len(names))
        for begin in range(0, len(share), _PAIRS_AT_ONCE):
            end = min(begin + _PAIRS_AT_ONCE, len(share))
            units.append((name, range(begin, end), opener))
    counts: Counter[CellKey] = Counter()
    wrong: list[WrongCell] = []
    for done, result in enumerate(_run(executor, units), start=1):
        counts.update(result.counts)
        wrong += result.wrong
        if on_progress is not None:
            on_progress("stores and pairs", done, len(units))
    return DamageResult(counts=dict(sorted(counts.items())), wrong=tuple(wrong))


def _run(executor: Executor | None, units: Sequence[tuple[object, ...]]) -> Iterator[DamageResult]:
    work: Callable[..., DamageResult] = _judge_unit
    if executor is None:
        return (work(*unit) for unit in units)
    futures = [executor.submit(work, *unit) for unit in units]
    return (future.result() for future in futures)


def _judge_unit(store: str, chosen: int | range, opener: Opener) -> DamageResult:
    """Judge one in so many of a store's single damages, or its pairs of these numbers."""
    record = store_record(store)
    singles = tuple(damages(record))
    if isinstance(chosen, int):
        faults: Iterable[tuple[tuple[Damage, ...], Sequence[RecoveryMode]]] = (
            ((damage,), tuple(RecoveryMode)) for damage in singles[::chosen]
        )
    else:
        faults = (_pair(store, number, singles) for number in chosen)
    counts: Counter[CellKey] = Counter()
    wrong: list[WrongCell] = []
    for number, (done, modes) in enumerate(faults):
        looks = number % _FROM_OUTSIDE_EVERY == 0
        for cell in judged_cells(record, done, modes, opener, from_outside=looks):
            rules = _rules(cell.expected)
            kinds = " + ".join(sorted(damage.kind.value for damage in done))
            key = CellKey(
                store=store,
                damage=kinds,
                mode=cell.mode.value,
                rules=rules,
                outcome=cell.outcome,
                pair=len(done) > 1,
            )
            counts[key] += 1
            if cell.problem:
                wrong.append(
                    WrongCell(
                        store=store,
                        damages=tuple(map(str, done)),
                        mode=cell.mode.value,
                        rules=rules,
                        outcome=cell.outcome,
                        problem=cell.problem,
                    )
                )
    return DamageResult(counts=counts, wrong=tuple(wrong))


def _pair(
    store: str, number: int, singles: Sequence[Damage]
) -> tuple[tuple[Damage, ...], Sequence[RecoveryMode]]:
    stream = Random(f"damage/{store}/{number}")  # noqa: S311 - reproducible on purpose
    first, second = stream.sample(range(len(singles)), 2)
    modes = tuple(RecoveryMode)
    return (singles[first], singles[second]), (modes[number % len(modes)],)


def _rules(expected: Expectation) -> tuple[str, ...]:
    told = tuple(rule.value for rule in expected.rules if rule is not Rule.UNTOUCHED)
    return told or (Rule.UNTOUCHED.value,)
