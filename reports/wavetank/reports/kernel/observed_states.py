"""Read litmus states from mounted images and compare them with the sets of the model."""

from __future__ import annotations

import os  # noqa: TID251 - this is the machine's side
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from wavetank.reports.kernel.results import ForbiddenState, ObservedState, RealOutcome
from wavetank.sim import BLOCK_SIZE, UNWRITTEN, LitmusState, LitmusTest, Profile, possible_states

__all__ = ["judge", "letters_of", "program_letters", "read_files"]


def program_letters(test: LitmusTest) -> frozenset[str]:
    """Return the letters that a test writes."""
    return frozenset(
        str(op.arguments[-1])
        for op in (*test.setup, *test.program)
        if op.name in ("append", "overwrite")
    )


def read_files(folder: Path, letters: Collection[str]) -> dict[str, str]:
    """Return every file below `folder`: its path from there, and its blocks as letters.

    Args:
        folder: where to look.
        letters: those that can stand for a block.

    Raises:
        OSError: something there cannot be read.
    """
    return {
        path.relative_to(folder).as_posix(): letters_of(path.read_bytes(), letters)
        for path in _files(folder)
    }


def letters_of(content: bytes, letters: Collection[str]) -> str:
    """Return a file's blocks as letters; a block that is none of `letters` is `UNWRITTEN`.

    A part of a block at the end counts as a block of its own, which no letter stands for.
    """
    return "".join(
        _letter(content[start : start + BLOCK_SIZE], letters)
        for start in range(0, len(content), BLOCK_SIZE)
    )


def _letter(block: bytes, letters: Collection[str]) -> str:
    letter = chr(block[0])
    whole = block == letter.encode("latin-1") * BLOCK_SIZE
    return letter if whole and letter in letters else UNWRITTEN


def _files(folder: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            yield from _files(Path(entry.path))
        else:
            yield Path(entry.path)


def judge(
    test: LitmusTest, profiles: Sequence[Profile], observed: Sequence[ObservedState]
) -> tuple[RealOutcome, ...]:
    """Hold what was seen of a program against each profile.

    Args:
        test: the program.
        profiles: what it is held against.
        observed: what was seen of it.

    Raises:
        LitmusError: the program's states cannot be counted out.
    """
    return tuple(
        _outcome(test.id, profile.name, possible_states(test, profile), observed)
        for profile in profiles
    )


def _outcome(
    name: str, profile: str, allowed: frozenset[LitmusState], own: Sequence[ObservedState]
) -> RealOutcome:
    seen = {each.state for each in own if each.state is not None}
    return RealOutcome(
        id=name,
        profile=profile,
        images=len({each.image for each in own}),
        seen=tuple(sorted(allowed & seen)),
        unseen=tuple(sorted(allowed - seen)),
        outside=tuple(_outside(allowed, own)),
    )


def _outside(
    allowed: frozenset[LitmusState], own: Sequence[ObservedState]
) -> Iterator[ForbiddenState]:
    """Yield each forbidden state and each error once."""
    wrong: dict[object, list[ObservedState]] = {}
    for each in own:
        if each.state not in allowed:
            wrong.setdefault(each.state or each.error, []).append(each)
    for group in wrong.values():
        yield ForbiddenState(first=group[0], images=len({each.image for each in group}))
