"""Runs what a page prints, in the order in which a reader would, in an empty directory.

A Python, TOML, C or Go block whose first line is a comment with a file's name is that file. Other
Python blocks are one program, block after block. Lines of a console block that begin with `$` are
commands; what stands below them, or in the text block below a Python block, is what they print.
`...` stands for anything.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

from attrs import frozen

__all__ = ["Block", "blocks_of", "commands_of", "run_page"]

_BLOCK: Final = re.compile(r"^```(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE: Final = re.compile(r"(?:#|//|/\*) ([\w./-]+\.(?:py|toml|c|go))\b")
_END: Final = "-- end of a block --"
_PROGRAM: Final = """
import pathlib, sys
names = {"__name__": "__main__"}
for path in sys.argv[1:]:
    exec(compile(pathlib.Path(path).read_text(), "<string>", "exec"), names)
    print("-- end of a block --", flush=True)
"""


@frozen
class Block:
    """A fenced block of a page.

    Attributes:
        kind: its language.
        text: what is in it.
    """

    kind: str
    text: str

    @property
    def file(self) -> str | None:
        """Return the name of the file that it is, if it says so."""
        found = _FILE.match(self.text) if self.kind in ("python", "toml", "c", "go") else None
        return found[1] if found else None


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [Block(*found) for found in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def commands_of(block: Block) -> Iterator[tuple[str, str]]:
    """Yield each command of a console or shell block, and what it is said to print."""
    text = block.text.replace("\\\n", " ")
    if block.kind == "console":
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            yield command, printed
    elif block.kind == "sh":
        yield from ((line, "") for line in text.splitlines() if line and line[0] != "#")


def run_page(page: Path, directory: Path, path: str) -> None:
    """Run the Python and console blocks of a page; AssertionError where it does not say the truth.

    Args:
        page: a file in Markdown.
        directory: an empty one.
        path: where programs are looked for.
    """
    environment = {**os.environ, "PATH": path, "COLUMNS": "100"}
    program = [block for block in blocks_of(page) if block.kind == "python" and not block.file]
    printed = iter(_printed(program, directory, environment))
    for block, below in pairwise([*blocks_of(page), Block("", "")]):
        if block.file:
            (directory / block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            said = next(printed)
            if below.kind == "text":
                _compare(said, below.text, "the block")
        elif block.kind == "console":
            for command, expected in commands_of(block):
                _compare(_output(command, directory, environment), expected, command)


def _printed(blocks: list[Block], directory: Path, environment: Mapping[str, str]) -> list[str]:
    """Return what each of the blocks prints, run as one program."""
    paths = [directory / f".block-{number}.py" for number in range(len(blocks))]
    for path, block in zip(paths, blocks, strict=True):
        path.write_text(block.text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PROGRAM, *map(str, paths)],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(f"{_END}\n")


def _output(command: str, directory: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def _compare(printed: str, expected: str, what: str) -> None:
    """Compare all that was printed; trailing white space does not count."""
    parts = [re.escape(part) for part in _without_ends(expected).split("...")]
    found = re.fullmatch(".*?".join(parts), _without_ends(printed), re.DOTALL)
    assert found is not None, f"{what} prints\n{printed}\nand not\n{expected}"


def _without_ends(text: str) -> str:
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE).strip()
