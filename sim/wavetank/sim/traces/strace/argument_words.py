"""What single arguments mean: descriptors, paths and buffers in hexadecimal, numbers, flags."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["buffer", "descriptor", "flags", "iovec", "number", "path_of_descriptor", "to_hex"]

_DESCRIPTOR: Final = re.compile(r"(-?\d+|AT_FDCWD)(?:<([^>]*)>(?:\(deleted\))?)?")
_HEX: Final = re.compile(r"(?:\\x[0-9a-f]{2})+")
_SHOWN: Final = 400
_BASE: Final = re.compile(r'iov_base="((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_IOVEC: Final = re.compile(r"iov_base=")
_OFFSET: Final = re.compile(r"\[?(-?\d+)\]?(?: => \[?-?\d+\]?)?")

AT_FDCWD: Final = -100
"""The number that stands for the working directory."""


def descriptor(text: str) -> int:
    r"""Return the number of a descriptor such as ``3<PATH>``.

    >>> descriptor("AT_FDCWD"), descriptor(r"3<\x2f>")
    (-100, 3)
    """
    found = _DESCRIPTOR.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a descriptor but got {text!r}")
    return AT_FDCWD if found[1] == "AT_FDCWD" else int(found[1])


def path_of_descriptor(text: str) -> bytes | None:
    r"""Return the path that strace writes beside a descriptor; None if there is none.

    >>> path_of_descriptor(r"3<\x2f\x66>")
    b'/f'
    """
    found = _DESCRIPTOR.fullmatch(text)
    return from_hex(found[2]) if found is not None and found[2] else None


def from_hex(text: str) -> bytes:
    r"""Return the bytes that ``\\x2f\\x66`` stands for; other text stands for itself.

    >>> from_hex(r"\x2f\x66")
    b'/f'
    """
    if text.startswith("\\x"):
        return bytes.fromhex(text.replace("\\x", ""))
    return text.encode("utf-8", "surrogateescape")


def to_hex(content: bytes) -> str:
    r"""Return bytes as strace writes them.

    >>> to_hex(b"/f")
    '\\x2f\\x66'
    """
    return "\\x" + content.hex(" ").replace(" ", "\\x") if content else ""


def buffer(text: str) -> bytes:
    """Return the bytes of an argument in quotes.

    Raises:
        ValueError: it is cut off, not in hexadecimal, or no text in quotes.
    """
    if text[:1] != '"' or text[-1:] != '"':
        raise ValueError(f"expected all bytes of a buffer but got {text[:40]!r}...{text[-40:]!r}")
    inner = text[1:-1]
    if inner and len(inner) != 4 * inner.count("\\x"):
        raise ValueError(f"expected bytes in hexadecimal (strace -xx) but got {text[:80]!r}")
    return bytes.fromhex(inner.replace("\\x", ""))


def iovec(text: str) -> bytes:
    """Return the bytes of a vector of buffers.

    Raises:
        ValueError: one is cut off or not in hexadecimal.
    """
    found = _BASE.findall(text)
    if len(found) != len(_IOVEC.findall(text)) or any(cut for _, cut in found) or "...]" in text:
        raise ValueError(f"expected all bytes of the buffers but got {text[:80]!r}")
    return b"".join(bytes.fromhex(each.replace("\\x", "")) for each, _ in found)


def number(text: str) -> int | None:
    """Return a number, or the one that ``[7]`` or ``[7] => [9]`` points to; None for ``NULL``.

    >>> number("[7] => [9]"), number("0x10"), number("NULL")
    (7, 16, None)
    """
    if text == "NULL":
        return None
    found = _OFFSET.fullmatch(text)
    return int(found[1]) if found else int(text.partition(" ")[0], 0)


def flags(text: str) -> frozenset[str]:
    """Return the names in ``O_RDWR|O_CREAT``.

    >>> sorted(flags("O_RDWR|O_CREAT"))
    ['O_CREAT', 'O_RDWR']
    """
    return frozenset(text.split("|"))


def readable(text: str) -> str:
    r"""Return an argument with its bytes as letters, cut where it is long.

    >>> readable(r'"\x2f\x66"')
    '"/f"'
    """
    shown = _HEX.sub(lambda found: ascii(from_hex(found[0]).decode("latin-1"))[1:-1], text[:_SHOWN])
    return shown if len(text) <= _SHOWN else f"{shown}..."
