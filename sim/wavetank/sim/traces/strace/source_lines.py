"""From the stacks that strace notes to lines of source: addr2line, once for each binary."""

from __future__ import annotations

import itertools
import re
import shutil
import struct
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

__all__ = ["places_of"]

_FRAME: Final = re.compile(r"(/.*)\(([^()+]*)(?:\+0x[0-9a-f]+)?\) \[0x([0-9a-f]+)\]")
_LINE: Final = re.compile(r"(?:.*/)?([^/]+):(\d+)(?: .*)?")
_SYSTEM: Final = ("/lib/", "/lib32/", "/lib64/", "/usr/lib/", "/usr/lib64/")
_LOADED: Final = 1
_HEADER: Final = struct.Struct("<4sBB10xHHIQQQIHHH")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
_ELF64_LITTLE: Final = (b"\x7fELF", 2, 1)


@frozen
class _Frame:
    """A call on a stack.

    Attributes:
        binary: path of the program or library.
        symbol: name of the function; "" if nobody knows.
        offset: in the binary, in bytes, where the call returns to.
    """

    binary: str
    symbol: str
    offset: int


def places_of(stacks: Iterable[tuple[str, ...]]) -> Mapping[tuple[str, ...], str]:
    """Return for each stack the line of source that made the call, such as ``store.c:120``.

    It is the innermost of the program or library that made the call, the system's libraries aside;
    where no line is known, the name of the function; where that is not known either, the file's.
    """
    frames = {
        stack: [frame for text in stack if (frame := _frame(text)) is not None]
        for stack in dict.fromkeys(stacks)
    }
    wanted: dict[str, dict[int, str]] = {}
    for each in frames.values():
        for frame in each:
            wanted.setdefault(frame.binary, {})[frame.offset] = ""
    for binary, lines in wanted.items():
        _look_up(binary, lines)
    return {stack: _place(found, wanted) for stack, found in frames.items()}


def _place(found: Sequence[_Frame], wanted: Mapping[str, Mapping[int, str]]) -> str:
    """Return where the innermost binary of a stack made the call."""
    if not found:
        return ""
    binary = found[0].binary
    own = list(itertools.takewhile(lambda frame: frame.binary == binary, found))
    lines = (line for frame in own if (line := wanted[binary][frame.offset]))
    symbols = (frame.symbol for frame in own if frame.symbol)
    return next(lines, None) or next(symbols, None) or binary.rpartition("/")[2]


def _frame(text: str) -> _Frame | None:
    found = _FRAME.fullmatch(text)
    if found is None or found[1].startswith(_SYSTEM):
        return None
    return _Frame(found[1], found[2], int(found[3], 16))


def _look_up(binary: str, lines: dict[int, str]) -> None:
    """Fill in the line of source for each offset in a binary."""
    addr2line = shutil.which("addr2line")
    if addr2line is None:
        return
    segments = _segments(binary)
    # A call returns to the instruction behind it, which may be of the next line.
    addresses = [_address(segments, offset - 1) for offset in lines]
    done = subprocess.run(  # noqa: S603 - its arguments are ours
        (addr2line, "-e", binary),
        input="".join(f"{address:#x}\n" for address in addresses),
        capture_output=True,
        text=True,
        check=False,
    )
    for offset, line in zip(lines, done.stdout.splitlines(), strict=False):
        found = _LINE.fullmatch(line)
        if found is not None and found[2] != "0":
            lines[offset] = f"{found[1]}:{found[2]}"


def _address(segments: list[tuple[int, int, int]], offset: int) -> int:
    """Return the address of a byte of a binary, as its symbols count."""
    for start, length, address in segments:
        if start <= offset < start + length:
            return offset - start + address
    return offset


def _segments(binary: str) -> list[tuple[int, int, int]]:
    """Return first byte, length and address of each part of an ELF file that is loaded."""
    try:
        content = Path(binary).read_bytes()
        magic, bits, order, *_, table, _, _, _, size, count = _HEADER.unpack_from(content)
    except (OSError, struct.error):
        return []
    if (magic, bits, order) != _ELF64_LITTLE:
        return []
    found = []
    for number in range(count):
        kind, _, start, address, _, length, _, _ = _SEGMENT.unpack_from(
            content, table + number * size
        )
        if kind == _LOADED:
            found.append((start, length, address))
    return found
