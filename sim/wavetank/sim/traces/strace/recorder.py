"""Runs a program under strace and makes a trace of it; reads a trace that was kept.

strace writes a line for each system call to a file, and this reads along. When the program itself
has ended, what it left running has a moment to end too, and is killed then.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from attrs import evolve

from wavetank.sim.image import DiskImage
from wavetank.sim.ops import Mark, Sync
from wavetank.sim.traces.directories import difference, directory_image
from wavetank.sim.traces.rebuilt import is_rebuilt
from wavetank.sim.traces.strace.interpreter import TraceInterpreter
from wavetank.sim.traces.trace import (
    Program,
    ProgramError,
    ProgramSlowError,
    ProgramUnchangedError,
    RecorderMissingError,
    Trace,
    TraceError,
)

__all__ = ["STRACE_OPTIONS", "called", "read_trace", "record"]

STRACE_OPTIONS: Final = (
    *("-f", "-q", "-y", "-xx", "-s", "268435456"),
    *("-e", "trace=%file,%desc,%process,mprotect,munmap,mremap,msync,sync,bind,sendmsg,sendmmsg"),
    *("-e", "inject=io_uring_setup:error=ENOSYS"),
)
"""What strace is told, beside where to write. Programs that would use io_uring do without."""

_PAUSE_S: Final = 0.01
_GRACE_S: Final = 1.0
_OUTPUT_LINES: Final = 20
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_PTRACER: Final = 0x59616D61
_PTRACER_ANY: Final = -1


def record(program: Program, *, stacks: bool = False, keep: Path | None = None) -> Trace:
    """Run a program under strace, and return what it did to its directory.

    Args:
        program: what to run.
        stacks: whether to find out which source lines made the calls; each system call then costs a
            millisecond or more instead of a tenth.
        keep: where to keep the text of the trace; None to keep it nowhere.

    Raises:
        RecorderMissingError: there is no strace, or it may not trace.
        ProgramError: the program failed, did not end in time (`ProgramSlowError`), or changed
            nothing (`ProgramUnchangedError`).
        TraceError: the trace cannot be trusted.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise RecorderMissingError(
            "expected strace, which records what a program does, but found none: "
            "apt-get install strace"
        )
    directory = os.path.realpath(program.directory)
    if not os.path.isdir(directory):
        raise ProgramError(f"directory: expected one that is there but got {directory!r}")
    with tempfile.TemporaryDirectory(prefix="wavetank-trace-") as folder:
        lines = keep or Path(folder) / "trace"
        lines.write_text("")
        run = _Run(program, strace, lines, Path(folder) / "output", stacks=stacks)
        return run.trace()


def read_trace(
    lines: Iterable[str],
    *,
    directory: Path,
    image: DiskImage,
    program: Program | None = None,
    stacks: bool = False,
) -> Trace:
    """Return what a trace tells that was kept, without a look at the real directory's end.

    Args:
        lines: of strace, with `STRACE_OPTIONS`.
        directory: the real path of the directory.
        image: the disk before the program ran (`directory_image`).
        program: whose acknowledgements and rebuilt files count; None for none of either.
        stacks: whether stacks stand in it (``-k``).

    Raises:
        TraceError: it cannot be understood, or tells what cannot be recorded.
    """
    acks = None if program is None else program.acks
    interpreter = TraceInterpreter(
        image,
        os.fsencode(directory),
        acks=os.fsencode(acks) if isinstance(acks, Path) else acks,
        rebuilt=() if program is None else program.rebuilt,
        links=_link,
        stacks=stacks,
    )
    for line in lines:
        interpreter.read(line)
    interpreter.finish()
    return _trace(interpreter, os.fsencode(directory), "")


