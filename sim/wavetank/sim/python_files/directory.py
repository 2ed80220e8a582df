"""The simulated directory as code is given it: text, which joins as a `pathlib.Path` does."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

__all__ = ["SimulatedDirectory", "unused_directory"]


class SimulatedDirectory(str):
    """An absolute path as text; some code adds to it, other code divides it.

    >>> directory = SimulatedDirectory("/simulated")
    >>> directory + "/file"
    '/simulated/file'
    >>> (directory / "file").name
    'file'
    """

    __slots__ = ()

    def __truediv__(self, name: str) -> Path:
        return Path(self, name)


def unused_directory() -> str:
    """Return an absolute path that the machine does not have: /simulated, if that is not there."""
    if not os.path.lexists("/simulated"):
        return "/simulated"
    names = (f"/simulated-{number}" for number in count(2))
    return next(name for name in names if not os.path.lexists(name))
