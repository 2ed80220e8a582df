"""The hunt for bugs planted as patches: each with its command, in a process of its own.

Its document says whether it found anything. The process is a fork of this one, in which the patch
is planted, or a new one whose import path begins with a patched copy of the engine. Each different
command runs on the engine as it is, too, on as many images as the hunts took: what it reports
there is a false alarm.
"""

from __future__ import annotations

import json
import os  # noqa: TID251 - forks, and the environment of the processes that are started
import shlex
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from attrs import frozen

from wavetank.reports.exit_codes import ExitCode
from wavetank.scenarios import CONCURRENT_SCENARIOS
from wavetank.scenarios.mutants import (
    PATCHES,
    PlantedPatch,
    Progress,
    plant,
    write_patched_engine,
)

__all__ = ["PatchHunt", "PatchResults", "can_hunt_patches", "hunt_patches"]

_Result = TypeVar("_Result")

_LIMIT_S: Final = 900
"""Seconds after which a command is ended."""
_NO_END: Final = f"no end within {_LIMIT_S} s"
_UNPATCHED: Final = 70
"""Exit code of a fork in which the patch cannot be planted."""
_BROKEN: Final = 71
"""Exit code of a fork in which a command ended in an exception."""
_MOST_SHOWN: Final = 300


@frozen(kw_only=True)
class PatchHunt:
    """What came of one hunt.

    Attributes:
        id: of the patch.
        invariants: what its command reported, in the order in which it came; () for nothing.
        problem: why the command said nothing of use, "" if it did.
        judged: images judged until it did, by the sweep that judged most.
    """

    id: str
    invariants: tuple[str, ...]
    problem: str = ""
    judged: int = 0

    @property
    def killed(self) -> bool:
        """Whether the command reported what the patch says that it reports."""
        return not self.problem and set(PATCHES[self.id].reports) <= set(self.invariants)


@frozen(kw_only=True)
class PatchResults:
    """What came of all hunts.

    Attributes:
        hunts: one per patch.
        false_alarms: what the commands reported about the engine as it is, one line each.
    """

    hunts: tuple[PatchHunt, ...] = ()
    false_alarms: tuple[str, ...] = ()

    @property
    def survivors(self) -> tuple[str, ...]:
        """The ids of the patches that their commands did not find."""
        return tuple(hunt.id for hunt in self.hunts if not hunt.killed)

    @property
    def passed(self) -> bool:
        """Whether every patch was found and nothing was reported about the engine."""
        return not (self.survivors or self.false_alarms)


def can_hunt_patches() -> bool:
    """Whether the package that reads patches is installed."""
    return find_spec("whatthepatch") is not None


def hunt_patches(
    ids: Sequence[str], *, executor: Executor | None, on_progress: Progress
) -> PatchResults:
    """Hunt planted patches.

    Args:
        ids: which.
        executor: where the processes are waited for; None: here, one after the other.
        on_progress: told as results come.

    Raises:
        PatchError: a patch does not fit the engine.
    """
    spread = map if executor is None else executor.map
    hunts = _told("planted patches", spread(_hunt, ids), len(ids), on_progress)
    most: dict[tuple[str, ...], int] = {}
    for each in hunts:
        command = PATCHES[each.id].command
        most[command] = max(each.judged, most.get(command, 0))
    found = spread(_alarms, most, most.values())
    alarms = _told("the engine as it is", found, len(most), on_progress)
    return PatchResults(
        hunts=tuple(hunts), false_alarms=tuple(alarm for each in alarms for alarm in each)
    )


def _told(
    what: str, results: Iterable[_Result], total: int, on_progress: Progress
) -> list[_Result]:
    found: list[_Result] = []
    for result in results:
        found.append(result)
        on_progress(what, len(found), total)
    return found


def _hunt(patch_id: str) -> PatchHunt:
    patch = PATCHES[patch_id]
    answer = None if _reads_source(patch.command) else _in_fork(patch.command, patch)
    if answer is None:
        with TemporaryDirectory() as directory:
            write_patched_engine(patch, Path(directory))
            answer = _in_new_process(patch.command, Path(directory))
    return PatchHunt(
        id=patch_id,
        invariants=answer.reported,
        problem=answer.problem,
        judged=answer.judged,
    )


