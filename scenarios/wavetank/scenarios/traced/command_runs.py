"""`CommandRuns`: a check in processes of its own, as many at once as there are workers."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Protocol, Self

from attrs import frozen

from wavetank.scenarios.code.answers import Answer
from wavetank.scenarios.traced.check_command import Place
from wavetank.scenarios.traced.images import ImageDirectory, room_for_images
from wavetank.sim import DiskImage

__all__ = ["CommandRuns", "ImageCheck"]


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


class CommandRuns:
    """Lays images out for a check, one directory for each worker; see `ImageRuns`.

    A context, which removes what it has laid out.

    Args:
        check: looks at an image.
        directory: the directory on the simulated disk, such as ``/data``.
        tokens: all that was acknowledged, in order.
        limit_s: real seconds after which one run is stopped.
        workers: checks that run at once.
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
        self._workers = workers
        self._benches: SimpleQueue[_Bench] = SimpleQueue()
        self._room = tempfile.TemporaryDirectory(prefix="wavetank-", dir=room_for_images())
        self._pool = ThreadPoolExecutor(workers)

    def __enter__(self) -> Self:
        for number in range(self._workers):
            root = Path(self._room.name) / f"{number}"
            root.mkdir()
            images = ImageDirectory(root, self._directory)
            self._benches.put(_Bench(images, root.with_suffix(".acked")))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        for _ in range(self._workers):
            self._benches.get().images.remove()
        self._room.cleanup()

    @property
    def width(self) -> int:
        """How many run at once."""
        return self._workers

    def run(self, images: Sequence[DiskImage], acked: int) -> Sequence[Answer]:
        """See `ImageRuns`."""
        return list(self._pool.map(lambda image: self._checked(image, acked), images))

    def _checked(self, image: DiskImage, acked: int) -> Answer:
        bench = self._benches.get()
        try:
            bench.images.show(image)
            lines = "".join(f"{token}\n" for token in self._tokens[:acked])
            bench.acked.write_text(lines, "utf-8", "surrogateescape")
            place = Place(directory=bench.images.path, acked=bench.acked, count=acked)
            return self._check.run(place, self._limit_s)
        finally:
            self._benches.put(bench)
