"""What a store shows that was damaged at rest: its files before and after, and the answer."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from wavetank.engine import PersistentState, RecoveryMode, StorageError
from wavetank.scenarios.case import AtRest
from wavetank.scenarios.corruption.damaged_store import (
    DIRECTORY,
    Files,
    LogView,
    StoreContent,
    StoreRecord,
    disk_of,
)
from wavetank.scenarios.corruption.damages import DamagedFiles, damages, inflict
from wavetank.scenarios.corruption.lives import life_of
from wavetank.scenarios.corruption.opened import Shown, look
from wavetank.scenarios.evidence import Evidence
from wavetank.scenarios.exploration.explaining.disk_evidence import changed_files, files_seen
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.judging.store_words import (
    promised_lines,
    told_log,
    told_snapshot,
    told_state,
)
from wavetank.scenarios.raft.model import ModelState
from wavetank.scenarios.raft.recording import record as record_run
from wavetank.scenarios.raft.run_evidence import uncut_evidence
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.stores.registry import BUILTIN
from wavetank.sim import Profile

__all__ = ["damage_evidence"]


def damage_evidence(workload: Workload, at_rest: AtRest, profile: Profile) -> Evidence:
    """Return what the damaged store of a workload shows.

    Args:
        workload: the store's life.
        at_rest: how it ends, and the damage.
        profile: the filesystem's promises.

    Raises:
        ValueError: the store has no place for this damage any more.
    """
    life = life_of(workload, closed=at_rest.closed)
    recording = record_run(workload, BUILTIN)
    worked = uncut_evidence(recording, profile, Problem("", "", ""))
    if life.record is None or not at_rest.damages:
        return evolve(worked, shown=tuple(live.problem.summary for live in life.problems))
    record, damaged = life.record, _damaged(life.record, at_rest)
    answer = look(record, damaged, RecoveryMode(at_rest.mode))
    return Evidence(
        stretches=worked.stretches,
        before=files_seen(disk_of(record.files).image),
        after=files_seen(disk_of(damaged.files).image),
        changed=changed_files(_by_path(record.files), _by_path(damaged.files)),
        promised=promised_lines((_as_model(record.content),)),
        shown=tuple(_shown(answer)),
    )


def _damaged(record: StoreRecord, at_rest: AtRest) -> DamagedFiles:
    known = {str(damage): damage for damage in damages(record)}
    damaged = DamagedFiles(files=record.files, unreadable={})
    for words in at_rest.damages:
        if words not in known:
            raise ValueError(f"the store has no place for this damage any more: {words}")
        damaged = inflict(known[words], record, damaged)
    return damaged


def _by_path(files: Files) -> dict[str, bytes]:
    return {f"{DIRECTORY}/{name}": content for name, content in files.items()}


def _as_model(content: StoreContent) -> ModelState:
    return evolve(_as_log(content.log), state=content.state, snapshot=content.snapshot)


def _as_log(log: LogView) -> ModelState:
    return ModelState(base_index=log.first_index - 1, base_term=None, entries=log.entries)


def _shown(answer: Shown) -> Iterator[str]:
    if answer.failure:
        yield answer.failure
    if answer.refusal is not None:
        yield f"the store does not open: {_error(answer.refusal)}"
    if answer.failure or answer.refusal is not None:
        return
    state, log, snapshot = answer.state, answer.log, answer.snapshot
    if isinstance(state, PersistentState):
        yield told_state(state)
    if isinstance(log, LogView):
        yield told_log(_as_log(log))
    if not isinstance(snapshot, StorageError):
        yield told_snapshot(snapshot)
    for part in (state, log, snapshot):
        if isinstance(part, StorageError):
            yield _error(part)


def _error(error: StorageError) -> str:
    return f"{type(error).__name__}: {error}"