def _alarms(command: tuple[str, ...], most: int) -> tuple[str, ...]:
    """Return what a command reports about the engine as it is, on so many images at most."""
    bounded = command
    if command[0] == "run":
        bounded = (*command, "--max-images", str(max(most, 1)))
    answer = _in_fork(bounded, None)
    if answer is None:
        with TemporaryDirectory() as directory:
            answer = _in_new_process(bounded, Path(directory))
    told = [answer.problem] if answer.problem else list(answer.reported)
    return tuple(f"{shlex.join(('wavetank', *bounded))}: {each}" for each in told)


@frozen(kw_only=True)
class _Answer:
    """What a command said.

    Attributes:
        reported: what is wrong with the engine.
        judged: images judged by the sweep that judged most; 0 where nobody counts them.
        problem: what is wrong with the run itself; "" if nothing is.
    """

    reported: tuple[str, ...] = ()
    judged: int = 0
    problem: str = ""


def _reads_source(command: Sequence[str]) -> bool:
    """Whether a command reads the engine's source, so that the patch must stand there."""
    tasks = (each for each in command[1:] if each in CONCURRENT_SCENARIOS)
    return command[0] == "check" or next(tasks, None) is not None


def _in_fork(command: Sequence[str], patch: PlantedPatch | None) -> _Answer | None:
    """Run a command in a fork of this process; None if it cannot be, or cannot be patched."""
    if not hasattr(os, "fork"):
        return None
    with TemporaryDirectory() as directory:
        output = Path(directory) / "output"
        process = os.fork()
        if not process:
            os._exit(_forked(command, patch, output))
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if status == _UNPATCHED:
            return None
        if status == -signal.SIGALRM:
            return _Answer(problem=_NO_END)
        text = output.read_text(encoding="utf-8") if output.exists() else ""
    return _answer(command, status, text, text)


def _forked(command: Sequence[str], patch: PlantedPatch | None, output: Path) -> int:
    """Run a command in the process that was made for it, and return its exit code."""
    # Imported here since that module imports this one.
    from wavetank.reports.cli import cli  # noqa: PLC0415

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_LIMIT_S)
    try:
        if patch is not None and not plant(patch):
            return _UNPATCHED
        os.chdir(output.parent)
        with (
            output.open("w", encoding="utf-8") as stdout,
            redirect_stdout(stdout),
            redirect_stderr(StringIO()),
        ):
            cli.main([*command, *_quickly(command), "--format", "json"])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001 - nothing may leave the fork but its exit code
        traceback.print_exc()
        return _BROKEN


def _in_new_process(command: Sequence[str], directory: Path) -> _Answer:
    """Run a command in a directory, whose packages come first."""
    path = [str(directory), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-m", "wavetank", *command, *_quickly(command), "--format", "json"],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _Answer(problem=_NO_END)
    return _answer(command, done.returncode, done.stdout, done.stderr)


def _answer(command: Sequence[str], status: int, output: str, told: str) -> _Answer:
    """Return what a command said, by its exit code, its document, and what it told beside."""
    try:
        document = json.loads(output)
    except ValueError:
        return _Answer(problem=f"exit {status} without a document: {told[-_MOST_SHOWN:].strip()}")
    failed = document["verdict"] == "fail"
    if failed != (status == ExitCode.VIOLATION):
        return _Answer(problem=f"exit {status} with verdict {document['verdict']}")
    sweeps = document["scenarios"] if command[0] == "run" else []
    return _Answer(
        reported=tuple(dict.fromkeys(_REPORTED[command[0]](document))) if failed else (),
        judged=max((each["images"]["judged"] for each in sweeps), default=0),
    )


def _quickly(command: Sequence[str]) -> list[str]:
    """Return the options with which a command stops at the first finding, in one process."""
    if command[0] == "run":
        return ["-x", "--workers", "1", "--no-shrink"]
    return [] if command[0] == "check" else ["--workers", "1"]


_REPORTED: Final[dict[str, Callable[[dict[str, Any]], Iterable[str]]]] = {
    "run": lambda document: (
        violation["invariant"]
        for scenario in document["scenarios"]
        for violation in scenario["violations"]
    ),
    "check": lambda document: (
        check["name"] for check in document["checks"] if check["outcome"] == "fail"
    ),
    "damage": lambda document: (rule for cell in document["wrong"] for rule in cell["rules"]),
    "sweep": lambda document: (
        wrong["problem"].partition(":")[0]
        for scenario in document["scenarios"]
        for wrong in scenario["wrong"]
    ),
}
"""What a command's document reports, by the command."""
