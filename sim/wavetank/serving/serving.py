"""`serve_checks`: a check in Python as a persistent checker, each image in a fork of its own."""

from __future__ import annotations

import gc
import os
import select
import signal
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, NoReturn, TypeAlias

from wavetank.serving.leftovers import begin_alone, kill_descendants

__all__ = ["serve_checks"]

_DirectoryCheck: TypeAlias = Callable[[Path, list[str]], object]
_LOOK_S: Final = 0.25
"""Seconds between two looks at whether a process that says nothing still lives."""
_CHUNK: Final = 1 << 16


def serve_checks(check: _DirectoryCheck) -> None:
    """Answer the requests of `wavetank trace --checker persistent` until there are none.

    Each image is checked in a fork, so that what the check caches, opens or starts for one image is
    gone before the next. Modules that it needs are imported once, before. What it prints goes to
    standard error. Who calls this should import little: a fork costs by the memory of its process.

    Args:
        check: called with the directory of an image and the tokens that had been acknowledged; may
            be a coroutine function. To be content, it returns None; else it returns a sentence, or
            raises. If it is asked what it sees (``--observe``), the `repr` of what it returns is
            that.

    A whole checker::

        from wavetank.serving import serve_checks

        def check(directory, acked):
            found = (directory / "log").read_text().split()
            return None if found[: len(acked)] == acked else f"{acked} became {found}"

        serve_checks(check)
    """
    requests, answers = _our_own_streams()
    # A collection in a fork would write to every object, and so copy the memory of this process.
    gc.collect()
    gc.freeze()
    with requests, answers:
        for line in requests:
            answers.write(_forked(check, line) + b"\n")
            answers.flush()


def _our_own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Take requests and answers away from what a check reads and prints."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _forked(check: _DirectoryCheck, line: bytes) -> bytes:
    """Return the answer to a request, from a process of its own, or how that ended without one."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ours)
        _live(check, line, theirs)
    os.close(theirs)
    told = _all_of(ours, pid)
    os.close(ours)
    # Until it has been waited for, nobody else can get its number.
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return told or f"bad the check {_how(os.waitstatus_to_exitcode(status))}".encode()


def _all_of(pipe: int, pid: int) -> bytes:
    """Read what a process says until it ends; what it has started may hold the pipe longer."""
    parts = []
    has_ended = False
    while True:
        if select.select([pipe], [], [], 0.0 if has_ended else _LOOK_S)[0]:
            parts.append(os.read(pipe, _CHUNK))
            if not parts[-1]:
                break
        elif has_ended:
            break
        else:
            # It may have spoken since; what a process wrote can still be read after its end.
            has_ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    return b"".join(parts)


def _how(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with status {code} by itself (os._exit)"


def _live(check: _DirectoryCheck, line: bytes, pipe: int) -> NoReturn:
    """Be the process of one image, and end without any clean-up."""
    status = 1
    try:
        gc.disable()
        begin_alone()
        told = memoryview(_answer(check, line).encode("utf-8", "backslashreplace"))
        kill_descendants()
        while told:
            told = told[os.write(pipe, told) :]
        status = 0
    finally:
        os._exit(status)


def _answer(check: _DirectoryCheck, line: bytes) -> str:
    """Return the answer to a request, as one line."""
    try:
        word, directory, acked, _count = os.fsdecode(line).split()
        tokens = Path(acked).read_text("utf-8", "surrogateescape").split("\n")[:-1]
    except (OSError, ValueError):
        return f"error expected 'check DIRECTORY ACKED COUNT' but got {line!r}"
    try:
        value = _called(check, Path(directory), tokens)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises is its answer
        traceback.print_exception(error)
        sentence = f"{type(error).__name__}: {error}".rstrip(": ")
        kind = "error" if _is_misspelt(error, check) else "bad"
        told = f"{kind} {sentence} ({_place(error)})"
    else:
        told = f"ok {value!r}" if word == "observe" else _verdict(value)
    return " ".join(told.splitlines())


def _called(check: _DirectoryCheck, directory: Path, tokens: list[str]) -> object:
    """Call a check to its end; an exit without an error status counts as one."""
    try:
        value = check(directory, tokens)
        if isinstance(value, Coroutine):
            import asyncio  # noqa: PLC0415 - most checks do without its memory

            return asyncio.run(value)
    except SystemExit as exit_:
        if exit_.code:
            raise
        return None
    return value


def _verdict(value: object) -> str:
    if value is None:
        return "ok"
    if isinstance(value, str) and value.strip():
        return f"bad {value}"
    return f"error expected None or a sentence but the check returned {value!r}"


def _is_misspelt(error: BaseException, check: object) -> bool:
    """Whether the check itself names what does not exist, on a line of its own."""
    last = list(traceback.walk_tb(error.__traceback__))[-1][0].f_code
    code = getattr(check, "__code__", None)
    return isinstance(error, (NameError, ImportError)) and last is code


def _place(error: BaseException) -> str:
    """Return the innermost line that does not belong to Python's own library."""
    library = traceback.__file__.rpartition("/")[0]
    places = [
        f"{each.filename.rpartition('/')[2]}:{each.lineno} in {each.name}"
        for each in traceback.extract_tb(error.__traceback__)
        if not each.filename.startswith("<frozen")
        and (not each.filename.startswith(library) or "site-packages" in each.filename)
    ]
    return places[-1]
