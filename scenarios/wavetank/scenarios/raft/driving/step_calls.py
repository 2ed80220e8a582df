"""A step of a workload as a call on a store, and what a wrong answer to it is called."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, TypedDict, cast

from attrs import frozen

from wavetank.engine import Buffer, CancelToken, SnapshotData, Storage
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

__all__ = [
    "CountedToken",
    "call",
    "not_cancelled",
    "not_poisoned",
    "poisoned_for_room",
    "refusal",
    "with_data_that_sets",
]

_WIDE: Final = 4
"""Bytes of the items of a view that does not count in bytes."""
_SETTING_CHUNK: Final = 1000


class CountedToken:
    """A cancel token that is set once it has been looked at so often.

    Args:
        looks: how often it is found not set.
        only_set: it is found not set until `set` is called, instead.
    """

    def __init__(self, looks: int, *, only_set: bool = False) -> None:
        self._left: float = math.inf if only_set else looks

    @property
    def was_seen_set(self) -> bool:
        """Whether whoever looked at it has found it set."""
        return self._left < 0

    def set(self) -> None:
        """Let it be found set from now on."""
        self._left = min(self._left, 0)

    def is_set(self) -> bool:
        """See `CancelToken`."""
        self._left -= 1
        return self._left < 0


class _Given(TypedDict, total=False):
    """A cancel token, if there is one: not every store takes the argument."""

    cancel: CancelToken


def call(store: Storage, step: Step | _Setting, *, cancel: CancelToken | None = None) -> None:
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
        case _Setting():
            store.save_snapshot(step.inner.metadata, _as_data(_setting_chunks(step)), **given)
        case Cancelled() | Interrupted():
            call(store, step.step, cancel=cancel)
        case _:
            raise AssertionError(step)


@frozen
class _Setting:
    """A snapshot whose data sets a cancel token once a part of it has been taken."""

    inner: SaveSnapshot
    token: CountedToken


def with_data_that_sets(step: Step, token: CountedToken) -> Step | _Setting:
    """Return a call that sets a token while it takes its data, if it has data."""
    return _Setting(step, token) if isinstance(step, SaveSnapshot) else step


def _data_of(step: SaveSnapshot) -> SnapshotData:
    return _as_data(_chunks(step)) if step.chunk_bytes else step.data


def _as_data(chunks: Iterator[Buffer]) -> SnapshotData:
    """Return chunks of any type for which bytes stand in annotations."""
    return cast("SnapshotData", chunks)


def _chunks(step: SaveSnapshot) -> Iterator[Buffer]:
    """Yield the data in chunks of each type that may hold bytes, with an empty one behind each."""
    for number, begin in enumerate(range(0, len(step.data), step.chunk_bytes)):
        chunk = step.data[begin : begin + step.chunk_bytes]
        kinds: tuple[Buffer, ...] = (chunk, bytearray(chunk), memoryview(chunk))
        if len(chunk) % _WIDE == 0:
            # The length of such a view is not that of its bytes.
            kinds = (*kinds, memoryview(chunk).cast("I"))
        yield kinds[-1 - number % len(kinds)]
        yield b""


def _setting_chunks(step: _Setting) -> Iterator[Buffer]:
    yield step.inner.data[:1]
    step.token.set()
    for begin in range(1, len(step.inner.data), _SETTING_CHUNK):
        yield step.inner.data[begin : begin + _SETTING_CHUNK]


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


def not_poisoned(step: Step, error: Exception) -> Problem:
    """Return the finding that a store goes on after a failure that must poison it."""
    what = f"'{step}' failed with {type(error).__name__}: {error}"
    return Problem(
        "O19",
        "not poisoned by what has failed",
        f"{what}; expected StoragePoisonedError for every later change, but the next one succeeded",
    )


def poisoned_for_room(step: Step, error: Exception) -> Problem:
    """Return the finding that a store is poisoned though it only lacked room."""
    return Problem(
        "O19",
        "poisoned by what only lacked room",
        f"'{step}' found no room for a temporary file ({error}); expected that work goes on, but "
        f"the store is poisoned",
    )


def not_cancelled(step: Cancelled) -> Problem:
    """Return the finding that a call went on though its token was set."""
    return Problem(
        "O21",
        f"{type(step.step).__name__} went on though it was cancelled",
        f"'{step}', but it returned; expected OperationCancelledError",
    )
