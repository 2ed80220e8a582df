"""An answer held to the rules: its outcome in one word, and what is wrong with it, if anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from wavetank.engine import (
    CorruptedLogError,
    CorruptedSnapshotError,
    CorruptedStateError,
    FileCondition,
    RecoveryMode,
    RecoveryReport,
    StorageError,
    StorageIOError,
    UnsupportedFormatError,
)
from wavetank.scenarios.corruption.damaged_store import (
    DIRECTORY,
    LOG,
    METADATA,
    STATE_COPIES,
    LogView,
    StoreRecord,
)
from wavetank.scenarios.corruption.damages import DamagedFiles
from wavetank.scenarios.corruption.expectation import Expectation
from wavetank.scenarios.corruption.opened import Shown
from wavetank.scenarios.corruption.rules import RULES, Outcome, Rule
from wavetank.scenarios.raft.judging.reported_losses import ReportedLosses

__all__ = ["Judged", "judge"]

_REFUSALS: Final = {
    "state": (CorruptedStateError, UnsupportedFormatError),
    "metadata": (UnsupportedFormatError,),
    "snapshot": (CorruptedSnapshotError, UnsupportedFormatError),
    "log": (CorruptedLogError,),
}
_WEIGHT: Final = (
    Outcome.CORRECT,
    Outcome.UNDETECTABLE,
    Outcome.AMBIGUOUS,
    Outcome.DETECTED,
)


@frozen(kw_only=True)
class Judged:
    """One cell of the matrix.

    Attributes:
        outcome: in one word; None where no word fits, which is always wrong.
        problem: what is wrong; "" if it is right.
    """

    outcome: Outcome | None
    problem: str = ""


def judge(
    record: StoreRecord,
    damaged: DamagedFiles,
    mode: RecoveryMode,
    expected: Expectation,
    shown: Shown,
) -> Judged:
    """Hold what was shown to what is expected.

    Args:
        record: the undamaged store.
        damaged: its files as they were opened.
        mode: of the open.
        expected: the rules that apply.
        shown: what came.
    """
    if shown.failure:
        return Judged(outcome=None, problem=shown.failure)
    case = _Case(record, damaged, mode, expected, shown)
    if shown.refusal is not None:
        return case.refused(shown.refusal)
    return case.opened()


@frozen
class _Case:
    record: StoreRecord
    damaged: DamagedFiles
    mode: RecoveryMode
    expected: Expectation
    shown: Shown

    def _allows(self, rule: Rule) -> frozenset[Outcome]:
        return RULES[rule][self.mode]

    def refused(self, refusal: StorageError) -> Judged:
        ambiguous = getattr(refusal, "ambiguous", False)
        outcome = Outcome.AMBIGUOUS if ambiguous else Outcome.DETECTED
        told = f"{type(refusal).__name__}: {refusal}"
        if not any(
            self._explains(part, rule, refusal, outcome) for part, rule in self._parts().items()
        ):
            return Judged(outcome=outcome, problem=f"refused without reason: {told}")
        if isinstance(refusal, CorruptedLogError) and not self._is_precise(refusal):
            return Judged(
                outcome=outcome,
                problem=f"names another place than {self._place()}: {told}",
            )
        return Judged(outcome=outcome)

    def _parts(self) -> dict[str, Rule]:
        each = self.expected
        return {
            "state": each.state,
            "metadata": each.metadata,
            "snapshot": each.snapshot,
            "log": each.log.rule,
        }

    def _explains(self, part: str, rule: Rule, refusal: StorageError, outcome: Outcome) -> bool:
        if outcome not in self._allows(rule):
            return False
        if isinstance(refusal, StorageIOError):
            paths = {f"{DIRECTORY}/{name}" for name in self.damaged.unreadable}
            return refusal.filename in paths
        return isinstance(refusal, _REFUSALS[part])

    def _is_precise(self, refusal: CorruptedLogError) -> bool:
        """Whether the error names file, offset, index and term of what is broken first."""
        expected = self.expected.log
        if expected.broken_at is None:
            return True
        named = refusal.path, refusal.offset, refusal.index
        if named != (f"{DIRECTORY}/{LOG}", expected.broken_at, expected.index):
            return False
        return expected.term is None or refusal.term == expected.term

    def _place(self) -> str:
        expected = self.expected.log
        term = "" if expected.term is None else f", term {expected.term}"
        return f"offset {expected.broken_at}, index {expected.index}{term}"

    def opened(self) -> Judged:
        words = {Outcome.CORRECT}
        problems: list[str] = []
        for word, problem in (self._state(), self._snapshot(), self._log()):
            words.add(word)
            if problem:
                problems.append(problem)
        problems += self._untold()
        problems += self._unasked()
        problems += self._second()
        outcome = max(words, key=_WEIGHT.index)
        if problems and outcome in {Outcome.CORRECT, Outcome.UNDETECTABLE}:
            return Judged(outcome=None, problem=problems[0])
        return Judged(outcome=outcome, problem=problems[0] if problems else "")

    def _state(self) -> tuple[Outcome, str]:
        shown, allowed = self.shown.state, self._allows(self.expected.state)
        if isinstance(shown, StorageError):
            return Outcome.DETECTED, self._late(Outcome.DETECTED in allowed, shown)
        if shown == self.expected.state_shown:
            for word in (Outcome.CORRECT, Outcome.UNDETECTABLE):
                if word in allowed:
                    return word, ""
        return Outcome.CORRECT, f"wrong data: shows {shown}, acknowledged was {self.record.state}"

    def _snapshot(self) -> tuple[Outcome, str]:
        shown, allowed = self.shown.snapshot, self._allows(self.expected.snapshot)
        if isinstance(shown, StorageError):
            return Outcome.DETECTED, self._late(Outcome.DETECTED in allowed, shown)
        if shown == self.expected.snapshot_shown and Outcome.CORRECT in allowed:
            return Outcome.CORRECT, ""
        if shown is None and self._reported.snapshot_gone:
            is_allowed = self.mode is RecoveryMode.AGGRESSIVE and Outcome.DETECTED in allowed
            return Outcome.DETECTED, "" if is_allowed else "an intact snapshot is given up"
        if shown is None:
            return Outcome.CORRECT, "silent loss: no snapshot is shown"
        if shown == self.record.snapshot:
            return Outcome.CORRECT, "a damaged snapshot is shown as if it were intact"
        return Outcome.CORRECT, f"wrong data: shows another snapshot, {shown[0]}"

    def _log(self) -> tuple[Outcome, str]:
        shown, allowed = self.shown.log, self._allows(self.expected.log.rule)
        if isinstance(shown, StorageError):
            return Outcome.DETECTED, self._late(Outcome.DETECTED in allowed, shown)
        assert shown is not None, "an opened store has a log"
        word = self._word(shown)
        if not self._is_part(shown):
            return word, f"wrong data: shows {_told(shown)}"
        if word in allowed:
            return word, ""
        if word in {Outcome.CORRECT, Outcome.UNDETECTABLE} and shown != self.record.log:
            return word, f"silent loss: shows {_told(shown)} of {_told(self.record.log)}"
        return word, f"{word.value} is not the word for it: {self.expected.log.rule.value}"

    def _word(self, shown: LogView) -> Outcome:
        if self._reported.log_lost_from is not None:
            return Outcome.DETECTED
        if self._reported.log_cut_from is not None:
            return Outcome.AMBIGUOUS
        whole = any(shown == content.log for content in self.record.acceptable)
        return Outcome.CORRECT if whole else Outcome.UNDETECTABLE

    def _is_part(self, shown: LogView) -> bool:
        """Whether a log that is not whole is just what is left of it."""
        if self.expected.log.shown is not None:
            return shown == self.expected.log.shown
        return self.record.ever_logged.issuperset(shown.entries)

    @property
    def _report(self) -> RecoveryReport:
        assert self.shown.report is not None, "an opened store has a report"
        return self.shown.report

    @property
    def _reported(self) -> ReportedLosses:
        return ReportedLosses.of(self._report, DIRECTORY)

    @staticmethod
    def _late(allowed: bool, error: StorageError) -> str:  # noqa: FBT001 - a fact, not a switch
        return "" if allowed else f"refused without reason: {type(error).__name__}: {error}"

    def _untold(self) -> Iterator[str]:
        """Yield each file that was damaged and not what it should be, of which nothing is said."""
        if self._report.created:
            yield "fresh start: the report says that the store was created"
        intact = FileCondition.INTACT
        told = {step.path for step in self._report.steps}
        told |= {found.path for found in self._report.found if found.condition is not intact}
        for name in (METADATA, *STATE_COPIES):
            content = self.damaged.files.get(name)
            is_broken = content not in (self.record.files[name], *self.record.older.get(name, ()))
            if (is_broken or content is None) and f"{DIRECTORY}/{name}" not in told:
                yield f"untold repair: the report does not speak of {name}"

    def _unasked(self) -> Iterator[str]:
        """Yield that what was in doubt has been cut though the mode leaves that to a person."""
        cut = self._report.cut
        if cut is not None and cut.ambiguous and self.mode is RecoveryMode.CONSERVATIVE:
            yield "the conservative mode has cut what may have been acknowledged"

    def _second(self) -> Iterator[str]:
        second = self.shown.second
        if second is None:
            return
        if second.failure or not second.same_content(self.shown):
            told = second.failure or second.refusal or "something else"
            yield f"the next open does not show the same: {told}"


def _told(log: LogView) -> str:
    return f"entries {log.first_index}..{log.last_index} up to term {log.last_term}"
