"""`CommandRuns`: a check in processes of its own, as many at once as there are workers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import Protocol, Self

from wavetank.scenarios.code.asking.answers import Answer
from wavetank.scenarios.traced.benches import Bench, Benches, Place
from wavetank.scenarios.traced.check_command import kill_running_checks
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
        self._tokens = tuple(tokens)
        self._limit_s = limit_s
        self._workers = workers
        self._benches = Benches(directory, workers)
        self._free: SimpleQueue[Bench] = SimpleQueue()
        self._pool = ThreadPoolExecutor(workers)

    def __enter__(self) -> Self:
        for bench in self._benches.all:
            self._free.put(bench)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        if kind is KeyboardInterrupt:
            kill_running_checks()
        self._pool.shutdown()
        self._benches.__exit__(kind, error, trace)

    @property
    def width(self) -> int:
        """How many run at once."""
        return self._workers

    def run(self, images: Sequence[DiskImage], acked: int) -> Sequence[Answer]:
        """See `ImageRuns`."""
        return list(self._pool.map(lambda image: self._checked(image, acked), images))

    def _checked(self, image: DiskImage, acked: int) -> Answer:
        bench = self._free.get()
        try:
            place = bench.lay_out(image, self._tokens[:acked])
            return place.without_paths(self._check.run(place, self._limit_s))
        finally:
            self._free.put(bench)
