"""A check that is a command, such as ``python check.py {dir} {acked}``, in a process of its own.

What the process leaves running is killed with it. Its exit code and its last line are the verdict.
"""

from __future__ import annotations

import os  # noqa: TID251 - somebody else's program runs on the real machine
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from typing import IO, Final

from attrs import frozen

from wavetank.scenarios.code.asking.answers import Answer, Raised
from wavetank.scenarios.code.errors import CheckError
from wavetank.scenarios.traced.benches import Place
from wavetank.sim.python_files import kill_marked

__all__ = [
    "CheckCommand",
    "CommandError",
    "failed",
    "has_ended",
    "kill_all_marked",
    "kill_all_of",
    "kill_running_checks",
    "last_line",
    "marked_environment",
    "require_program",
    "told_signal",
]

_FIELD: Final = re.compile(r"\{([a-z]+)\}")
_FIELDS: Final = ("dir", "acked", "count")
_QUOTED: Final = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.""", re.DOTALL)
_SHELL: Final = re.compile(r"[|&;<>()$`*?]|^\s*[A-Za-z_]\w*=")
_MARK: Final = "WAVETANK_CHECK"
"""A variable by which all is found that a check has started, whatever session it has moved to."""
_RUN: Final = "WAVETANK_CHECKED_BY"
_MARK_BYTES: Final = 8
_NOT_RUN: Final = (126, 127)
_MOST_OUTPUT: Final = 1 << 20
_LINE: Final = 300
_TRACEBACK: Final = "Traceback (most recent call last)"


class CommandError(ValueError):
    """A command that cannot be run; the message says what was expected."""


@frozen
class CheckCommand:
    """A command with places for the directory and for what had been acknowledged.

    Attributes:
        words: program and arguments; ``{dir}``, ``{acked}`` and ``{count}`` stand for what changes.
        is_observed: whether what it prints is the answer, and not whether it is content.
        name: what it is called in complaints.

    >>> CheckCommand.of("python check.py {dir} {count}").words
    ('python', 'check.py', '{dir}', '{count}')
    """

    words: tuple[str, ...]
    is_observed: bool = False
    name: str = "check"

    @classmethod
    def of(cls, text: str, *, is_observed: bool = False, name: str = "check") -> CheckCommand:
        """Return a command as it is written in one line.

        Args:
            text: words, split as a shell splits them; no shell runs it.
            is_observed: see `CheckCommand`.
            name: likewise.

        Raises:
            CommandError: it is none, has no ``{dir}`` or an unknown place, or needs a shell.
        """
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            told = str(error).lower()
            raise CommandError(f"expected a command but {text!r} has {told}") from error
        require_program(words, text)
        unknown = [each for each in _FIELD.findall(text) if each not in _FIELDS]
        if unknown:
            raise CommandError(
                f"expected {{dir}}, {{acked}} or {{count}} but got {{{unknown[0]}}} in {text!r}"
            )
        if "{dir}" not in text:
            raise CommandError(
                f"expected {{dir}} in {text!r}, which stands for the directory to check"
            )
        return cls(words, is_observed, name)

    def run(self, place: Place, limit_s: float) -> Answer:
        """Run the command on an image.

        Args:
            place: where the image stands.
            limit_s: real seconds after which it is killed.

        Raises:
            CheckError: it cannot be run at all.
        """
        mark, environment = marked_environment()
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(  # noqa: S603 - the user's own command
                    self.filled(place),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise CheckError(
                    f"{self.name}: expected a program that runs but {error}"
                ) from error
            try:
                is_slow = not has_ended(process, limit_s)
            finally:
                kill_all_of(process, mark)
            if is_slow:
                return Answer(is_slow=True)
            return self._answer(process.returncode, output, errors)

    def filled(self, place: Place) -> tuple[str, ...]:
        """Return the words of the command for an image."""
        values = {"dir": str(place.directory), "acked": str(place.acked), "count": str(place.count)}
        return tuple(_FIELD.sub(lambda found: values[found[1]], each) for each in self.words)

    def _answer(self, code: int, output: IO[bytes], errors: IO[bytes]) -> Answer:
        if code in _NOT_RUN:
            told = last_line(errors) or last_line(output)
            raise CheckError(
                f"{self.name}: expected a program that runs but exit code {code}: {told}"
            )
        if code == 0:
            return Answer(value=_text(output) if self.is_observed else None)
        told = self._complaint(code, output, errors)
        return failed(told) if self.is_observed else Answer(value=told)

    def _complaint(self, code: int, output: IO[bytes], errors: IO[bytes]) -> str:
        if code < 0:
            return f"the {self.name} died of {told_signal(-code)}"
        if _TRACEBACK in _text(errors):
            return last_line(errors)
        told = last_line(output) or last_line(errors)
        return told or f"the {self.name} exited with code {code}"


def failed(sentence: str) -> Answer:
    """Return the answer of what was to show something and failed instead."""
    return Answer(
        raised=Raised(sentence=sentence, place="", line="", traceback=sentence, is_misspelt=False)
    )


def require_program(words: tuple[str, ...], text: str) -> None:
    """Accept a command that can be run without a shell.

    Args:
        words: the command, split.
        text: the same as it was written.

    Raises:
        CommandError: it is empty, needs a shell, or is not installed.
    """
    if not words:
        raise CommandError("expected a command but got an empty text")
    found = _SHELL.search(_QUOTED.sub("", text))
    if found:
        raise CommandError(
            f"expected a command without a shell but got {found[0].strip()!r} in {text!r}; write "
            f"sh -c '...' around it, or quotes around what is meant literally"
        )
    if shutil.which(words[0]) is None:
        raise CommandError(f"expected a program that is installed but got {words[0]!r}")


def _text(output: IO[bytes]) -> str:
    end = output.seek(0, os.SEEK_END)
    output.seek(max(0, end - _MOST_OUTPUT))
    return output.read().decode("utf-8", "backslashreplace")


def last_line(output: IO[bytes]) -> str:
    """Return the last line of a file that is not empty, cut to what fits a report."""
    lines = [line.strip() for line in _text(output).splitlines() if line.strip()]
    return lines[-1][:_LINE] if lines else ""


def marked_environment() -> tuple[str, dict[str, str]]:
    """Return a mark, and the environment of a process whose descendants are found by it."""
    # Several runs of wavetank may check at once; no result depends on it.
    mark = os.urandom(_MARK_BYTES).hex()
    return mark, {**os.environ, _MARK: mark, _RUN: str(os.getpid())}


def kill_all_marked(mark: str) -> None:
    """Kill all that was started with a mark, whatever session it has moved to."""
    kill_marked(_MARK, mark)


def kill_running_checks() -> None:
    """Kill all that checks of this process have started, so that nobody waits for their end."""
    kill_marked(_RUN, str(os.getpid()))


def has_ended(process: subprocess.Popen[bytes], limit_s: float) -> bool:
    """Wait for the end of a process, at most so many real seconds; leave it to be waited for.

    Its number stays its own, so that its group can be killed.
    """
    descriptor = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            return bool(selector.select(limit_s))
    finally:
        os.close(descriptor)


def kill_all_of(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill a process that nobody has waited for, and all that it has left running."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kill_all_marked(mark)


def told_signal(number: int) -> str:
    """Return a signal's name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
