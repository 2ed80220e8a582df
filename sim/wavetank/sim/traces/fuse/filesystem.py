"""A simulated disk served to real programs: each request of the kernel does its work on it.

The kernel checks permissions, walks paths, keeps locks and caches pages. write(2) goes through its
cache at once; pages of a shared mapping come at msync, munmap, close, and whenever it likes.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import time
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from attrs import frozen

from wavetank.sim.attributes import Attributes
from wavetank.sim.disk import _names
from wavetank.sim.disk._path_walk import Place
from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.image import ROOT_INODE
from wavetank.sim.ops import CallSite, SyncKind
from wavetank.sim.traces.acknowledgements import AckLines
from wavetank.sim.traces.fuse.messages import (
    WRITE_OF_MAPPING,
    Opcode,
    Request,
    Stat,
    attributes_reply,
    directory_entry,
    entry_reply,
    init_reply,
)

__all__ = ["ACKS_NAME", "FuseFilesystem"]

ACKS_NAME: Final = ".wavetank-acks"
"""The file for acknowledgements in the directory, which no listing shows."""

_TOP: Final = 1
_ACKS: Final = 1 << 62
_KEEP_CACHE: Final = 2
_DIRECT_IO: Final = 1
_KEEP_SIZE: Final = 1
_EXCHANGE: Final = 2
_NO_REPLACE: Final = 1
_CREATE_ONLY, _REPLACE_ONLY = 1, 2
_NAME_BYTES: Final = 255
_BLOCK: Final = 4096
_FREE_BLOCKS: Final = 1 << 28
_SET_MODE, _SET_USER, _SET_GROUP, _SET_SIZE = 1, 2, 4, 8
_SET_ACCESSED, _SET_MODIFIED, _ACCESSED_NOW, _MODIFIED_NOW = 16, 32, 128, 256
_SETATTR: Final = "2I6Q8I"
_NS: Final = 1_000_000_000

_Handler: TypeAlias = "Callable[[Request], bytes]"


@frozen
class _Served:
    """What serves a kind of request, and its name in a trace."""

    call: str
    handler: _Handler


class FuseFilesystem:
    """Answers the kernel's requests from a disk.

    Args:
        disk: the disk, whose root holds one directory: the one that is served.

    Attributes:
        disk: the same.
        tokens: what was acknowledged, in order.
        sites: the requests that changed the disk or synced it.
        calls: requests that were answered.
        ack_text: all that was written to the file of acknowledgements.
    """

    def __init__(self, disk: SimDisk) -> None:
        self.disk = disk
        self.tokens: list[str] = []
        self.sites: list[CallSite] = []
        self.calls = 0
        self.ack_text = b""
        self._lines = AckLines()
        self._parents: dict[int, tuple[int, str]] = {}
        self._links: dict[int, int] = {}
        self._times: dict[int, int] = {}
        self._start_ns = time.time_ns()
        self._served = self._table()
        self._note_names(ROOT_INODE)
        (self._top,) = _names.names_of(disk, ROOT_INODE, "/").values()

    def answer(self, request: Request) -> bytes:
        """Do what is asked for and return the body of the reply.

        Raises:
            OSError: it is refused.
        """
        served = self._served.get(request.opcode)
        if served is None:
            raise OSError(errno.ENOSYS, "not served")
        self.calls += 1
        before = len(self.disk.log)
        try:
            return served.handler(request)
        finally:
            position = len(self.disk.log)
            if position > before and request.node != _ACKS:
                call = served.call
                if request.opcode == Opcode.WRITE and self._is_of_mapping(request):
                    call = "write of a mapping"
                self.sites.append(CallSite(position, call, "", self.calls))

    def finish(self) -> None:
        """Refuse an acknowledgement that has no end; TraceError."""
        self._lines.finish()

    def _table(self) -> Mapping[int, _Served]:
        found = {
            Opcode.LOOKUP: self._lookup,
            Opcode.GETATTR: lambda request: attributes_reply(self._stat(request.node)),
            Opcode.SETATTR: self._setattr,
            Opcode.READLINK: self._readlink,
            Opcode.SYMLINK: self._symlink,
            Opcode.MKNOD: self._mknod,
            Opcode.MKDIR: self._mkdir,
            Opcode.UNLINK: self._unlink,
            Opcode.RMDIR: self._unlink,
            Opcode.RENAME: self._rename,
            Opcode.RENAME2: self._rename,
            Opcode.LINK: self._link,
            Opcode.OPEN: self._open,
            Opcode.READ: self._read,
            Opcode.WRITE: self._write,
            Opcode.STATFS: self._statfs,
            Opcode.RELEASE: lambda _: b"",
            Opcode.FSYNC: self._fsync,
            Opcode.SETXATTR: self._setxattr,
            Opcode.GETXATTR: self._getxattr,
            Opcode.LISTXATTR: self._listxattr,
            Opcode.REMOVEXATTR: self._removexattr,
            Opcode.FLUSH: lambda _: b"",
            Opcode.INIT: lambda request: init_reply(request.fields("4I")[3]),
            Opcode.OPENDIR: lambda _: struct.pack("<Q2I", 0, 0, 0),
            Opcode.READDIR: self._readdir,
            Opcode.RELEASEDIR: lambda _: b"",
            Opcode.FSYNCDIR: self._fsyncdir,
            Opcode.CREATE: self._create,
            Opcode.FALLOCATE: self._fallocate,
            Opcode.TMPFILE: self._tmpfile,
            Opcode.DESTROY: lambda _: b"",
        }
        return {opcode: _Served(opcode.name.lower(), each) for opcode, each in found.items()}

    # From nodes to inodes, places and names

    def _inode(self, node: int) -> int:
        return self._top if node == _TOP else node

    def _node(self, inode: int) -> int:
        return _TOP if inode == self._top else inode

    def _place(self, node: int, name: str) -> Place:
        directory = self._inode(node)
        names = _names.names_of(self.disk, directory, name)
        above = [directory]
        while above[0] in self._parents:
            above.insert(0, self._parents[above[0]][0])
        if name == ACKS_NAME and node == _TOP:
            raise OSError(errno.EPERM, "the name is taken by the recorder")
        return Place(above, names, name, is_slashed=False)

    def _path(self, inode: int, name: str | None = None) -> str:
        parts = [] if name is None else [name]
        while inode in self._parents:
            inode, above = self._parents[inode]
            parts.append(above)
        return "/" + "/".join(reversed(parts))

    def _note_names(self, directory: int) -> None:
        for name, inode in sorted((self.disk.entries(directory) or {}).items()):
            self._links[inode] = self._links.get(inode, 0) + 1
            self._parents.setdefault(inode, (directory, name))
            self._note_names(inode)

    def _named(self, place: Place, change: int) -> None:
        """Note that a name has come to stand for its inode, or is about to stand for none."""
        inode = place.names[place.name]
        self._links[inode] = self._links.get(inode, 0) + change
        if change > 0:
            self._parents[inode] = (place.directory, place.name)
        self._touch(place.directory)

    def _touch(self, inode: int) -> None:
        self._times[inode] = time.time_ns()

    # What programs see

    def _stat(self, node: int) -> Stat:
        if node == _ACKS:
            owner = (os.getuid(), os.getgid())
            mode, size, links, attributes = stat.S_IFREG | 0o666, len(self.ack_text), 1, None
        else:
            inode = self._inode(node)
            attributes = self.disk.attributes(inode)
            mode, size, links = self._shape(inode, attributes)
            owner = attributes.owner or (os.getuid(), os.getgid())
        set_ns = None if attributes is None else attributes.modified_ns
        modified_ns = self._times.get(self._inode(node), set_ns or self._start_ns)
        accessed_ns = None if attributes is None else attributes.accessed_ns
        return Stat(
            node=node,
            size=size,
            mode=mode,
            links=links,
            owner=owner,
            accessed_ns=accessed_ns or modified_ns,
            modified_ns=modified_ns,
        )

    def _shape(self, inode: int, attributes: Attributes) -> tuple[int, int, int]:
        """Return mode, size and count of links."""
        bits = attributes.mode
        names = self.disk.entries(inode)
        links = self._links.get(inode, 0)
        if names is not None:
            below = sum(self.disk.entries(each) is not None for each in names.values())
            return stat.S_IFDIR | (0o755 if bits is None else bits), _BLOCK, 2 * links + below
        target = self.disk.link_target(inode)
        if target is not None:
            return stat.S_IFLNK | 0o777, len(os.fsencode(target)), links
        return stat.S_IFREG | (0o644 if bits is None else bits), self.disk.size(inode), links

    def _entry(self, inode: int) -> bytes:
        return entry_reply(self._stat(self._node(inode)))

    def _lookup(self, request: Request) -> bytes:
        (name,) = request.names()
        if request.node == _TOP and name == ACKS_NAME:
            return entry_reply(self._stat(_ACKS))
        place = self._place(request.node, name)
        return self._entry(_names.present(place, name))

    def _readlink(self, request: Request) -> bytes:
        return os.fsencode(self.disk.link_target(request.node) or "")

    def _readdir(self, request: Request) -> bytes:
        _, offset, size = request.fields("2QI")
        directory = self._inode(request.node)
        names = _names.names_of(self.disk, directory, "")
        listed = [(".", directory), ("..", directory), *names.items()]
        found = b""
        for position, (name, inode) in enumerate(listed[offset:], offset + 1):
            mode = self._stat(self._node(inode)).mode
            entry = directory_entry(self._node(inode), name, mode, position)
            if len(found) + len(entry) > size:
                break
            found += entry
        return found

    def _open(self, request: Request) -> bytes:
        flags = _DIRECT_IO if request.node == _ACKS else _KEEP_CACHE
        return struct.pack("<Q2I", request.node, flags, 0)

    def _read(self, request: Request) -> bytes:
        _, offset, size = request.fields("2QI")
        if request.node == _ACKS:
            return self.ack_text[offset : offset + size]
        return self.disk.read(request.node, offset, size)

    def _statfs(self, _: Request) -> bytes:
        blocks = (2 * _FREE_BLOCKS, _FREE_BLOCKS, _FREE_BLOCKS)
        counts = (*blocks, 1 << 30, 1 << 29, _BLOCK, _NAME_BYTES, _BLOCK, 0)
        return struct.pack("<5Q4I24x", *counts)

    # What programs do to content

    def _write(self, request: Request) -> bytes:
        _, offset, size, _, _, _, _ = request.fields("2Q2IQ2I")
        content = request.rest("2Q2IQ2I")[:size]
        if request.node == _ACKS:
            self._hear(content)
        else:
            inode = request.node
            self.disk.write(inode, offset, content, path=self._path(inode))
            self._touch(inode)
        return struct.pack("<2I", size, 0)

    @staticmethod
    def _is_of_mapping(request: Request) -> bool:
        return bool(request.fields("2Q2IQ2I")[3] & WRITE_OF_MAPPING)

    def _hear(self, content: bytes) -> None:
        self.ack_text += content
        try:
            heard = self._lines.hear(content)
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error)) from error
        for token in heard:
            self.tokens.append(token)
            self.disk.mark(f"ack {len(self.tokens)}")

    def _fallocate(self, request: Request) -> bytes:
        _, offset, length, mode, _ = request.fields("3Q2I")
        if mode & ~_KEEP_SIZE or request.node == _ACKS:
            raise OSError(errno.EOPNOTSUPP, "only room can be reserved")
        if not mode:
            inode = request.node
            self.disk.preallocate(inode, offset, length, path=self._path(inode))
        return b""

    def _fsync(self, request: Request) -> bytes:
        if request.node != _ACKS:
            kind = SyncKind.DATA if request.fields("Q2I")[1] & 1 else SyncKind.FILE
            self.disk.sync(kind, request.node, path=self._path(request.node))
        return b""

    def _fsyncdir(self, request: Request) -> bytes:
        inode = self._inode(request.node)
        self.disk.sync(SyncKind.DIRECTORY, inode, path=self._path(inode))
        return b""

    # What they do to names

    def _made(self, request: Request, mode: int | None) -> Attributes:
        bits = None if mode is None else stat.S_IMODE(mode)
        return Attributes(mode=bits, owner=(request.user, request.group))

    def _make(self, request: Request, name: str, mode: int) -> bytes:
        place = self._place(request.node, name)
        _names.check_free(place, name)
        inode = self.disk.create(
            place.directory,
            name,
            path=self._path(place.directory, name),
            made=self._made(request, mode),
        )
        self._named(place, 1)
        return self._entry(inode)

    def _create(self, request: Request) -> bytes:
        _, mode, _, _ = request.fields("4I")
        (name,) = request.names("4I")
        return self._make(request, name, mode) + struct.pack("<Q2I", 0, _KEEP_CACHE, 0)

    def _mknod(self, request: Request) -> bytes:
        mode, _, _, _ = request.fields("4I")
        (name,) = request.names("4I")
        if not stat.S_ISREG(mode):
            raise OSError(errno.EPERM, "only files can be made")
        return self._make(request, name, mode)

    def _tmpfile(self, request: Request) -> bytes:
        _, mode, _, _ = request.fields("4I")
        path = f"{self._path(self._inode(request.node))}/(unnamed)"
        inode = self.disk.create_unnamed(path=path, made=self._made(request, mode))
        self._parents[inode] = (self._inode(request.node), f"#{inode}")
        return self._entry(inode) + struct.pack("<Q2I", 0, _KEEP_CACHE, 0)

    def _mkdir(self, request: Request) -> bytes:
        mode, _ = request.fields("2I")
        (name,) = request.names("2I")
        place = self._place(request.node, name)
        path = self._path(place.directory, name)
        _names.make_directory(self.disk, place, path, made=self._made(request, mode))
        self._named(place, 1)
        return self._entry(place.names[name])

    def _symlink(self, request: Request) -> bytes:
        name, target = request.names()
        place = self._place(request.node, name)
        path = self._path(place.directory, name)
        _names.make_symlink(self.disk, place, target, path, made=self._made(request, None))
        self._named(place, 1)
        return self._entry(place.names[name])

    def _link(self, request: Request) -> bytes:
        (inode,) = request.fields("Q")
        (name,) = request.names("Q")
        place = self._place(request.node, name)
        _names.link(self.disk, inode, place, self._path(place.directory, name))
        self._named(place, 1)
        return self._entry(inode)

    def _unlink(self, request: Request) -> bytes:
        (name,) = request.names()
        place = self._place(request.node, name)
        path = self._path(place.directory, name)
        _names.present(place, path)
        removes = _names.remove_directory if request.opcode == Opcode.RMDIR else _names.unlink
        inode = place.names[name]
        removes(self.disk, place, path)
        self._links[inode] -= 1
        self._touch(place.directory)
        return b""

    def _rename(self, request: Request) -> bytes:
        layout = "QII" if request.opcode == Opcode.RENAME2 else "Q"
        target_node, flags, *_ = (*request.fields(layout), 0)
        old, new = request.names(layout)
        source, target = self._place(request.node, old), self._place(target_node, new)
        first = self._path(source.directory, old)
        second = self._path(target.directory, new)
        if flags == _EXCHANGE:
            _names.exchange(self.disk, source, target, first_path=first, second_path=second)
            for each in (source, target):
                self._named(each, 1)
                self._links[each.names[each.name]] -= 1
            return b""
        if flags & ~_NO_REPLACE:
            raise OSError(errno.EINVAL, "flags of rename that are not served")
        if flags:
            _names.check_free(target, second)
        replaced, moved = target.names.get(new), _names.present(source, first)
        _names.rename(self.disk, source, target, source_path=first, target_path=second)
        if replaced != moved:
            if replaced is not None:
                self._links[replaced] -= 1
            self._parents[moved] = (target.directory, new)
            self._touch(source.directory)
            self._touch(target.directory)
        return b""

    # Attributes

    def _setattr(self, request: Request) -> bytes:
        # valid, -, fh, size, lock, atime, mtime, ctime, nanoseconds of each, mode, -, uid, gid, -
        values = request.fields(_SETATTR)
        valid, size = values[0], values[3]
        if request.node == _ACKS:
            return attributes_reply(self._stat(_ACKS))
        inode = self._inode(request.node)
        path = self._path(inode)
        if valid & _SET_SIZE:
            self.disk.truncate(inode, size, path=path)
            self._touch(inode)
        change = self._change(inode, valid, values)
        if change.kinds:
            self.disk.set_attributes(inode, change, path=path)
        if change.modified_ns is not None:
            self._times[inode] = change.modified_ns
        return attributes_reply(self._stat(request.node))

    def _change(self, inode: int, valid: int, values: tuple[int, ...]) -> Attributes:
        owner = self._stat(self._node(inode)).owner
        if valid & _SET_USER:
            owner = (values[13], owner[1])
        if valid & _SET_GROUP:
            owner = (owner[0], values[14])
        # A truncation and a write date the file too; only what a program asks for is recorded.
        dates = not valid & _SET_SIZE
        return Attributes(
            mode=stat.S_IMODE(values[11]) if valid & _SET_MODE else None,
            owner=owner if valid & (_SET_USER | _SET_GROUP) else None,
            accessed_ns=self._time(valid & _ACCESSED_NOW, values[5], values[8])
            if dates and valid & _SET_ACCESSED
            else None,
            modified_ns=self._time(valid & _MODIFIED_NOW, values[6], values[9])
            if dates and valid & _SET_MODIFIED
            else None,
        )

    @staticmethod
    def _time(is_now: int, seconds: int, nanoseconds: int) -> int:
        return time.time_ns() if is_now else seconds * _NS + nanoseconds

    def _extended(self, node: int) -> dict[str, bytes]:
        if node == _ACKS:
            return {}
        found = self.disk.attributes(self._inode(node)).extended
        return {name: value for name, value in found if value is not None}

    def _setxattr(self, request: Request) -> bytes:
        size, flags = request.fields("2I")
        shown, _, rest = request.rest("2I").partition(b"\0")
        name, inode = os.fsdecode(shown), self._inode(request.node)
        there = name in self._extended(request.node)
        if flags & _CREATE_ONLY and there:
            raise OSError(errno.EEXIST, name)
        if flags & _REPLACE_ONLY and not there:
            raise OSError(errno.ENODATA, name)
        change = Attributes(extended=((name, rest[:size]),))
        self.disk.set_attributes(inode, change, path=self._path(inode))
        return b""

    def _getxattr(self, request: Request) -> bytes:
        size, _ = request.fields("2I")
        (name,) = request.names("2I")
        value = self._extended(request.node).get(name)
        if value is None:
            raise OSError(errno.ENODATA, name)
        return self._sized(value, size)

    def _listxattr(self, request: Request) -> bytes:
        size, _ = request.fields("2I")
        names = [os.fsencode(each) + b"\0" for each in self._extended(request.node)]
        return self._sized(b"".join(names), size)

    def _removexattr(self, request: Request) -> bytes:
        (name,) = request.names()
        if name not in self._extended(request.node):
            raise OSError(errno.ENODATA, name)
        inode = self._inode(request.node)
        change = Attributes(extended=((name, None),))
        self.disk.set_attributes(inode, change, path=self._path(inode))
        return b""

    @staticmethod
    def _sized(value: bytes, size: int) -> bytes:
        if not size:
            return struct.pack("<2I", len(value), 0)
        if len(value) > size:
            raise OSError(errno.ERANGE, "the buffer is too short")
        return value
