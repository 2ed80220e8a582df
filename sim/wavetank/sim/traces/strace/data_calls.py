"""Effects of the system calls that change what is in files, and of those that sync."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wavetank.sim.ops import SyncKind
from wavetank.sim.traces.strace import argument_words
from wavetank.sim.traces.strace.machine import RefusalError, TracedMachine
from wavetank.sim.traces.strace.name_calls import Effect
from wavetank.sim.traces.strace.places import Inside
from wavetank.sim.traces.strace.processes import OpenFile, Process
from wavetank.sim.traces.strace.system_calls import SystemCall

__all__ = ["DATA_CALLS", "failed_sync"]

_VECTORS: Final = frozenset({"writev", "pwritev", "pwritev2"})
_FIRST_OFFSET: Final = 3
_WHOLE: Final = 1 << 30
_SYNC_WORDS: Final = {"RWF_SYNC": SyncKind.FILE, "RWF_DSYNC": SyncKind.DATA}


def _write(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    arguments = call.arguments
    file = machine.file(process, arguments[0])
    if file is None:
        machine.note_outside(arguments[0])
        return
    if not call.result:
        return
    decode = argument_words.iovec if call.name in _VECTORS else argument_words.buffer
    content = decode(arguments[1])[: call.result]
    if len(content) != call.result:
        raise RefusalError(f"expected {call.result} bytes but the trace shows {len(content)}")
    offset = None
    if len(arguments) > _FIRST_OFFSET:
        offset = argument_words.number(arguments[_FIRST_OFFSET])
    words = arguments[4] if call.name == "pwritev2" else ""
    kinds = [kind for word, kind in _SYNC_WORDS.items() if word in words]
    _put(machine, file, content, None if offset == -1 else offset, appends="RWF_APPEND" in words)
    _sync_after_write(machine, file, kinds[0] if kinds else file.sync)


def _put(
    machine: TracedMachine, file: OpenFile, content: bytes, offset: int | None, *, appends: bool
) -> None:
    """Write bytes at an offset; for None, where the descriptor stands."""
    inode = file.inode
    if file.acknowledges:
        machine.heard.append(content)
    at = file.offset if offset is None else offset
    if inode is not None:
        if file.appends or appends:
            at = machine.disk.size(inode)
        machine.disk.write(inode, at, content, path=file.path)
    if offset is None:
        file.offset = at + len(content)


def _sync_after_write(machine: TracedMachine, file: OpenFile, kind: SyncKind | None) -> None:
    if kind is not None and file.inode is not None:
        machine.disk.sync(kind, file.inode, path=file.path)


def _read(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    file = machine.opened(process, call.arguments[0])
    if file is not None and call.result:
        offset = -1
        if call.name == "preadv2":
            offset = argument_words.number(call.arguments[3]) or 0
        if offset == -1:
            file.offset += call.result


def _seek(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    file = machine.opened(process, call.arguments[0])
    if file is not None and call.result is not None:
        file.offset = call.result


def _sendfile(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    target, source, offset = call.arguments[:3]
    _copy(machine, process, call, source=(source, offset), target=(target, "NULL"))


def _copy_range(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    source, offset, target, target_offset = call.arguments[:4]
    _copy(machine, process, call, source=(source, offset), target=(target, target_offset))


def _copy(
    machine: TracedMachine,
    process: Process,
    call: SystemCall,
    *,
    source: tuple[str, str],
    target: tuple[str, str],
) -> None:
    """Copy as many bytes as the call returned between descriptors, each with its offset."""
    length = call.result
    origin, destination = machine.opened(process, source[0]), machine.file(process, target[0])
    if not length:
        return
    offset = argument_words.number(source[1])
    at = offset
    if origin is not None and offset is None:
        at = origin.offset
        origin.offset += length
    if destination is None:
        machine.note_outside(target[0])
        return
    content = _content(machine, origin, source[0], at, length)
    if content is None:
        raise RefusalError(
            f"expected {call.name} between files of the directory, or from one that has not "
            f"changed since, but got {length} bytes that the trace does not show"
        )
    _put(machine, destination, content, argument_words.number(target[1]), appends=False)
    _sync_after_write(machine, destination, destination.sync)


def _content(
    machine: TracedMachine,
    origin: OpenFile | None,
    text: str,
    offset: int | None,
    length: int,
) -> bytes | None:
    """Return what a file held that the kernel copied from; None if nobody knows."""
    content: bytes | None = None
    if origin is not None and origin.inode is not None and offset is not None:
        content = machine.disk.read(origin.inode, offset, length)
    elif (origin is None or origin.is_outside) and offset is not None:
        path = argument_words.path_of_descriptor(text)
        content = machine.outside_reads(path, offset, length) if path else None
    return content if content is not None and len(content) == length else None


def _ioctl(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    number, words = call.arguments[:2]
    file = process.descriptors.files.get(int(number.partition("<")[0]))
    closing = process.descriptors.closing
    if words == "FIOCLEX" and file is not None:
        closing.add(int(number.partition("<")[0]))
    elif words == "FIONCLEX":
        closing.discard(int(number.partition("<")[0]))
    elif "FICLONERANGE" in words or "BTRFS_IOC_CLONE_RANGE" in words:
        fields = dict(
            each.partition("=")[::2] for each in call.arguments[2].strip("{}").split(", ")
        )
        start, to = int(fields["src_offset"], 0), int(fields["dest_offset"], 0)
        length = int(fields["src_length"], 0) or None
        _clone(machine, process, call, (fields["src_fd"], start, length), to)
    elif "FICLONE" in words or "BTRFS_IOC_CLONE" in words:
        _clone(machine, process, call, (call.arguments[2], 0, None), 0)


def _clone(
    machine: TracedMachine,
    process: Process,
    call: SystemCall,
    source: tuple[str, int, int | None],
    to: int,
) -> None:
    """Copy from a descriptor, an offset and so many bytes (None for all) to an offset."""
    target = machine.file(process, call.arguments[0])
    if target is None:
        machine.note_outside(call.arguments[0])
        return
    text, start, length = source
    origin = machine.file(process, text)
    content: bytes | None
    if origin is not None and origin.inode is not None:
        length = machine.disk.size(origin.inode) - start if length is None else length
        content = machine.disk.read(origin.inode, start, length)
    else:
        path = argument_words.path_of_descriptor(text)
        content = machine.outside_reads(path, start, length or _WHOLE) if path else None
    if content is None:
        raise RefusalError("expected clones of files that have not changed since")
    if target.inode is not None and content:
        machine.disk.write(target.inode, to, content, path=target.path)


def _truncate(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    where, size = call.arguments[:2]
    if call.name == "ftruncate":
        file = machine.file(process, where)
        if file is None:
            machine.note_outside(where)
        elif file.inode is not None:
            machine.disk.truncate(file.inode, int(size, 0), path=file.path)
        return
    place = machine.place(process, where, follow=True)
    if isinstance(place, Inside) and not (place.name and machine.is_left_out(place)):
        assert place.inode is not None
        machine.disk.truncate(place.inode, int(size, 0), path=place.path)


def _fallocate(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    file = machine.file(process, call.arguments[0])
    if file is None or file.inode is None:
        return
    modes = argument_words.flags(call.arguments[1])
    offset, length = int(call.arguments[2], 0), int(call.arguments[3], 0)
    size = machine.disk.size(file.inode)
    shift = modes & {"FALLOC_FL_COLLAPSE_RANGE", "FALLOC_FL_INSERT_RANGE"}
    zeroes = modes & {"FALLOC_FL_ZERO_RANGE", "FALLOC_FL_PUNCH_HOLE"}
    if shift:
        raise RefusalError(f"expected no {min(shift)}, which no disk here has")
    if zeroes and machine.disk.read(file.inode, offset, length).strip(b"\0"):
        raise RefusalError(f"expected no {min(zeroes)} of bytes in use, which no disk here has")
    if "FALLOC_FL_KEEP_SIZE" in modes or (zeroes and offset + length <= size):
        return
    machine.disk.preallocate(file.inode, offset, length, path=file.path)


def _sync(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    _note_sync(machine, process, call, failed=False)


def failed_sync(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    """Note a sync that returned an error."""
    _note_sync(machine, process, call, failed=True)


def _note_sync(machine: TracedMachine, process: Process, call: SystemCall, *, failed: bool) -> None:
    disk = machine.disk
    kind, inode, path = SyncKind.EVERYTHING, 0, ""
    if call.name != "sync":
        file = machine.file(process, call.arguments[0])
        if file is None or file.inode is None:
            return
        if call.name != "syncfs":
            inode, path = file.inode, file.path
            is_directory = disk.entries(inode) is not None
            kind = SyncKind.DATA if call.name == "fdatasync" else SyncKind.FILE
            kind = SyncKind.DIRECTORY if is_directory else kind
    if failed:
        disk.note_failed_sync(kind, inode, path=path)
    else:
        disk.sync(kind, inode, path=path)


DATA_CALLS: Final[Mapping[str, Effect]] = {
    **dict.fromkeys(("write", "pwrite64", *sorted(_VECTORS)), _write),
    **dict.fromkeys(("read", "readv", "preadv2"), _read),
    **dict.fromkeys(("lseek", "_llseek"), _seek),
    "sendfile": _sendfile,
    **dict.fromkeys(("copy_file_range", "splice"), _copy_range),
    "ioctl": _ioctl,
    **dict.fromkeys(("ftruncate", "truncate"), _truncate),
    "fallocate": _fallocate,
    **dict.fromkeys(("fsync", "fdatasync", "sync", "syncfs"), _sync),
}
"""Effects by the names of the calls."""
