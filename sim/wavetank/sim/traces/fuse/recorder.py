"""Runs a program on a directory that a simulated disk serves over FUSE; sees shared mappings too.

The directory is mounted over itself: its content becomes the start of the disk, the program finds
it at its place, and what the program leaves is written back when it has ended. Nobody is told of
sync(2) and syncfs(2) here; fsync(2), fdatasync(2), msync(2) and O_SYNC are recorded.

The real directory is what it was until the run is over. It is not written back after a run that
ended in a fault of the recorder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from wavetank.sim.attributes import Attributes
from wavetank.sim.crashes._apply import apply
from wavetank.sim.image import DiskImage, FileContent, LinkContent
from wavetank.sim.ops import Mark, Sync
from wavetank.sim.traces.directories import directory_image
from wavetank.sim.traces.fuse.filesystem import ACKS_NAME
from wavetank.sim.traces.fuse.mount import mount, unmount, write_back_pages
from wavetank.sim.traces.fuse.server import FuseServer, Served
from wavetank.sim.traces.strace.recorder import called
from wavetank.sim.traces.trace import (
    Program,
    ProgramError,
    ProgramSlowError,
    ProgramUnchangedError,
    Trace,
    TraceError,
)

__all__ = ["FuseRecorder"]

_PAUSE_S: Final = 0.005
_GRACE_S: Final = 1.0
_OUTPUT_LINES: Final = 20
_STANDARD: Final = (0, 1, 2)


@frozen
class FuseRecorder:
    """Records through a filesystem of our own.

    It needs /dev/fuse, and root or fusermount.
    """

    def record(self, program: Program) -> Trace:
        """Run a program to its end and return what it did; see `Recorder`.

        Raises:
            RecorderMissingError: there is no /dev/fuse, or no right to mount.
            ProgramError: the program failed, did not end in time, or changed nothing.
            TraceError: the log does not lead to what users see in the directory.
        """
        directory = os.path.realpath(program.directory)
        if not os.path.isdir(directory):
            raise ProgramError(f"directory: expected one that is there but got {directory!r}")
        _refuse_open_files(directory)
        acks = _acks_path(program, directory)
        start = _with_attributes(directory_image(directory, rebuilt=None), directory)
        with tempfile.TemporaryDirectory(prefix="wavetank-trace-") as folder:
            output = Path(folder) / "output"
            run = _Run(program, directory, acks, output)
            ended, served, seen = run.run(start)
            text = output.read_text(encoding="utf-8", errors="replace")
        if program.acks in _STANDARD:
            text = served.ack_text.decode("utf-8", "replace") + text
        if not ended:
            # What a program that was killed has asked for last may come after we have looked.
            _check_seen(start, served, seen)
        _write_back(seen, directory)
        if acks is not None:
            acks.write_bytes(served.ack_text)
        if ended:
            kind = ProgramSlowError if ended == _took_too_long(program) else ProgramError
            raise kind(f"work: {ended}{_last_words(text)}")
        if all(isinstance(each, (Mark, Sync)) for each in served.log):
            raise ProgramUnchangedError(
                f"work: expected a program that changes files below {directory!r} but it changed "
                f"nothing there"
            )
        return Trace(
            directory="/" + os.path.basename(directory),
            image=start,
            log=served.log,
            sites=served.sites,
            tokens=served.tokens,
            calls=served.calls,
            output=text,
        )


class _Run:
    """One run of a program on a mounted directory."""

    def __init__(self, program: Program, directory: str, acks: Path | None, output: Path) -> None:
        self._program = program
        self._directory = directory
        self._hidden = os.path.join(directory, ACKS_NAME)
        self._acks = acks
        self._output = output

    def run(self, start: DiskImage) -> tuple[str, Served, DiskImage]:
        """Return how the program failed ("" if it did not), the log, and what users see."""
        device = mount(self._directory)
        server = FuseServer(start, device)
        try:
            with self._acks_served():
                ended = self._work()
            write_back_pages(self._directory)
            seen = _with_attributes(directory_image(self._directory, rebuilt=None), self._directory)
        except OSError as error:
            unmount(self._directory)
            fault = server.finish().fault
            raise TraceError(f"the directory could not be read: {error} {fault}") from error
        finally:
            unmount(self._directory)
            server.end()
        return ended, server.finish(), seen

    @contextlib.contextmanager
    def _acks_served(self) -> Iterator[None]:
        """Let the path of acknowledgements lead to the file that the server hears."""
        acks = self._acks
        if acks is None:
            yield
            return
        acks.unlink(missing_ok=True)
        acks.symlink_to(self._hidden)
        try:
            yield
            if not acks.is_symlink():
                raise TraceError(
                    f"acks: expected a program that writes to {str(acks)!r} but it put another "
                    f"file there"
                )
        finally:
            acks.unlink(missing_ok=True)

    def _work(self) -> str:
        child = os.fork()
        if not child:
            self._be_program()
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(child, child)
        ended: str | None = None
        try:
            ended = self._wait(child)
        finally:
            # What it left running ends now. Its group is its own, and cannot be another's while
            # somebody is in it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)
            if ended is None:
                os.waitpid(child, 0)
        if ended is None:
            return _took_too_long(self._program)
        return ended

    def _wait(self, child: int) -> str | None:
        """Return how it failed, "" if it did not; None if its time is over."""
        limit = time.monotonic() + self._program.limit_s
        while time.monotonic() < limit:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self._let_others_end(child, limit)
                if code < 0:
                    return (
                        f"expected a normal end but it was killed by {signal.Signals(-code).name}"
                    )
                return f"expected a normal end but it exited with {code}" if code else ""
            time.sleep(_PAUSE_S)
        return None

    @staticmethod
    def _let_others_end(group: int, limit: float) -> None:
        until = min(limit, time.monotonic() + _GRACE_S)
        while time.monotonic() < until:
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return
            time.sleep(_PAUSE_S)

    def _be_program(self) -> None:
        """Be the program's process, and end without the parent's clean-up."""
        code = 127
        try:
            os.setpgid(0, 0)
            for each in (signal.SIGPIPE, signal.SIGINT):
                signal.signal(each, signal.SIG_DFL)
            # The same path again: what lies under the mount is not the directory any more.
            os.chdir(os.getcwd())
            self._give_descriptors()
            work = self._program.work
            if isinstance(work, tuple):
                environment = {**os.environ, **self._program.environment}
                try:
                    os.execvpe(work[0], work, environment)  # noqa: S606 - the user's program
                except OSError as error:
                    os.write(2, f"{work[0]}: {error.strerror}\n".encode())
            else:
                code = called(work)
        finally:
            os._exit(code)

    def _give_descriptors(self) -> None:
        nothing = os.open(os.devnull, os.O_RDONLY)
        output = os.open(self._output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        acks = self._program.acks
        if isinstance(acks, int):
            opened = os.open(self._hidden, os.O_WRONLY | os.O_APPEND)
            os.dup2(opened, acks)
            if opened != acks:
                os.close(opened)


def _took_too_long(program: Program) -> str:
    return f"expected an end within {program.limit_s:g} s but it goes on"


def _acks_path(program: Program, directory: str) -> Path | None:
    """Return where acknowledgements are written; ProgramError if that cannot be served."""
    acks = program.acks
    if acks is None:
        return None
    if isinstance(acks, int):
        if acks < 1:
            raise ProgramError(f"acks: expected a descriptor of 1 or more but got {acks}")
        return None
    # A link to it is followed, and its own name is what becomes ours.
    real = Path(os.path.realpath(acks))
    if real.is_relative_to(directory):
        raise ProgramError(f"acks: expected a file outside {directory!r} but got {str(real)!r}")
    return real


def _refuse_open_files(directory: str) -> None:
    """Refuse descriptors below the directory: what they would write goes under the mount."""
    for number in sorted(map(int, os.listdir("/proc/self/fd"))):
        if number in _STANDARD:
            continue
        with contextlib.suppress(OSError):
            path = os.readlink(f"/proc/self/fd/{number}")
            if path.startswith(directory + "/"):
                raise ProgramError(
                    f"directory: expected no open files in it but descriptor {number} is {path!r}"
                )


def _with_attributes(image: DiskImage, directory: str) -> DiskImage:
    """Return the image of a directory with the modes, owners and times that it has."""
    above = os.path.dirname(directory)
    changes = {}
    for path, inode, node in image.walk():
        status = os.lstat(above + path if above != "/" else path)
        changes[inode] = node.with_attributes(
            Attributes(
                mode=status.st_mode & 0o7777,
                owner=(status.st_uid, status.st_gid),
                accessed_ns=status.st_atime_ns,
                modified_ns=status.st_mtime_ns,
            )
        )
    return image.derive(changes)


def _check_seen(start: DiskImage, served: Served, seen: DiskImage) -> None:
    """Hold the log against what a user read in the directory; TraceError."""
    if served.fault:
        raise TraceError(f"the filesystem's server failed: {served.fault}")
    ops = [each for each in served.log if not isinstance(each, (Mark, Sync))]
    told = _shown(apply(start, ops))
    found = _shown(seen)
    for path in sorted({*told, *found}):
        if told.get(path) != found.get(path):
            raise TraceError(
                f"the log does not lead to the directory as it is: {path!r}: expected "
                f"{_difference(told.get(path), found.get(path))}"
            )


def _difference(told: tuple[object, ...] | None, found: tuple[object, ...] | None) -> str:
    """Return in words how two things under one path differ."""
    if told is None or found is None:
        return "nothing but it is there" if told is None else "it but it is not there"
    expected, got = told[2], found[2]
    if not isinstance(expected, bytes) or not isinstance(got, bytes):
        return f"{told[1:]} but got {found[1:]}"
    if len(expected) != len(got):
        return f"{len(expected)} bytes but there are {len(got)}"
    places = (at for at, (one, other) in enumerate(zip(expected, got, strict=True)) if one != other)
    at = next(places, 0)
    return f"{expected[at : at + 16].hex(' ')} at offset {at} but got {got[at : at + 16].hex(' ')}"


def _shown(image: DiskImage) -> dict[str, tuple[object, ...]]:
    """Return content by path, with the first name of the same file."""
    first: dict[int, str] = {}
    found: dict[str, tuple[object, ...]] = {}
    for path, inode, node in image.walk():
        content: object = None
        if isinstance(node, FileContent):
            content = node.read(0, node.size)
        elif isinstance(node, LinkContent):
            content = node.target
        found[path] = (type(node), first.setdefault(inode, path), content)
    return found


def _write_back(image: DiskImage, directory: str) -> None:
    """Write into the real directory what the program left.

    All is written beside what is there before anything is removed.
    """
    made = tempfile.mkdtemp(prefix=".wavetank-", dir=directory)
    names: dict[int, str] = {}
    top = "/" + os.path.basename(directory)
    for path, inode, node in image.walk():
        if path == top:
            continue
        real = made + path[len(top) :]
        if isinstance(node, FileContent):
            if inode in names:
                os.link(names[inode], real)
            else:
                Path(real).write_bytes(node.read(0, node.size))
                names[inode] = real
        elif isinstance(node, LinkContent):
            os.symlink(node.target, real)
        else:
            os.mkdir(real)
    _give_attributes(image, made, top)
    for name in os.listdir(directory):
        old = os.path.join(directory, name)
        mode = os.lstat(old).st_mode
        if old == made or stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
            continue
        if os.path.isdir(old) and not os.path.islink(old):
            shutil.rmtree(old)
        else:
            os.unlink(old)
    for name in os.listdir(made):
        os.rename(os.path.join(made, name), os.path.join(directory, name))
    os.rmdir(made)


def _give_attributes(image: DiskImage, made: str, top: str) -> None:
    """Let files have the attributes that they have in an image, from the deepest up."""
    for path, _, node in reversed(list(image.walk())):
        attributes = node.attributes or Attributes()
        real = made + path[len(top) :]
        if attributes.owner is not None and os.geteuid() == 0:
            os.chown(real, *attributes.owner, follow_symlinks=False)
        if isinstance(node, LinkContent):
            continue
        if attributes.mode is not None and path != top:
            os.chmod(real, attributes.mode)
        accessed_ns, modified_ns = attributes.accessed_ns, attributes.modified_ns
        if accessed_ns is not None and modified_ns is not None:
            os.utime(real, ns=(accessed_ns, modified_ns))


def _last_words(text: str) -> str:
    lines = text.splitlines()[-_OUTPUT_LINES:]
    return ":\n" + "\n".join(lines) if lines else ""
