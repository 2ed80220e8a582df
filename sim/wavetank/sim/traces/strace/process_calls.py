"""Effects of the system calls that copy and close descriptors, run programs, and map memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wavetank.sim.traces.strace import argument_words
from wavetank.sim.traces.strace.machine import RefusalError, TracedMachine
from wavetank.sim.traces.strace.name_calls import Effect
from wavetank.sim.traces.strace.places import Inside
from wavetank.sim.traces.strace.processes import OpenFile, Process, WorkingDirectory
from wavetank.sim.traces.strace.system_calls import SystemCall

__all__ = ["PROCESS_CALLS", "close"]

_SEES: Final = "the FUSE recorder sees what is written through a mapping (--recorder fuse)"


def close(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    """Close a descriptor; it is closed even where an error is returned."""
    del machine
    process.descriptors.drop(argument_words.descriptor(call.arguments[0]))


def _close_range(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    del machine
    first, last, words = call.arguments[:3]
    if "CLOSE_RANGE_UNSHARE" in words:
        process.descriptors = process.descriptors.copy()
    table = process.descriptors
    start, end = argument_words.descriptor(first), argument_words.descriptor(last)
    for number in [each for each in table.files if start <= each <= end]:
        if "CLOSE_RANGE_CLOEXEC" in words:
            table.closing.add(number)
        else:
            table.drop(number)


def _dup(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    file = machine.opened(process, call.arguments[0])
    assert call.result is not None
    if argument_words.descriptor(call.arguments[0]) != call.result:
        closes = call.name == "dup3" and "O_CLOEXEC" in call.arguments[2]
        process.descriptors.put(call.result, file, closes=closes)


def _fcntl(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    what = call.arguments[1]
    if what in ("F_DUPFD", "F_DUPFD_CLOEXEC"):
        file = machine.opened(process, call.arguments[0])
        assert call.result is not None
        process.descriptors.put(call.result, file, closes=what == "F_DUPFD_CLOEXEC")
        return
    number = argument_words.descriptor(call.arguments[0])
    opened = process.descriptors.files.get(number)
    if opened is None:
        return
    if what == "F_SETFD":
        process.descriptors.closing.discard(number)
        if "FD_CLOEXEC" in call.arguments[2]:
            process.descriptors.closing.add(number)
    elif what == "F_SETFL":
        opened.appends = "O_APPEND" in call.arguments[2]


def _exec(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    del machine, call
    process.exec()


def _chdir(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    content = argument_words.buffer(call.arguments[0])
    if process.cwd.location is None and not content.startswith(b"/"):
        return
    place = machine.place(process, call.arguments[0], follow=True)
    process.cwd.location = place.inode if isinstance(place, Inside) else place.path


def _fchdir(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    file = machine.file(process, call.arguments[0])
    shown = argument_words.path_of_descriptor(call.arguments[0])
    if file is not None and file.inode is not None:
        process.cwd.location = file.inode
    else:
        process.cwd.location = None if shown is None else machine.location(process, shown)


def _unshare(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    del machine
    flags = argument_words.flags(call.arguments[0])
    if "CLONE_FILES" in flags:
        process.descriptors = process.descriptors.copy()
    if "CLONE_FS" in flags:
        process.cwd = WorkingDirectory(process.cwd.location)


def _refuse_root(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    del machine, process
    raise RefusalError(f"expected one root directory but got {call.name}")


def _mmap(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    length, protection, words, descriptor = call.arguments[1:5]
    assert call.result is not None
    size = int(length, 0)
    process.mappings.remove(call.result, size)
    if "MAP_SHARED" not in words or "MAP_ANONYMOUS" in words:
        return
    file = machine.file(process, descriptor)
    if file is None or file.inode is None or not file.writes:
        return
    if "PROT_WRITE" in protection:
        raise _written_mapping(file)
    process.mappings.add(call.result, size, file)


def _mprotect(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    del machine
    address, length, protection = call.arguments[:3]
    if process.mappings.ranges and "PROT_WRITE" in protection:
        for file in process.mappings.within(int(address, 0), int(length, 0)):
            raise _written_mapping(file)


def _munmap(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    del machine
    if process.mappings.ranges:
        process.mappings.remove(int(call.arguments[0], 0), int(call.arguments[1], 0))


def _mremap(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    del machine
    old, old_length, length = (int(each, 0) for each in call.arguments[:3])
    assert call.result is not None
    moved = process.mappings.remove(old, old_length)
    process.mappings.remove(call.result, length)
    for file in moved[:1]:
        process.mappings.add(call.result, length, file)


def _written_mapping(file: OpenFile) -> RefusalError:
    return RefusalError(
        f"expected no shared writable mapping of {file.path!r}, whose writes strace does not see; "
        f"{_SEES}; a file that is made anew after a crash can be named as rebuilt"
    )


def _message(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    """Refuse descriptors of the directory that are sent to other processes."""
    del process
    for argument in call.arguments:
        passed = argument.partition("SCM_RIGHTS")[2]
        for each in passed.split("<")[1:]:
            if machine.is_inside(each.partition(">")[0]):
                raise RefusalError(
                    "expected no descriptor of the directory to be sent (SCM_RIGHTS)"
                )


def _uring(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    del machine, process
    raise RefusalError(
        f"expected plain system calls but got {call.name}, which strace does not see into; many "
        f"programs can do without (Node.js: UV_USE_IO_URING=0)"
    )


def _io_submit(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    del process
    for each in call.arguments[2].split("aio_fildes=")[1:]:
        if machine.is_inside(each.partition("<")[2].partition(">")[0]):
            raise RefusalError("expected no io_submit on a file of the directory")


PROCESS_CALLS: Final[Mapping[str, Effect]] = {
    "close": close,
    "close_range": _close_range,
    **dict.fromkeys(("dup", "dup2", "dup3"), _dup),
    **dict.fromkeys(("fcntl", "fcntl64"), _fcntl),
    **dict.fromkeys(("execve", "execveat"), _exec),
    "chdir": _chdir,
    "fchdir": _fchdir,
    "unshare": _unshare,
    **dict.fromkeys(("chroot", "pivot_root"), _refuse_root),
    **dict.fromkeys(("mmap", "mmap2"), _mmap),
    "mprotect": _mprotect,
    "munmap": _munmap,
    "mremap": _mremap,
    **dict.fromkeys(("sendmsg", "recvmsg", "sendmmsg", "recvmmsg"), _message),
    "io_uring_setup": _uring,
    "io_submit": _io_submit,
}
"""Effects by the names of the calls."""
