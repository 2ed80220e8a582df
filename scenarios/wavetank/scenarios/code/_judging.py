"""Checks run on images, each once: the answer depends on the image and on what was acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import frozen

from wavetank.scenarios.code.report import FindingKind
from wavetank.sim import Cell, DiskImage, ReadTrace, SimDisk
from wavetank.sim.python_files import (
    FIRST_PID,
    PythonFiles,
    SimulatedDirectory,
    StaleFileError,
    TimeLimitError,
)

__all__ = ["Check", "Complaint", "Judging"]

Check: TypeAlias = Callable[[SimulatedDirectory, list[object]], str | None]

_LIMIT_S: Final = 5.0
_PID: Final = FIRST_PID + 1
"""After a crash another process looks: what holds a lock by its number is gone."""


@frozen
class Complaint:
    """What is wrong with an image.

    Attributes:
        kind: `lost` or `damaged`.
        sentence: in the check's words.
    """

    kind: FindingKind
    sentence: str


class Judging:
    """Runs the check.

    Args:
        files: the simulation.
        check: opens what is left, and complains.
        tokens: all that the workload acknowledged.

    Attributes:
        checks: how often it was run.
    """

    def __init__(self, files: PythonFiles, check: Check, tokens: tuple[object, ...]) -> None:
        self._files = files
        self._check = check
        self._tokens = tokens
        self._known: dict[tuple[bytes, int], str | None] = {}
        self.checks = 0

    def complaint(self, image: DiskImage, acked: int) -> Complaint | None:
        """Return what is wrong with an image when so much had been acknowledged."""
        sentence = self._answer(image, acked)
        if sentence is None:
            return None
        is_lost = bool(acked) and self._answer(image, 0) is None
        return Complaint("lost" if is_lost else "damaged", sentence)

    def cells(self, image: DiskImage, acked: int) -> tuple[Cell, ...]:
        """Return what the check looks at on an image, in order."""
        trace = ReadTrace()
        self._run(SimDisk(image, reads=trace), acked)
        return trace.cells

    def _answer(self, image: DiskImage, acked: int) -> str | None:
        key = (image.digest(), acked)
        if key not in self._known:
            self._known[key] = self._run(SimDisk(image), acked)
        return self._known[key]

    def _run(self, disk: SimDisk, acked: int) -> str | None:
        self.checks += 1
        files, directory = self._files, self._files.directory
        tokens = list(self._tokens[:acked])
        try:
            answer: object = files.call(
                disk, lambda: self._check(directory, tokens), limit_s=_LIMIT_S, pid=_PID
            )
        except TimeLimitError:
            answer = f"the check did not end within {_LIMIT_S:g} s"
        except StaleFileError:
            raise
        except (Exception, SystemExit) as error:
            if files.refusal is not None:
                raise files.refusal from error
            answer = f"{type(error).__name__}: {error}".rstrip(": ")
        if files.refusal is not None:
            raise files.refusal
        if answer is None or (isinstance(answer, str) and answer):
            return answer
        raise TypeError(
            f"check: expected None or a sentence but it returned {answer!r} "
            f"({type(answer).__name__})"
        )
