"""One input with tasks: run under a few schedules, and crashed in some of them."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from attrs import evolve

from wavetank.scenarios.case import Case
from wavetank.scenarios.concurrency.concurrent_run import start_of
from wavetank.scenarios.concurrency.exploration import TasksExploration, explore_tasks
from wavetank.scenarios.concurrency.findings import task_findings
from wavetank.scenarios.concurrency.schedules import Player
from wavetank.scenarios.exploration.recovery_graph import Limits, Look
from wavetank.scenarios.fuzzing.coverage import features
from wavetank.scenarios.fuzzing.notes import Course, Notes
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.raft.workloads.fitted_workload import undeclared_invariants
from wavetank.scenarios.reproduction import limits_of
from wavetank.scenarios.stores.adapter import StoreAdapter

__all__ = ["try_tasks"]

_SCHEDULES: Final = 9
_IMAGES_A_POINT: Final = 2


def try_tasks(case: Case, store: StoreAdapter, images: int, notes: Notes) -> Course:
    """Run the tasks of an input under a few schedules, and note what comes of it.

    Args:
        case: the input.
        store: of the input; one that can be scheduled.
        images: crash images judged of each schedule at most.
        notes: of the input.
    """
    workload = case.workload
    undeclared = undeclared_invariants(store.held_to)
    subject = RaftSubject(workload, store, undeclared, on_recovery=notes.recovery)
    with Player(start_of(workload, store)) as player:
        seen = explore_tasks(
            player,
            case.profile,
            seed=workload.seed,
            schedules=_SCHEDULES,
            limits=_limits(case, images),
            subject=subject,
            on_step=notes.step,
        )
        for found in task_findings(case, player, seen):
            notes.problem(found.problem, found.step, found.give_case, found.tell)
    return Course(
        features=features(workload, range(len(workload.all_steps)), (), notes.branches),
        steps=len(workload.steps) + seen.schedules.runs * len(workload.all_steps),
        images=sum(crashed.seen.judged for crashed in seen.crashed),
        recoveries=subject.recoveries,
        digest=_digest(seen),
    )


def _limits(case: Case, images: int) -> Limits:
    look = Look(images=_IMAGES_A_POINT, every=2, seed=case.workload.seed, alone=True)
    return evolve(limits_of(case, max_images=images), max_after_first=images, look=look)


def _digest(seen: TasksExploration) -> str:
    digest = blake2b(seen.schedules.digest.encode(), digest_size=16)
    for crashed in seen.crashed:
        digest.update(crashed.seen.digest.encode())
    return digest.hexdigest()
