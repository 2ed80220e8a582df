"""The simulated directory as code is given it: text, which joins as a `pathlib.Path` does."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import Any

__all__ = ["SimulatedDirectory", "unused_directory"]


class SimulatedDirectory(str):
    """An absolute path as text, which has what a `pathlib.Path` has besides.

    >>> directory = SimulatedDirectory("/simulated")
    >>> directory + "/file"
    '/simulated/file'
    >>> (directory / "file").name
    'file'
    >>> directory.joinpath("a", "b")
    PosixPath('/simulated/a/b')
    """

    __slots__ = ()

    def __truediv__(self, name: str) -> Path:
        return Path(self, name)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a path has
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(Path(self), name)


def unused_directory() -> str:
    """Return an absolute path that the machine does not have: /simulated, if that is not there."""
    if not os.path.lexists("/simulated"):
        return "/simulated"
    names = (f"/simulated-{number}" for number in count(2))
    return next(name for name in names if not os.path.lexists(name))
