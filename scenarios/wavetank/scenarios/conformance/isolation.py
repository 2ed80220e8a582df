"""Checks run in a process of their own, so that a store may do whatever it likes.

A store that hangs is stopped, one that ends the process costs the check that was running, and what
it prints goes into a note: the next check runs in any case. The process is a fork, so that a store
need not be importable by name.
"""

from __future__ import annotations

import multiprocessing
import os  # noqa: TID251 - the standard streams and the working directory of the forked process
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

from attrs import evolve

from wavetank.scenarios.conformance.check import Check
from wavetank.scenarios.conformance.resource_snapshot import census
from wavetank.scenarios.conformance.scorecard import CheckResult, Outcome

__all__ = ["Ask", "Asking", "run_here", "run_isolated"]

_TOLD_BYTES: Final = 200
_ENDING_S: Final = 5.0

Ask = Callable[[Check], CheckResult]
"""Runs one check and tells what came of it; it never raises for what a store does."""

Asking = Callable[[], AbstractContextManager[Ask]]
"""Makes ready for checks in the process that calls it, and cleans up after them."""


def run_isolated(checks: Sequence[Check], asking: Asking, limit_s: float) -> Iterator[CheckResult]:
    """Run checks one after the other in forked processes, as few as can be.

    Args:
        checks: in this order.
        asking: entered in each fork; what it gives may remember what it likes for the next check.
        limit_s: seconds of real time after which a check counts as hanging.
    """
    left = list(checks)
    while left:
        reason = ""
        with _forked(left, asking) as (connection, process):
            while left and not reason:
                try:
                    if connection.poll(limit_s):
                        yield connection.recv()
                        left.pop(0)
                        continue
                    process.kill()
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


def run_here(checks: Sequence[Check], asking: Asking) -> Iterator[CheckResult]:
    """Run checks in this process, where a debugger can follow."""
    with asking() as ask:
        for check in checks:
            yield ask(check)


@contextmanager
def _forked(checks: Sequence[Check], asking: Asking) -> Iterator[tuple[Connection, BaseProcess]]:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(tuple(checks), asking, sender), daemon=True)
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
        if process.is_alive():
            process.kill()
            process.join()


def _work(checks: tuple[Check, ...], asking: Asking, sender: Connection) -> None:
    with (
        TemporaryFile() as printed,
        os.fdopen(printed.fileno(), "w", buffering=1, closefd=False) as text,
        redirect_stdout(text),
        redirect_stderr(text),
        asking() as ask,
    ):
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        before = census()
        told = 0
        for check in checks:
            result = ask(check)
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
    """Return a note on what was printed since, and how much was printed in all."""
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
