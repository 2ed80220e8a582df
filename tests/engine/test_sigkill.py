"""The real engine on a real disk, killed at any moment: what it acknowledged is there afterwards.

SIGKILL takes the process and leaves the page cache, so this proves the order of the engine's calls
and its recovery, not its syncs; lost caches are the simulator's business.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import evolve, frozen

APPENDER = Path(__file__).with_name("_appender.py")
PATIENCE_S = 60

Message = list[Any]
"""One line of _appender.py, which describes them."""


@frozen(kw_only=True)
class Model:
    """What a store should show; the log may have lost what its snapshot covers, and no more."""

    state: list[object]
    first: int
    entries: list[list[object]]
    snapshot: list[Any] | None

    def after(self, operation: str, argument: Any) -> "Model":  # noqa: ANN401 - JSON
        match operation:
            case "state":
                return evolve(self, state=argument)
            case "append":
                return evolve(self, entries=self.entries + argument)
            case "suffix":
                return evolve(self, entries=self.entries[: argument - self.first])
            case "snapshot" if argument[0] >= self.first + len(self.entries):
                return evolve(self, snapshot=argument, first=argument[0] + 1, entries=[])
            case "snapshot":
                return evolve(self, snapshot=argument)
            case "prefix":
                return self
        raise AssertionError(operation)

    def shows(self, seen: dict[str, Any]) -> bool:
        compacted = seen["first"] - self.first
        covered = self.snapshot[0] + 1 - self.first if self.snapshot else 0
        if not 0 <= compacted <= max(0, covered):
            return False
        shown: list[object] = [seen["state"], seen["snapshot"], seen["entries"], seen["last_term"]]
        entries = self.entries[compacted:]
        return shown == [self.state, self.snapshot, entries, self._last_term(entries)]

    def _last_term(self, entries: Sequence[list[object]]) -> object:
        if entries:
            return entries[-1][1]
        return self.snapshot[1] if self.snapshot else 0


NEW = Model(state=[0, ""], first=1, entries=[], snapshot=None)


class Auditor:
    """Follows the child's messages; `possible` holds every model that the store may show now."""

    def __init__(self) -> None:
        self.possible = [NEW]
        self.acknowledged = 0
        self.looked = 0

    def follow(self, messages: Sequence[Message]) -> None:
        for kind, *content in messages:
            match kind:
                case "try":
                    (before,) = self.possible
                    self.possible = [before, before.after(*content)]
                case "ack":
                    self.possible = self.possible[-1:]
                    self.acknowledged += 1
                case "seen":
                    self.look(*content)

    def look(self, seen: dict[str, Any]) -> None:
        fitting = [model for model in self.possible if model.shows(seen)]
        assert fitting, f"the store shows {seen}\nbut should show one of {self.possible}"
        # What a store has shown it must go on to show, so the question is settled.
        compacted = seen["first"] - fitting[-1].first
        self.possible = [
            evolve(fitting[-1], first=seen["first"], entries=fitting[-1].entries[compacted:])
        ]
        self.looked += 1


@contextmanager
def appender(directory: Path, seed: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(APPENDER), str(directory), seed]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as child:
        timer = threading.Timer(PATIENCE_S, child.kill)
        timer.start()
        try:
            yield child
        finally:
            timer.cancel()
            child.kill()


def messages_in(lines: Sequence[bytes]) -> list[Message]:
    """Decode; a line that the kill cut short was never said."""
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def kill_after(directory: Path, *, seed: str, line_count: int, delay_s: float) -> list[Message]:
    with appender(directory, seed) as child:
        assert child.stdout
        lines = [child.stdout.readline() for _ in range(line_count)]
        time.sleep(delay_s)
        child.kill()
        lines += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    assert lines[line_count - 1], f"the appender ended, or was silent for {PATIENCE_S} s"
    return messages_in(lines)


def look(directory: Path) -> list[Message]:
    with appender(directory, "look") as child:
        output, _ = child.communicate()
    assert child.returncode == 0
    return messages_in(output.splitlines(keepends=True))


@pytest.mark.parametrize("rounds", [20, pytest.param(200, marks=pytest.mark.minutes)])
def test_whatever_was_acknowledged_survives_every_kill(tmp_path: Path, rounds: int) -> None:
    random = Random(rounds)
    auditor = Auditor()
    for number in range(rounds):
        # One line is "start": every fifth kill or so falls into the opening itself.
        line_count = 1 if random.random() < 0.2 else random.randrange(2, 120)
        delay_s = random.random() * (0.02 if line_count == 1 else 0.002)
        auditor.follow(
            kill_after(tmp_path, seed=str(number), line_count=line_count, delay_s=delay_s)
        )
    auditor.follow(look(tmp_path))
    auditor.follow(look(tmp_path))
    assert auditor.looked >= rounds // 2
    assert auditor.acknowledged >= rounds


# --- the check itself


HISTORY: list[Message] = [
    ["try", "state", [1, "node-a"]],
    ["ack"],
    ["try", "append", [[1, 1, "one"], [2, 1, "two"], [3, 1, "three"]]],
    ["ack"],
    ["try", "snapshot", [1, 1, "snapshot"]],
    ["ack"],
]
TRUTH = {
    "state": [1, "node-a"],
    "first": 1,
    "last_term": 1,
    "entries": [[1, 1, "one"], [2, 1, "two"], [3, 1, "three"]],
    "snapshot": [1, 1, "snapshot"],
}


@pytest.mark.parametrize(
    "lie",
    [
        {"state": [0, ""]},
        {"entries": TRUTH["entries"][:2]},  # type: ignore[index]
        {"entries": [[1, 1, "one"], [2, 1, "other"], [3, 1, "three"]]},
        {"last_term": 2},
        {"snapshot": None},
        {"first": 3, "entries": [[3, 1, "three"]]},
    ],
)
def test_the_auditor_refuses_what_was_never_acknowledged(lie: dict[str, object]) -> None:
    auditor = Auditor()
    auditor.follow(HISTORY)
    with pytest.raises(AssertionError, match="but should show one of"):
        auditor.follow([["seen", TRUTH | lie]])


@pytest.mark.parametrize(
    "seen",
    [
        TRUTH,
        TRUTH | {"first": 2, "entries": [[2, 1, "two"], [3, 1, "three"]]},
        TRUTH | {"state": [2, ""]},
    ],
)
def test_the_auditor_accepts_compaction_and_an_operation_in_flight_and_holds_to_it(
    seen: dict[str, object],
) -> None:
    auditor = Auditor()
    auditor.follow([*HISTORY, ["try", "state", [2, ""]], ["seen", seen], ["seen", seen]])
    other = TRUTH | {"state": [2, ""] if seen["state"] == [1, "node-a"] else [1, "node-a"]}
    with pytest.raises(AssertionError, match="but should show one of"):
        auditor.follow([["seen", other]])
