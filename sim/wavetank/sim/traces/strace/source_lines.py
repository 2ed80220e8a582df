"""From the stacks that strace notes to lines of source: addr2line, once for each binary.

A program in Go makes its system calls through packages of its standard library, which are passed
over. Its line tables are often newer than addr2line; Go's own tool reads them where `go` is there.
Lines of Rust's standard library are passed over, too: its compiler notes where they came from.
"""

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

_FRAME: Final = re.compile(r"(/[^(]*)\((.*?)(?:\+0x[0-9a-f]+)?\) \[0x([0-9a-f]+)\]")
_LINE: Final = re.compile(r"(?:.*/)?([^/]+):(\d+)(?: .*)?")
_SYSTEM: Final = ("/lib/", "/lib32/", "/lib64/", "/usr/lib/", "/usr/lib64/")
_GO_BOTTOM: Final = "runtime.goexit"
_GO_RUNTIME: Final = re.compile(r"(/.*/src/)runtime/\w+\.(?:go|s):\d+")
_RUST_LIBRARY: Final = re.compile(r"(?:/rustc/[^/]+|.*/rustlib/src/rust)/library/.*")
_GO_LIBRARY: Final = re.compile(
    r"(internal/|runtime\.|syscall\.|os\.|io\.|io/|bufio\.|fmt\.|golang\.org/x/sys/).*"
)
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

    It is the innermost of the program or library that made the call, the libraries of the system,
    of Go and of Rust aside; where no line is known, the name of the function; where that is not
    known either, the file's.
    """
    frames = {
        stack: [frame for text in stack if (frame := _frame(text)) is not None]
        for stack in dict.fromkeys(stacks)
    }
    wanted: dict[str, dict[int, str]] = {}
    for each in frames.values():
        for frame in each:
            wanted.setdefault(frame.binary, {})[frame.offset] = ""
    in_go = {frame.binary for each in frames.values() for frame in each if _is_go_bottom(frame)}
    for binary, lines in wanted.items():
        _look_up(binary, lines, in_go=binary in in_go)
    return {stack: _place(found, wanted) for stack, found in frames.items()}


def _place(found: Sequence[_Frame], wanted: Mapping[str, Mapping[int, str]]) -> str:
    """Return where the innermost binary of a stack made the call."""
    if not found:
        return ""
    binary = found[0].binary
    own = _without_go_library(
        list(itertools.takewhile(lambda frame: frame.binary == binary, found))
    )
    lines = (line for frame in own if (line := wanted[binary][frame.offset]))
    symbols = (frame.symbol for frame in own if frame.symbol)
    return next(lines, None) or next(symbols, None) or binary.rpartition("/")[2]


def _without_go_library(frames: list[_Frame]) -> list[_Frame]:
    """Return frames from the program's own code on; all if there is none, or if it is not Go."""
    if not any(map(_is_go_bottom, frames)):
        return frames
    in_library = itertools.dropwhile(lambda frame: _GO_LIBRARY.fullmatch(frame.symbol), frames)
    return list(in_library) or frames


def _is_go_bottom(frame: _Frame) -> bool:
    return frame.symbol.startswith(_GO_BOTTOM)


def _frame(text: str) -> _Frame | None:
    found = _FRAME.fullmatch(text)
    if found is None or found[1].startswith(_SYSTEM):
        return None
    return _Frame(found[1], found[2], int(found[3], 16))


def _look_up(binary: str, lines: dict[int, str], *, in_go: bool) -> None:
    """Fill in the line of source for each offset in a binary."""
    segments = _segments(binary)
    # A call returns to the instruction behind it, which may be of the next line.
    addresses = [f"{_address(segments, offset - 1):#x}" for offset in lines]
    told = _output("addr2line", ("-e", binary), addresses)
    if in_go and not any(map(_line, told)):
        # It names the function in a line before each.
        told = _output("go", ("tool", "addr2line", binary), addresses)[1::2]
    library = next((found[1] for text in told if (found := _GO_RUNTIME.fullmatch(text))), None)
    for offset, text in zip(lines, told, strict=False):
        # A function of the library that was inlined has a line there, and the name of its caller.
        in_library = library is not None and text.startswith(library)
        lines[offset] = "" if in_library or _RUST_LIBRARY.fullmatch(text) else _line(text)


def _output(tool: str, arguments: tuple[str, ...], addresses: Sequence[str]) -> list[str]:
    """Return what a tool says of addresses, line by line; nothing where it is not installed."""
    path = shutil.which(tool)
    if path is None:
        return []
    done = subprocess.run(  # noqa: S603 - its arguments are ours
        (path, *arguments),
        input="".join(f"{address}\n" for address in addresses),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()


def _line(text: str) -> str:
    """Return a place that such a tool prints, such as ``store.c:120``; "" if it knows none."""
    found = _LINE.fullmatch(text)
    return "" if found is None or found[2] == "0" else f"{found[1]}:{found[2]}"


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
