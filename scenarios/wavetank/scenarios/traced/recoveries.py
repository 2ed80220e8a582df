"""What a program's recovery does to an image: run there under the recorder, once for each image.

The recovery is a command, or the check itself with nothing acknowledged. Crashes inside it start
from the image's own files, so its trace is put behind the image, with the image's inodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from attrs import frozen

from wavetank.scenarios.code.asking.answers import Answer
from wavetank.scenarios.code.recoveries import CodeRecovery
from wavetank.scenarios.traced.benches import Benches, Place
from wavetank.scenarios.traced.check_command import (
    CheckCommand,
    kill_all_marked,
    marked_environment,
)
from wavetank.scenarios.traced.command_runs import ImageCheck
from wavetank.sim import PROCESS_KILL, DiskImage, PendingOps
from wavetank.sim.traces import (
    Program,
    ProgramError,
    ProgramSlowError,
    ProgramUnchangedError,
    Recorder,
    Trace,
    TraceError,
    continued,
)

__all__ = ["RecoveredCheck", "RecoveryError", "TracedRecoveries"]

_TOLD: Final = 200
_MOST_STOPPED: Final = 3
"""Each recovery that had to be stopped has cost as long as it may take."""


class RecoveryError(RuntimeError):
    """The recovery cannot be recorded even where no crash is to blame; the message says why."""


@frozen
class RecoveredCheck:
    """A check that looks at an image once a command has recovered it; see `ImageCheck`.

    Attributes:
        recovery: what the program does first after a restart.
        check: what looks then.
    """

    recovery: CheckCommand
    check: ImageCheck

    def run(self, place: Place, limit_s: float) -> Answer:
        """See `ImageCheck`: a recovery that fails is a complaint, in its own last words."""
        recovered = self.recovery.run(place, limit_s)
        if recovered.is_slow:
            return recovered
        if recovered.value is not None:
            return Answer(value=f"recovery failed: {recovered.value}")
        return self.check.run(place, limit_s)


def _in_one_line(error: Exception) -> str:
    """Return what went wrong, and the last line of the program's output, if that is behind it."""
    first, *output = str(error).removeprefix("work: ").splitlines()
    told = " ".join([first, *output[-1:]])
    return told if len(told) <= _TOLD else f"{told[:_TOLD]}..."


class TracedRecoveries:
    """Runs the recovery on images under a recorder, and remembers what it did; see `Recoveries`.

    A context, which removes what it has laid out.

    Args:
        command: the recovery.
        directory: the directory on the simulated disk, such as ``/data``.
        recorder: sees what the recovery does.
        located: the same with source lines, for the few recoveries that are told to people.
        rebuilt: names of files that the program makes anew after a crash.
        limit_s: real seconds after which one run is stopped.

    Attributes:
        runs: how many recoveries were run.
    """

    def __init__(
        self,
        command: CheckCommand,
        directory: str,
        *,
        recorder: Recorder,
        located: Recorder,
        rebuilt: Sequence[str] = (),
        limit_s: float,
    ) -> None:
        self._command = command
        self._recorder = recorder
        self._located = located
        self._rebuilt = tuple(rebuilt)
        self._limit_s = limit_s
        self._benches = Benches(directory, 1)
        self._known: dict[bytes, Trace | str | None] = {}
        self._with_lines: dict[bytes, Trace] = {}
        self._stopped = 0
        self.runs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._benches.__exit__(kind, error, trace)

    def try_out(self, image: DiskImage) -> DiskImage:
        """Return what the recovery makes of the disk that no crash has touched.

        Raises:
            RecoveryError: it fails there, or cannot be recorded.
        """
        recovery = self.on(image)
        if recovery.failed:
            raise RecoveryError(
                f"expected a recovery that can be recorded on what the program left without a "
                f"crash but: {recovery.failed}"
            )
        pending = PendingOps(image, PROCESS_KILL)
        pending.take_all(recovery.log)
        return pending.full

    def on(self, image: DiskImage, *, first: int = 0, located: bool = False) -> CodeRecovery:
        """See `Recoveries`."""
        found = self._traced(image)
        if found is None:
            return CodeRecovery()
        if isinstance(found, str):
            return CodeRecovery(failed=found)
        if located:
            found = self._with_source_lines(image, found)
        trace = continued(found, image, first=first)
        return CodeRecovery(log=trace.log, sites=trace.sites)

    def _traced(self, image: DiskImage) -> Trace | str | None:
        """Return what the recovery did; None if it changed nothing, or why nobody knows."""
        digest = image.digest()
        if digest not in self._known and self._stopped >= _MOST_STOPPED:
            return f"{self._stopped} recoveries had to be stopped, so that no more were recorded"
        if digest not in self._known:
            try:
                self._known[digest] = self._run(image, self._recorder)
            except ProgramUnchangedError:
                self._known[digest] = None
            except ProgramSlowError as error:
                self._stopped += 1
                self._known[digest] = _in_one_line(error)
            except (ProgramError, TraceError) as error:
                self._known[digest] = _in_one_line(error)
        return self._known[digest]

    def _with_source_lines(self, image: DiskImage, found: Trace) -> Trace:
        """Return the same recovery with source lines; as it is if it does not go the same way."""
        digest = image.digest()
        if digest not in self._with_lines:
            try:
                again = self._run(image, self._located)
            except (ProgramError, TraceError):
                again = found
            self._with_lines[digest] = again if again.log == found.log else found
        return self._with_lines[digest]

    def _run(self, image: DiskImage, recorder: Recorder) -> Trace:
        self.runs += 1
        place = self._benches.all[0].lay_out(image, ())
        mark, environment = marked_environment()
        program = Program(
            work=self._command.filled(place),
            directory=place.directory,
            environment=environment,
            rebuilt=self._rebuilt,
            limit_s=self._limit_s,
        )
        try:
            return recorder(program)
        finally:
            kill_all_marked(mark)
