"""`.wavetank/unfinished`: what came of the shares of runs that have not ended.

    <number>-<plan>/run.json       the plan, and the code that runs it
                    <share>.pickle  what came of a share

A run keeps each share as it ends. When the run ends its folder is deleted; when it is killed or
interrupted the folder stays, and `wavetank run --resume` takes its shares over. They are pickled:
resume no run that somebody else has left there.
"""

from __future__ import annotations

import json
import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

from attrs import field, frozen

from wavetank.reports.runs.code_identity import code_identity, stores_of
from wavetank.scenarios import RunPlan, Share, ShareOutcome, plan_to_json

__all__ = ["UNFINISHED", "ResumeError", "UnfinishedRun", "UnfinishedRuns"]

UNFINISHED: Final = Path(".wavetank") / "unfinished"
"""Where the shares of unfinished runs lie, in the working directory."""

_KEPT: Final = 5
"""Unfinished runs that are kept at most; older ones are deleted."""

_RUN: Final = "run.json"


class ResumeError(Exception):
    """There is no run to resume; the message says why."""


@frozen
class UnfinishedRun:
    """What came of the shares of one run; see `FinishedShares`.

    Attributes:
        path: its folder.
    """

    path: Path

    @property
    def count(self) -> int:
        """How many shares have been finished."""
        return sum(1 for _ in self.path.glob("*.pickle"))

    def load(self, share: Share) -> ShareOutcome | None:
        """Return what came of a share; None if it was not finished, or cannot be read."""
        try:
            data = (self.path / f"{share.key}.pickle").read_bytes()
            outcome: ShareOutcome = pickle.loads(data)  # noqa: S301 - of this program's own making
        except Exception:  # noqa: BLE001 - damaged bytes may be of any opcode, and end in any error
            return None
        return outcome

    def save(self, share: Share, outcome: ShareOutcome) -> None:
        """Keep what came of a share, whole or not at all."""
        new = self.path / f"{share.key}.new"
        new.write_bytes(pickle.dumps(outcome))
        new.replace(self.path / f"{share.key}.pickle")

    def delete(self) -> None:
        """Forget the run."""
        shutil.rmtree(self.path, ignore_errors=True)


@frozen
class UnfinishedRuns:
    """The unfinished runs of one directory.

    Args:
        directory: made when the first run begins.
    """

    directory: Path = field(default=UNFINISHED)

    @contextmanager
    def begin(self, plan: RunPlan) -> Iterator[UnfinishedRun]:
        """Give a new run that keeps its shares.

        Raises:
            OSError: nothing can be written there.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        number = 1 + max((_number(path) for path in self._newest_first()), default=0)
        name = f"{number}-{_plan_digest(plan)}"
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=self.directory))
        about = {"plan": plan_to_json(plan), "code": code_identity(*stores_of(plan))}
        (new / _RUN).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        path = new.replace(self.directory / name)
        with ExitStack() as stack:
            stack.enter_context(_in_use(path))
            for old in self._newest_first()[_KEPT:]:
                if not _is_in_use(old):
                    shutil.rmtree(old, ignore_errors=True)
            yield UnfinishedRun(path)

    @contextmanager
    def resume(self, plan: RunPlan) -> Iterator[UnfinishedRun]:
        """Give the newest unfinished run of a plan.

        Raises:
            ResumeError: there is none, it still runs, or other code has begun it.
        """
        wanted = _plan_digest(plan)
        paths = self._newest_first()
        path = next((each for each in paths if each.name.endswith(f"-{wanted}")), None)
        if path is None:
            others = f"; of other plans there are {len(paths)}" if paths else ""
            raise ResumeError(
                f"expected an unfinished run of this plan in {self.directory}, found none{others}; "
                "start the run without --resume"
            )
        begun = json.loads((path / _RUN).read_text(encoding="utf-8"))["code"]
        now = code_identity(*stores_of(plan))
        if begun != now:
            raise ResumeError(
                f"expected the code that began the unfinished run {path}, {begun}, got {now}; "
                "start the run without --resume"
            )
        if _is_in_use(path):
            raise ResumeError(f"expected a run that was ended, but {path} still runs")
        with _in_use(path):
            yield UnfinishedRun(path)

    def _newest_first(self) -> list[Path]:
        paths = [path for path in self.directory.glob("*-*") if (path / _RUN).is_file()]
        return sorted((path for path in paths if _number(path)), key=_number, reverse=True)


def _number(path: Path) -> int:
    number = path.name.partition("-")[0]
    return int(number) if number.isdecimal() else 0


def _plan_digest(plan: RunPlan) -> str:
    text = json.dumps(plan_to_json(plan), sort_keys=True)
    return blake2b(text.encode(), digest_size=6).hexdigest()


@contextmanager
def _in_use(path: Path) -> Iterator[None]:
    """Lock a folder as long as the block lasts, and the process with it."""
    with (path / _RUN).open("rb") as file:
        _try_lock(file.fileno())
        yield


def _is_in_use(path: Path) -> bool:
    with (path / _RUN).open("rb") as file:
        return not _try_lock(file.fileno())


def _try_lock(descriptor: int) -> bool:
    """Lock a file until it is closed; return whether nobody else had. Without locks, nobody has."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
