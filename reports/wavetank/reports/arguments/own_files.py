"""What may be a name or a file of one's own: which of them it is, and how the file is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from wavetank.scenarios import Scenario, ScenarioFileError, scenario_from_toml

__all__ = ["is_own_file", "read_own_file", "read_scenario"]

_SCENARIO_BYTES: Final = 1 << 20


def is_own_file(value: str) -> bool:
    """Whether a value is a file and no name.

    >>> [is_own_file(value) for value in ("posix", "mine.toml", "./mine")]
    [False, True, True]
    """
    return value.endswith(".toml") or "/" in value


def read_own_file(path: str, failure: Callable[[str], Exception], *, bytes_at_most: int) -> str:
    """Return the text of a file.

    Args:
        path: as it was typed.
        failure: makes the error of a message.
        bytes_at_most: no file is larger.

    Raises:
        Exception: the file cannot be read, or is too large; it is `failure`'s.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(bytes_at_most + 1)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        raise failure(f"{path}: expected a readable file in UTF-8, got {error}") from error
    if len(content) > bytes_at_most:
        raise failure(f"{path}: expected at most {bytes_at_most} bytes, got more")
    return text


def read_scenario(path: str) -> Scenario:
    """Return the scenario in a file; one without a name gets the file's.

    Raises:
        ScenarioFileError: the file cannot be read, or is no scenario.
    """
    text = read_own_file(
        path,
        lambda message: ScenarioFileError(message, file=path),
        bytes_at_most=_SCENARIO_BYTES,
    )
    return scenario_from_toml(text, file=path, name=Path(path).stem)
