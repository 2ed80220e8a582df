"""Bugs planted as patches: diffs of the engine's source, each with the command that finds it.

The files in patches/ can be applied with ``git apply``. Here they are applied to a copy of the
engine that is installed, which goes in front of it on the import path of another process.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

import wavetank.engine

__all__ = ["PATCHES", "PatchError", "PlantedPatch", "patched_sources", "write_patched_engine"]

_PACKAGE: Final = PurePosixPath("wavetank/engine")
_TREE: Final = PurePosixPath("engine") / _PACKAGE
_HEADER: Final = re.compile(r"(Summary|Cost|Found by|Reports): (\S.*)")
_HEADERS: Final = ("Summary", "Cost", "Found by", "Reports")


class PatchError(ValueError):
    """A patch that is not written as it should be, or does not apply."""


@frozen(kw_only=True)
class PlantedPatch:
    """A bug as a change of the engine's source.

    Attributes:
        id: short name, which is that of its file.
        summary: what is wrong.
        cost: what it costs.
        command: the arguments of ``wavetank`` that find it.
        reports: what that command reports first: an invariant, a check, or a rule of damage.
        diff: the change as a unified diff; paths are those of the source tree.

    >>> bug = PATCHES["B01"]
    >>> bug.command[0]
    'run'
    """

    id: str
    summary: str
    cost: str
    command: tuple[str, ...]
    reports: tuple[str, ...]
    diff: str

    @property
    def command_line(self) -> str:
        """The command as it is typed."""
        return shlex.join(("wavetank", *self.command))


def _read(name: str, content: str) -> PlantedPatch:
    """Return the patch in a file: four header lines, then the diff."""
    head, mark, diff = content.partition("\n--- ")
    headers = {}
    for line in head.splitlines():
        match = _HEADER.fullmatch(line)
        if match is None:
            raise PatchError(f"{name}: expected a header such as 'Summary: ...' but got {line!r}")
        headers[match[1]] = match[2]
    if tuple(headers) != _HEADERS or not mark:
        expected = ", ".join(_HEADERS)
        raise PatchError(f"{name}: expected the headers {expected} and a diff")
    return PlantedPatch(
        id=name.removesuffix(".patch"),
        summary=headers["Summary"],
        cost=headers["Cost"],
        command=tuple(shlex.split(headers["Found by"])),
        reports=tuple(headers["Reports"].split("; ")),
        diff=mark.lstrip() + diff,
    )


def _number(name: str) -> int:
    return int("".join(filter(str.isdigit, name)))


def _shipped() -> dict[str, PlantedPatch]:
    folder = files("wavetank.scenarios.mutants") / "patches"
    contents = {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir()}
    patches = (_read(name, contents[name]) for name in sorted(contents, key=_number))
    return {each.id: each for each in patches}


PATCHES: Final[Mapping[str, PlantedPatch]] = MappingProxyType(_shipped())
"""Every patch that ships, by id."""


def write_patched_engine(patch: PlantedPatch, directory: Path) -> None:
    """Write a copy of the engine with a bug planted in it.

    A process whose import path begins with the directory has this engine, since ``wavetank`` is a
    namespace package.

    Args:
        patch: what to change.
        directory: where ``wavetank/engine`` is made.

    Raises:
        PatchError: the patch does not fit the engine; names file and hunk.
        ModuleNotFoundError: the package whatthepatch (extra ``zoo``) is not installed.
        OSError: from the filesystem.
    """
    copy = directory / _PACKAGE
    source = Path(wavetank.engine.__file__).parent
    for path in source.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            target = copy / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    for name, content in patched_sources(patch).items():
        (copy / name).write_text(content, encoding="utf-8")


def patched_sources(patch: PlantedPatch) -> dict[PurePosixPath, str]:
    """Return the files of the engine that a patch changes, by path in its package, as they become.

    Raises:
        PatchError: the patch does not fit the engine; names file and hunk.
        ModuleNotFoundError: the package whatthepatch (extra ``zoo``) is not installed.
    """
    source = Path(wavetank.engine.__file__).parent
    sources: dict[PurePosixPath, str] = {}
    for name, hunks in _changes(patch):
        inner = name.relative_to(_TREE)
        lines = (source / inner).read_text(encoding="utf-8").split("\n")
        drift = 0
        for hunk in hunks:
            expected = hunk.start + drift
            at = _place(lines, hunk.removed, expected)
            if at is None:
                raise PatchError(f"{patch.id}: hunk {hunk.number} does not fit {name}")
            lines[at : at + len(hunk.removed)] = hunk.added
            drift += at - expected + len(hunk.added) - len(hunk.removed)
        sources[inner] = "\n".join(lines)
    return sources


@frozen
class _Hunk:
    """One stretch of lines that others take the place of, the lines around it included.

    Attributes:
        number: in its file, from 1.
        start: how many lines come before it.
        removed: the lines that are there.
        added: the lines that take their place.
    """

    number: int
    start: int
    removed: list[str] = field(factory=list)
    added: list[str] = field(factory=list)


def _changes(patch: PlantedPatch) -> Iterator[tuple[PurePosixPath, list[_Hunk]]]:
    """Yield each file that a patch changes, with its hunks in order."""
    import whatthepatch  # noqa: PLC0415 - only the zoo needs it

    for diff in whatthepatch.parse_patch(patch.diff):
        name = PurePosixPath(diff.header.old_path if diff.header is not None else "")
        if not name.is_relative_to(_TREE):
            raise PatchError(f"{patch.id}: expected a file of {_TREE} but got {str(name)!r}")
        hunks: dict[int, _Hunk] = {}
        for change in diff.changes or ():
            hunk = hunks.setdefault(change.hunk, _Hunk(change.hunk, (change.old or 1) - 1))
            line = str(change.line)
            if change.old is not None:
                hunk.removed.append(line)
            if change.new is not None:
                hunk.added.append(line)
        yield name, list(hunks.values())


def _place(lines: Sequence[str], wanted: Sequence[str], expected: int) -> int | None:
    """Return where exactly these lines stand, nearest to where they are expected."""
    places = (
        start
        for start in range(len(lines) - len(wanted) + 1)
        if lines[start : start + len(wanted)] == wanted
    )
    return min(places, key=lambda start: abs(start - expected), default=None)
