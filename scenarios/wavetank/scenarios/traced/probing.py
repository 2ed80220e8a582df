"""`ImageProbing`: a check on real directories, in which images are laid out, several at once.

Each worker has a directory of its own. Which worker judges which image makes no difference to the
answers, and neither does the order in which they end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Final, Protocol, Self

from attrs import frozen

from wavetank.scenarios.code.answers import Answer, NotRunError, TooSlowError
from wavetank.scenarios.code.judging import everything
from wavetank.scenarios.traced.check_command import Place
from wavetank.scenarios.traced.images import ImageDirectory, room_for_images
from wavetank.sim import Cell, DiskImage

__all__ = ["ImageCheck", "ImageProbing"]

_MOST_STOPPED: Final = 3
"""Each check that had to be stopped has cost seconds; after so many the others are not run."""


class ImageCheck(Protocol):
    """Looks at an image in a real directory; called by several threads at once."""

    def run(self, place: Place, limit_s: float) -> Answer:
        """Return what it says of an image.

        Args:
            place: where the image stands.
            limit_s: real seconds after which it is stopped.

        Raises:
            CheckError: it cannot be run at all.
        """
        ...


@frozen
class _Bench:
    """Where one worker lays its images out."""

    images: ImageDirectory
    acked: Path


class ImageProbing:
    """Runs one check on images; a context, which removes what it has laid out.

    Args:
        check: looks at an image.
        directory: the directory on the simulated disk, such as ``/data``.
        tokens: all that was acknowledged, in order.
        limit_s: real seconds after which one run is stopped.
        workers: checks that run at once.

    Attributes:
        runs: how often the check was run.
        stopped: how many runs had to be stopped.
    """

    def __init__(
        self,
        check: ImageCheck,
        directory: str,
        tokens: Sequence[str],
        *,
        limit_s: float,
        workers: int,
    ) -> None:
        self._check = check
        self._directory = directory
        self._tokens = tuple(tokens)
        self._limit_s = limit_s
        self._known: dict[tuple[bytes, int], Answer] = {}
        self._again: dict[tuple[bytes, int], Answer] = {}
        self._workers = workers
        self._free: SimpleQueue[_Bench] = SimpleQueue()
        self._room = tempfile.TemporaryDirectory(prefix="wavetank-", dir=room_for_images())
        self._pool = ThreadPoolExecutor(workers)
        self.runs = 0
        self.stopped = 0

    def __enter__(self) -> Self:
        for number in range(self._workers):
            root = Path(self._room.name) / f"{number}"
            root.mkdir()
            images = ImageDirectory(root, self._directory)
            self._free.put(_Bench(images, root.with_suffix(".acked")))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        for _ in range(self._workers):
            self._free.get().images.remove()
        self._room.cleanup()

    @property
    def width(self) -> int:
        """How many images are best asked for at once."""
        return self._workers

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
        """Return all that is there: nobody sees what a check in a process looks at."""
        del acked
        return everything(image)

    @property
    def _is_over(self) -> bool:
        return self.stopped >= _MOST_STOPPED

    def _run(self, images: Sequence[DiskImage], acked: int) -> list[Answer]:
        self.runs += len(images)
        answers = list(self._pool.map(lambda image: self._checked(image, acked), images))
        self.stopped += sum(each.is_slow for each in answers)
        return answers

    def _checked(self, image: DiskImage, acked: int) -> Answer:
        bench = self._free.get()
        try:
            bench.images.show(image)
            lines = "".join(f"{token}\n" for token in self._tokens[:acked])
            bench.acked.write_text(lines, "utf-8", "surrogateescape")
            place = Place(directory=bench.images.path, acked=bench.acked, count=acked)
            return self._check.run(place, self._limit_s)
        finally:
            self._free.put(bench)
