"""What a fault does, from the words of its line.

Left out: where and to which matches (_reading_where.py).
"""

from __future__ import annotations

from typing import Final

from wavetank.faults._reading_where import read_byte_range
from wavetank.faults._words import Words, is_number
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
from wavetank.faults.failures import Fail, FaultErrno, FillUp, OpenLimit, ReadOnly, Short, When
from wavetank.faults.fault import What
from wavetank.sim import FsyncFailure

__all__ = ["read_what"]

_ERRORS: Final = {error.name: error for error in FaultErrno}
_MACHINES: Final = {machine.value: machine for machine in FsyncFailure} | {"xfs": FsyncFailure.XFS}
_SHAPES: Final = {shape.value.partition(" ")[0]: shape for shape in TornShape}


def _short(words: Words) -> What:
    return Short(words.bytes())


def _flip(words: Words) -> What:
    words.expect("bit")
    bit = words.number("the bit")
    words.expect("at")
    return FlipBit(bit, words.number("an offset in bytes"))


def _torn(words: Words) -> What:
    shape = _SHAPES[words.choose("which sectors", _SHAPES)]
    words.expect(*shape.value.split()[1:])
    if shape in (TornShape.ONLY, TornShape.ALL_BUT):
        return TornWrite(shape, words.numbers("sectors, such as 0,2"))
    count = words.number("how many sectors")
    words.expect("sectors")
    return TornWrite(shape, (count,))


def _lost(words: Words) -> What:
    del words
    return LostWrite()


def _misdirected(words: Words) -> What:
    words.expect("to")
    return Misdirected(words.number("an offset in bytes"))


def _lie(words: Words) -> What:
    del words
    return SyncLie()


def _unreadable(words: Words) -> What:
    return Unreadable(read_byte_range(words))


def _zeroed(words: Words) -> What:
    return Zeroed(read_byte_range(words))


def _stale(words: Words) -> What:
    return Stale(read_byte_range(words))


def _missing(words: Words) -> What:
    del words
    return Missing()


def _emptied(words: Words) -> What:
    del words
    return Shortened(0)


def _shortened(words: Words) -> What:
    words.expect("to")
    return Shortened(words.bytes())


def _lengthened(words: Words) -> What:
    words.expect("by")
    return Lengthened(words.bytes())


def _read_only(words: Words) -> What:
    del words
    return ReadOnly()


def _evict(words: Words) -> What:
    del words
    return Evict()


def _stall(words: Words) -> What:
    duration_ms = words.number("how many milliseconds")
    words.expect("ms")
    return Stall(duration_ms)


def _clock(words: Words) -> What:
    words.expect("jumps")
    jump_s = words.signed("how many seconds")
    words.expect("s")
    return ClockJump(jump_s)


def _crash(words: Words) -> What:
    return Crash(CrashEnd.POWER_CUT, _moment(words))


def _kill(words: Words) -> What:
    moment = _moment(words)
    if words.takes("then"):
        words.expect("power", "cut")
        return Crash(CrashEnd.KILL_THEN_POWER_CUT, moment)
    return Crash(CrashEnd.KILL, moment)


def _moment(words: Words) -> Moment:
    return Moment(words.choose("when", [moment.value for moment in Moment]))


def _fail(words: Words) -> What:
    error = _ERRORS[words.choose("an error", _ERRORS)]
    if words.next == "from" and not words.precedes("from", "now"):
        words.take()
        count = words.number("how many")
        if words.takes("open"):
            return OpenLimit(error, count)
        words.expect("bytes", "written")
        return FillUp(error, count)
    if words.takes("after", "effect"):
        return Fail(error=error, when=When.AFTER)
    if words.takes("after"):
        if not is_number(words.next):
            raise words.refusal("'effect' or a number of bytes", ("effect",))
        return Fail(error=error, when=When.PARTIAL, partial_bytes=words.bytes())
    if words.next in _MACHINES:
        return Fail(error=error, machine=_MACHINES[words.take()])
    if not words.next or words.next in ("from", "with") or is_number(words.next):
        return Fail(error=error)
    rest = (*_MACHINES, "after", "from", "with")
    raise words.refusal(f"one of {', '.join(rest)}, a number of times, or the end", rest)


_VERBS: Final = {
    "fail": _fail,
    "short": _short,
    "flip": _flip,
    "torn": _torn,
    "lost": _lost,
    "misdirected": _misdirected,
    "lie": _lie,
    "unreadable": _unreadable,
    "zeroed": _zeroed,
    "stale": _stale,
    "missing": _missing,
    "emptied": _emptied,
    "shortened": _shortened,
    "lengthened": _lengthened,
    "read-only": _read_only,
    "crash": _crash,
    "kill": _kill,
    "evict": _evict,
    "stall": _stall,
    "clock": _clock,
}


def read_what(words: Words) -> What:
    """Return what the words say that a fault does, and take them."""
    return _VERBS[words.choose("what to do", _VERBS)](words)
