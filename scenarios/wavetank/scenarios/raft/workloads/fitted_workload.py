"""A workload fitted to what a store declares, so that no store is reported for what it never said.

Scenarios are written for a store that does everything. `fitted` leaves out the calls that a store
does not have, and asks of its options no more than it declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from attrs import evolve

from wavetank.engine import FileStorageOptions
from wavetank.scenarios.raft.model import EMPTY, ModelState, acknowledge
from wavetank.scenarios.raft.steps import (
    Append,
    Cancelled,
    Close,
    Interrupted,
    OpenAgain,
    ReadSnapshot,
    ReadState,
    Refused,
    SaveSnapshot,
    SaveState,
    Step,
    StoreCall,
    TaskStep,
    TruncatePrefix,
    TruncateSuffix,
    Workload,
)
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["fitted", "is_gap", "undeclared_invariants"]

_DECLARED: Final = MappingProxyType({"O10": Capability.NO_LITTER, "O11": Capability.ATOMIC_BATCHES})
"""Invariants that a store is held to only if it declares to keep them."""

_NEEDS: Final[Mapping[type[Step | OpenAgain], frozenset[Capability]]] = MappingProxyType(
    {
        SaveState: frozenset({Capability.VOTES}),
        SaveSnapshot: frozenset({Capability.SNAPSHOTS}),
        TruncatePrefix: frozenset({Capability.TRUNCATE_PREFIX}),
        TruncateSuffix: frozenset({Capability.TRUNCATE_SUFFIX}),
    }
)
_TASK_NEEDS: Final[Mapping[type[StoreCall], frozenset[Capability]]] = MappingProxyType(
    {
        SaveState: frozenset({Capability.VOTES, Capability.REFUSES_STALE_VOTES}),
        ReadState: frozenset({Capability.VOTES}),
        SaveSnapshot: frozenset({Capability.SNAPSHOTS}),
        ReadSnapshot: frozenset({Capability.SNAPSHOTS}),
        TruncatePrefix: frozenset({Capability.TRUNCATE_PREFIX}),
        TruncateSuffix: frozenset({Capability.TRUNCATE_SUFFIX}),
        OpenAgain: frozenset({Capability.REFUSES_SECOND_OPENER}),
        Close: frozenset({Capability.REFUSES_SECOND_OPENER}),
    }
)
"""For calls that run beside others."""


def fitted(workload: Workload, store: StoreAdapter) -> Workload:
    """Return the workload as far as a store can take it: as it is, for one that does everything.

    It ends before the first step that builds on one left out, such as an append after a suffix
    truncation that the store does not have.

    Args:
        workload: written for a store that does everything.
        store: whose `held_to` says what it does.

    >>> from wavetank.scenarios import BUILTIN, SCENARIOS
    >>> workload = SCENARIOS["mixed"].workload(seed=0)
    >>> fitted(workload, BUILTIN) == workload
    True
    """
    can = store.held_to
    return evolve(
        workload,
        steps=tuple(_steps(workload, can)),
        tasks=tuple(
            evolve(task, steps=tuple(_task_steps(task.steps, can))) for task in workload.tasks
        ),
        after=tuple(_task_steps(workload.after, can)),
        options=_options(workload.options, can),
        has_votes=workload.has_votes and Capability.VOTES in can,
    )


def undeclared_invariants(capabilities: frozenset[Capability]) -> frozenset[str]:
    """Return the invariants for which a store that declares just these is not reported.

    >>> sorted(undeclared_invariants(frozenset({Capability.NO_LITTER})))
    ['O11']
    """
    return frozenset(each for each, need in _DECLARED.items() if need not in capabilities)


def _options(options: FileStorageOptions, can: frozenset[Capability]) -> FileStorageOptions:
    if Capability.BACKGROUND_COMPACTION not in can:
        # It removes what it is told to, and nothing by itself.
        options = evolve(options, retained_log_size=0, auto_truncate_on_snapshot=False)
    return evolve(
        options,
        compaction_requires_snapshot=options.compaction_requires_snapshot
        and Capability.COMPACTION_NEEDS_SNAPSHOT in can,
        sync_on_append=options.sync_on_append and Capability.DURABLE_APPENDS in can,
    )


def _steps(workload: Workload, can: frozenset[Capability]) -> Iterator[Step]:
    state = EMPTY
    for step in workload.steps:
        after = acknowledge((state,), step, workload.options)[-1]
        if _needs(step, state, after) <= can:
            yield _as_called(step, can)
        elif after.last_index != state.last_index or _installs(state, after):
            return
        state = after


def _as_called(step: Step, can: frozenset[Capability]) -> Step:
    """Return a step as a store can take it: some take no cancel token, and no data in chunks."""
    if Capability.LOCK_TIMEOUTS in can:
        return step
    if isinstance(step, Cancelled):
        return _as_called(step.step, can)
    if isinstance(step, Interrupted):
        inner = _as_called(step.step, can)
        assert isinstance(inner, type(step.step)), "it is the same call"
        return evolve(step, step=inner)
    return evolve(step, chunk_bytes=0) if isinstance(step, SaveSnapshot) else step


def _task_steps(steps: Iterable[TaskStep], can: frozenset[Capability]) -> Iterator[TaskStep]:
    for step in steps:
        needs = _TASK_NEEDS.get(type(step.call), frozenset())
        if step.timeout_s is not None:
            needs |= {Capability.LOCK_TIMEOUTS}
        if needs <= can:
            yield step


def is_gap(append: Append, before: ModelState) -> bool:
    """Whether the indices of a batch do not follow the log, or one another."""
    indices = [entry.index for entry in append.entries]
    first = before.last_index + 1
    return indices != list(range(first, first + len(indices)))


def _installs(before: ModelState, after: ModelState) -> bool:
    """Whether a snapshot has become the log's new base."""
    return after.snapshot != before.snapshot and after.base_index > before.base_index


def _needs(step: Step, before: ModelState, after: ModelState) -> frozenset[Capability]:
    if isinstance(step, (Cancelled, Interrupted)):
        return _needs(step.step, before, after)
    if isinstance(step, Refused):
        return _NEEDS.get(type(step.step), frozenset()) | {_refuses(step.step, before)}
    needs = _NEEDS.get(type(step), frozenset())
    if isinstance(step, TruncateSuffix) and step.index <= before.base_index:
        # From below the first entry on: all of them.
        needs |= {Capability.CHECKS_ARGUMENTS}
    return needs | {Capability.INSTALLS_SNAPSHOTS} if _installs(before, after) else needs


def _refuses(step: Step | OpenAgain, before: ModelState) -> Capability:
    """Return what a store declares that refuses a step."""
    match step:
        case SaveState() if step.state.current_term <= before.state.current_term:
            return Capability.REFUSES_STALE_VOTES
        case SaveSnapshot():
            return Capability.REFUSES_STALE_SNAPSHOTS
        case TruncatePrefix():
            return Capability.COMPACTION_NEEDS_SNAPSHOT
        case Append() if is_gap(step, before):
            return Capability.REFUSES_GAPS
        case OpenAgain():
            return Capability.REFUSES_SECOND_OPENER
    return Capability.CHECKS_ARGUMENTS
