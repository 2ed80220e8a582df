"""What a recorder saw a program do to a directory, as a value; and why it could not see it.

The program ran on the real machine. Its directory stands in the trace's disk under its own name
alone: ``/srv/data`` is called ``/data``, on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

from attrs import frozen

from wavetank.sim.image import DiskImage
from wavetank.sim.ops import CallSite, Record

__all__ = [
    "Program",
    "ProgramError",
    "ProgramSlowError",
    "ProgramUnchangedError",
    "Recorder",
    "RecorderMissingError",
    "Trace",
    "TraceError",
    "Work",
]

Work: TypeAlias = "tuple[str, ...] | Callable[[], object]"
"""A command with its arguments, or a function to be called in a child process."""


class TraceError(RuntimeError):
    """A trace cannot be trusted; the message names the line of it, or the first difference."""


class RecorderMissingError(RuntimeError):
    """The machine lacks what records; the message says how to install it."""


class ProgramError(RuntimeError):
    """The program failed, was killed, did not end in time, or changed nothing in its directory."""


class ProgramSlowError(ProgramError):
    """The program was stopped, since it had not ended in time."""


class ProgramUnchangedError(ProgramError):
    """The program ended as it should, and changed nothing in its directory."""


@frozen(kw_only=True)
class Program:
    """What is to be run and recorded.

    Attributes:
        work: the command, or the function.
        directory: the real directory whose changes are recorded; it is there already.
        acks: where the work writes its lines ``ACK token``: a file, or a number of a descriptor
            that the recorder opens for it; None if it acknowledges nothing.
        environment: variables of a command beside those of this process.
        rebuilt: names of files that the program makes anew after a crash, with ``*`` for any
            letters, whose shared writable mappings are of no account.
        limit_s: real seconds after which it is stopped.
    """

    work: Work
    directory: Path
    acks: Path | int | None = None
    environment: Mapping[str, str] = {}
    rebuilt: tuple[str, ...] = ()
    limit_s: float = 600.0


@frozen(kw_only=True)
class Trace:
    """What a program did to a directory.

    Applying the whole log to the image gives the directory as the program left it, byte for byte.

    Attributes:
        directory: its name on the trace's disk, such as ``/data``.
        image: the disk before the program ran.
        log: everything that it did, with a mark for each acknowledgement.
        sites: the system calls that changed the disk or synced it, in order, each with the source
            line that made it where that is known, and its number among `calls`.
        tokens: what it acknowledged, in order.
        calls: system calls that were read.
        outside: real files outside the directory that it wrote to, sorted; nothing was recorded of
            those.
        rebuilt: files whose shared writable mappings were of no account, sorted.
        output: what the program wrote to its standard output and error.
    """

    directory: str
    image: DiskImage
    log: tuple[Record, ...]
    sites: tuple[CallSite, ...]
    tokens: tuple[str, ...]
    calls: int
    outside: tuple[str, ...] = ()
    rebuilt: tuple[str, ...] = ()
    output: str = ""


class Recorder(Protocol):
    """Runs a program and sees what it does to its directory."""

    def __call__(self, program: Program) -> Trace:
        """Run a program to its end and return what it did.

        Raises:
            RecorderMissingError: the machine lacks what is needed.
            ProgramError: the program failed, or did nothing that could be judged.
            TraceError: what was seen cannot be trusted.
        """
        ...
