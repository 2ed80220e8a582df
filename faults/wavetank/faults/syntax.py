"""From text to faults: one line each; docs/faults.md has the grammar.

An error says at which column what was expected, what stands there, and the nearest match. Left out:
printing, which is `str` (fault.py).
"""

from __future__ import annotations

from attrs import evolve

from wavetank.faults._reading_what import read_what
from wavetank.faults._reading_where import read_where, read_which
from wavetank.faults._words import Words
from wavetank.faults.fault import Fault, FaultPlan
from wavetank.faults.syntax_error import FaultSyntaxError

__all__ = ["parse_fault", "parse_plan"]


def parse_fault(line: str) -> Fault:
    """Return the fault of a line.

    Args:
        line: as docs/faults.md has it, and as ``str`` of a fault prints it.

    Raises:
        FaultSyntaxError: it is none.

    >>> parse_fault("write *.tmp #2: short 100 bytes").what
    Short(max_bytes=100)
    >>> parse_fault("fsnc log.dat: fail EIO")
    Traceback (most recent call last):
        ...
    wavetank.faults.syntax_error.FaultSyntaxError: fault: expected an operation (any, open, read, \
write, truncate, preallocate, fsync, datasync, fsync_dir, rename, unlink, link, mkdir, rmdir, \
list, stat, size, advise, lock, close) but got 'fsnc'; nearest match: fsync, at column 1 of \
'fsnc log.dat: fail EIO'
    """
    words = Words(line)
    try:
        return _fault(words)
    except FaultSyntaxError:
        raise
    except ValueError as error:
        raise FaultSyntaxError(str(error), line=line, column=words.part_column) from error


def parse_plan(text: str) -> FaultPlan:
    r"""Return the plan of a text, one fault a line; empty lines and ``# comments`` are passed over.

    Raises:
        FaultSyntaxError: a line is no fault.

    >>> print(parse_plan("# a bad disk\nread: fail EIO from now on"))
    read: fail EIO from now on
    """
    lines = (line.strip() for line in text.splitlines())
    return FaultPlan(
        tuple(parse_fault(line) for line in lines if line and not line.startswith("#"))
    )


def _fault(words: Words) -> Fault:
    where = read_where(words)
    words.begin_part()
    number = words.number("which match") if words.takes("#") else 1
    words.expect(":")
    number_column = words.part_column
    words.begin_part()
    fault = Fault(where=where, what=read_what(words))
    which = read_which(words) if fault.takes_which else fault.which
    words.end()
    words.part_column = number_column
    return evolve(fault, which=evolve(which, first=number))
