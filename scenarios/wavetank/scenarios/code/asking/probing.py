"""The user's function run on images, each time in a process of its own, each image once.

A function that makes too many calls is endless on every machine, which is an answer. One that needs
too much real time may be slow because the machine is busy, which says nothing about the code
(`NotRunError`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Final

from wavetank.scenarios.code.asking.answers import Answer, NotRunError, Raised, TooSlowError
from wavetank.scenarios.code.asking.probe_ends import (
    answer_of_end,
    called,
    is_answer,
    must_be_sent,
    raised_by,
)
from wavetank.scenarios.code.recording import absent_threads
from wavetank.scenarios.code.user_code import (
    Check,
)
from wavetank.sim import Cell, DeadlockError, DiskImage, ReadMemory, ReadTrace, SimDisk
from wavetank.sim.python_files import (
    FIRST_PID,
    Processes,
    PythonFiles,
    StaleFileError,
    StepLimit,
    StepLimitError,
    TimeLimitError,
)

__all__ = ["SimulatedProbing"]

_PID: Final = FIRST_PID + 1
"""After a crash another process looks: what holds a lock by its number is gone."""

_FEWEST_CALLS: Final = 20_000
_TIMES_CALLS: Final = 100
"""A probe is endless after this many times the calls that it makes on what no crash has touched,
but not before the fewest."""
_VIRTUAL_S: Final = 3600.0
_MOST_STOPPED: Final = 3
"""Each probe that had to be stopped has cost seconds; after so many the others are not run."""


class SimulatedProbing:
    """Runs a probe on the simulated disk; see `Probing`.

    Args:
        files: the simulation.
        probe: the user's function.
        name: what it is called in messages, such as "check".
        processes: where it runs.
        start_ns: the time at which each run starts.
        tokens: all that the workload acknowledged.
        next_inode: the number of the first file that a run makes; above all that any image has.
        limit_s: real seconds after which a run is stopped.

    Attributes:
        name: the same.
        runs: how often it was run.
        stopped: how many runs had to be stopped, too slow or endless.
    """

    def __init__(
        self,
        files: PythonFiles,
        probe: Check,
        *,
        name: str,
        processes: Processes,
        start_ns: int,
        tokens: tuple[object, ...],
        next_inode: int,
        limit_s: float,
    ) -> None:
        self.name: Final = name
        self._files = files
        self._probe = probe
        self._processes = processes
        self._start_ns = start_ns
        self._tokens = tokens
        self._next_inode = next_inode
        self._limit_s = limit_s
        self._calls = sys.maxsize
        self._known: dict[tuple[bytes, int], Answer] = {}
        self._again: dict[tuple[bytes, int], Answer] = {}
        self._memory: ReadMemory[Answer] = ReadMemory()
        self.runs = 0
        self.stopped = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing is run any more, since too many runs had to be stopped."""
        return self.stopped >= _MOST_STOPPED

    @property
    def width(self) -> int:
        """How many images are best asked for at once."""
        return self._processes.width

    def limit_by(self, answer: Answer) -> None:
        """Take a run on what no crash has touched as the measure of how long others may be."""
        self._calls = max(_FEWEST_CALLS, _TIMES_CALLS * answer.calls)

    def prepare(self, images: Sequence[DiskImage], acked: int) -> None:
        """Run the probe on images at once that will be asked for one after the other."""
        new = {image.digest(): image for image in images if self._recall(image, acked) is None}
        if len(new) > 1 and not self.is_over:
            answers = self._run(list(new.values()), acked)
            for image, answer in zip(new.values(), answers, strict=True):
                self._remember(image, acked, answer)

    def answer(self, image: DiskImage, acked: int) -> Answer:
        """Return what the probe says of an image when so much had been acknowledged.

        Raises:
            TooSlowError: it does not end in time.
            NotRunError: it is not run any more.
            CheckError: it names what does not exist.
        """
        answer = self._recall(image, acked)
        if answer is None:
            if self.is_over:
                raise NotRunError
            answer = self._run([image], acked)[0]
            self._remember(image, acked, answer)
        if answer.is_slow:
            raise TooSlowError
        return answer

    def answer_again(self, image: DiskImage, acked: int) -> Answer:
        """Return what the probe says when it is run once more, whatever it said before."""
        key = image.digest(), acked
        if key not in self._again:
            self._again[key] = self._run([image], acked)[0]
        return self._again[key]

    def cells(self, image: DiskImage, acked: int) -> tuple[Cell, ...]:
        """Return what the probe looks at on an image, in order.

        Raises:
            NotRunError: it makes too many calls or does not end in time.
        """
        answer = self.answer(image, acked)
        if answer.endless:
            raise NotRunError
        return answer.cells

    def _recall(self, image: DiskImage, acked: int) -> Answer | None:
        """Return the answer of an image that is equal in all that the probe looked at."""
        known = self._known.get((image.digest(), acked))
        if known is None:
            known = self._memory.recall(image.numbered_from(self._next_inode), first=acked)
        return known

    def _remember(self, image: DiskImage, acked: int, answer: Answer) -> None:
        self._known[image.digest(), acked] = answer
        if answer.is_whole:
            numbered = image.numbered_from(self._next_inode)
            self._memory.remember(numbered, answer.cells, answer, first=acked)

    def _run(self, images: Sequence[DiskImage], acked: int) -> list[Answer]:
        self.runs += len(images)
        tasks = [partial(self._inside, image, acked) for image in images]
        answers = [
            each if isinstance(each, Answer) else answer_of_end(each, self.name)
            for each in self._processes.run(tasks, self._limit_s)
        ]
        self.stopped += sum(each.is_slow or bool(each.endless) for each in answers)
        return answers

    def _inside(self, image: DiskImage, acked: int) -> Answer:
        """Be the process: run the probe, and tell what came of it."""
        trace = ReadTrace()
        disk = SimDisk(image.numbered_from(self._next_inode), reads=trace)
        value: object = None
        raised: Raised | None = None
        try:
            value = self._call(disk, acked, StepLimit(calls=self._calls, virtual_s=_VIRTUAL_S))
        except TimeLimitError:
            return Answer(is_slow=True)
        except DeadlockError as error:
            told = " ".join(line.strip() for line in str(error).splitlines()[1:])
            absent = absent_threads(self._processes.absent)
            return Answer(endless=f"it waits for ever{absent}: {told}")
        except StepLimitError as error:
            return Answer(endless=str(error))
        except StaleFileError:
            raise
        except BaseException as error:
            if not is_answer(error):
                raise
            if self._files.refusal is not None:
                raise self._files.refusal from error
            raised = raised_by(error, self._probe, self.name)
        if self._files.refusal is not None:
            raise self._files.refusal
        if not self._processes.keeps_memory:
            must_be_sent(value, self.name)
        return Answer(
            value=value, raised=raised, calls=self._files.calls, cells=trace.cells, is_whole=True
        )

    def _call(self, disk: SimDisk, acked: int, steps: StepLimit) -> object:
        """Run the probe; an exit without an error status counts as its end."""
        directory, tokens = self._files.directory, list(self._tokens[:acked])
        code = partial(called, self.name, partial(self._probe, directory, tokens))
        return self._files.call(
            disk, code, limit_s=self._limit_s, pid=_PID, start_ns=self._start_ns, steps=steps
        )
