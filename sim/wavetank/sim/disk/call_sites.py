"""Where in a program a change of the disk was made: the calls between it and the simulated disk.

The answer is a text that is equal for equal chains of calls. Images are chosen by which changes
share one (representatives.py); that is all it is for: no digest and no comparison of op logs knows
it, since it moves with every line of the program.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from types import FrameType
from typing import Final

__all__ = ["call_site"]

_SIM: Final = f"{__name__.rpartition('.')[0]}."
_MOST_CALLS: Final = 32


def call_site(driver: str) -> str:
    """Return the calls that led to the change of the disk that is being made, the innermost first.

    Args:
        driver: what the names of the modules begin with that run the program; the chain ends
            before their first call. It ends at the simulation too, which runs work in the
            background wherever it likes.

    >>> call_site("nobody") == call_site("nobody")
    True
    """
    frames = islice(_frames(driver), _MOST_CALLS)
    return " < ".join(
        f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}" for frame in frames
    )


def _frames(driver: str) -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the documented way to walk a stack cheaply
    while frame is not None and _module(frame).startswith(_SIM):
        frame = frame.f_back
    while frame is not None and not _module(frame).startswith((_SIM, driver)):
        yield frame
        frame = frame.f_back


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
