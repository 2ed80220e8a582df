"""`serve_checks`: a check in Python as a persistent checker, each image in a fork of its own."""

from __future__ import annotations

import os  # noqa: TID251 - the other side of a pipe
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, TypeAlias

from wavetank.scenarios.code.asking.probe_ends import called, is_answer, raised_by
from wavetank.scenarios.code.errors import CheckError
from wavetank.sim.python_files import Died, Forks, Hung

__all__ = ["serve_checks"]


_DirectoryCheck: TypeAlias = Callable[[Path, list[str]], object]


def serve_checks(check: _DirectoryCheck) -> None:
    """Answer the requests of `wavetank trace --checker persistent` until there are none.

    Each image is checked in a fork, so that what the check caches, opens or starts for one image is
    gone before the next. Modules that it needs are imported once, before. What it prints goes to
    standard error.

    Args:
        check: called with the directory of an image and the tokens that had been acknowledged.
            To be content, it returns None; else it returns a sentence, or raises. If it is asked
            what it sees (``--observe``), the `repr` of what it returns is that.

    A whole checker::

        from wavetank.scenarios import serve_checks

        def check(directory, acked):
            found = (directory / "log").read_text().split()
            return None if found[: len(acked)] == acked else f"{acked} became {found}"

        serve_checks(check)
    """
    requests, answers = _our_own_streams()
    forks = Forks(1, alone=True)
    with requests, answers:
        for line in requests:
            answer = next(iter(forks.run([partial(_answer, check, line)], None)))
            if isinstance(answer, Died):
                answer = f"bad the check {answer.how}"
            elif isinstance(answer, Hung):
                answer = "bad the check waits for ever"
            answers.write(answer.encode("utf-8", "backslashreplace") + b"\n")
            answers.flush()


def _our_own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Take requests and answers away from what a check reads and prints."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _answer(check: _DirectoryCheck, line: bytes) -> str:
    """Be the process of one image: return the answer to a request."""
    try:
        word, directory, acked, _count = os.fsdecode(line).split()
        tokens = Path(acked).read_text("utf-8", "surrogateescape").split("\n")[:-1]
    except (OSError, ValueError):
        return f"error expected 'check DIRECTORY ACKED COUNT' but got {line!r}"
    try:
        value = called("check", partial(check, Path(directory), tokens))
    except CheckError as error:
        return _line(f"error {error}")
    except BaseException as error:
        if not is_answer(error):
            raise
        raised = raised_by(error, check, "check")
        kind = "error" if raised.is_misspelt else "bad"
        traceback.print_exception(error)
        return _line(f"{kind} {raised.sentence} ({raised.place})")
    return _line(f"ok {value!r}" if word == "observe" else _verdict(value))


def _verdict(value: object) -> str:
    if value is None:
        return "ok"
    if isinstance(value, str) and value.strip():
        return f"bad {value}"
    return f"error expected None or a sentence but the check returned {value!r}"


def _line(text: str) -> str:
    """Return a text as one line."""
    return " ".join(text.splitlines())
