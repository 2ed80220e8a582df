"""Faults and plans for hypothesis, with every word of the language.

Import it by name, `from wavetank.faults.strategies import fault_plans`: it alone needs hypothesis,
and the rest of wavetank does not. Left out: whether a fault makes sense for a store.

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

from wavetank.faults.conditions import FileTest, While
from wavetank.faults.crashes import Crash, CrashEnd, Moment
from wavetank.faults.damages import (
    FlipBit,
    LostWrite,
    Misdirected,
    SyncLie,
    TornShape,
    TornWrite,
)
from wavetank.faults.damages_at_rest import (
    Lengthened,
    Missing,
    Shortened,
    Stale,
    Unreadable,
    Zeroed,
)
from wavetank.faults.disturbances import ClockJump, Evict, Stall
from wavetank.faults.failures import (
    Fail,
    FaultErrno,
    FillUp,
    OpenLimit,
    ReadOnly,
    Short,
    When,
)
from wavetank.faults.fault import Fault, FaultPlan, What
from wavetank.faults.operations import SYNCS_OF_FILES, FaultClass, OperationKind, kinds_of
from wavetank.faults.where import ByteRange, Where
from wavetank.faults.which import Chance, Which
from wavetank.sim import FsyncFailure

__all__ = ["fault_plans", "faults", "paths", "wheres", "whiches"]

_Kinds = tuple[OperationKind | None, ...]

_ANY: Final[_Kinds] = (None, *OperationKind)
_READS: Final[_Kinds] = kinds_of(FaultClass.READING)
_WRITES: Final[_Kinds] = kinds_of(FaultClass.WRITING)
_SYNCS: Final[_Kinds] = kinds_of(FaultClass.SYNCING)
_RESERVED: Final = ("offset", "in", "while")

_numbers = st.integers(0, 2**40)
_counts = st.integers(1, 2**40)
_errors = st.sampled_from(FaultErrno)
_words = st.text(
    st.sampled_from(string.ascii_letters + string.digits + "/*?[]!._-é\\'\""), min_size=1
)
_ranges = st.builds(lambda start, length: ByteRange(start, start + length), _numbers, _counts)


def paths() -> st.SearchStrategy[str]:
    """Return patterns for paths."""
    return _words.filter(lambda word: word not in _RESERVED)


def _conditions() -> st.SearchStrategy[While]:
    return st.one_of(
        st.builds(While, _words, st.sampled_from([FileTest.EXISTS, FileTest.ABSENT])),
        st.builds(While, _words, st.sampled_from([FileTest.AT_LEAST, FileTest.LESS]), _numbers),
    )


def wheres(
    kinds: tuple[OperationKind | None, ...] = _ANY, *, with_offset: bool = False
) -> st.SearchStrategy[Where]:
    """Return places for faults.

    Args:
        kinds: of operation, None for any.
        with_offset: whether they may name bytes; only reads and writes have some.
    """
    return st.builds(
        Where,
        kind=st.sampled_from(kinds),
        path=st.none() | paths(),
        offset=st.none() | _ranges if with_offset else st.none(),
        caller=st.none() | _words,
        condition=st.none() | _conditions(),
    )


def whiches() -> st.SearchStrategy[Which]:
    """Return numbers of matches that are struck, and chances."""
    chances = st.builds(Chance, st.floats(0, 1, exclude_min=True), _words)
    return st.one_of(
        st.builds(Which, first=_counts, times=st.none() | _counts),
        st.builds(Which, first=_counts, times=st.none(), chance=chances),
    )


def _torn() -> st.SearchStrategy[TornWrite]:
    return st.one_of(
        st.builds(
            TornWrite,
            st.sampled_from([TornShape.ONLY, TornShape.ALL_BUT]),
            st.sets(_numbers, min_size=1).map(sorted).map(tuple),
        ),
        st.builds(
            TornWrite,
            st.sampled_from([TornShape.FIRST, TornShape.LAST, TornShape.GARBAGE]),
            st.tuples(_numbers),
        ),
    )


def _faults(
    what: st.SearchStrategy[What],
    kinds: _Kinds = _ANY,
    *,
    with_offset: bool = False,
    which: st.SearchStrategy[Which] | None = None,
) -> st.SearchStrategy[Fault]:
    return st.builds(
        Fault,
        where=wheres(kinds, with_offset=with_offset),
        what=what,
        which=whiches() if which is None else which,
    )


def _failures() -> st.SearchStrategy[Fault]:
    lasts = st.builds(Which, times=st.none())
    full = st.sampled_from([FaultErrno.ENOSPC, FaultErrno.EDQUOT])
    some = st.builds(Fail, error=_errors, when=st.just(When.PARTIAL), partial_bytes=_counts)
    machines = st.builds(Fail, error=st.just(FaultErrno.EIO), machine=st.sampled_from(FsyncFailure))
    return st.one_of(
        _faults(
            st.builds(Fail, error=_errors, when=st.sampled_from([When.BEFORE, When.AFTER])),
        ),
        _faults(machines, SYNCS_OF_FILES),
        _faults(some, _WRITES, with_offset=True),
        _faults(st.builds(Short, _counts), (*_READS, *_WRITES), with_offset=True),
        _faults(st.builds(FillUp, full, _numbers), which=lasts),
        _faults(
            st.builds(OpenLimit, st.just(FaultErrno.EMFILE), _numbers),
            (OperationKind.OPEN,),
            which=lasts,
        ),
        _faults(
            st.just(ReadOnly()), (None,), which=st.builds(Which, first=_counts, times=st.none())
        ),
    )


def _damages() -> st.SearchStrategy[Fault]:
    looks = (None, OperationKind.OPEN, OperationKind.STAT)
    lasts = st.builds(Which, first=_counts, times=st.none())
    return st.one_of(
        _faults(st.builds(FlipBit, _numbers, _numbers), _READS, which=lasts),
        _faults(_torn() | st.just(LostWrite()), _WRITES, with_offset=True),
        _faults(st.builds(Misdirected, _numbers), (*_READS, *_WRITES), with_offset=True),
        _faults(st.just(SyncLie()), _SYNCS),
        _faults(
            st.builds(Unreadable, _ranges) | st.builds(Zeroed, _ranges) | st.builds(Stale, _ranges),
            _READS,
        ),
        _faults(st.just(Missing()), looks),
        _faults(
            st.builds(Shortened, _numbers) | st.builds(Lengthened, _counts),
            (*looks, OperationKind.SIZE, OperationKind.READ),
        ),
    )


def _others() -> st.SearchStrategy[Fault]:
    jumps_s = _counts | _counts.map(lambda jump_s: -jump_s)
    return st.one_of(
        _faults(st.builds(Crash, st.sampled_from(CrashEnd), st.sampled_from(Moment))),
        _faults(st.just(Evict()) | st.builds(Stall, _counts) | st.builds(ClockJump, jumps_s)),
    )


def faults() -> st.SearchStrategy[Fault]:
    """Return all faults that the language can say."""
    return _failures() | _damages() | _others()


def fault_plans(*, max_size: int = 4) -> st.SearchStrategy[FaultPlan]:
    """Return plans.

    Args:
        max_size: how many faults one may have.
    """
    return st.builds(FaultPlan, st.lists(faults(), max_size=max_size).map(tuple))
