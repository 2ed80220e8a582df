"""One driver as a child process: a line to it, a line back, and no way to hang or to stay behind.

The driver leads a process group of its own, which is killed with it: at `kill`, at `end`, and as
soon as an answer does not come or makes no sense. Whoever kills the process that runs the suite
leaves a driver whose standard input has ended.
"""

from __future__ import annotations

import os  # noqa: TID251 - a real process, its pipes and its group
import select
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final, Protocol

from wavetank.scenarios.stores.command.errors import (
    DriverAnswerError,
    DriverEndedError,
    DriverStartError,
    DriverTimeoutError,
)

__all__ = ["DriverProcess", "Witness"]

_CHUNK_BYTES: Final = 1 << 16
_REAPING_S: Final = 1.0
_SHOWN_BYTES: Final = 120
_TOLD_BYTES: Final = 300


class Witness(Protocol):
    """Sees what a driver does, beside its answers; a driver that nobody watches has none."""

    def prefix(self) -> Sequence[str]:
        """Return what is to be run with the driver's command behind it."""
        ...

    def started(self, answers: int) -> None:
        """The driver was started.

        Args:
            answers: number of the pipe that it answers on, as the system names it.
        """
        ...

    def fileno(self) -> int:
        """Return the descriptor on which something comes."""
        ...

    def take(self) -> bool:
        """Take what has come there, without waiting; False when nothing will come any more."""
        ...

    def has_seen(self, answered: int) -> bool:
        """Whether it has seen the driver write so many bytes of answers in all."""
        ...

    def closed(self) -> None:
        """The driver has ended by itself, and all that it did was taken."""
        ...

    def end(self) -> None:
        """The driver is gone; nothing more is taken."""
        ...


