"""What makes a kernel write back earlier than it would by itself: a plan for a program's steps.

A program of a few system calls ends long before a kernel writes anything unasked. Nudges stand for
the memory pressure, timers and neighbours of a real machine. None of them can make a state legal
that was not: what is written back on request may always be written back unasked, and a sync more
never allows a state more.
"""

from __future__ import annotations

from enum import Enum
from random import Random  # noqa: TID251 - seeded by the caller
from typing import Final

from attrs import frozen

__all__ = ["Nudge", "NudgeKind", "plan_nudges"]


class NudgeKind(Enum):
    """The means there are; the value says it to people."""

    WRITE_OUT = "sync_file_range on inode"
    COMMIT = "fsync of an unrelated file"
    SYNC_FILE = "fsync of inode"
    SYNC_FOLDER = "fsync of folder"
    SYNC_ALL = "syncfs"
    WAIT = "wait for the commit timer"


@frozen
class Nudge:
    """One of them.

    Attributes:
        kind: what to do.
        number: which inode or folder, counted round among those there are.
    """

    kind: NudgeKind
    number: int = 0

    def __str__(self) -> str:
        return f"{self.kind.value} {self.number}" if self.kind in _NUMBERED else self.kind.value


_NUMBERED: Final = (NudgeKind.WRITE_OUT, NudgeKind.SYNC_FILE, NudgeKind.SYNC_FOLDER)
_EVERY_INODE: Final = 8
_WRITE_OUT: Final = tuple(Nudge(NudgeKind.WRITE_OUT, number) for number in range(_EVERY_INODE))
_COMMIT: Final = (Nudge(NudgeKind.COMMIT),)
_STEADY: Final = ((), _WRITE_OUT, _COMMIT, (*_WRITE_OUT, *_COMMIT), (*_COMMIT, *_WRITE_OUT))
_AT_RANDOM: Final = (
    *(NudgeKind.WRITE_OUT, NudgeKind.WRITE_OUT, NudgeKind.COMMIT, NudgeKind.COMMIT),
    *(NudgeKind.SYNC_FILE, NudgeKind.SYNC_ALL),
)
_AT_THE_END: Final = (*_AT_RANDOM, NudgeKind.SYNC_FOLDER)
_QUIET_PERCENT: Final = 55


def plan_nudges(run: int, steps: int, seed: int, *, timer: bool) -> tuple[tuple[Nudge, ...], ...]:
    """Return what to do after each step of a program.

    The first run is left alone; four do the same after each step; one waits for the timer, once;
    the others draw from a stream of their own.

    Args:
        run: number of the run.
        steps: how many steps the program has.
        seed: of the random plans.
        timer: whether the filesystem has a commit timer that is worth waiting for.
    """
    if not steps:
        return ()
    if run < len(_STEADY):
        return (_STEADY[run],) * steps
    chance = Random(f"nudges {seed} {run}")  # noqa: S311 - no secret: repeatable plans
    if timer and run == len(_STEADY):
        when = chance.randrange(steps)
        return tuple((Nudge(NudgeKind.WAIT),) if step == when else () for step in range(steps))
    gaps = [_draw(chance) for _ in range(steps - 1)]
    ending = tuple(
        Nudge(chance.choice(_AT_THE_END), chance.randrange(_EVERY_INODE))
        for _ in range(chance.randrange(4))
    )
    return (*gaps, ending)


def _draw(chance: Random) -> tuple[Nudge, ...]:
    if chance.randrange(100) < _QUIET_PERCENT:
        return ()
    return (Nudge(chance.choice(_AT_RANDOM), chance.randrange(_EVERY_INODE)),)
