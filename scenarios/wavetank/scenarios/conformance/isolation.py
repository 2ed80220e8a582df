"""Checks run in a process of their own, so that a store may do whatever it likes.

A store that hangs is stopped, one that ends the process costs the check that was running, and what
it prints goes into a note: the next check runs in any case. The process is a fork, so that a store
need not be importable by name. `resource_snapshot` says what a process holds, so that what a store
leaves behind can be told.
"""

from __future__ import annotations

import multiprocessing
import os  # noqa: TID251 - the forked process itself: its streams, descriptors and directory
import signal
import threading  # noqa: TID251 - counts threads and makes none
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    contextmanager,
    redirect_stderr,
    redirect_stdout,
)
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from tempfile import TemporaryFile
from typing import IO, Final

from attrs import evolve, frozen

from wavetank.scenarios.conformance.check import Check, CheckResult, Outcome

__all__ = [
    "CheckSession",
    "ResourceSnapshot",
    "RunCheck",
    "resource_snapshot",
    "run_here",
    "run_isolated",
]

_DESCRIPTORS: Final = "/proc/self/fd"
_TOLD_BYTES: Final = 200
_ENDING_S: Final = 5.0
_INTERRUPTED_S: Final = 1.0

RunCheck = Callable[[Check], CheckResult]
"""Runs one check and tells what came of it; it never raises for what a store does."""

CheckSession = Callable[[], AbstractContextManager[RunCheck]]
"""Makes ready for checks in the process that calls it, and cleans up after them."""


def run_isolated(
    checks: Sequence[Check], session: CheckSession, limit_s: float
) -> Iterator[CheckResult]:
    """Run checks one after the other in forked processes, as few as can be.

    Args:
        checks: in this order.
        session: entered in each fork; what it gives may remember what it likes for the next check.
        limit_s: seconds of real time after which a check counts as hanging.
    """
    left = list(checks)
    while left:
        reason = ""
        with _forked(left, session) as (connection, process):
            while left and not reason:
                try:
                    if connection.poll(limit_s):
                        yield connection.recv()
                        left.pop(0)
                        continue
                    _stop(process)
                    reason = f"did not end within {limit_s:g} s: stopped"
                except EOFError:
                    process.join(_ENDING_S)
                    reason = f"the store ended the process with exit code {process.exitcode}"
        if reason:
            lost = left.pop(0)
            yield _lost(lost, reason)
            # What they share would end them in the same way, one after the other.
            while lost.shares and left and left[0].shares and left[0].group == lost.group:
                yield _lost(left.pop(0), f"not asked, since {lost.id} {reason}")


def run_here(checks: Sequence[Check], session: CheckSession) -> Iterator[CheckResult]:
    """Run checks in this process, where a debugger can follow."""
    with session() as run:
        for check in checks:
            yield run(check)


@contextmanager
def _forked(
    checks: Sequence[Check], session: CheckSession
) -> Iterator[tuple[Connection, BaseProcess]]:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(tuple(checks), session, sender), daemon=True)
    with warnings.catch_warnings():
        # The fork runs nothing that another thread of this process may hold a lock of.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    sender.close()
    try:
        yield receiver, process
    finally:
        receiver.close()
        process.join(_ENDING_S)
        _stop(process)


def _stop(process: BaseProcess) -> None:
    """Interrupt a process, so that it ends what it has started, and kill it if it does not."""
    if process.is_alive():
        process.terminate()
        process.join(_INTERRUPTED_S)
    if process.is_alive():
        process.kill()
        process.join()


def _work(checks: tuple[Check, ...], session: CheckSession, sender: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        TemporaryFile() as printed,
        os.fdopen(printed.fileno(), "w", buffering=1, closefd=False) as text,
        redirect_stdout(text),
        redirect_stderr(text),
        session() as run,
    ):
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        before = resource_snapshot()
        told = 0
        for check in checks:
            result = run(check)
            notes, told = _notes(printed, told)
            result = evolve(result, notes=(*result.notes, *notes))
            if os.getcwd() != before.directory:  # noqa: PTH109 - a string to compare
                os.chdir(before.directory)
                result = _moved(result)
            sender.send(result)
    sender.close()
    # Threads that a store has left would keep the process from ending.
    os._exit(0)


def _notes(printed: IO[bytes], told: int) -> tuple[tuple[str, ...], int]:
    """Return a note on what was printed behind the first `told` bytes, and the size of all."""
    size = os.fstat(printed.fileno()).st_size
    if size <= told:
        return (), told
    text = os.pread(printed.fileno(), _TOLD_BYTES, told).decode(errors="replace").strip()
    return (f"printed {size - told} bytes: {text!r}",), size


def _moved(result: CheckResult) -> CheckResult:
    reason = "the store changed the working directory of the process"
    reason = f"{result.reason}; {reason}" if result.reason else reason
    return evolve(result, outcome=Outcome.FAIL, reason=reason)


def _lost(check: Check, reason: str) -> CheckResult:
    return CheckResult(name=check.name, group=check.group, outcome=Outcome.FAIL, reason=reason)


@frozen(kw_only=True)
class ResourceSnapshot:
    """What a process held at one moment.

    Attributes:
        threads: its threads; their numbers are given out again when they end.
        descriptors: what its open descriptors stand for, by number; empty where nobody can tell.
        directory: its working directory.
    """

    threads: frozenset[threading.Thread]
    descriptors: frozenset[tuple[int, str]]
    directory: str

    def more_than_before(self) -> str:
        """Return in words what the process holds now beyond this; "" for nothing."""
        now = resource_snapshot()
        names = sorted(each.name for each in now.threads - self.threads)
        words = [f"thread {name}" for name in names]
        words += [f"descriptor of {path}" for _, path in sorted(now.descriptors - self.descriptors)]
        return ", ".join(words)


def resource_snapshot() -> ResourceSnapshot:
    """Return what this process holds now."""
    return ResourceSnapshot(
        threads=frozenset(each for each in threading.enumerate() if each.is_alive()),
        descriptors=frozenset(_descriptors()),
        directory=os.getcwd(),  # noqa: PTH109 - a string to compare
    )


def _descriptors() -> list[tuple[int, str]]:
    found = []
    if os.path.isdir(_DESCRIPTORS):  # noqa: PTH112 - beside the listing below
        for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - as above
            try:
                found.append((int(name), os.readlink(f"{_DESCRIPTORS}/{name}")))  # noqa: PTH115
            except OSError:
                continue
    return found
