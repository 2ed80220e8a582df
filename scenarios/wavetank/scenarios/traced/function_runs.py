"""`FunctionRuns`: a Python check on images in real directories, each in a forked process.

Unlike the simulated disk, a real directory is seen by everything that the check calls: extensions
in C, processes that it starts, databases.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self

from wavetank.scenarios.code.asking.answers import Answer
from wavetank.scenarios.code.asking.probe_ends import (
    answer_of_end,
    called,
    is_answer,
    must_be_sent,
    raised_by,
)
from wavetank.scenarios.code.errors import CheckError
from wavetank.scenarios.code.user_code import Check
from wavetank.scenarios.traced.benches import Bench, Benches, Place
from wavetank.sim import DiskImage
from wavetank.sim.python_files import Forks, SimulatedDirectory, quietly

__all__ = ["FunctionRuns"]


class FunctionRuns:
    """Runs the user's function on images; see `ImageRuns`. A context, which removes them.

    Args:
        probe: called as ``probe(directory, acked)``.
        name: what it is called in messages, such as "check".
        directory: the directory on the simulated disk, such as ``/data``.
        tokens: all that was acknowledged, in order.
        limit_s: real seconds after which one run is stopped.
    """

    def __init__(
        self, probe: Check, name: str, directory: str, tokens: Sequence[object], *, limit_s: float
    ) -> None:
        self._probe = probe
        self._name = name
        self._tokens = tuple(tokens)
        self._limit_s = limit_s
        self._forks = Forks(alone=True, grace_s=0.0)
        self._benches = Benches(directory, self._forks.width)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._benches.__exit__(kind, error, trace)

    @property
    def width(self) -> int:
        """How many run at once."""
        return self._forks.width

    def run(self, images: Sequence[DiskImage], acked: int) -> Sequence[Answer]:
        """See `ImageRuns`."""
        # Forks end in the order in which they start as far as the next ones wait for them: those
        # that run at once have numbers that follow each other, and so different benches.
        benches = itertools.cycle(self._benches.all)
        tasks = [
            partial(quietly, partial(self._inside, bench, image, acked))
            for bench, image in zip(benches, images, strict=False)
        ]
        return [
            each if isinstance(each, Answer) else answer_of_end(each, self._name)
            for each in self._forks.run(tasks, self._limit_s)
        ]

    def _inside(self, bench: Bench, image: DiskImage, acked: int) -> Answer:
        """Be the process: lay the image out, run the function, tell what came of it."""
        place = bench.lay_out(image, self._tokens[:acked])
        return place.without_paths(self._answer(place))

    def _answer(self, place: Place) -> Answer:
        tokens = list(self._tokens[: place.count])
        try:
            directory = SimulatedDirectory(place.directory)
            value = called(self._name, partial(self._probe, directory, tokens))
        except CheckError:
            raise
        except BaseException as error:
            if not is_answer(error):
                raise
            return Answer(raised=raised_by(error, self._probe, self._name))
        must_be_sent(value, self._name)
        return Answer(value=value)
