"""A cell of the matrix: a store with some damage, opened in one mode, and its answer judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from wavetank.engine import RecoveryMode
from wavetank.scenarios.corruption.damaged_store import StoreRecord
from wavetank.scenarios.corruption.damages import Damage, DamagedFiles, inflict
from wavetank.scenarios.corruption.expectation import Expectation, expect
from wavetank.scenarios.corruption.opened import Opener, look, open_engine
from wavetank.scenarios.corruption.outside import problem_from_outside
from wavetank.scenarios.corruption.read_aside import IS_READ_ASIDE, problem_aside
from wavetank.scenarios.corruption.verdict import Judged, judge

__all__ = ["Cell", "judged_cells"]


@frozen(kw_only=True)
class Cell:
    """What a damaged store has answered in one mode.

    Attributes:
        mode: of the open.
        expected: the rules that apply.
        judged: the answer, held to them.
        problem: what is wrong with it, or with what is shown of its log without a change; "".
    """

    mode: RecoveryMode
    expected: Expectation
    judged: Judged
    problem: str

    @property
    def outcome(self) -> str:
        """The answer in one word; "none" where no word fits."""
        return "none" if self.judged.outcome is None else self.judged.outcome.value


def judged_cells(
    record: StoreRecord,
    done: Sequence[Damage],
    modes: Sequence[RecoveryMode],
    opener: Opener = open_engine,
    *,
    from_outside: bool = True,
) -> Iterator[Cell]:
    """Yield what a store with some damage answers in each of some modes.

    Args:
        record: the undamaged store.
        done: what is done to it, in this order.
        modes: of the opens.
        opener: what opens it.
        from_outside: verify, dump and read them without an open for writing, too.
    """
    damaged = DamagedFiles(files=record.files, unreadable={})
    for damage in done:
        damaged = inflict(damage, record, damaged)
    expected = expect(record, damaged)
    aside = problem_from_outside(record, damaged, expected, opener) if from_outside else ""
    if not aside and expected.log.rule in IS_READ_ASIDE:
        aside = problem_aside(record, damaged, expected, opener)
    for mode in modes:
        judged = judge(record, damaged, mode, expected, look(record, damaged, mode, opener))
        yield Cell(mode=mode, expected=expected, judged=judged, problem=judged.problem or aside)
