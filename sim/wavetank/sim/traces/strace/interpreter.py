"""A trace applied to a simulated disk, line by line: what the processes did becomes the op log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from attrs import evolve

from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.image import DiskImage
from wavetank.sim.ops import CallSite
from wavetank.sim.traces.acknowledgements import AckLines
from wavetank.sim.traces.strace.argument_words import descriptor, from_hex, readable
from wavetank.sim.traces.strace.data_calls import DATA_CALLS, failed_sync
from wavetank.sim.traces.strace.effective_order import EffectiveOrder, Forked, OrderedEvent
from wavetank.sim.traces.strace.machine import OutsideReads, RefusalError, TracedMachine
from wavetank.sim.traces.strace.name_calls import NAME_CALLS, Effect
from wavetank.sim.traces.strace.places import ConflictError, Links, to_name
from wavetank.sim.traces.strace.process_calls import PROCESS_CALLS, close
from wavetank.sim.traces.strace.processes import OpenFile, Process, WorkingDirectory
from wavetank.sim.traces.strace.source_lines import places_of
from wavetank.sim.traces.strace.system_calls import (
    CallBegun,
    CallReader,
    Superseded,
    SystemCall,
    ThreadEnd,
    TraceEvent,
)
from wavetank.sim.traces.trace import TraceError

__all__ = ["TraceInterpreter"]

_SYNCS: Final = frozenset({"fsync", "fdatasync", "sync", "syncfs"})
_WRITES: Final = frozenset({"write", "writev", "pwrite64", "pwritev", "pwritev2"})
_EFFECTS: Final[dict[str, Effect]] = {**NAME_CALLS, **DATA_CALLS, **PROCESS_CALLS}
_HARMLESS: Final = frozenset(
    {
        *("access", "faccessat", "faccessat2", "stat", "lstat", "fstat", "newfstatat", "statx"),
        *("statfs", "fstatfs", "getdents", "getdents64", "readlink", "readlinkat", "getcwd"),
        *("pread64", "preadv", "readahead", "fadvise64", "flock", "sync_file_range", "msync"),
        *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat"),
        *("utime", "utimes", "futimesat", "utimensat", "poll", "ppoll", "select", "pselect6"),
        *("getxattr", "lgetxattr", "fgetxattr", "setxattr", "lsetxattr", "fsetxattr"),
        *("listxattr", "llistxattr", "flistxattr"),
        *("removexattr", "lremovexattr", "fremovexattr"),
        *("epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait"),
        *("epoll_pwait2", "inotify_add_watch", "inotify_rm_watch", "fanotify_mark"),
        *("name_to_handle_at", "connect", "fork", "vfork", "clone", "clone3", "wait4", "waitid"),
        *("exit", "exit_group", "madvise", "restart_syscall", "kcmp", "cachestat"),
    }
)
"""Calls that change neither what is in a directory nor who has it open.

