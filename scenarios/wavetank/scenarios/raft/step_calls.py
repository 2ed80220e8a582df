"""A step of a workload as a call on a store, and a refusal of it as a finding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from wavetank.engine import CancelToken, SnapshotData, Storage
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.steps import (
    Append,
    Cancelled,
    Interrupted,
    KillProcess,
    OpenStore,
    Read,
    Reopen,
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
)

__all__ = ["CountedToken", "call", "refusal"]


class CountedToken:
    """A cancel token that is set once it has been looked at so often.

    Args:
        looks: how often it is found not set.
    """

    def __init__(self, looks: int) -> None:
        self._left = looks

    @property
    def was_seen_set(self) -> bool:
        """Whether whoever looked at it has found it set."""
        return self._left < 0

    def is_set(self) -> bool:
        """See `CancelToken`."""
        self._left -= 1
        return self._left < 0


class _Given(TypedDict, total=False):
    """A cancel token, if there is one: not every store takes the argument."""

    cancel: CancelToken


def call(store: Storage, step: Step, *, cancel: CancelToken | None = None) -> None:
    """Let a store do a step that is a single call; what a read returns is not looked at.

    Args:
        store: which.
        step: what it is asked for.
        cancel: passed to the call; None: nothing is.
    """
    given: _Given = {} if cancel is None else {"cancel": cancel}
    match step:
        case SaveState():
            store.save_state(step.state, **given)
        case Append():
            store.append_log_entries(step.entries, **given)
        case Read():
            tuple(store.get_log_entries(step.start, step.end, **given))
        case TruncateSuffix():
            store.truncate_log_suffix(step.index, **given)
        case TruncatePrefix():
            store.truncate_log_prefix(step.index, **given)
        case SaveSnapshot():
            store.save_snapshot(step.metadata, _data_of(step), **given)
        case Cancelled() | Interrupted():
            call(store, step.step, cancel=cancel)
        case _:
            raise AssertionError(step)


def _data_of(step: SaveSnapshot) -> SnapshotData:
    return _chunks(step) if step.chunk_bytes else step.data


def _chunks(step: SaveSnapshot) -> Iterator[bytes]:
    for begin in range(0, len(step.data), step.chunk_bytes):
        yield step.data[begin : begin + step.chunk_bytes]
        yield b""


def refusal(what: Step | str, error: Exception, when: str = "without a crash") -> Problem:
    """Return what is wrong with a store that refuses something for no good reason."""
    kind = type(error).__name__
    invariant = "O7" if isinstance(what, (OpenStore, Reopen, KillProcess)) else "O8"
    step = what if isinstance(what, str) else type(what).__name__
    any_crash = "without any crash" if when == "without a crash" else when
    return Problem(
        invariant,
        f"{step} refused {when}: {kind}",
        f"{any_crash}, '{what}' was refused: {kind}: {error}",
    )
