"""`ImageProbing`: a check on images in real directories, each image once.

Which run judges which image makes no difference to the answers, nor does the order in which they
end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from wavetank.scenarios.code.asking.answers import Answer, NotRunError, TooSlowError
from wavetank.scenarios.code.asking.judging import everything
from wavetank.sim import Cell, DiskImage

__all__ = ["ImageProbing", "ImageRuns"]

_MOST_STOPPED: Final = 3
"""Each check that had to be stopped has cost seconds; after so many the others are not run."""


class ImageRuns(Protocol):
    """Lays images out in real directories, and runs a check there."""

    @property
    def width(self) -> int:
        """How many run at once."""
        ...

    def run(self, images: Sequence[DiskImage], acked: int) -> Sequence[Answer]:
        """Return what the check says of images, in their order, when so much was acknowledged.

        Raises:
            CheckError: it cannot be run at all.
            NoRoomError: an image has no room.
        """
        ...


class ImageProbing:
    """Runs one check on images, and remembers what it said; see `Probing`.

    Args:
        images: lays them out, and runs the check.

    Attributes:
        runs: how often the check was run.
        stopped: how many runs had to be stopped.
    """

    def __init__(self, images: ImageRuns) -> None:
        self._images = images
        self._known: dict[tuple[bytes, int], Answer] = {}
        self._again: dict[tuple[bytes, int], Answer] = {}
        self.runs = 0
        self.stopped = 0

    @property
    def width(self) -> int:
        """How many images are best asked for at once."""
        return self._images.width

    def limit_by(self, answer: Answer) -> None:
        """Leave the limit as it is: it is real time."""

    def prepare(self, images: Sequence[DiskImage], acked: int) -> None:
        """Check images at once that will be asked for one after the other."""
        new = {each.digest(): each for each in images if (each.digest(), acked) not in self._known}
        if len(new) > 1 and not self._is_over:
            for digest, answer in zip(new, self._run(list(new.values()), acked), strict=True):
                self._known[digest, acked] = answer

    def answer(self, image: DiskImage, acked: int) -> Answer:
        """Return what the check says of an image when so much had been acknowledged.

        Raises:
            TooSlowError: it does not end in time.
            NotRunError: it is not run any more, since too many runs had to be stopped.
            CheckError: it cannot be run at all.
        """
        key = image.digest(), acked
        if key not in self._known:
            if self._is_over:
                raise NotRunError
            self._known[key] = self._run([image], acked)[0]
        if self._known[key].is_slow:
            raise TooSlowError
        return self._known[key]

    def answer_again(self, image: DiskImage, acked: int) -> Answer:
        """Return what the check says when it is run once more, whatever it said before."""
        key = image.digest(), acked
        if key not in self._again:
            self._again[key] = self._run([image], acked)[0]
        return self._again[key]

    def cells(self, image: DiskImage, acked: int) -> tuple[Cell, ...]:
        """Return all that is there: nobody sees what a check on real files looks at."""
        del acked
        return everything(image)

    @property
    def _is_over(self) -> bool:
        return self.stopped >= _MOST_STOPPED

    def _run(self, images: Sequence[DiskImage], acked: int) -> Sequence[Answer]:
        self.runs += len(images)
        answers = self._images.run(images, acked)
        self.stopped += sum(each.is_slow or bool(each.endless) for each in answers)
        return answers
