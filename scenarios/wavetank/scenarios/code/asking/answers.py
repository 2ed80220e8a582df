"""What a probe says of an image: `Answer`, and `Probing`, which runs the probe.

A probe is the user's check or observe function, on the simulated disk (probing.py), or a command
or function that looks at a real directory in which the image was laid out
(`wavetank.scenarios.traced`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from wavetank.sim import Cell, DiskImage

__all__ = ["Answer", "NotRunError", "Probing", "Raised", "TooSlowError"]


class NotRunError(RuntimeError):
    """The probe is not run any more, since too many runs had to be stopped."""


class TooSlowError(NotRunError):
    """The probe was stopped after its limit of real time."""


@frozen(kw_only=True)
class Raised:
    """An error that a probe raised.

    Attributes:
        sentence: its type and text.
        place: file name, line and function of the user's code that raised it; "" if unknown.
        line: the source of that line; "" if unknown.
        traceback: all of it, from the user's code on.
        is_misspelt: whether it names what does not exist, in the probe's own code.
    """

    sentence: str
    place: str
    line: str
    traceback: str
    is_misspelt: bool


@frozen(kw_only=True)
class Answer:
    """What one run of a probe came to.

    Attributes:
        value: what it returned.
        raised: what it raised instead; None if it returned.
        endless: why it did not end, "" if it did.
        is_slow: whether it was stopped after its limit of real time.
        calls: simulated calls that it made.
        cells: what it read, in order.
        is_whole: whether `cells` are all that the answer depends on.
    """

    value: object = None
    raised: Raised | None = None
    endless: str = ""
    is_slow: bool = False
    calls: int = 0
    cells: tuple[Cell, ...] = ()
    is_whole: bool = False


class Probing(Protocol):
    """Runs one probe on images; what it answers depends on the image and `acked` alone."""

    @property
    def runs(self) -> int:
        """How often the probe was run."""
        ...

    @property
    def width(self) -> int:
        """How many images are best asked for at once."""
        ...

    def limit_by(self, answer: Answer) -> None:
        """Take a run on what no crash has touched as the measure of how long others may be."""
        ...

    def prepare(self, images: Sequence[DiskImage], acked: int) -> None:
        """Run the probe on images at once that will be asked for one after the other."""
        ...

    def answer(self, image: DiskImage, acked: int) -> Answer:
        """Return what the probe says of an image when so much had been acknowledged.

        Raises:
            TooSlowError: it does not end in time.
            NotRunError: it is not run any more.
            CheckError: it names what does not exist.
        """
        ...

    def answer_again(self, image: DiskImage, acked: int) -> Answer:
        """Return what the probe says when it is run once more, whatever it said before."""
        ...

    def cells(self, image: DiskImage, acked: int) -> tuple[Cell, ...]:
        """Return what the probe looks at on an image, in order.

        Raises:
            NotRunError: that cannot be found out.
        """
        ...
