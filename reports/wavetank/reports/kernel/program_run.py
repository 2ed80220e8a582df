"""A litmus program, done with real system calls in a real directory.

Files stay open from their creation on, so that an inode is written to whatever became of its names.
"""

from __future__ import annotations

import ctypes
import os  # noqa: TID251 - this is the machine's side
import time  # noqa: TID251 - this is the machine's side
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from attrs import frozen

from wavetank.reports.kernel.crash_points import PlacedMark
from wavetank.reports.kernel.nudges import Nudge, NudgeKind
from wavetank.sim import BLOCK_SIZE, LitmusOp, LitmusTest

__all__ = ["COMMIT_INTERVAL_S", "ProgramRun", "run_program", "sync_filesystem"]

COMMIT_INTERVAL_S: Final = 1
"""How often the filesystems are told to commit, in seconds; the shortest that they take."""

_WAIT_S: Final = COMMIT_INTERVAL_S + 0.3
# fcntl.h, linux/fs.h
_SYNC_FILE_RANGE_ALL: Final = 7  # wait before, write, wait after
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2

_libc: Final = ctypes.CDLL(None, use_errno=True)


@frozen(kw_only=True)
class ProgramRun:
    """When a program ran, in terms of the device's log.

    Attributes:
        first: length of the log when the program started, its setup being durable.
        last: length of the log when all was written back.
        setup_marks: what the setup marked.
        marks: what the program marked.
    """

    first: int
    last: int
    setup_marks: tuple[str, ...]
    marks: tuple[PlacedMark, ...]


def run_program(
    test: LitmusTest,
    folder: Path,
    nudges: Sequence[Sequence[Nudge]],
    log_length: Callable[[], int],
) -> ProgramRun:
    """Run setup and program in `folder`, then have everything written back.

    Args:
        test: the program.
        folder: an empty directory.
        nudges: what to do after each step of the program.
        log_length: tells how long the device's log is, in bytes.

    Raises:
        OSError: a call failed.
    """
    with ExitStack() as stack:
        calls = _Calls(folder, log_length, stack)
        for name in test.folders:
            (folder / name).mkdir()
        for op in test.setup:
            calls.do(op)
        sync_filesystem(folder)
        setup_marks = tuple(mark.word for mark in calls.marks)
        calls.marks.clear()
        first = log_length()
        for op, after in zip(test.program, nudges, strict=True):
            calls.do(op)
            for nudge in after:
                calls.nudge(nudge)
        sync_filesystem(folder)
        return ProgramRun(
            first=first,
            last=log_length(),
            setup_marks=setup_marks,
            marks=tuple(calls.marks),
        )


def sync_filesystem(path: Path) -> None:
    """Write back the one filesystem that `path` lies on.

    Raises:
        OSError: the machine refused.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _check(_libc.syncfs(descriptor), "syncfs")
    finally:
        os.close(descriptor)


class _Calls:
    """The system calls of one run, and the files that it has open."""

    def __init__(self, folder: Path, log_length: Callable[[], int], stack: ExitStack) -> None:
        self.marks: list[PlacedMark] = []
        self._folder = folder
        self._log_length = log_length
        self._stack = stack
        self._files: dict[str, int] = {}
        self._unrelated = self._open(folder.with_name(f"{folder.name}.unrelated"))

    def do(self, op: LitmusOp) -> None:
        """Do one operation."""
        match op.name, *op.arguments:
            case "mark", str(word):
                self.marks.append(PlacedMark(self._log_length(), word))
            case ("sync",):
                sync_filesystem(self._folder)
            case "create", str(path), str(inode):
                self._files[inode] = self._open(self._folder / path)
            case "append" | "overwrite" | "truncate" | "fsync" | "fdatasync", str(inode), *_:
                _use_file(self._files[inode], op)
            case _:
                self._use_names(op)

    def nudge(self, nudge: Nudge) -> None:
        """Have something written back."""
        match nudge.kind:
            case NudgeKind.COMMIT:
                os.pwrite(self._unrelated, b"x", os.fstat(self._unrelated).st_size)
                os.fsync(self._unrelated)
            case NudgeKind.SYNC_ALL:
                sync_filesystem(self._folder)
            case NudgeKind.WAIT:
                time.sleep(_WAIT_S)
            case NudgeKind.SYNC_FOLDER:
                folders = [
                    self._folder,
                    *(each for each in self._folder.iterdir() if each.is_dir()),
                ]
                _sync_folder(sorted(folders)[nudge.number % len(folders)])
            case NudgeKind.WRITE_OUT | NudgeKind.SYNC_FILE if self._files:
                files = list(self._files.values())
                file = files[nudge.number % len(files)]
                if nudge.kind is NudgeKind.SYNC_FILE:
                    os.fsync(file)
                else:
                    _write_out(file)

    def _open(self, path: Path) -> int:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._stack.callback(os.close, descriptor)
        return descriptor

    def _use_names(self, op: LitmusOp) -> None:
        paths = [self._folder / str(argument) for argument in op.arguments]
        match op.name:
            case "rename":
                paths[0].rename(paths[1])
            case "link":
                paths[1].hardlink_to(paths[0])
            case "unlink":
                paths[0].unlink()
            case "mkdir":
                paths[0].mkdir()
            case "rmdir":
                paths[0].rmdir()
            case "exchange":
                _exchange(*paths)
            case "fsyncdir":
                _sync_folder(paths[0])
            case _:
                raise ValueError(f"expected an operation that a kernel can do, got {op.name!r}")


def _use_file(descriptor: int, op: LitmusOp) -> None:
    match op.name, *op.arguments[1:]:
        case "append", str(letter):
            _write(descriptor, letter, os.fstat(descriptor).st_size)
        case "overwrite", int(block), str(letter):
            _write(descriptor, letter, block * BLOCK_SIZE)
        case "truncate", int(blocks):
            os.ftruncate(descriptor, blocks * BLOCK_SIZE)
        case ("fsync",):
            os.fsync(descriptor)
        case ("fdatasync",):
            os.fdatasync(descriptor)


def _write(descriptor: int, letter: str, offset: int) -> None:
    written = os.pwrite(descriptor, letter.encode("ascii") * BLOCK_SIZE, offset)
    if written != BLOCK_SIZE:
        raise OSError(f"expected {BLOCK_SIZE} bytes to be written, {written} were")


def _write_out(descriptor: int) -> None:
    whole = (ctypes.c_int64(0), ctypes.c_int64(0))
    _check(_libc.sync_file_range(descriptor, *whole, _SYNC_FILE_RANGE_ALL), "sync_file_range")


def _exchange(first: Path, second: Path) -> None:
    names = (_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second))
    _check(_libc.renameat2(*names, _RENAME_EXCHANGE), "renameat2")


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check(result: int, call: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}")