class _Run:
    """One run of a program under strace."""

    def __init__(
        self, program: Program, strace: str, lines: Path, output: Path, *, stacks: bool
    ) -> None:
        self._program = program
        self._directory = os.path.realpath(program.directory)
        self._lines = lines
        self._output = output
        self._start_s = time.time()
        options = (*STRACE_OPTIONS, "-k") if stacks else STRACE_OPTIONS
        self._strace = (strace, *options, "-o", str(lines))
        self._slow_words = "; it is faster without stacks (--no-stacks)" if stacks else ""
        self._first = 0
        self._living: set[int] = set()
        self._end = ""
        acks = program.acks
        self._interpreter = TraceInterpreter(
            directory_image(self._directory, rebuilt=program.rebuilt),
            os.fsencode(self._directory),
            acks=os.fsencode(os.path.realpath(acks)) if isinstance(acks, Path) else acks,
            rebuilt=program.rebuilt,
            cwd=os.fsencode(os.getcwd()),
            links=_link,
            outside_reads=self._read_outside,
            stacks=stacks,
        )

    def trace(self) -> Trace:
        with self._output.open("wb") as output:
            run = self._command if isinstance(self._program.work, tuple) else self._function
            run(output.fileno())
        self._check()
        interpreter = self._interpreter
        interpreter.finish()
        found = difference(interpreter.disk, self._directory, rebuilt=self._program.rebuilt)
        if found:
            raise TraceError(
                f"the trace does not lead to the directory as it is: {found}"
                f"{_overlap_words(interpreter, found)}"
            )
        trace = _trace(interpreter, os.fsencode(self._directory), self._text())
        mine = os.path.realpath(self._output)
        trace = evolve(trace, outside=tuple(path for path in trace.outside if path != mine))
        if all(isinstance(each, (Mark, Sync)) for each in trace.log):
            raise ProgramUnchangedError(
                f"work: expected a program that changes files below {self._directory!r} but it "
                f"changed nothing there"
            )
        return trace

    def _command(self, output: int) -> None:
        work = self._program.work
        assert isinstance(work, tuple)
        command = (*self._strace, "--seccomp-bpf", "--", *work)
        acks = self._program.acks
        if isinstance(acks, int) and acks > 2:  # noqa: PLR2004 - the standard descriptors are there
            if acks > 9:  # noqa: PLR2004 - the shell knows one digit
                raise ProgramError(f"acks: expected a descriptor from 1 to 9 but got {acks}")
            command = ("/bin/sh", "-c", f'exec "$@" {acks}>/dev/null', "sh", *command)
        process = subprocess.Popen(  # noqa: S603 - the user's program
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **self._program.environment},
            start_new_session=True,
        )
        self._follow(process)

    def _function(self, output: int) -> None:
        ready, go = os.pipe()
        child = os.fork()
        if not child:
            os.close(go)
            self._be_child(output, ready)
        os.close(ready)
        self._first = child
        self._living.add(child)
        try:
            self._check_inherited_mappings(child)
            process = subprocess.Popen(  # noqa: S603 - strace
                (*self._strace, "-p", str(child)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,
            )
            while process.poll() is None and not _is_traced(child):
                time.sleep(_PAUSE_S)
            if process.poll() is None:
                os.write(go, b"go")
            self._follow(process)
        finally:
            os.close(go)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def _check_inherited_mappings(self, pid: int) -> None:
        """Refuse a function that can write to a file of the directory through memory."""
        for line in Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines():
            way = line[line.find("/") :] if "/" in line else ""
            if line.split()[1].startswith("rw") and line.split()[1].endswith("s"):
                name = os.path.basename(way)
                if way.startswith(f"{self._directory}/") and not is_rebuilt(
                    name, (), self._program.rebuilt
                ):
                    raise TraceError(
                        f"work: expected a function whose process maps no file of the directory "
                        f"for writing but it has {way!r}"
                    )

    def _be_child(self, output: int, ready: int) -> None:
        """Be the process of a function: wait for strace, and end without the parent's clean-up."""
        code = 1
        try:
            os.setpgid(0, 0)
            libc = ctypes.CDLL(None)
            libc.prctl(_PR_SET_PTRACER, _PTRACER_ANY, 0, 0, 0)
            # Whoever kills the parent must not leave this running, nor strace, which ends with it.
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            acks = self._program.acks
            if isinstance(acks, int) and acks > 2:  # noqa: PLR2004 - as above
                os.dup2(os.open(os.devnull, os.O_WRONLY), acks)
            work = self._program.work
            if os.read(ready, 2) and not isinstance(work, tuple):
                os.close(ready)
                code = called(work)
        finally:
            os._exit(code)

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        """Read along until strace has ended."""
        limit = time.monotonic() + self._program.limit_s
        grace: float | None = None
        with self._lines.open(encoding="ascii", errors="surrogateescape") as lines:
            rest = ""
            try:
                while True:
                    is_over = process.poll() is not None
                    rest = self._read(rest + lines.read())
                    if is_over:
                        break
                    now = time.monotonic()
                    if now > limit:
                        raise ProgramSlowError(
                            f"work: expected an end within {self._program.limit_s:g} s but it goes "
                            f"on{self._slow_words}{self._last_words()}"
                        )
                    if self._end:
                        grace = grace or now + _GRACE_S
                        if now > grace:
                            self._kill()
                    time.sleep(_PAUSE_S)
            finally:
                self._kill()
                if process.poll() is None:
                    process.terminate()
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if rest:
            raise TraceError(f"the trace ends in the middle of a line: {rest[:200]!r}")

    def _read(self, text: str) -> str:
        *lines, rest = text.split("\n")
        for line in lines:
            pid_text, _, words = line.partition(" ")
            if pid_text.isdecimal():
                pid = int(pid_text)
                self._first = self._first or pid
                if words.lstrip().startswith(("+++ exited", "+++ killed")):
                    self._living.discard(pid)
                    if pid == self._first:
                        self._end = words.strip(" +")
                else:
                    self._living.add(pid)
            self._interpreter.read(line)
        return rest

    def _kill(self) -> None:
        """Kill what is left; each is still traced, so that no number can be another process's."""
        for pid in self._living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _check(self) -> None:
        if not self._end:
            words = self._text()
            if "ptrace" in words and "not permitted" in words:
                raise RecorderMissingError(
                    f"expected the right to trace processes (ptrace) but strace said: {words}"
                )
            raise ProgramError(f"work: expected a program but strace could not run it: {words}")
        if self._end != "exited with 0":
            raise ProgramError(
                f"work: expected a normal end but it {self._end}{self._last_words()}"
            )

    def _text(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def _last_words(self) -> str:
        lines = self._text().splitlines()[-_OUTPUT_LINES:]
        return ":\n" + "\n".join(lines) if lines else ""

    def _read_outside(self, path: bytes, offset: int, length: int) -> bytes | None:
        """Read a real file that nobody has changed since the run began."""
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            if os.fstat(descriptor).st_mtime >= self._start_s:
                return None
            return os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)


def _overlap_words(interpreter: TraceInterpreter, found: str) -> str:
    """Return what may be the reason for a difference; "" if nobody knows one."""
    for path, (first, second) in interpreter.overlaps.items():
        if found.startswith(repr(path)):
            return (
                f"; two threads wrote to it at once (lines {first} and {second}), and which came "
                f"first no trace tells: let them take turns"
            )
    return ""


def called(work: Callable[[], object]) -> int:
    """Call a function and flush what it printed; return the code to exit with."""
    code = 0
    sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w") for number in (1, 2))
    try:
        work()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
    except BaseException:  # noqa: BLE001 - its traceback goes to the output
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _is_traced(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return "TracerPid:\t0\n" not in status


def _link(path: bytes) -> bytes | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _trace(interpreter: TraceInterpreter, directory: bytes, output: str) -> Trace:
    return Trace(
        directory="/" + os.path.basename(os.fsdecode(directory)),
        image=interpreter.disk.image,
        log=tuple(interpreter.disk.log),
        sites=interpreter.located_sites(),
        tokens=tuple(interpreter.tokens),
        calls=interpreter.calls,
        outside=interpreter.outside,
        rebuilt=interpreter.left_out,
        output=output,
    )
