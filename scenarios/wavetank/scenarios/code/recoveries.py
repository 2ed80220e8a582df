"""What a program's recovery does to an image, so that it can be crashed too: `Recoveries`.

Recovery is part of the code under test, unlike the check. It runs on the real machine, under a
recorder, on an image that a crash has left (`wavetank.scenarios.traced`).
"""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from wavetank.sim import CallSite, DiskImage, Record

__all__ = ["CodeRecovery", "Recoveries"]


@frozen(kw_only=True)
class CodeRecovery:
    """One recovery, without a crash in it.

    Attributes:
        log: what it did to the image that it started from; () if it changed nothing, or failed.
        sites: the calls that did it, in order, by their position in `log`.
        failed: why nothing is known of it, in words; "" if it ended as it should.
    """

    log: tuple[Record, ...] = ()
    sites: tuple[CallSite, ...] = ()
    failed: str = ""


class Recoveries(Protocol):
    """Runs the recovery on images; what it does depends on the image alone, and is remembered."""

    @property
    def runs(self) -> int:
        """How many recoveries were run."""
        ...

    def on(self, image: DiskImage, *, first: int = 0, located: bool = False) -> CodeRecovery:
        """Return what the recovery does to an image.

        Args:
            image: the disk, all of it durable.
            first: calls and micro-ops are counted from here, for a log that continues another.
            located: whether the calls are wanted with the lines of source that made them.

        Raises:
            NoRoomError: the image has no room.
        """
        ...
