"""The messages between Linux and a filesystem in user space, as values: what /dev/fuse carries.

The protocol itself, and not libfuse: it names files by inode, so that two names of one file share
their pages, it tells writes of a mapping from those of a descriptor, and it needs no library.

Source: include/uapi/linux/fuse.h, version 7.31; each request is a header and a body by its kind.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

from attrs import frozen

__all__ = [
    "BUFFER_BYTES",
    "MAX_WRITE_BYTES",
    "WRITE_OF_MAPPING",
    "Opcode",
    "Request",
    "Stat",
    "attributes_reply",
    "directory_entry",
    "entry_reply",
    "init_reply",
    "read_request",
    "reply",
]

MAX_WRITE_BYTES: Final = 1 << 20
"""What one request carries; a longer write(2) comes as several."""

BUFFER_BYTES: Final = MAX_WRITE_BYTES + 4096
WRITE_OF_MAPPING: Final = 1
"""In the flags of a write: the kernel writes back pages of a mapping."""

_REQUEST: Final = struct.Struct("<IIQQIIIHH")
_REPLY: Final = struct.Struct("<IiQ")
_ATTRIBUTES: Final = struct.Struct("<6Q3I7I")
_ENTRY: Final = struct.Struct("<4Q2I")
_VALID: Final = struct.Struct("<Q2I")
_ENTRY_OF_DIRECTORY: Final = struct.Struct("<QQII")
_FOREVER_S: Final = 1 << 30
_VERSION: Final = (7, 31)
_BIG_WRITES: Final = 1 << 5
_MAX_PAGES: Final = 1 << 22
_MAX_BACKGROUND: Final = 16
_BLOCK: Final = 4096
_SECTOR: Final = 512
_NS: Final = 1_000_000_000


class Opcode(IntEnum):
    """What is asked for, as far as it is served."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    SETXATTR = 21
    GETXATTR = 22
    LISTXATTR = 23
    REMOVEXATTR = 24
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    CREATE = 35
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42
    FALLOCATE = 43
    RENAME2 = 45
    TMPFILE = 51


@frozen(kw_only=True)
class Request:
    """One request.

    Attributes:
        opcode: a number of `Opcode`, or one that is not served.
        unique: what its reply must carry.
        node: the file or directory that it is about.
        user: number of the user that asks.
        group: and of the group.
        body: what follows, by opcode.
    """

    opcode: int
    unique: int
    node: int
    user: int
    group: int
    body: bytes

    def fields(self, layout: str) -> tuple[int, ...]:
        """Return the numbers at the start of the body."""
        found: tuple[int, ...] = struct.unpack_from("<" + layout, self.body)
        return found

    def rest(self, layout: str) -> bytes:
        """Return what follows those numbers."""
        return self.body[struct.calcsize("<" + layout) :]

    def names(self, layout: str = "") -> list[str]:
        """Return the strings that follow those numbers, each of which a null ends."""
        parts = self.rest(layout).split(b"\0")[:-1]
        return [each.decode("utf-8", "surrogateescape") for each in parts]


@frozen(kw_only=True)
class Stat:
    """What stat(2) shows of a file.

    Attributes:
        node: its number.
        size: in bytes.
        mode: kind and permission bits.
        links: how many names it has.
        owner: numbers of user and group.
        accessed_ns: when it was used, in nanoseconds since 1970.
        modified_ns: when it was changed.
    """

    node: int
    size: int
    mode: int
    links: int
    owner: tuple[int, int]
    accessed_ns: int
    modified_ns: int


def read_request(content: bytes) -> Request:
    """Return what was read from the device."""
    _, opcode, unique, node, user, group, _, _, _ = _REQUEST.unpack_from(content)
    body = content[_REQUEST.size :]
    return Request(opcode=opcode, unique=unique, node=node, user=user, group=group, body=body)


def reply(unique: int, body: bytes = b"", *, error: int = 0) -> bytes:
    """Return what answers a request: its result, or an errno."""
    return _REPLY.pack(_REPLY.size + len(body), -error, unique) + body


def init_reply(kernel_flags: int) -> bytes:
    """Return what answers the first request: the version, and writes as long as there are."""
    flags = kernel_flags & (_BIG_WRITES | _MAX_PAGES)
    return struct.pack(
        "<4I2H2I2H8I",
        *(*_VERSION, 1 << 17, flags, _MAX_BACKGROUND, _MAX_BACKGROUND, MAX_WRITE_BYTES),
        *(1, MAX_WRITE_BYTES // _BLOCK, 0, *([0] * 8)),
    )


def _attributes(stat: Stat) -> bytes:
    (accessed_s, accessed_ns), (modified_s, modified_ns) = (
        divmod(each, _NS) for each in (stat.accessed_ns, stat.modified_ns)
    )
    return _ATTRIBUTES.pack(
        *(stat.node, stat.size, -(-stat.size // _SECTOR), accessed_s, modified_s, modified_s),
        *(accessed_ns, modified_ns, modified_ns),
        *(stat.mode, stat.links, *stat.owner, 0, _BLOCK, 0),
    )


def attributes_reply(stat: Stat) -> bytes:
    """Return the body that tells attributes; nobody else changes them, so they hold forever."""
    return _VALID.pack(_FOREVER_S, 0, 0) + _attributes(stat)


def entry_reply(stat: Stat) -> bytes:
    """Return the body that tells what a name stands for."""
    return _ENTRY.pack(stat.node, 0, _FOREVER_S, _FOREVER_S, 0, 0) + _attributes(stat)


def directory_entry(node: int, name: str, mode: int, following: int) -> bytes:
    """Return one name of a listing, and at which offset the next one is."""
    shown = name.encode("utf-8", "surrogateescape")
    head = _ENTRY_OF_DIRECTORY.pack(node, following, len(shown), mode >> 12)
    length = _ENTRY_OF_DIRECTORY.size + len(shown)
    return (head + shown).ljust(-(-length // 8) * 8, b"\0")
