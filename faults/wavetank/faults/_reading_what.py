"""What a fault does, from the words of its line.

Left out: where and to which matches (_reading_where.py).
"""

from __future__ import annotations

from typing import Final

from wavetank.faults._words import Words, is_number
from wavetank.faults.damages import FlipBit
from wavetank.faults.failures import Fail, FaultErrno, FillUp, Short, When
from wavetank.faults.fault import What
from wavetank.sim import FsyncFailure

__all__ = ["read_what"]

_ERRORS: Final = {error.name: error for error in FaultErrno}
_MACHINES: Final = {machine.value: machine for machine in FsyncFailure} | {"xfs": FsyncFailure.XFS}
_VERBS: Final = ("fail", "short", "flip")


def read_what(words: Words) -> What:
    verb = words.choose("what to do", _VERBS)
    if verb == "short":
        return Short(words.bytes())
    if verb == "flip":
        words.expect("bit")
        bit = words.number("the bit")
        words.expect("at")
        return FlipBit(bit, words.number("an offset in bytes"))
    error = _ERRORS[words.choose("an error", _ERRORS)]
    if words.next == "from" and not words.precedes("from", "now"):
        words.take()
        written_bytes = words.bytes()
        words.expect("written")
        return FillUp(error, written_bytes)
    return _fail(words, error)


def _fail(words: Words, error: FaultErrno) -> Fail:
    if words.takes("after", "effect"):
        return Fail(error=error, when=When.AFTER)
    if words.takes("after"):
        if not is_number(words.next):
            raise words.refusal("'effect' or a number of bytes", ("effect",))
        return Fail(error=error, when=When.PARTIAL, partial_bytes=words.bytes())
    if words.next in _MACHINES:
        return Fail(error=error, machine=_MACHINES[words.take()])
    if not words.next or words.next == "from" or is_number(words.next):
        return Fail(error=error)
    rest = (*_MACHINES, "after", "from")
    raise words.refusal(f"one of {', '.join(rest)}, a number of times, or the end", rest)
