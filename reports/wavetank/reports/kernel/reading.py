"""What a directory shows, as the files of a litmus state: paths and blocks as letters."""

from __future__ import annotations

import os  # noqa: TID251 - this is the machine's side
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from wavetank.sim import BLOCK_SIZE, UNWRITTEN, LitmusTest

__all__ = ["letters_of", "program_letters", "read_files"]


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