class DriverProcess:
    """A driver that runs.

    Args:
        command: the program and its arguments.
        limit_s: seconds of real time in which something must come, for each answer.
        root: the real directory that stands for ``/``; its path is cut out of what the driver says,
            so that one run says what the other says.
        witness: sees what it does.

    Raises:
        DriverStartError: there is no such program, or it may not be run.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        limit_s: float,
        root: str,
        witness: Witness | None = None,
    ) -> None:
        self._name = command[0]
        self._limit_s = limit_s
        self._root = root
        self._witness = witness
        self._told = TemporaryFile()  # noqa: SIM115 - closed with the process
        self._came = bytearray()
        self._answered = 0
        self._is_over = False
        self._end = ""
        prefix = () if witness is None else witness.prefix()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own command
                [*prefix, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._told,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._told.close()
            raise DriverStartError(
                f"expected a program that can be run but got {command[0]!r}: {_reason(error)}"
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests = self._process.stdin.fileno()
        self._answers = self._process.stdout.fileno()
        os.set_blocking(self._requests, False)
        if witness is not None:
            witness.started(os.fstat(self._answers).st_ino)

    @property
    def is_over(self) -> bool:
        """Whether it was killed or has ended."""
        return self._is_over

    def first_line(self) -> str:
        """Return the line that the driver writes when it has opened its store.

        Raises:
            DriverError: none came.
        """
        return self._exchange("start", b"")

    def ask(self, request: str) -> str:
        """Write a request and return the answer, both without line ends.

        Raises:
            DriverEndedError: the driver is gone; its last words on standard error are told.
            DriverTimeoutError: nothing came in time.
        """
        if self._is_over:
            why = f", since {self._end}" if self._end else ""
            raise DriverEndedError(
                f"{_verb(request)}: expected a driver that runs but it is gone{why}"
            )
        self._require_silence(_verb(request))
        return self._exchange(_verb(request), f"{request}\n".encode("ascii"))

    def end(self) -> None:
        """Wait until the driver has ended by itself, which must be soon, and leave nothing of it.

        Raises:
            DriverTimeoutError: it goes on.
            DriverEndedError: it ended with another code than 0.
        """
        if self._is_over:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._witness is not None:
            while self._witness.take():
                self._wait([self._witness.fileno()], [], "close")
        try:
            self._process.wait(self._limit_s)
        except subprocess.TimeoutExpired as error:
            raise self._late("close", "end behind its answer") from error
        if self._witness is not None:
            self._witness.closed()
        code = self._process.returncode
        said = self._last_words()
        self.kill()
        if code:
            raise DriverEndedError(
                f"close: expected {self._name} to end with exit code 0 but it was {code}{said}"
            )

    def kill(self) -> None:
        """Kill the driver and all that it has started; a second time does nothing."""
        if self._is_over:
            return
        self._is_over = True
        if self._witness is not None:
            self._kill_children()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._told):
            assert stream is not None
            stream.close()
        if self._witness is not None:
            self._witness.end()

    def _kill_children(self) -> None:
        """Kill what the witness's program has started, so that it can reap that and end.

        Killed together with it, the driver would be left to whoever inherits orphans, and a
        container may have nobody who reaps them.
        """
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        with suppress(OSError):
            for pid in children.read_text(encoding="ascii").split():
                os.kill(int(pid), signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAPING_S)

    def _require_silence(self, verb: str) -> None:
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        if not self._came and not any(event & select.POLLIN for _, event in poll.poll(0)):
            return
        came = bytes(self._came) or os.read(self._answers, _CHUNK_BYTES)
        said = self._without_root(came[:_SHOWN_BYTES].decode("utf-8", "replace"))
        self.kill()
        raise DriverAnswerError(
            f"{verb}: expected {self._name} to write one line for each request but before this one "
            f"it had written {said!r}, too"
        )

    def _exchange(self, verb: str, request: bytes) -> str:
        try:
            return self._line(verb, request)
        except BaseException as error:
            self._end = str(error)
            self.kill()
            raise

    def _line(self, verb: str, request: bytes) -> str:
        """Write a request and read an answer, whichever of them can go on."""
        left = memoryview(request)
        watching = [] if self._witness is None else [self._witness.fileno()]
        while True:
            end = self._came.find(b"\n")
            if end >= 0 and (self._witness is None or self._witness.has_seen(self._answered)):
                return self._taken(end)
            reading = [*watching, *([self._answers] if end < 0 else [])]
            if not reading:
                # The driver has ended behind its answer, and nobody has seen it write that.
                raise self._ended(verb)
            ready, writable = self._wait(reading, [self._requests] if left else [], verb)
            if writable:
                left = self._written(left)
            if self._answers in ready:
                self._read(verb)
            if ready & set(watching) and self._witness is not None and not self._witness.take():
                watching = []

    def _taken(self, end: int) -> str:
        text = bytes(self._came[:end]).decode("utf-8", "replace").removesuffix("\r")
        del self._came[: end + 1]
        return self._without_root(text) if text.startswith("error ") else text

    def _wait(self, reading: list[int], writing: list[int], verb: str) -> tuple[set[int], set[int]]:
        poll = select.poll()
        for descriptor in reading:
            poll.register(descriptor, select.POLLIN)
        for descriptor in writing:
            poll.register(descriptor, select.POLLOUT)
        ready = {descriptor for descriptor, _ in poll.poll(self._limit_s * 1000)}
        if not ready:
            raise self._late(verb, "answer")
        return ready.intersection(reading), ready.intersection(writing)

    def _written(self, left: memoryview) -> memoryview:
        try:
            return left[os.write(self._requests, left[:_CHUNK_BYTES]) :]
        except BlockingIOError:
            return left
        except BrokenPipeError:
            # What it said before it went tells more than this.
            return left[:0]

    def _read(self, verb: str) -> None:
        chunk = os.read(self._answers, _CHUNK_BYTES)
        if not chunk:
            raise self._ended(verb)
        self._came += chunk
        self._answered += len(chunk)

    def _ended(self, verb: str) -> DriverEndedError:
        try:
            code: object = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return DriverEndedError(
                f"{verb}: expected an answer of {self._name} but it closed its standard output"
            )
        return DriverEndedError(
            f"{verb}: expected an answer of {self._name} but it ended with exit code {code}"
            f"{self._last_words()}"
        )

    def _late(self, verb: str, act: str) -> DriverTimeoutError:
        said = self._last_words()
        self.kill()
        return DriverTimeoutError(
            f"{verb}: expected {self._name} to {act} within {self._limit_s:g} s but nothing came"
            f"{said}"
        )

    def _last_words(self) -> str:
        size = os.fstat(self._told.fileno()).st_size
        text = os.pread(self._told.fileno(), _TOLD_BYTES, max(0, size - _TOLD_BYTES))
        said = self._without_root(" ".join(text.decode("utf-8", "replace").split()))
        return f"; it had said: {said}" if said else ""

    def _without_root(self, text: str) -> str:
        return text.replace(self._root, "")


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _verb(request: str) -> str:
    return request.partition(" ")[0]