Attributes (mode, owner, times) are not recorded. `sync_file_range` promises nothing.
"""


class TraceInterpreter:
    """Applies traced system calls to a simulated disk.

    Args:
        image: the disk before the program ran, with the directory under its own name in the root;
            or a disk on which others ran before, which goes on.
        directory: the real path of the directory, without links.
        acks: real path of a file, or a descriptor of the first process, whose lines ``ACK token``
            acknowledge.
        rebuilt: names, with ``*`` for any letters, of files that are left out.
        cwd: working directory of the first process; None if the trace is to tell.
        links: where real links outside of the directory point.
        outside_reads: reads real files outside.
        stacks: whether stacks follow the calls.

    Attributes:
        disk: the disk as the program sees it, with the op log.
        calls: system calls so far.
        sites: those that changed the disk, each with its number; `located_sites` knows more.
        tokens: what was acknowledged.
        heard: bytes written to `acks` so far.
        overlaps: by path of a file, the lines of two writes to it that were under way at once.
    """

    def __init__(
        self,
        image: DiskImage | SimDisk,
        directory: bytes,
        *,
        acks: bytes | int | None = None,
        rebuilt: Collection[str] = (),
        cwd: bytes | None = None,
        links: Links = lambda _path: None,
        outside_reads: OutsideReads = lambda _path, _offset, _length: None,
        stacks: bool = False,
    ) -> None:
        if isinstance(image, DiskImage):
            image = SimDisk(image, site=lambda: self._stack)
        self.disk = image
        self.calls = 0
        self.sites: list[CallSite] = []
        self._stacks: dict[int, tuple[str, ...]] = {}
        self.tokens: list[str] = []
        self.heard = b""
        self.overlaps: dict[str, tuple[int, int]] = {}
        self._last_writes: dict[int, int] = {}
        self._stack = ""
        self._reader = CallReader(stacks=stacks)
        self._order = EffectiveOrder(self._is_sync)
        self._acks = AckLines()
        self._first_ack = acks if isinstance(acks, int) else None
        self._cwd = cwd
        self._machine = TracedMachine(
            self.disk,
            directory,
            acks=acks if isinstance(acks, bytes) else None,
            rebuilt=rebuilt,
            links=links,
            outside_reads=outside_reads,
        )
        # Calls that have begun, by pid; and threads that wait for one of another.
        self._begun: dict[int, CallBegun] = {}
        self._blocked: dict[int, list[OrderedEvent]] = {}

    @property
    def outside(self) -> tuple[str, ...]:
        """Files outside of the directory that were written to, sorted."""
        return tuple(sorted(to_name(from_hex(path)) for path in self._machine.outside))

    @property
    def left_out(self) -> tuple[str, ...]:
        """Files that are not on the disk though the program has them, sorted."""
        return tuple(sorted(self._machine.left_out))

    def located_sites(self) -> tuple[CallSite, ...]:
        """Return the calls that changed the disk, with lines of source where stacks tell them."""
        places = places_of(self._stacks.values())
        return tuple(
            evolve(site, place=places.get(self._stacks.get(number, ())) or site.place)
            for number, site in enumerate(self.sites)
        )

    def read(self, line: str) -> Sequence[SystemCall]:
        """Apply what a line of the trace tells, and return the calls that have been applied.

        Raises:
            TraceError: it cannot be understood, or tells what cannot be recorded.
        """
        return [call for event in self._reader.read(line) for call in self.take(event)]

    def take(self, event: TraceEvent) -> Sequence[SystemCall]:
        """Apply an event of the trace, and return the calls that have been applied.

        Those are others than the one that came, where one of them has to wait for another.

        Raises:
            TraceError: it cannot be understood, or tells what cannot be recorded.
        """
        return [call for ordered in self._order.take(event) for call in self._take(ordered)]

    def finish(self) -> None:
        """Apply what waits, when no more lines will come.

        Raises:
            TraceError: a process has not come to its end, or a call waits for ever.
        """
        for event in self._reader.finish():
            self.take(event)
        for ordered in self._order.finish():
            self._take(ordered)
        for events in self._blocked.values():
            self._apply(events[0], waits=False)
        if self._machine.processes:
            raise TraceError(
                f"line {self._reader.lines}: expected the end of all processes but "
                f"{min(self._machine.processes)} goes on"
            )
        self._acks.finish()

    def _take(self, event: OrderedEvent) -> list[SystemCall]:
        waiting = self._blocked.get(event.pid)
        if waiting is not None:
            waiting.append(event)
            return []
        if not self._apply(event, waits=True):
            self._blocked[event.pid] = [event]
            return []
        done = [event] if isinstance(event, SystemCall) else []
        return done + (self._retry() if self._blocked and done else [])

    def _retry(self) -> list[SystemCall]:
        done: list[SystemCall] = []
        for pid in list(self._blocked):
            events = self._blocked[pid]
            while events and self._apply(events[0], waits=True):
                event = events.pop(0)
                done += [event] if isinstance(event, SystemCall) else []
            if not events:
                del self._blocked[pid]
        return done

    def _apply(self, event: OrderedEvent, *, waits: bool) -> bool:
        """Apply an event; return whether it does not have to wait for a call of another thread."""
        machine = self._machine
        if isinstance(event, CallBegun):
            self._begun[event.pid] = event
            if event.name == "close":
                # Another thread may be given the number before this one returns.
                self._process(event.pid).descriptors.drop(descriptor(event.arguments))
            return True
        if isinstance(event, Forked):
            parent = self._process(event.pid)
            flags = frozenset({"CLONE_VM"} if event.name == "vfork" else set[str]())
            words = event.arguments.partition("flags=")[2].partition(",")[0]
            flags |= frozenset(words.split("|"))
            machine.processes[event.child] = parent.fork(event.child, flags)
            return True
        if isinstance(event, Superseded):
            process = machine.processes.pop(event.by, None)
            if process is not None:
                process.pid = event.pid
                machine.processes[event.pid] = process
            return True
        if isinstance(event, ThreadEnd):
            machine.processes.pop(event.pid, None)
            self._begun.pop(event.pid, None)
            return True
        self._begun.pop(event.pid, None)
        try:
            self._call(event)
        except ConflictError as error:
            if waits and self._is_name_call_begun():
                return False
            raise self._error(event, str(error)) from None
        return True

    def _is_name_call_begun(self) -> bool:
        return any(begun.name in NAME_CALLS for begun in self._begun.values())

    def _call(self, call: SystemCall) -> None:
        process = self._process(call.pid)
        length = len(self.disk.log)
        number = self.calls + 1
        self._stack = " < ".join(call.stack)
        try:
            self._effect(process, call)
        except RefusalError as error:
            raise self._error(call, str(error)) from None
        except (OSError, ValueError, KeyError, IndexError, AssertionError) as error:
            raise self._error(call, f"{type(error).__name__}: {error}") from error
        self.calls = number
        if len(self.disk.log) != length:
            if call.stack:
                self._stacks[len(self.sites)] = call.stack
            self.sites.append(CallSite(len(self.disk.log), call.name, "", number))
        if call.name in _WRITES:
            self._note_overlap(process, call)
        self._acknowledge(call)

    def _effect(self, process: Process, call: SystemCall) -> None:
        effect = _EFFECTS.get(call.name)
        if effect is None:
            self._refuse_unknown(call)
        elif call.name == "close":
            if call.begun == call.line:
                close(self._machine, process, call)
        elif call.has_succeeded:
            effect(self._machine, process, call)
        elif call.name in _SYNCS and call.errno and call.result is not None:
            failed_sync(self._machine, process, call)

    def _note_overlap(self, process: Process, call: SystemCall) -> None:
        number = call.arguments[0].partition("<")[0]
        file = process.descriptors.files.get(int(number)) if number.isdecimal() else None
        if file is None or file.inode is None:
            return
        before = self._last_writes.get(file.inode, 0)
        self._last_writes[file.inode] = call.line
        if before > call.begun:
            self.overlaps.setdefault(file.path, (before, call.line))

    def _acknowledge(self, call: SystemCall) -> None:
        heard = self._machine.heard
        if not heard:
            return
        content = b"".join(heard)
        heard.clear()
        self.heard += content
        try:
            tokens = self._acks.hear(content)
        except ValueError as error:
            raise self._error(call, str(error)) from None
        for token in tokens:
            self.tokens.append(token)
            self.disk.mark(f"ack {len(self.tokens)}")

    def _process(self, pid: int) -> Process:
        processes = self._machine.processes
        process = processes.get(pid)
        if process is None:
            process = processes[pid] = Process(pid)
            if self._cwd is not None:
                location = self._machine.location(process, self._cwd)
                process.cwd = WorkingDirectory(location)
            if self._first_ack is not None:
                file = OpenFile(inode=None, acknowledges=True)
                process.descriptors.put(self._first_ack, file, closes=False)
        return process

    def _refuse_unknown(self, call: SystemCall) -> None:
        if call.name in _HARMLESS or not call.has_succeeded:
            return
        paths = [call.result_path]
        for argument in call.arguments:
            paths += [each.partition(">")[0] for each in argument.split("<")[1:]]
            paths += [each.partition('"')[0] for each in argument.split('"')[1::2]]
        if any(self._machine.is_inside(path) for path in paths if path):
            raise RefusalError(
                "expected a system call that is known, about a file of the directory"
            )

    def _is_sync(self, begun: CallBegun) -> bool:
        if begun.name in _SYNCS:
            return True
        if begun.name not in _WRITES:
            return False
        if "RWF_SYNC" in begun.arguments or "RWF_DSYNC" in begun.arguments:
            return True
        process = self._machine.processes.get(begun.pid)
        number = begun.arguments.partition("<")[0]
        if process is None or not number.isdecimal():
            return False
        file = process.descriptors.files.get(int(number))
        return file is not None and file.sync is not None

    def _error(self, call: SystemCall, words: str) -> TraceError:
        shown = ", ".join(readable(each) for each in call.arguments)
        result = "?" if call.result is None else call.result
        return TraceError(
            f"line {call.line}: {words}: {call.pid} {call.name}({shown}) = {result} {call.errno}"
        )
