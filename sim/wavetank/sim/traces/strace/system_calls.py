"""The lines of a trace by strace, as values: finished calls, begun calls, ends of threads.

Written for the output of ``strace -f -y -xx -s LIMIT -o FILE`` from strace 5.16 on: paths and
buffers are in hexadecimal, so that no comma, quote or bracket of theirs can be taken for one of
strace's. Each line costs one regular expression, however long it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from attrs import evolve, field, frozen

from wavetank.sim.traces.trace import TraceError

__all__ = ["CallBegun", "CallReader", "Superseded", "SystemCall", "ThreadEnd", "TraceEvent"]

_LINE: Final = re.compile(
    r"(?:(?P<pid>\d+) +)?"
    r"(?:(?P<name>\w+)\((?P<arguments>.*)|<\.\.\. (?P<resumed>\w+) resumed>(?P<rest>.*))"
    r"\)\s+= (?P<result>-?\d+|0x[0-9a-f]+|\?)"
    r"(?:<(?P<path>[^>]*)>(?:\(deleted\))?)?"
    r"(?: (?P<errno>E[A-Z0-9_]+)\b)?(?: .*)?"
)
_BEGUN: Final = re.compile(r"(?:(\d+) +)?(\w+)\((.*) <unfinished \.\.\.>")
_LOST: Final = re.compile(r"(?:(\d+) +)?(\w+)\((.*) <unfinished \.\.\.>\)?\s+= \?")
_END: Final = re.compile(r"(?:(\d+) +)?\+\+\+ (exited with \d+|killed by .*) \+\+\+")
_SUPERSEDED: Final = re.compile(r"(?:(\d+) +)?\+\+\+ superseded by execve in pid (\d+) \+\+\+")
_SIGNAL: Final = re.compile(r"(?:\d+ +)?--- .* ---")
_BRACKETS: Final = re.compile(r"[][(){}]|, ")
_FRAME: Final = " > "


@frozen(kw_only=True)
class SystemCall:
    """A system call that came to an end.

    Attributes:
        pid: the thread that made it; 0 where the trace names none.
        name: such as ``openat``.
        arguments: as strace writes them, one by one.
        result: what it returned; None if it never did, or is to be made again after a signal.
        errno: why it failed, such as ``ENOENT``; "" if it did not.
        line: of the trace, counted from 1, where it ends.
        begun: the line where it begins; the same unless other threads came between.
        result_path: the path of the descriptor that it returned, in hexadecimal; "" if none.
        stack: where in the program it was made, innermost first; empty unless strace was asked.
    """

    pid: int
    name: str
    arguments: tuple[str, ...]
    result: int | None
    errno: str = ""
    line: int
    begun: int
    result_path: str = field(default="", repr=False)
    stack: tuple[str, ...] = ()

    @property
    def has_succeeded(self) -> bool:
        """Whether it returned, and no error."""
        return self.result is not None and not self.errno


@frozen(kw_only=True)
class CallBegun:
    """The beginning of a system call whose end comes later.

    Attributes:
        pid: the thread that makes it.
        name: such as ``fsync``.
        arguments: the text of those that strace has written so far.
        line: of the trace.
    """

    pid: int
    name: str
    arguments: str
    line: int


@frozen(kw_only=True)
class ThreadEnd:
    """The end of a thread.

    Attributes:
        pid: the thread.
        how: such as ``exited with 0``.
        line: of the trace.
    """

    pid: int
    how: str
    line: int


@frozen(kw_only=True)
class Superseded:
    """The end of all threads of a process but one, which runs a program as the first thread.

    Attributes:
        pid: the number of the process.
        by: the number that the thread had.
        line: of the trace.
    """

    pid: int
    by: int
    line: int


TraceEvent: TypeAlias = SystemCall | CallBegun | ThreadEnd | Superseded


class CallReader:
    r"""Makes calls of lines, as they come.

    Args:
        stacks: whether stacks follow the calls; then a call is given out with the line after its
            stack.

    >>> reader = CallReader()
    >>> [call] = reader.read(r'7 close(3<\x2f\x66>) = 0')
    >>> call.name, call.arguments, call.result
    ('close', ('3<\\x2f\\x66>',), 0)
    """

    def __init__(self, *, stacks: bool = False) -> None:
        self._stacks = stacks
        self._begun: dict[int, CallBegun] = {}
        self._held: SystemCall | None = None
        self._frames: list[str] = []
        self.lines = 0
        """Lines read so far."""

    def read(self, line: str) -> Iterator[TraceEvent]:
        """Yield what a line tells: nothing, one event, or two.

        Raises:
            TraceError: it is no line of strace, or ends what never began.
        """
        self.lines += 1
        if line.startswith(_FRAME):
            self._frames.append(line[len(_FRAME) :].rstrip())
            return
        yield from self.finish()
        line = line.rstrip()
        found = _LINE.fullmatch(line)
        if found is None:
            yield from self._other(line)
            return
        call = self._call(found, line)
        if self._stacks:
            self._held = call
        else:
            yield call

    def finish(self) -> Iterator[TraceEvent]:
        """Yield the call that waits for its stack; nothing more of the stack will come."""
        if self._held is not None:
            call, self._held = self._held, None
            yield evolve(call, stack=tuple(self._frames)) if self._frames else call
        self._frames.clear()

    def _call(self, found: re.Match[str], line: str) -> SystemCall:
        pid_text, name, arguments, resumed, rest, result, path, errno = found.groups()
        pid, begun = int(pid_text or 0), self.lines
        if name is None:
            start = self._begun.pop(pid, None)
            if start is None or start.name not in (resumed, "restart_syscall"):
                raise TraceError(
                    f"line {self.lines}: expected a call that had begun but got {_short(line)!r}"
                )
            name, arguments, begun = start.name, start.arguments + rest, start.line
        if arguments.endswith(" <unfinished ...>"):
            arguments = arguments.removesuffix(" <unfinished ...>")
        return SystemCall(
            pid=pid,
            name=name,
            arguments=_split(arguments),
            result=None if result == "?" else int(result, 0),
            errno=errno or "",
            line=self.lines,
            begun=begun,
            result_path=path or "",
        )

    def _other(self, line: str) -> Iterator[TraceEvent]:
        if found := _BEGUN.fullmatch(line):
            begun = CallBegun(
                pid=int(found[1] or 0), name=found[2], arguments=found[3], line=self.lines
            )
            self._begun[begun.pid] = begun
            yield begun
        elif found := _END.fullmatch(line):
            pid = int(found[1] or 0)
            self._begun.pop(pid, None)
            yield ThreadEnd(pid=pid, how=found[2], line=self.lines)
        elif found := _SUPERSEDED.fullmatch(line):
            pid, by = int(found[1] or 0), int(found[2])
            if by in self._begun:
                self._begun[pid] = evolve(self._begun.pop(by), pid=pid)
            yield Superseded(pid=pid, by=by, line=self.lines)
        elif line and not _SIGNAL.fullmatch(line) and not line.startswith("strace: "):
            raise TraceError(
                f"line {self.lines}: expected a line of strace but got {_short(line)!r}"
            )


def _split(text: str) -> tuple[str, ...]:
    """Return the arguments of a call, which stand between commas outside of all brackets."""
    if not text:
        return ()
    if "{" not in text and "[" not in text and "(" not in text:
        return tuple([part.strip() for part in text.split(", ")])
    parts, depth, start = [], 0, 0
    for found in _BRACKETS.finditer(text):
        sign = found[0]
        if sign == ", ":
            if not depth:
                parts.append(text[start : found.start()].strip())
                start = found.end()
        else:
            depth += 1 if sign in "[({" else -1
    return (*parts, text[start:].strip())


def _short(line: str) -> str:
    return line if len(line) <= 200 else f"{line[:200]}..."  # noqa: PLR2004 - enough to find it
