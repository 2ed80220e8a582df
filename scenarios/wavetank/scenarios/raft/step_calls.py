"""A step of a workload as a call on a store, and a refusal of it as a finding."""

from __future__ import annotations

from wavetank.engine import Storage
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.steps import (
    Append,
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

__all__ = ["call", "refusal"]


def call(store: Storage, step: Step) -> None:
    """Let a store do a step that is a single call; what a read returns is not looked at."""
    match step:
        case SaveState():
            store.save_state(step.state)
        case Append():
            store.append_log_entries(step.entries)
        case Read():
            tuple(store.get_log_entries(step.start, step.end))
        case TruncateSuffix():
            store.truncate_log_suffix(step.index)
        case TruncatePrefix():
            store.truncate_log_prefix(step.index)
        case SaveSnapshot():
            store.save_snapshot(step.metadata, step.data)
        case _:
            raise AssertionError(step)


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
