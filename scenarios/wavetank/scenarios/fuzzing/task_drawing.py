"""Tasks that run beside one another on one store, drawn from a swarm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random  # noqa: TID251 - seeded by the caller
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import evolve, frozen

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState, SnapshotMetadata
from wavetank.scenarios.fuzzing.drawing import draw_steps
from wavetank.scenarios.fuzzing.swarm import Swarm, by_chance, some_of
from wavetank.scenarios.raft.model import EMPTY, ModelState, acknowledge
from wavetank.scenarios.raft.steps import (
    Append,
    Cancel,
    Close,
    Dump,
    OpenAgain,
    Read,
    ReadBounds,
    ReadSnapshot,
    ReadState,
    SaveSnapshot,
    SaveState,
    SlowCall,
    Step,
    StoreCall,
    TaskPlan,
    TaskStep,
    TruncatePrefix,
    TruncateSuffix,
    Verify,
    Wait,
)
from wavetank.sim import POSIX

__all__ = ["DrawnTasks", "draw_tasks"]

_NAMES: Final = ("one", "other", "third")
_MOST_CALLS: Final = 3
_PRELUDE: Final = ("vote", "append", "append", "append", "snapshot", "compact", "conflict")
_MOST_STEPS: Final = 5
_CALL_STAYS: Final = 0.4
_TOKEN: Final = "stop"  # noqa: S105 - a cancel token
_SLOW: Final = ("datasync", "fsync", "rename", "pwrite")


@frozen(kw_only=True)
class DrawnTasks:
    """What runs beside one another, and before.

    Attributes:
        steps: before the tasks.
        tasks: beside one another.
        after: when all of them have ended.
        slow_calls: of the filesystem.
    """

    steps: tuple[Step, ...]
    tasks: tuple[TaskPlan, ...]
    after: tuple[TaskStep, ...]
    slow_calls: tuple[SlowCall, ...]


def draw_tasks(random: Random, swarm: Swarm, options: FileStorageOptions) -> DrawnTasks:
    """Return tasks, and the steps before them.

    Args:
        random: the stream that everything is drawn from.
        swarm: what may be used.
        options: of the store.
    """
    plain = evolve(
        swarm,
        operations=_PRELUDE,
        values=tuple(each for each in swarm.values if each in _PLAIN) or ("small",),
        steps=random.randint(2, _MOST_STEPS),
    )
    steps = draw_steps(random, plain, options, POSIX)
    state = EMPTY
    for step in steps:
        state = acknowledge((state,), step, options)[-1]
    kinds = some_of(random, tuple(_CALLS), _CALL_STAYS) or ("append", "snapshot")
    has_token, has_limits = by_chance(random, 1 / 6), by_chance(random, 1 / 6)
    draw = _CallDrawer(random, state, kinds, most_bytes=options.max_entry_size)
    tasks = tuple(
        TaskPlan(
            name=name,
            steps=tuple(
                draw.step(has_token=has_token, has_limits=has_limits)
                for _ in range(random.randint(1, _MOST_CALLS))
            ),
        )
        for name in _NAMES[: random.choice((2, 2, 2, 3))]
    )
    if has_token:
        canceller = TaskPlan(name="canceller", steps=(TaskStep(call=Cancel(_TOKEN)),))
        tasks = (*tasks, canceller)
    return DrawnTasks(
        steps=steps,
        tasks=tasks,
        after=(TaskStep(call=OpenAgain()), TaskStep(call=ReadBounds())),
        slow_calls=_slow_calls(random) if has_limits else (),
    )


_PLAIN: Final = frozenset({"small", "empty", "sector", "chunk", "medium"})


def _slow_calls(random: Random) -> tuple[SlowCall, ...]:
    call = random.choice(_SLOW)
    return (SlowCall(call=call, nth=random.randint(0, 3), duration_s=random.choice((0.5, 1.0))),)


class _CallDrawer:
    """Draws calls that may come in any order.

    Args:
        random: the stream that everything is drawn from.
        shown: what the store holds before.
        kinds: of calls that may be drawn.
        most_bytes: of a command.
    """

    def __init__(
        self, random: Random, shown: ModelState, kinds: tuple[str, ...], *, most_bytes: int
    ) -> None:
        self.most_bytes = most_bytes
        self.random = random
        self.shown = shown
        self.term = max(1, shown.state.current_term, shown.term_at(shown.last_index) or 0)
        self.marks = 0
        self._kinds = kinds

    def step(self, *, has_token: bool, has_limits: bool) -> TaskStep:
        """Return one call of a task."""
        call = _CALLS[self.random.choice(self._kinds)](self)
        is_limited = isinstance(call, _LIMITED)
        timeout_s = self.random.choice((None, 0.0, 0.5, 1.0)) if has_limits and is_limited else None
        token = _TOKEN if has_token and is_limited and by_chance(self.random, 1 / 2) else ""
        return TaskStep(call=call, timeout_s=timeout_s, token=token)

    def index(self, *, least: int = 1) -> int:
        """Return an index in the log, or a little beyond."""
        most = self.shown.last_index + 2
        return self.random.randint(max(least, self.shown.base_index + 1), max(least, most))

    def command(self) -> bytes:
        """Return a command."""
        return (self.mark() * self.random.choice((0, 1, 40)))[: self.most_bytes]

    def mark(self) -> bytes:
        """Return bytes that no other call has."""
        self.marks += 1
        return b"call %d " % self.marks


_LIMITED: Final = (Append, TruncateSuffix, TruncatePrefix, SaveSnapshot, SaveState, Read)


def _append(draw: _CallDrawer) -> StoreCall:
    first = draw.shown.last_index + draw.random.choice((1, 1, 1, 2, 3))
    count = draw.random.choice((1, 1, 2, 3))
    return Append(
        tuple(LogEntry(first + place, draw.term, draw.command()) for place in range(count))
    )


def _save_snapshot(draw: _CallDrawer) -> StoreCall:
    index = draw.index()
    term = draw.shown.term_at(index) or draw.term
    data = draw.mark() * draw.random.choice((0, 1, 80))
    return SaveSnapshot(SnapshotMetadata(index, term), data)


def _save_state(draw: _CallDrawer) -> StoreCall:
    term = draw.shown.state.current_term + draw.random.choice((0, 1, 1, 2))
    return SaveState(PersistentState(term, draw.random.choice(("", "node-a", "node-b"))))


def _read(draw: _CallDrawer) -> StoreCall:
    start = draw.index()
    return Read(start, start + draw.random.choice((1, 2, 3)))


_Call: TypeAlias = Callable[[_CallDrawer], StoreCall]
_CALLS: Final[Mapping[str, _Call]] = MappingProxyType(
    {
        "append": _append,
        "cut": lambda draw: TruncateSuffix(draw.index()),
        "compact": lambda draw: TruncatePrefix(draw.index()),
        "snapshot": _save_snapshot,
        "state": _save_state,
        "read": _read,
        "bounds": lambda _: ReadBounds(),
        "read state": lambda _: ReadState(),
        "read snapshot": lambda _: ReadSnapshot(),
        "verify": lambda _: Verify(),
        "dump": lambda _: Dump(),
        "close": lambda _: Close(),
        "open again": lambda _: OpenAgain(),
        "wait": lambda draw: Wait(draw.random.choice((0.1, 60.0))),
    }
)
