"""The functions of the real machine, as they stood before any was replaced.

The simulation reads real files with them (imports, package data, time zones) and serves the
descriptors that are not its own. Nothing here changes a real file.
"""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["Real"]


class Real:
    """The real machine, kept from before the names were replaced."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., object]] = {
            name: value for name, value in vars(os).items() if callable(value)
        }
        self.stat: Callable[[str], os.stat_result] = os.stat
        self.lstat: Callable[[str], os.stat_result] = os.lstat
        self.readlink: Callable[[str], str] = os.readlink
        self._open = os.open
        self._read = os.read
        self._close = os.close

    def call(self, name: str, *args: object, **kwargs: object) -> object:
        """Call a real function of `os` by name."""
        return self.functions[name](*args, **kwargs)

    def exists(self, path: str) -> bool:
        """Whether a path is there, if only as a link to nothing."""
        try:
            self.lstat(path)
        except OSError:
            return False
        return True

    def content(self, path: str) -> bytes:
        """Return what a real file holds."""
        descriptor = self._open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts: list[bytes] = []
            while part := self._read(descriptor, 1 << 20):
                parts.append(part)
            return b"".join(parts)
        finally:
            self._close(descriptor)
