"""Where images are laid out to be checked: `Benches`, one for each check that runs at once."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from attrs import evolve, frozen

from wavetank.scenarios.code.asking.answers import Answer
from wavetank.sim import DiskImage
from wavetank.sim.traces.images import ImageDirectory, room_for_images

__all__ = ["Bench", "Benches", "Place"]


@frozen(kw_only=True)
class Place:
    """Where an image stands for one run of a check.

    Attributes:
        directory: what the image has of the traced directory.
        acked: a file with what had been acknowledged, a token a line.
        count: how many tokens those are.
    """

    directory: Path
    acked: Path
    count: int

    def without_paths(self, answer: Answer) -> Answer:
        """Return an answer with names in place of paths, which differ from run to run."""
        raised = answer.raised
        if raised is not None:
            sentence, traceback = self._named(raised.sentence), self._named(raised.traceback)
            raised = evolve(raised, sentence=sentence, traceback=traceback)
        value = self._named(answer.value) if isinstance(answer.value, str) else answer.value
        return evolve(answer, value=value, raised=raised)

    def _named(self, text: str) -> str:
        text = text.replace(str(self.directory), self.directory.name)
        return text.replace(str(self.acked), "acked")


@frozen
class Bench:
    """A directory that shows one image after the other, and a file of tokens beside it."""

    images: ImageDirectory
    acked: Path

    def lay_out(self, image: DiskImage, tokens: Sequence[object]) -> Place:
        """Make an image ready to be checked.

        Args:
            image: what a crash left.
            tokens: what had been acknowledged.

        Raises:
            NoRoomError: it does not fit.
        """
        self.images.show(image)
        lines = "".join(f"{token}\n" for token in tokens)
        self.acked.write_text(lines, "utf-8", "surrogateescape")
        return Place(directory=self.images.path, acked=self.acked, count=len(tokens))


class Benches:
    """Makes benches, and removes them at its end; a context.

    Args:
        directory: the directory on the simulated disk that they show, such as ``/data``.
        number: how many there are.

    Attributes:
        all: the benches.
    """

    def __init__(self, directory: str, number: int) -> None:
        self._directory = directory
        self._room = tempfile.TemporaryDirectory(
            prefix="wavetank-", dir=room_for_images(), ignore_cleanup_errors=True
        )
        self.all: Final = tuple(self._bench(at) for at in range(number))

    def _bench(self, at: int) -> Bench:
        root = Path(self._room.name) / f"{at}"
        root.mkdir()
        return Bench(ImageDirectory(root, self._directory), root.with_suffix(".acked"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bench in self.all:
            bench.images.remove()
        self._room.cleanup()
