"""The check, run on images: each image and number of acknowledged tokens is judged once.

Before any crash, the check must run through on what the workload left, and accept an empty
directory; otherwise the check is wrong, not the code (`Judging.try_out`). A check that makes too
many calls is endless on every machine, which is a complaint. One that needs too much real time may
be slow because the machine is busy, which says nothing about the code (`CheckTooSlowError`).
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType, TracebackType
from typing import Final, TypeAlias

from attrs import evolve, frozen

from wavetank.scenarios.code.errors import CheckError
from wavetank.scenarios.code.recording import lazy_result
from wavetank.scenarios.code.report import FindingKind
from wavetank.sim import BLOCK_SIZE, Cell, DiskImage, FileContent, ReadTrace, SimDisk
from wavetank.sim.python_files import (
    FIRST_PID,
    PythonFiles,
    SimulatedDirectory,
    StaleFileError,
    StepLimit,
    StepLimitError,
    TimeLimitError,
)

__all__ = ["Check", "CheckNotRunError", "CheckTooSlowError", "Complaint", "Judging"]

Check: TypeAlias = Callable[[SimulatedDirectory, list[object]], str | None]

_PID: Final = FIRST_PID + 1
"""After a crash another process looks: what holds a lock by its number is gone."""

_FEWEST_CALLS: Final = 20_000
_TIMES_CALLS: Final = 100
"""A check is endless after this many times the calls that it makes on what no crash has touched,
but not before the fewest."""
_VIRTUAL_S: Final = 3600.0
_TRACED_SHARE: Final = 10
"""Tracing what a check reads makes each call slower, and only saves work where calls are few."""
_MOST_STOPPED: Final = 3
"""Each check that had to be stopped has cost seconds; after so many the others are not run."""
_MOST_SPOILED: Final = 64
"""Files that are spoiled, one at a time, to see the check refuse something."""


class CheckNotRunError(RuntimeError):
    """The check is not run any more, since too many runs had to be stopped."""


class CheckTooSlowError(CheckNotRunError):
    """The check was stopped after its limit of real time."""


@frozen(kw_only=True)
class Complaint:
    """What is wrong with an image.

    Attributes:
        kind: `lost` or `damaged`.
        sentence: in the check's words, or what it raised.
        place: file name, line and function of the user's code that raised; "" if nothing was.
    """

    kind: FindingKind
    sentence: str
    place: str = ""


@frozen
class _Answer:
    """What one run of the check said; no sentence where it was content."""

    sentence: str | None
    place: str = ""
    is_endless: bool = False


class Judging:
    """Runs the check.

    Args:
        files: the simulation.
        check: opens what is left, and complains.
        tokens: all that the workload acknowledged.
        limit_s: real seconds after which a run of the check is stopped.

    Attributes:
        checks: how often it was run.
        stopped: how many runs had to be stopped, too slow or endless.
    """

    def __init__(
        self, files: PythonFiles, check: Check, tokens: tuple[object, ...], *, limit_s: float
    ) -> None:
        self._files = files
        self._check = check
        self._tokens = tokens
        self._limit_s = limit_s
        self._steps = StepLimit(calls=sys.maxsize, virtual_s=_VIRTUAL_S)
        self._known: dict[tuple[bytes, int], _Answer | None] = {}
        self._endless: dict[bytes, _Answer] = {}
        self.checks = 0
        self.stopped = 0

    @property
    def is_over(self) -> bool:
        """Whether no further check is run, since too many had to be stopped."""
        return self.stopped >= _MOST_STOPPED

    def try_out(self, finished: DiskImage, empty: DiskImage) -> None:
        """Run the check where no crash can be to blame: on the finished work, and on nothing.

        Args:
            finished: the disk after the whole workload.
            empty: the disk before it.

        Raises:
            CheckError: the check does not accept it.
            CheckTooSlowError: it does not end in time.
        """
        told = f"all {len(self._tokens)} tokens" if self._tokens else "nothing"
        self._must_accept(
            finished,
            len(self._tokens),
            f"what the workload left, without any crash and with {told} acknowledged",
            "the check is wrong, or the code is without a crash",
        )
        calls = max(_FEWEST_CALLS, _TIMES_CALLS * self._files.calls)
        self._steps = StepLimit(calls=calls, virtual_s=_VIRTUAL_S)
        self._must_accept(
            empty,
            0,
            "an empty directory, as a crash before the first write leaves it, with nothing "
            "acknowledged",
            "a check must be content with it",
        )

    def refuses_something(self, finished: DiskImage, empty: DiskImage) -> bool:
        """Whether the check refuses an emptied directory, or a file cut in half or garbled.

        Args:
            finished: the disk after the whole workload.
            empty: the disk before it.
        """
        everything = len(self._tokens)
        try:
            if self._answer(empty, everything).sentence is not None:
                return True
            for spoiled in _spoiled(finished):
                if self._answer(spoiled, everything).sentence is not None:
                    return True
        except CheckNotRunError:
            return False
        return False

    def complaint(self, image: DiskImage, acked: int) -> Complaint | None:
        """Return what is wrong with an image when so much had been acknowledged.

        Raises:
            CheckTooSlowError: the check does not end in time.
            CheckNotRunError: it is not run any more.
            CheckError: the check names what does not exist.
        """
        answer = self._answer(image, acked)
        if answer.sentence is None:
            return None
        is_lost = bool(acked) and not answer.is_endless
        is_lost = is_lost and self._answer(image, 0).sentence is None
        kind: FindingKind = "lost" if is_lost else "damaged"
        return Complaint(kind=kind, sentence=answer.sentence, place=answer.place)

    def cells(self, image: DiskImage, acked: int) -> tuple[Cell, ...]:
        """Return what the check looks at on an image, in order.

        Raises:
            CheckNotRunError: the check makes too many calls or does not end in time.
        """
        trace = ReadTrace()
        self._run(SimDisk(image, reads=trace), acked, tracing=True)
        return trace.cells

    def _must_accept(self, image: DiskImage, acked: int, shown: str, blame: str) -> None:
        try:
            raw = self._call(SimDisk(image), acked)
        except TimeLimitError:
            raise CheckTooSlowError from None
        except StepLimitError as error:
            raise CheckError(f"check: on {shown}: {error}") from None
        except StaleFileError:
            raise
        except BaseException as error:
            if not _is_answer(error):
                raise
            if self._files.refusal is not None:
                raise self._files.refusal from error
            raise CheckError(
                f"check: expected None for {shown}, but it raised an error; {blame}\n"
                f"{_traceback(error)}"
            ) from error
        answer = _sentence_or_none(raw)
        if answer is not None:
            raise CheckError(
                f"check: expected None for {shown}, but it returned {answer!r}; {blame}"
            )
        self._known[image.digest(), acked] = _Answer(None)

    def _answer(self, image: DiskImage, acked: int) -> _Answer:
        name = image.digest()
        if name in self._endless:
            return self._endless[name]
        if (name, acked) not in self._known:
            if self.is_over:
                raise CheckNotRunError
            self._known[name, acked] = None  # it stays so if the check is too slow
            self._known[name, acked] = self._run(SimDisk(image), acked)
        answer = self._known[name, acked]
        if answer is None:
            raise CheckTooSlowError
        if answer.is_endless:
            self._endless[name] = answer
        return answer

    def _run(self, disk: SimDisk, acked: int, *, tracing: bool = False) -> _Answer:
        if self.is_over:
            raise CheckNotRunError
        try:
            raw = self._call(disk, acked, tracing=tracing)
        except TimeLimitError:
            self.stopped += 1
            raise CheckTooSlowError from None
        except StepLimitError as error:
            if tracing:
                raise CheckNotRunError from None
            self.stopped += 1
            return _Answer(f"the check did not end: {error}", is_endless=True)
        except StaleFileError:
            raise
        except BaseException as error:
            if not _is_answer(error):
                raise
            if self._files.refusal is not None:
                raise self._files.refusal from error
            if isinstance(error, (NameError, ImportError)) and _raised_in(error, self._check):
                raise CheckError(
                    f"check: expected names and modules that exist, but it raised an error\n"
                    f"{_traceback(error)}"
                ) from error
            sentence = f"{type(error).__name__}: {error}".rstrip(": ")
            return _Answer(sentence, _place(error))
        return _Answer(_sentence_or_none(raw))

    def _call(self, disk: SimDisk, acked: int, *, tracing: bool = False) -> object:
        """Run the check; an exit without an error status counts as its end."""
        self.checks += 1
        files, directory = self._files, self._files.directory
        tokens = list(self._tokens[:acked])
        steps = self._steps
        if tracing:
            steps = evolve(steps, calls=steps.calls // _TRACED_SHARE)
        answer: object = None
        try:
            answer = files.call(
                disk,
                lambda: self._check(directory, tokens),
                limit_s=self._limit_s,
                pid=_PID,
                steps=steps,
            )
        except SystemExit as exit_:
            if exit_.code:
                raise
        if files.refusal is not None:
            raise files.refusal
        return answer


def _sentence_or_none(answer: object) -> str | None:
    if answer is None or (isinstance(answer, str) and answer):
        return answer
    what = lazy_result(answer)
    if what:
        raise CheckError(f"check: expected a function that runs when it is called but {what}")
    raise TypeError(
        f"check: expected None or a sentence but it returned {answer!r} ({type(answer).__name__})"
    )


def _is_answer(error: BaseException) -> bool:
    """Whether an error is what the check says of an image, and no wish to end the test."""
    if isinstance(error, (Exception, SystemExit)):
        return True
    pytest = sys.modules.get("pytest")
    return pytest is not None and isinstance(error, pytest.fail.Exception)


def _spoiled(finished: DiskImage) -> Iterator[DiskImage]:
    """Yield the image with each file in turn cut to half its size, then with its bits flipped."""
    files = [
        (inode, node)
        for _, inode, node in finished.walk()
        if isinstance(node, FileContent) and node.size
    ]
    for inode, node in files[:_MOST_SPOILED]:
        content = node.read(0, node.size)
        yield finished.derive({inode: _file_of(content[: node.size // 2])})
        yield finished.derive({inode: _file_of(bytes(each ^ 0xFF for each in content))})


def _file_of(content: bytes) -> FileContent:
    starts = range(0, len(content), BLOCK_SIZE)
    return FileContent(len(content), tuple(content[at : at + BLOCK_SIZE] for at in starts))


def _frames(error: BaseException) -> list[TracebackType]:
    """Return the traceback's entries from the user's code on."""
    entries: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        if entries or not entry.tb_frame.f_globals.get("__name__", "").startswith("wavetank."):
            entries.append(entry)
        entry = entry.tb_next
    return entries


def _traceback(error: BaseException) -> str:
    """Return an error's traceback, without our own lines above the user's."""
    entries = _frames(error)
    # Nothing of the check has run: its parameters are not those that it is called with.
    called = "" if entries else "\nit is called as check(directory, acked)"
    lines = traceback.format_exception(type(error), error, entries[0] if entries else None)
    return "".join(lines).rstrip() + called


def _raised_in(error: BaseException, check: Check) -> bool:
    """Whether the innermost line of an error is one of the check's own."""
    entries = _frames(error)
    return bool(entries) and entries[-1].tb_frame.f_code in _codes(check)


def _codes(check: Check) -> list[CodeType]:
    """Return the code of a check and of the functions that stand inside it."""
    function: object = inspect.unwrap(check)
    while isinstance(function, partial):
        function = function.func
    if isinstance(function, MethodType):
        function = function.__func__
    if not isinstance(function, FunctionType):
        function = getattr(type(function), "__call__", None)  # noqa: B004 - its code is wanted
    code = getattr(function, "__code__", None)
    found = [code] if isinstance(code, CodeType) else []
    for each in found:
        found += [inner for inner in each.co_consts if isinstance(inner, CodeType)]
    return found


def _place(error: BaseException) -> str:
    """Return the innermost line that does not belong to Python's own library."""
    for entry in reversed(_frames(error)):
        code = entry.tb_frame.f_code
        hidden = entry.tb_frame.f_locals.get("__tracebackhide__")
        if not hidden and not _is_library(code.co_filename):
            return f"{code.co_filename.rpartition('/')[2]}:{entry.tb_lineno} in {code.co_name}"
    return ""


def _is_library(file: str) -> bool:
    library = inspect.__file__.rpartition("/")[0]
    return file.startswith("<frozen") or (file.startswith(library) and "site-packages" not in file)
