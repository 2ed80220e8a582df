"""What the process holds: its threads, its descriptors, its working directory."""

from __future__ import annotations

import os  # noqa: TID251 - about this very process, not about a store's files
import threading  # noqa: TID251 - counts threads and makes none

from attrs import frozen

__all__ = ["Census", "census"]

_DESCRIPTORS = "/proc/self/fd"


@frozen(kw_only=True)
class Census:
    """What a process held at one moment.

    Attributes:
        threads: its threads; their numbers are given out again when they end.
        descriptors: what its open descriptors stand for, by number; empty where nobody can tell.
        directory: its working directory.
    """

    threads: frozenset[threading.Thread]
    descriptors: frozenset[tuple[int, str]]
    directory: str

    def more_than_before(self) -> str:
        """Return in words what the process holds now beyond this; "" for nothing."""
        now = census()
        names = sorted(each.name for each in now.threads - self.threads)
        words = [f"thread {name}" for name in names]
        words += [f"descriptor of {path}" for _, path in sorted(now.descriptors - self.descriptors)]
        return ", ".join(words)


def census() -> Census:
    """Return what this process holds now."""
    return Census(
        threads=frozenset(each for each in threading.enumerate() if each.is_alive()),
        descriptors=frozenset(_descriptors()),
        directory=os.getcwd(),  # noqa: PTH109 - a string to compare
    )


def _descriptors() -> list[tuple[int, str]]:
    found = []
    if os.path.isdir(_DESCRIPTORS):  # noqa: PTH112 - beside the listing below
        for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - as above
            try:
                found.append((int(name), os.readlink(f"{_DESCRIPTORS}/{name}")))  # noqa: PTH115
            except OSError:
                continue
    return found
