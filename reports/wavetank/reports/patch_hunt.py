"""The hunt for bugs planted as patches: each with its command, on a patched copy of the engine.

The command runs in a process of its own, whose import path begins with the copy. Its document says
whether it found anything. Each different command runs on the engine as it is, too: what it reports
there is a false alarm.
"""

from __future__ import annotations

import json
import os  # noqa: TID251 - the environment of the processes that are started
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from attrs import frozen

from wavetank.scenarios.mutants import PATCHES, Progress, write_patched_engine

__all__ = ["PatchHunt", "PatchResults", "can_hunt_patches", "hunt_patches"]

_Result = TypeVar("_Result")

_LIMIT_S: Final = 900.0
"""Seconds after which a command is ended."""
_MOST_SHOWN: Final = 300


@frozen(kw_only=True)
class PatchHunt:
    """What came of one hunt.

    Attributes:
        id: of the patch.
        invariants: what its command reported, in the order in which it came; () for nothing.
        problem: why the command said nothing of use, "" if it did.
    """

    id: str
    invariants: tuple[str, ...]
    problem: str = ""

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
    commands = list(dict.fromkeys(PATCHES[each].command for each in ids))
    hunts = _told("planted patches", spread(_hunt, ids), len(ids), on_progress)
    alarms = _told("the engine as it is", spread(_alarms, commands), len(commands), on_progress)
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
    with TemporaryDirectory() as directory:
        write_patched_engine(patch, Path(directory))
        reported, problem = _run(patch.command, Path(directory))
    return PatchHunt(id=patch_id, invariants=reported, problem=problem)


def _alarms(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a command reports about the engine as it is."""
    with TemporaryDirectory() as directory:
        reported, problem = _run(command, Path(directory))
    told = [problem] if problem else list(reported)
    return tuple(f"{shlex.join(('wavetank', *command))}: {each}" for each in told)


def _run(command: Sequence[str], directory: Path) -> tuple[tuple[str, ...], str]:
    """Run a command of wavetank in a directory, whose packages come first.

    Returns:
        What it reports, and what is wrong with the run itself.
    """
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
        return (), f"no end within {_LIMIT_S:g} s"
    try:
        document = json.loads(done.stdout)
    except ValueError:
        told = done.stderr[-_MOST_SHOWN:].strip()
        return (), f"exit {done.returncode} without a document: {told}"
    failed = document["verdict"] == "fail"
    if failed != (done.returncode == 1):
        return (), f"exit {done.returncode} with verdict {document['verdict']}"
    return (tuple(dict.fromkeys(_REPORTED[command[0]](document))) if failed else ()), ""


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
