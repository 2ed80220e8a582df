"""What the scripts beside this one share: a defect of a published package shown, and cured.

    python docs/track-record/NAME.py           # exit code 1: the defect is there
    python docs/track-record/NAME.py --cured   # exit code 0: with the cure it is gone

A defect that a dying process shows is confirmed by SIGKILL: the workload runs once for each line of
the package that it executes, on a real directory, and kills itself before that line. Other defects
are confirmed by the order of system calls in a trace of strace: the files are those that a
filesystem may leave after these calls.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import inspect
import os
import pickle
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any, Final, NamedTuple, NoReturn

from wavetank.scenarios import CodeFinding, crash_test
from wavetank.sim.python_files import Died, Forks, quietly

Ack = Callable[[object], None]
_SHOWN_CALLS: Final = 12


class Defect(NamedTuple):
    """A defect of one version of a package.

    Attributes:
        package: its name in the registry.
        version: in which the defect is shown.
        lost: what is lost, in one sentence.
        seen: how the complaint of the check begins that shows it.
        workload: uses the package in a directory, and acknowledges what it has promised.
        check: opens what is left; returns None, or what is wrong.
        cure: changes the package in this process so that the defect is gone.
        killed_in: ends of file names, before whose lines the process is killed, and before those of
            the script and of this module; "file.py:name" is the function of that name alone; () for
            a defect that only a power cut shows.
        profiles: what filesystem the power cut meets (`wavetank list profiles`).
        max_images: images that are judged of each profile at most; None for no such limit.
    """

    package: str
    version: str
    lost: str
    seen: str
    workload: Callable[[str, Ack], object]
    check: Callable[[str, list[object]], str | None]
    cure: FunctionType
    killed_in: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ("ext4",)
    max_images: int | None = None


class Kill(NamedTuple):
    """A place where the process was killed, and what came of it.

    Attributes:
        place: file name and line before which the process died.
        complaint: what the check said of the files that were left.
        left: the files and their sizes.
    """

    place: str
    complaint: str
    left: str


def main(defect: Defect) -> NoReturn:
    """Show a defect, or with ``--cured`` that it is cured.

    Exits with 0 if nothing is wrong, with 1 if this defect is there, and with 2 if another one is.
    """
    parser = argparse.ArgumentParser(description=defect.lost)
    parser.add_argument("--cured", action="store_true", help="apply the cure first")
    cured = parser.parse_args().cured
    warnings.simplefilter("ignore")
    found = importlib.metadata.version(defect.package)
    told = f"cured: {inspect.getdoc(defect.cure)}" if cured else defect.lost
    print(f"{defect.package} {found}, {told}")
    if found != defect.version:
        print(
            f"this was seen with {defect.version}; pip install '{defect.package}=={defect.version}'"
        )
    shown = _cured(defect) if cured else defect
    sys.exit(_killed(shown) if defect.killed_in else _cut(shown))


def _cured(defect: Defect) -> Defect:
    """Return a defect whose processes apply the cure first; this one stays as it is."""

    def workload(directory: str, ack: Ack) -> None:
        defect.cure()
        defect.workload(directory, ack)

    def check(directory: str, acked: list[object]) -> str | None:
        defect.cure()
        return defect.check(directory, acked)

    return defect._replace(workload=workload, check=check)


def _killed(defect: Defect) -> int:
    kills, lines = kills_that_harm(defect)
    print(
        f"SIGKILL before each of {lines} lines executed: the check refuses what {len(kills)} leave"
    )
    for each in sorted(kills, key=lambda each: not each.complaint.startswith(defect.seen))[:1]:
        print(f"  killed before  {each.place}\n  left           {each.left}")
        print(f"  check          {each.complaint}")
    return _exit_code(defect, [each.complaint for each in kills])


def _cut(defect: Defect) -> int:
    report = crash_test(
        defect.workload,
        defect.check,
        recorder="strace",
        profiles=defect.profiles,
        max_images=defect.max_images,
        raise_on_finding=False,
    )
    print("\n".join(each.line() for each in report.verdicts.values()))
    found = sorted(report.findings, key=lambda each: not each.sentence.startswith(defect.seen))
    for finding in found[:1]:
        print("\n".join(["", *calls_of(finding), "", finding.story()]))
    return _exit_code(defect, [each.sentence for each in found])


def _exit_code(defect: Defect, complaints: list[str]) -> int:
    """Return 0 if nothing was found, 1 if this defect was, 2 if only something else was."""
    if not complaints:
        return 0
    return 1 if any(each.startswith(defect.seen) for each in complaints) else 2


def calls_of(finding: CodeFinding) -> list[str]:
    """Return the last system calls before the crash, in the order of the trace.

    Args:
        finding: of a traced workload.
    """
    told: list[str] = []
    for stretch in finding.work.evidence().stretches:
        seen = [(each.position, each.text) for each in stretch.ops]
        seen += [(each.position, f"{each.kind} of {each.path}") for each in stretch.syncs]
        told += [text for at, text in sorted(seen) if at < stretch.crash_at]
    head = "the last operations in the trace, in order:"
    return [head, *(f"  {each}" for each in told[-_SHOWN_CALLS:])]


def kills_that_harm(defect: Defect) -> tuple[list[Kill], int]:
    """Kill the workload before each line in turn; return the kills that the check complains of.

    Returns:
        These kills, in the order of the lines, and the number of lines that were executed.
    """
    forks = Forks(alone=True)
    with tempfile.TemporaryDirectory(prefix="wavetank-kill-") as room:
        whole = Path(room, "whole")
        count = _single(forks, partial(_run, defect, whole, 0))
        if not isinstance(count, int):
            raise SystemExit(f"the workload failed without any kill: {count}")
        complaint = _single(forks, partial(_judge, defect, whole))
        if complaint:
            raise SystemExit(f"the check refuses what is left without any kill: {complaint}")
        tasks = [partial(_one, defect, Path(room, str(at)), at) for at in range(1, count + 1)]
        ends = list(forks.run(tasks, 60.0))
    return [each for each in ends if isinstance(each, Kill)], count


def _single(forks: Forks, task: Callable[[], object]) -> object:
    return next(iter(forks.run([partial(quietly, task)], 60.0)))


def _one(defect: Defect, place: Path, at: int) -> Kill | None:
    """Be a process: let one be killed, and another look at what it left."""
    forks = Forks(1)
    end = _single(forks, partial(_run, defect, place, at))
    if not isinstance(end, Died):
        return None
    left = ", ".join(
        f"{each.relative_to(place / 'data')} ({each.stat().st_size} B)"
        for each in sorted((place / "data").rglob("*"))
        if each.is_file() and not each.is_symlink()
    )
    complaint = _single(forks, partial(_judge, defect, place))
    line = (place / "killed").read_text()
    return Kill(line, str(complaint), left or "nothing") if complaint else None


def _run(defect: Defect, place: Path, at: int) -> int:
    """Be the process that is killed before the line of that number; 0 for none."""
    (place / "data").mkdir(parents=True)
    acks = os.open(place / "acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    watched = (*defect.killed_in, defect.cure.__code__.co_filename, __file__)
    counter = _Lines(watched, place / "killed", at)

    def ack(token: object) -> None:
        os.write(acks, pickle.dumps(token).hex().encode() + b"\n")

    with counter.watching():
        defect.workload(str(place / "data"), ack)
    return counter.seen


def _judge(defect: Defect, place: Path) -> str | None:
    lines = (place / "acks").read_text().split()
    acked = [pickle.loads(bytes.fromhex(line)) for line in lines]  # noqa: S301 - our own process
    try:
        return defect.check(str(place / "data"), acked)
    except Exception as error:  # noqa: BLE001 - whatever the package raises is the finding
        told = " ".join(str(error).replace(str(place / "data"), "").split())
        return f"{type(error).__name__}: {told}"


class _Lines:
    """Counts the lines of some files that are executed, and dies before one of them."""

    def __init__(self, names: tuple[str, ...], note: Path, at: int) -> None:
        self.seen = 0
        self._names = names
        self._note = note
        self._at = at

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        threading.settrace(self._called)
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(None)

    def _called(self, frame: FrameType, _: str, __: object) -> Callable[..., Any] | None:
        code = frame.f_code
        for each in self._names:
            file, _, name = each.partition(":")
            if code.co_filename.endswith(file) and name in ("", code.co_name):
                return self._line
        return None

    def _line(self, frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        if event == "line":
            self.seen += 1
            if self.seen == self._at:
                name = "/".join(Path(frame.f_code.co_filename).parts[-2:])
                self._note.write_text(f"{name}:{frame.f_lineno} in {frame.f_code.co_name}")
                os.kill(os.getpid(), signal.SIGKILL)
        return self._line


def write_durably(path: str, content: bytes, *, new: str = "") -> None:
    """Replace a file as it should be done: a new file, its sync, the rename, the directory's sync.

    Args:
        path: of the file.
        content: of it.
        new: path of the new file; by default beside the old one.
    """
    new = new or f"{path}.new"
    with open(new, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    sync_directory(path)


def create_durably(path: str, create: Callable[[str], object]) -> None:
    """Create a directory under another name, sync all that is in it, and give it its name.

    Args:
        path: of the directory; nothing is done if it is there.
        create: makes and closes a directory of the path that it is given.
    """
    if os.path.exists(path):
        return
    create(f"{path}.new")
    sync_all(f"{path}.new")
    os.rename(f"{path}.new", path)
    sync_directory(path)


def sync_all(path: str) -> None:
    """Sync a directory and all that is in it.

    Args:
        path: of the directory.
    """
    for folder, _, names in os.walk(path):
        for name in (*names, "."):
            descriptor = os.open(os.path.join(folder, name), os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def sync_every_rename() -> None:
    """Sync each file before it is renamed, and the directory of its new name after."""
    plain = os.replace

    def replace(source: str | Path, target: str | Path) -> None:
        if os.path.isfile(source):
            with open(source, "rb+") as file:
                os.fsync(file.fileno())
        plain(source, target)
        sync_directory(str(target))

    os.replace = os.rename = replace


def sync_directory(path: str) -> None:
    """Make the names in the directory of a file durable.

    Args:
        path: of the file.
    """
    descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
