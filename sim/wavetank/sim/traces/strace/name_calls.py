"""Effects of the system calls that make, move and remove names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from wavetank.sim.ops import SyncKind
from wavetank.sim.traces.strace import argument_words
from wavetank.sim.traces.strace.machine import RefusalError, TracedMachine
from wavetank.sim.traces.strace.places import ConflictError, Inside, Outside, to_name
from wavetank.sim.traces.strace.processes import OpenFile, Process
from wavetank.sim.traces.strace.system_calls import SystemCall

__all__ = ["NAME_CALLS", "Effect", "file_at"]

Effect: TypeAlias = Callable[[TracedMachine, Process, SystemCall], None]
"""What a system call that succeeded does to the machine."""

_CWD: Final = "AT_FDCWD"


def _open(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    arguments = call.arguments
    base, path, words = _CWD, arguments[0], ""
    if call.name in ("openat", "openat2"):
        base, path, words = arguments[:3]
    elif call.name == "open":
        words = arguments[1]
    else:
        words = "O_WRONLY|O_CREAT|O_TRUNC"
    if call.name == "openat2":
        words = words.partition("flags=")[2].partition(",")[0]
    flags = argument_words.flags(words)
    number = call.result
    assert number is not None
    file = None
    acknowledges = machine.is_acks(call.result_path)
    if machine.is_inside(call.result_path):
        file = _open_inside(machine, process, (base, path), flags, call)
        file.acknowledges = acknowledges
    elif acknowledges:
        file = OpenFile(inode=None, acknowledges=True)
    else:
        file = OpenFile(inode=None, is_outside=True)
    process.descriptors.put(number, file, closes="O_CLOEXEC" in flags)


def _open_inside(
    machine: TracedMachine,
    process: Process,
    where: tuple[str, str],
    flags: frozenset[str],
    call: SystemCall,
) -> OpenFile:
    base, path = where
    disk = machine.disk
    is_exclusive = {"O_CREAT", "O_EXCL"} <= flags
    follow = "O_NOFOLLOW" not in flags and not is_exclusive
    place = machine.place(process, path, base, follow=follow)
    if isinstance(place, Outside):
        shown = argument_words.from_hex(call.result_path)
        place = machine.places.walk(process, b"", shown, follow=False)
        assert isinstance(place, Inside)
    if "O_TMPFILE" in flags:
        unnamed = f"{place.path}/(unnamed)"
        return file_at(disk.create_unnamed(path=unnamed), unnamed, flags)
    if place.name and machine.is_left_out(place):
        return file_at(None, place.path, flags)
    inode = place.inode
    if inode is None:
        if "O_CREAT" not in flags:
            raise ConflictError(f"{place.path!r} is not there")
        inode = disk.create(place.directory, place.name, path=place.path)
    elif is_exclusive:
        raise ConflictError(f"{place.path!r} is there already")
    elif "O_TRUNC" in flags and disk.is_file(inode):
        disk.truncate(inode, 0, path=place.path)
    return file_at(inode, place.path, flags)


def file_at(inode: int | None, path: str, flags: frozenset[str]) -> OpenFile:
    """Return an open file by the flags of its open."""
    sync = None
    if flags & {"O_SYNC", "__O_SYNC"}:
        sync = SyncKind.FILE
    elif "O_DSYNC" in flags:
        sync = SyncKind.DATA
    return OpenFile(
        inode=inode,
        path=path,
        writes=bool(flags & {"O_WRONLY", "O_RDWR"}),
        appends="O_APPEND" in flags,
        sync=sync,
    )


def _rename(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    arguments = call.arguments
    bases, paths = (_CWD, _CWD), arguments[:2]
    if call.name != "rename":
        bases, paths = (arguments[0], arguments[2]), (arguments[1], arguments[3])
    flags = argument_words.flags(arguments[4]) if call.name == "renameat2" else frozenset[str]()
    source = machine.place(process, paths[0], bases[0])
    target = machine.place(process, paths[1], bases[1])
    if "RENAME_WHITEOUT" in flags:
        raise RefusalError("expected renames without RENAME_WHITEOUT, which no disk here has")
    if isinstance(source, Outside):
        _rename_outside(machine, source, target)
        return
    if not source.name or (isinstance(target, Inside) and not target.name):
        raise RefusalError("expected a directory that stays where it is but it was renamed")
    if isinstance(target, Outside):
        if "RENAME_EXCHANGE" in flags:
            raise machine.came_from_outside(to_name(target.path))
        _move_out(machine, source)
        return
    if machine.is_left_out(source) or machine.is_left_out(target):
        _rename_left_out(machine, source, target)
    elif "RENAME_EXCHANGE" in flags:
        _exchange(machine, source, target)
    else:
        _move(machine, source, target, replaces="RENAME_NOREPLACE" not in flags)


def _move_out(machine: TracedMachine, source: Inside) -> None:
    """Remove a name, and with that of a directory everything below; who is in there stays in it."""
    if machine.is_left_out(source):
        machine.forget(source)
    else:
        _present(source)
        machine.disk.unlink(source.directory, source.name, path=source.path)


def _rename_outside(machine: TracedMachine, source: Outside, target: Inside | Outside) -> None:
    if isinstance(target, Inside):
        raise machine.came_from_outside(to_name(source.path))
    if machine.root.startswith(source.path + b"/"):
        raise RefusalError(
            f"expected a directory that stays where it is but {to_name(source.path)!r} above it "
            f"was renamed"
        )


def _rename_left_out(machine: TracedMachine, source: Inside, target: Inside) -> None:
    if not machine.is_left_out(source):
        _remove(machine, source)
    elif machine.is_left_out(target):
        machine.forget(source)
    else:
        raise RefusalError(
            f"expected {source.path!r}, whose content is not recorded, to keep its name but it "
            f"became {target.path!r}"
        )


def _move(machine: TracedMachine, source: Inside, target: Inside, *, replaces: bool) -> None:
    moved = _present(source)
    if moved == target.inode:
        return
    if target.inode is not None and not replaces:
        raise ConflictError(f"{target.path!r} is there already")
    _empty(machine, target)
    machine.disk.rename(
        (source.directory, source.name),
        (target.directory, target.name),
        source_path=source.path,
        target_path=target.path,
    )
    parents = machine.places.parents
    if target.inode is not None:
        parents.pop(target.inode, None)
    if moved in parents:
        parents[moved] = (target.directory, target.name)


def _exchange(machine: TracedMachine, first: Inside, second: Inside) -> None:
    one, other = _present(first), _present(second)
    if one == other:
        return
    machine.disk.exchange(
        (first.directory, first.name),
        (second.directory, second.name),
        first_path=first.path,
        second_path=second.path,
    )
    parents = machine.places.parents
    for inode, place in ((one, second), (other, first)):
        if inode in parents:
            parents[inode] = (place.directory, place.name)


def _present(place: Inside) -> int:
    if place.inode is None:
        raise ConflictError(f"{place.path!r} is not there")
    return place.inode


def _free(place: Inside) -> None:
    if place.inode is not None:
        raise ConflictError(f"{place.path!r} is there already")


def _empty(machine: TracedMachine, place: Inside) -> None:
    if place.inode is not None and machine.disk.entries(place.inode):
        raise ConflictError(f"{place.path!r} is not empty")


def _remove(machine: TracedMachine, place: Inside) -> None:
    if not place.name:
        raise RefusalError("expected a directory that stays but it was removed")
    if machine.is_left_out(place):
        machine.forget(place)
        return
    inode = _present(place)
    _empty(machine, place)
    machine.disk.unlink(place.directory, place.name, path=place.path)
    machine.places.parents.pop(inode, None)


def _unlink(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    arguments = call.arguments
    if call.name == "unlinkat":
        place = machine.place(process, arguments[1], arguments[0])
    else:
        place = machine.place(process, arguments[0])
    if isinstance(place, Inside):
        _remove(machine, place)


def _link(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    arguments = call.arguments
    if call.name == "link":
        source = machine.place(process, arguments[0])
        target = machine.place(process, arguments[1])
    else:
        flags = argument_words.flags(arguments[4])
        target = machine.place(process, arguments[3], arguments[2])
        if arguments[1] == '""' and "AT_EMPTY_PATH" in flags:
            file = machine.file(process, arguments[0])
            inode = None if file is None else file.inode
            source = Outside(b"") if inode is None else Inside(inode, "", inode, "")
        else:
            follow = "AT_SYMLINK_FOLLOW" in flags
            source = machine.place(process, arguments[1], arguments[0], follow=follow)
    if isinstance(target, Outside):
        return
    if isinstance(source, Outside):
        raise machine.came_from_outside(to_name(source.path))
    if (source.name and machine.is_left_out(source)) or machine.is_left_out(target):
        raise RefusalError(
            f"expected {source.path!r} and {target.path!r}, whose content is not recorded, to have "
            f"one name each but they were linked"
        )
    _free(target)
    machine.disk.link(target.directory, target.name, _present(source), path=target.path)


def _symlink(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    arguments = call.arguments
    if call.name == "symlink":
        place = machine.place(process, arguments[1])
    else:
        place = machine.place(process, arguments[2], arguments[1])
    if isinstance(place, Inside):
        _free(place)
        target = to_name(argument_words.buffer(arguments[0]))
        machine.disk.symlink(place.directory, place.name, target, path=place.path)


def _mkdir(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    arguments = call.arguments
    if call.name == "mkdir":
        place = machine.place(process, arguments[0])
    else:
        place = machine.place(process, arguments[1], arguments[0])
    if isinstance(place, Inside):
        _free(place)
        inode = machine.disk.create(place.directory, place.name, path=place.path, is_directory=True)
        machine.places.parents[inode] = (place.directory, place.name)


def _mknod(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    arguments = call.arguments
    if call.name == "mknod":
        arguments = (_CWD, *arguments)
    place = machine.place(process, arguments[1], arguments[0])
    if not isinstance(place, Inside):
        return
    _free(place)
    mode = arguments[2]
    if mode.startswith("S_IF") and not mode.startswith("S_IFREG"):
        machine.leave_out(place)
    elif not machine.is_left_out(place):
        machine.disk.create(place.directory, place.name, path=place.path)


def _bind(machine: TracedMachine, process: Process, call: SystemCall) -> None:
    path = call.arguments[1].partition("sun_path=")[2].removesuffix("}")
    if path.startswith('"'):
        place = machine.place(process, path)
        if isinstance(place, Inside):
            machine.leave_out(place)


NAME_CALLS: Final[Mapping[str, Effect]] = {
    **dict.fromkeys(("open", "openat", "openat2", "creat"), _open),
    **dict.fromkeys(("rename", "renameat", "renameat2"), _rename),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), _unlink),
    **dict.fromkeys(("link", "linkat"), _link),
    **dict.fromkeys(("symlink", "symlinkat"), _symlink),
    **dict.fromkeys(("mkdir", "mkdirat"), _mkdir),
    **dict.fromkeys(("mknod", "mknodat"), _mknod),
    "bind": _bind,
}
"""Effects by the names of the calls."""
