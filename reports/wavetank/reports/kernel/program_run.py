"""Run a litmus program with real system calls in a real directory.

Files stay open from their creation on, so that an inode is written to whatever became of its names.

A program of a few system calls ends long before a kernel writes anything back unasked. Writeback
triggers between its steps stand for the memory pressure, timers and neighbours of a real machine.
No trigger can make a state legal that was not: what is written back on request may always be
written back unasked, and one more sync never allows one more state.
"""

from __future__ import annotations

import ctypes
import os  # noqa: TID251 - this is the machine's side
import time  # noqa: TID251 - this is the machine's side
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from random import Random  # noqa: TID251 - seeded by the caller
from typing import Final

from attrs import frozen

from wavetank.reports.kernel.crash_images import PlacedMark
from wavetank.sim import BLOCK_SIZE, LitmusOp, LitmusTest

__all__ = [
    "COMMIT_INTERVAL_S",
    "ProgramRun",
    "Trigger",
    "TriggerKind",
    "plan_triggers",
    "run_program",
    "sync_filesystem",
]


class TriggerKind(Enum):
    """The means there are; the value says it to people."""

    WRITE_OUT = "sync_file_range on inode"
    COMMIT = "fsync of an unrelated file"
    SYNC_FILE = "fsync of inode"
    SYNC_FOLDER = "fsync of folder"
    SYNC_ALL = "syncfs"
    WAIT = "wait for the commit timer"


@frozen
class Trigger:
    """One of them.

    Attributes:
        kind: what to do.
        number: which inode or folder, counted round among those there are.
    """

    kind: TriggerKind
    number: int = 0

    def __str__(self) -> str:
        return f"{self.kind.value} {self.number}" if self.kind in _NUMBERED else self.kind.value


_NUMBERED: Final = (TriggerKind.WRITE_OUT, TriggerKind.SYNC_FILE, TriggerKind.SYNC_FOLDER)
_EVERY_INODE: Final = 8
_WRITE_OUT: Final = tuple(Trigger(TriggerKind.WRITE_OUT, number) for number in range(_EVERY_INODE))
_COMMIT: Final = (Trigger(TriggerKind.COMMIT),)
_STEADY: Final = ((), _WRITE_OUT, _COMMIT, (*_WRITE_OUT, *_COMMIT), (*_COMMIT, *_WRITE_OUT))
_AT_RANDOM: Final = (
    *(TriggerKind.WRITE_OUT, TriggerKind.WRITE_OUT, TriggerKind.COMMIT, TriggerKind.COMMIT),
    *(TriggerKind.SYNC_FILE, TriggerKind.SYNC_ALL),
)
_AT_THE_END: Final = (*_AT_RANDOM, TriggerKind.SYNC_FOLDER)
_QUIET_PERCENT: Final = 55


def plan_triggers(
    run: int, steps: int, seed: int, *, timer: bool
) -> tuple[tuple[Trigger, ...], ...]:
    """Return what to do after each step of a program.

    The first run is left alone; four do the same after each step; one waits for the timer, once;
    the others draw from a stream of their own.

    Args:
        run: number of the run.
        steps: how many steps the program has.
        seed: of the random plans.
        timer: whether the filesystem has a commit timer that is worth waiting for.
    """
    if not steps:
        return ()
    if run < len(_STEADY):
        return (_STEADY[run],) * steps
    chance = Random(f"writeback triggers {seed} {run}")  # noqa: S311 - no secret: repeatable plans
    if timer and run == len(_STEADY):
        when = chance.randrange(steps)
        return tuple((Trigger(TriggerKind.WAIT),) if step == when else () for step in range(steps))
    gaps = [_draw(chance) for _ in range(steps - 1)]
    ending = tuple(
        Trigger(chance.choice(_AT_THE_END), chance.randrange(_EVERY_INODE))
        for _ in range(chance.randrange(4))
    )
    return (*gaps, ending)


def _draw(chance: Random) -> tuple[Trigger, ...]:
    if chance.randrange(100) < _QUIET_PERCENT:
        return ()
    return (Trigger(chance.choice(_AT_RANDOM), chance.randrange(_EVERY_INODE)),)


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
    triggers: Sequence[Sequence[Trigger]],
    log_length: Callable[[], int],
) -> ProgramRun:
    """Run setup and program in `folder`, then have everything written back.

    Args:
        test: the program.
        folder: an empty directory.
        triggers: what to do after each step of the program.
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
        for op, after in zip(test.program, triggers, strict=True):
            calls.do(op)
            for trigger in after:
                calls.pull(trigger)
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

    def pull(self, trigger: Trigger) -> None:
        """Have something written back."""
        match trigger.kind:
            case TriggerKind.COMMIT:
                os.pwrite(self._unrelated, b"x", os.fstat(self._unrelated).st_size)
                os.fsync(self._unrelated)
            case TriggerKind.SYNC_ALL:
                sync_filesystem(self._folder)
            case TriggerKind.WAIT:
                time.sleep(_WAIT_S)
            case TriggerKind.SYNC_FOLDER:
                folders = [
                    self._folder,
                    *(each for each in self._folder.iterdir() if each.is_dir()),
                ]
                _sync_folder(sorted(folders)[trigger.number % len(folders)])
            case TriggerKind.WRITE_OUT | TriggerKind.SYNC_FILE if self._files:
                files = list(self._files.values())
                file = files[trigger.number % len(files)]
                if trigger.kind is TriggerKind.SYNC_FILE:
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
