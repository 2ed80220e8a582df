"""The plain ``OSError`` that a system call would raise."""

from __future__ import annotations

from os import strerror  # noqa: TID251 - the words for an errno, no system call
from typing import NoReturn

__all__ = ["fail"]


def fail(number: int, path: str) -> NoReturn:
    """Raise the error of this number about `path`."""
    raise OSError(number, strerror(number), path)
