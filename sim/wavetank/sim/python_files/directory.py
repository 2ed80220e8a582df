"""The simulated directory as code is given it: text, which joins as a `pathlib.Path` does."""

from __future__ import annotations

from pathlib import Path

__all__ = ["SimulatedDirectory"]


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
