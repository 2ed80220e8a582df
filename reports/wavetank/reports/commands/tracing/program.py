"""The program to trace: which directory, which command, where it acknowledges."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import click
from attrs import frozen

from wavetank.sim.traces import Program

__all__ = ["Asked", "program_to_trace"]

_DIRECTORY: Final = "{dir}"
_ACKS: Final = "{acks}"


@frozen(kw_only=True)
class Asked:
    """What a person asked for.

    Attributes:
        command: with its arguments.
        directory: of ``--dir``.
        ack: of ``--ack``.
        rebuilt: names of files that the program makes anew.
        limit_s: real seconds that the command may take.
    """

    command: tuple[str, ...]
    directory: Path | None
    ack: str | None
    rebuilt: tuple[str, ...]
    limit_s: float


@contextmanager
def program_to_trace(asked: Asked) -> Iterator[Program]:
    """Give the program, with temporary files for the places that its command leaves open.

    Raises:
        click.UsageError: it is not clear which directory is meant.
    """
    with ExitStack() as stack:
        room = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wavetank-trace-")))
        acks: Path | int | None = None
        if asked.ack is not None:
            acks = int(asked.ack) if asked.ack.isdecimal() else Path(asked.ack)
        elif any(_ACKS in word for word in asked.command):
            acks = room / "acks"
        directory = _directory(asked, room, acks)
        directory.mkdir(exist_ok=True)
        places = {_DIRECTORY: str(directory), _ACKS: str(acks)}
        yield Program(
            work=tuple(_filled(word, places) for word in asked.command),
            directory=directory,
            acks=acks,
            rebuilt=asked.rebuilt,
            limit_s=asked.limit_s,
        )


def _filled(word: str, places: dict[str, str]) -> str:
    for place, value in places.items():
        word = word.replace(place, value)
    return word


def _directory(asked: Asked, room: Path, acks: Path | int | None) -> Path:
    if asked.directory is not None:
        if asked.directory.exists() and not asked.directory.is_dir():
            raise click.UsageError(f"--dir: expected a directory but {asked.directory} is none")
        return asked.directory
    if any(_DIRECTORY in word for word in asked.command):
        directory = room / "data"
        directory.mkdir()
        return directory
    named = [Path(word) for word in asked.command[1:] if not word.startswith("-")]
    there = [path for path in named if path.is_dir()]
    # It is made before the program runs, so that what happens in it can be told from the rest.
    new = [path for path in named if not path.exists() and path != acks and _may_be_made(path)]
    found = there or new
    if len(found) != 1:
        told = f"{len(found)}: {', '.join(map(str, found))}" if found else "none"
        raise click.UsageError(
            f"--dir: expected the directory to trace, since of the command's arguments one must be "
            f"a directory, or become one, but {told}; say --dir DIR, or write {{dir}} in the "
            f"command for a new directory"
        )
    return found[0]


def _may_be_made(path: Path) -> bool:
    return path.parent.is_dir() and not path.suffix
