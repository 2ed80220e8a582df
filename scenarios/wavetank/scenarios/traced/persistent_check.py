"""A check that stays: one process per worker, asked line by line (docs/checker-protocol.md).

A process may remember what it should not. So whoever dies without an answer is asked once more as a
new process: what counts is what that says.
"""

from __future__ import annotations

import fcntl
import os  # noqa: TID251 - somebody else's program runs on the real machine
import selectors
import shlex
import subprocess
import tempfile
import time  # noqa: TID251 - how long a check may take is real time
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Self

from wavetank.scenarios.code.asking.answers import Answer
from wavetank.scenarios.code.errors import CheckError
from wavetank.scenarios.traced.benches import Place
from wavetank.scenarios.traced.check_command import (
    CommandError,
    failed,
    has_ended,
    kill_all_of,
    last_line,
    marked_environment,
    require_program,
    told_signal,
)

__all__ = ["PersistentCheck"]

_MOST_ANSWER: Final = 1 << 20
_CHUNK: Final = 1 << 16
_SHOWN: Final = 100
_GRACE_S: Final = 5.0
"""A process that closes its output is about to end."""
_NOT_RUN: Final = (126, 127)


class PersistentCheck:
    """A command that checks one image after the other; a context, which ends its processes.

    Args:
        words: program and arguments; there are no places in them, since each request names the
            directory.
        is_observed: whether it is asked what it sees, and not whether it is content.
    """

    def __init__(self, words: tuple[str, ...], *, is_observed: bool = False) -> None:
        self._words = words
        self._is_observed = is_observed
        self._free: SimpleQueue[_Server] = SimpleQueue()

    @classmethod
    def of(cls, text: str, *, is_observed: bool = False) -> PersistentCheck:
        """Return a check as its command is written in one line.

        Args:
            text: words, split as a shell splits them; no shell runs it.
            is_observed: see `PersistentCheck`.

        Raises:
            CommandError: it is none, or has places.
        """
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            told = str(error).lower()
            raise CommandError(f"expected a command but {text!r} has {told}") from error
        for field in ("{dir}", "{acked}", "{count}"):
            if field in text:
                raise CommandError(
                    f"expected a persistent checker without {field} but got {text!r}; it reads "
                    f"the directory of each image from its standard input"
                )
        require_program(words, text)
        return cls(words, is_observed=is_observed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(Empty):
            while True:
                self._free.get_nowait().end()

    def run(self, place: Place, limit_s: float) -> Answer:
        """Ask one of the processes about an image.

        Args:
            place: where the image stands.
            limit_s: real seconds after which that process is killed.

        Raises:
            CheckError: there is no such program, or it does not keep to the protocol.
        """
        request = self._request(place)
        with suppress(Empty):
            used = self._free.get_nowait()
            answer = self._asked(used, request, limit_s)
            if answer is not None:
                return answer
        new = _Server(self._words)
        answer = self._asked(new, request, limit_s)
        if answer is not None:
            return answer
        told = new.told_end()
        return failed(told) if self._is_observed else Answer(value=told)

    def _request(self, place: Place) -> bytes:
        word = "observe" if self._is_observed else "check"
        paths = [os.fsencode(each) for each in (place.directory, place.acked)]
        for path in paths:
            if path.split() != [path]:
                raise CheckError(
                    f"check: expected a path without white space for a persistent checker but got "
                    f"{os.fsdecode(path)!r}; use a check command with {{dir}}"
                )
        return b" ".join([word.encode(), *paths, b"%d\n" % place.count])

    def _asked(self, server: _Server, request: bytes, limit_s: float) -> Answer | None:
        """Return what a process answers; None if it ends without one."""
        is_kept = False
        try:
            line = server.ask(request, limit_s)
            if line is None:
                server.wait()
                return None
            answer = self._read(line)
            is_kept = True
        except TimeoutError:
            return Answer(is_slow=True)
        else:
            return answer
        finally:
            if is_kept:
                self._free.put(server)
            else:
                server.end()

    def _read(self, line: bytes) -> Answer:
        text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        if word == "ok" and (self._is_observed or not rest):
            return Answer(value=rest) if self._is_observed else Answer()
        if word == "bad" and rest and not self._is_observed:
            return Answer(value=rest)
        if word == "error":
            raise CheckError(f"check: {rest or 'the checker says that it cannot check'}")
        expected = "'ok VALUE'" if self._is_observed else "'ok' or 'bad SENTENCE'"
        raise CheckError(
            f"check: expected the answer {expected} from the persistent checker but got "
            f"{text[:_SHOWN]!r}; what else it prints must go to its standard error"
        )


class _Server:
    """One process of a persistent check."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        # After it was emptied, it begins at its beginning.
        fcntl.fcntl(self._errors, fcntl.F_SETFL, os.O_APPEND)
        self._mark, environment = marked_environment()
        self._process = _started(words, environment, self._errors.fileno())
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input: Final = self._process.stdin.fileno()
        self._output: Final = self._process.stdout.fileno()
        self._has_ended = False
        self._last_words = ""
        self._rest = b""

    def ask(self, request: bytes, limit_s: float) -> bytes | None:
        """Return the line that answers a request; None if the process ends without one.

        Raises:
            TimeoutError: it does not come in time.
            CheckError: there is more than that line.
        """
        try:
            os.write(self._input, request)
        except BrokenPipeError:
            return None
        line = self._line(time.monotonic() + limit_s)
        if line is not None:
            # What it has to say of images that it has answered for is of no use.
            os.ftruncate(self._errors.fileno(), 0)
        if line is not None and self._rest:
            raise CheckError(
                f"check: expected one line for an image from the persistent checker but after "
                f"{line[:_SHOWN]!r} came {self._rest[:_SHOWN]!r}"
            )
        return line

    def _line(self, deadline: float) -> bytes | None:
        found = self._rest
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            while b"\n" not in found:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                part = os.read(self._output, _CHUNK)
                if not part:
                    return None
                found += part
                if len(found) > _MOST_ANSWER:
                    raise CheckError(
                        f"check: expected a line of at most {_MOST_ANSWER} bytes from the "
                        f"persistent checker but got {found[:_SHOWN]!r}..."
                    )
        line, _, self._rest = found.partition(b"\n")
        return line

    def wait(self) -> None:
        """Take note of how the process ends by itself."""
        self._has_ended = has_ended(self._process, _GRACE_S)

    def end(self) -> None:
        """Kill the process and all that it has left running."""
        if self._errors.closed:
            return
        kill_all_of(self._process, self._mark)
        self._last_words = last_line(self._errors)
        self._errors.close()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def told_end(self) -> str:
        """Return how the process ended, as a complaint.

        Raises:
            CheckError: there is no such program.
        """
        last_words = f": {self._last_words}" if self._last_words else ""
        code = self._process.returncode
        if not self._has_ended:
            return f"the check closed its output without an answer{last_words}"
        if code in _NOT_RUN:
            raise CheckError(
                f"check: expected a program that runs but exit code {code}{last_words}"
            )
        if code < 0:
            return f"the check died of {told_signal(-code)}"
        return f"the check exited with code {code} without an answer{last_words}"


def _started(
    words: tuple[str, ...], environment: Mapping[str, str], errors: int
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - the user's own command
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        raise CheckError(f"check: expected a program that runs but {error}") from error
