"""A check that is a command, such as ``python check.py {dir} {acked}``, in a process of its own.

What the process leaves running is killed with it. Its exit code and its last line are the verdict.
"""

from __future__ import annotations

import os  # noqa: TID251 - somebody else's program runs on the real machine
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from attrs import frozen

from wavetank.scenarios.code.answers import Answer
from wavetank.scenarios.code.errors import CheckError

__all__ = ["CheckCommand", "CommandError", "Place", "kill_group", "told_signal"]

_FIELD: Final = re.compile(r"\{([a-z]*)\}")
_FIELDS: Final = ("dir", "acked", "count")
_SHELL: Final = re.compile(r"[|&;<>()$`*?]|^[A-Za-z_]\w*=")
_NOT_RUN: Final = (126, 127)
_MOST_OUTPUT: Final = 1 << 20
_LINE: Final = 300
_TRACEBACK: Final = "Traceback (most recent call last)"


class CommandError(ValueError):
    """A command that cannot be run; the message says what was expected."""


@frozen(kw_only=True)
class Place:
    """Where an image stands for one run of a check.

    Attributes:
        directory: what the image has of the traced directory.
        acked: a file with what had been acknowledged, a token a line.
        count: how many tokens those are.
    """

    directory: Path
    acked: Path
    count: int


@frozen
class CheckCommand:
    """A command with places for the directory and for what had been acknowledged.

    Attributes:
        words: program and arguments; ``{dir}``, ``{acked}`` and ``{count}`` stand for what changes.
        is_observed: whether what it prints is the answer, and not whether it is content.

    >>> CheckCommand.of("python check.py {dir} {count}").words
    ('python', 'check.py', '{dir}', '{count}')
    """

    words: tuple[str, ...]
    is_observed: bool = False

    @classmethod
    def of(cls, text: str, *, is_observed: bool = False) -> CheckCommand:
        """Return a command as it is written in one line.

        Args:
            text: words, split as a shell splits them; no shell runs it.
            is_observed: see `CheckCommand`.

        Raises:
            CommandError: it is none, has no ``{dir}`` or an unknown place, or needs a shell.
        """
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise CommandError(f"expected a command but {text!r} has {error}".lower()) from error
        if not words:
            raise CommandError("expected a command but got an empty text")
        unknown = [each for each in _FIELD.findall(text) if each not in _FIELDS]
        if unknown:
            raise CommandError(
                f"expected {{dir}}, {{acked}} or {{count}} but got {{{unknown[0]}}} in {text!r}"
            )
        if "{dir}" not in text:
            raise CommandError(
                f"expected {{dir}} in {text!r}, which stands for the directory to check"
            )
        is_shell = Path(words[0]).name in {"sh", "bash", "dash", "zsh"}
        if not is_shell and any(_SHELL.search(each) for each in words[:1] + _operators(words)):
            raise CommandError(
                f"expected a command without a shell but got {text!r}; write sh -c '...' around it"
            )
        if shutil.which(words[0]) is None:
            raise CommandError(f"expected a program that is installed but got {words[0]!r}")
        return cls(words, is_observed)

    def run(self, place: Place, limit_s: float) -> Answer:
        """Run the command on an image.

        Args:
            place: where the image stands.
            limit_s: real seconds after which it is killed.

        Raises:
            CheckError: it cannot be run at all.
        """
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(  # noqa: S603 - the user's own command
                    self._filled(place),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    start_new_session=True,
                )
            except OSError as error:
                raise CheckError(f"check: expected a program that runs but {error}") from error
            try:
                code = process.wait(limit_s)
            except subprocess.TimeoutExpired:
                return Answer(is_slow=True)
            finally:
                kill_group(process)
            return self._answer(code, output, errors)

    def _filled(self, place: Place) -> list[str]:
        values = {"dir": str(place.directory), "acked": str(place.acked), "count": str(place.count)}
        return [_FIELD.sub(lambda found: values[found[1]], each) for each in self.words]

    def _answer(self, code: int, output: IO[bytes], errors: IO[bytes]) -> Answer:
        if code in _NOT_RUN:
            told = _last_line(errors) or _last_line(output)
            raise CheckError(f"check: expected a program that runs but exit code {code}: {told}")
        if self.is_observed and code == 0:
            return Answer(value=_text(output))
        if code == 0:
            return Answer()
        if code < 0:
            return Answer(value=f"the check died of {told_signal(-code)}")
        if _TRACEBACK in _text(errors):
            return Answer(value=_last_line(errors))
        told = _last_line(output) or _last_line(errors)
        return Answer(value=told or f"the check exited with code {code}")


def _operators(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words that only a shell would understand."""
    return tuple(each for each in words if re.fullmatch(r"[|&;<>]+|\d?>+.*|<.*", each))


def _text(output: IO[bytes]) -> str:
    end = output.seek(0, os.SEEK_END)
    output.seek(max(0, end - _MOST_OUTPUT))
    return output.read().decode("utf-8", "backslashreplace")


def _last_line(output: IO[bytes]) -> str:
    lines = [line.strip() for line in _text(output).splitlines() if line.strip()]
    return lines[-1][:_LINE] if lines else ""


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it has left running in its session."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def told_signal(number: int) -> str:
    """Return a signal's name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
