"""Faults and plans for hypothesis, with every word of the language.

Import it by name, `from wavetank.faults.strategies import fault_plans`: it alone needs hypothesis,
and the rest of wavetank does not. A fault fires only where names and numbers fit the files of a
run: choose them with `names` and `max_number`.

    >>> from hypothesis import given
    >>> @given(plan=fault_plans(max_size=2))
    ... def every_plan_is_a_text(plan):
    ...     assert parse_plan(str(plan)) == plan
    >>> from wavetank.faults import parse_plan
    >>> every_plan_is_a_text()
"""

from __future__ import annotations

import string
from typing import Final

from hypothesis import strategies as st

from wavetank.faults.damages import (
    FlipBit,
    Lengthened,
    LostWrite,
    Misdirected,
    Missing,
    Shortened,
    Stale,
    SyncLie,
    TornShape,
    TornWrite,
    Unreadable,
    Zeroed,
)
from wavetank.faults.environment import ClockJump, Crash, CrashEnd, Evict, Stall
from wavetank.faults.failures import Fail, FaultErrno, FillUp, OpenLimit, ReadOnly, Short
from wavetank.faults.fault import Fault, FaultPlan, What
from wavetank.faults.matching import (
    ByteRange,
    Chance,
    FileTest,
    OperationMatcher,
    Trigger,
    While,
)
from wavetank.faults.operations import (
    SYNCS_OF_FILES,
    FaultClass,
    OperationKind,
    When,
    kinds_of,
)
from wavetank.sim import FsyncFailure

__all__ = ["failure_plans", "fault_plans", "faults"]

_Kinds = tuple[OperationKind | None, ...]

_ANY: Final[_Kinds] = (None, *OperationKind)
_READS: Final[_Kinds] = kinds_of(FaultClass.READING)
_WRITES: Final[_Kinds] = kinds_of(FaultClass.WRITING)
_SYNCS: Final[_Kinds] = kinds_of(FaultClass.SYNCING)
_LOOKS: Final[_Kinds] = (None, OperationKind.OPEN, OperationKind.STAT)
_RESERVED: Final = ("offset", "in", "while")
_MAX_NUMBER: Final = 2**40

_any_words = st.text(
    st.sampled_from(string.ascii_letters + string.digits + "/*?[]!._-é\\'\""), min_size=1
)


def faults(
    *, names: st.SearchStrategy[str] | None = None, max_number: int = _MAX_NUMBER
) -> st.SearchStrategy[Fault]:
    """Return faults with every word of the language.

    Args:
        names: of files, for patterns and conditions; then no fault names a caller, so that it can
            fire wherever there are such files. None for any words at all.
        max_number: no offset, size, count or time is higher.
    """
    parts = _Parts(names, max_number)
    return st.one_of(parts.failures(), parts.damages(), parts.others())


def fault_plans(
    *,
    names: st.SearchStrategy[str] | None = None,
    max_number: int = _MAX_NUMBER,
    max_size: int = 4,
) -> st.SearchStrategy[FaultPlan]:
    """Return plans.

    Args:
        names: as for `faults`.
        max_number: as for `faults`.
        max_size: how many faults one may have.
    """
    each = faults(names=names, max_number=max_number)
    return st.builds(FaultPlan, st.lists(each, max_size=max_size).map(tuple))


def failure_plans(
    *,
    names: st.SearchStrategy[str] | None = None,
    max_number: int = _MAX_NUMBER,
    max_size: int = 4,
) -> st.SearchStrategy[FaultPlan]:
    """Return plans of operations that report an error or do less; nothing is damaged.

    Arguments as for `fault_plans`.
    """
    each = _Parts(names, max_number).failures().filter(lambda fault: not fault.damages)
    return st.builds(FaultPlan, st.lists(each, max_size=max_size).map(tuple))


