"""Files with profiles of one's own: which values name them, and reading them.

Left out: what a file may say (`wavetank.sim.profile_from_toml`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from wavetank.sim import Profile, ProfileFileError, profile_from_toml

__all__ = ["is_profile_file", "read_profile"]

_BYTES_AT_MOST: Final = 1 << 16


def is_profile_file(value: str) -> bool:
    """Whether a value of ``--profile`` is a file and no name.

    >>> [is_profile_file(value) for value in ("posix", "mine.toml", "./mine")]
    [False, True, True]
    """
    return value.endswith(".toml") or "/" in value


def read_profile(path: str) -> Profile:
    """Return the profile in a file.

    Raises:
        ProfileFileError: the file cannot be read, or is no profile.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(_BYTES_AT_MOST + 1)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        message = f"{path}: expected a readable file in UTF-8, got {error}"
        raise ProfileFileError(message, file=path) from error
    if len(content) > _BYTES_AT_MOST:
        message = f"{path}: expected at most {_BYTES_AT_MOST} bytes, got more"
        raise ProfileFileError(message, file=path)
    return profile_from_toml(text, file=path)
