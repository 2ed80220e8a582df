"""A step of a workload as a call on a store, and a refusal of it as a finding."""

from __future__ import annotations

from wavetank.engine import Storage
from wavetank.scenarios.observation import Problem
from wavetank.scenarios.steps import (
    Append,
    KillProcess,
    OpenStore,
    Reopen,
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
)

__all__ = ["call", "refusal"]


def call(store: Storage, step: Step) -> None:
    """Do a step that changes what a store holds."""
    if isinstance(step, SaveState):
        store.save_state(step.state)
    elif isinstance(step, Append):
        store.append_log_entries(step.entries)
    elif isinstance(step, TruncateSuffix):
        store.truncate_log_suffix(step.index)
    elif isinstance(step, TruncatePrefix):
        store.truncate_log_prefix(step.index)
    elif isinstance(step, SaveSnapshot):
        store.save_snapshot(step.metadata, step.data)


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