class _Parts:
    """The parts of faults, from names and numbers."""

    def __init__(self, names: st.SearchStrategy[str] | None, max_number: int) -> None:
        self._names = _any_words if names is None else names
        self._callers = st.none() | _any_words if names is None else st.none()
        self._numbers = st.integers(0, max_number)
        self._counts = st.integers(1, max_number)
        self._ranges = st.builds(
            lambda start, length: ByteRange(start, start + length), self._numbers, self._counts
        )

    def failures(self) -> st.SearchStrategy[Fault]:
        errors = st.sampled_from(FaultErrno)
        full = st.sampled_from([FaultErrno.ENOSPC, FaultErrno.EDQUOT])
        whole = st.sampled_from([When.BEFORE, When.AFTER])
        machines = st.sampled_from(FsyncFailure)
        endless = st.builds(Trigger, times=st.none())
        return st.one_of(
            self._faults(st.builds(Fail, error=errors, when=whole)),
            self._faults(
                st.builds(Fail, error=st.just(FaultErrno.EIO), machine=machines), SYNCS_OF_FILES
            ),
            self._faults(
                st.builds(
                    Fail, error=errors, when=st.just(When.INSIDE), partial_bytes=self._counts
                ),
                _WRITES,
                with_offset=True,
            ),
            self._faults(st.builds(Short, self._counts), (*_READS, *_WRITES), with_offset=True),
            self._faults(st.builds(FillUp, full, self._numbers), trigger=endless),
            self._faults(
                st.builds(OpenLimit, st.just(FaultErrno.EMFILE), self._numbers),
                (OperationKind.OPEN,),
                trigger=endless,
            ),
            self._faults(st.just(ReadOnly()), (None,), trigger=self._never_ending()),
        )

    def damages(self) -> st.SearchStrategy[Fault]:
        bits = st.builds(FlipBit, self._numbers, self._numbers)
        blocks = [st.builds(each, self._ranges) for each in (Unreadable, Zeroed, Stale)]
        lengths = st.builds(Shortened, self._numbers) | st.builds(Lengthened, self._counts)
        return st.one_of(
            self._faults(bits, _READS, trigger=self._never_ending()),
            self._faults(self._torn() | st.just(LostWrite()), _WRITES, with_offset=True),
            self._faults(
                st.builds(Misdirected, self._numbers), (*_READS, *_WRITES), with_offset=True
            ),
            self._faults(st.just(SyncLie()), _SYNCS),
            self._faults(st.one_of(*blocks), _READS),
            self._faults(st.just(Missing()), _LOOKS),
            self._faults(lengths, (*_LOOKS, OperationKind.SIZE, OperationKind.READ)),
        )

    def others(self) -> st.SearchStrategy[Fault]:
        jumps_s = self._counts | self._counts.map(lambda jump_s: -jump_s)
        return st.one_of(
            self._faults(st.builds(Crash, st.sampled_from(CrashEnd), st.sampled_from(When))),
            self._faults(
                st.just(Evict()) | st.builds(Stall, self._counts) | st.builds(ClockJump, jumps_s)
            ),
        )

    def _faults(
        self,
        what: st.SearchStrategy[What],
        kinds: _Kinds = _ANY,
        *,
        with_offset: bool = False,
        trigger: st.SearchStrategy[Trigger] | None = None,
    ) -> st.SearchStrategy[Fault]:
        matcher = st.builds(
            OperationMatcher,
            kind=st.sampled_from(kinds),
            path=st.none() | self._names.filter(lambda word: word not in _RESERVED),
            offset=st.none() | self._ranges if with_offset else st.none(),
            caller=self._callers,
            condition=st.none() | self._conditions(),
        )
        return st.builds(
            Fault,
            matcher=matcher,
            what=what,
            trigger=self._triggers() if trigger is None else trigger,
        )

    def _conditions(self) -> st.SearchStrategy[While]:
        presence = st.sampled_from([FileTest.EXISTS, FileTest.ABSENT])
        comparison = st.sampled_from([FileTest.AT_LEAST, FileTest.LESS])
        return st.builds(While, self._names, presence) | st.builds(
            While, self._names, comparison, self._numbers
        )

    def _triggers(self) -> st.SearchStrategy[Trigger]:
        chances = st.builds(Chance, st.floats(0, 1, exclude_min=True), _any_words)
        return st.one_of(
            st.builds(Trigger, first=self._counts, times=st.none() | self._counts),
            st.builds(Trigger, first=self._counts, times=st.none(), chance=chances),
        )

    def _never_ending(self) -> st.SearchStrategy[Trigger]:
        return st.builds(Trigger, first=self._counts, times=st.none())

    def _torn(self) -> st.SearchStrategy[TornWrite]:
        listed = st.sampled_from([TornShape.ONLY, TornShape.ALL_BUT])
        counted = st.sampled_from([TornShape.FIRST, TornShape.LAST, TornShape.GARBAGE])
        sectors = st.sets(self._numbers, min_size=1).map(sorted).map(tuple)
        return st.builds(TornWrite, listed, sectors) | st.builds(
            TornWrite, counted, st.tuples(self._numbers)
        )
