"""One input of steps: run once, and crashed here and there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from typing import Final

from attrs import evolve

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.explaining.explain import explain, explain_live
from wavetank.scenarios.exploration.explorer import explore
from wavetank.scenarios.exploration.recovery_graph import Limits, Look
from wavetank.scenarios.fuzzing.coverage import features
from wavetank.scenarios.fuzzing.notes import Course, Notes
from wavetank.scenarios.raft.crash_cycles import crash_cycle_problems
from wavetank.scenarios.raft.recording import LiveProblem, Recording, record
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.raft.workloads.fitted_workload import undeclared_invariants
from wavetank.scenarios.reproduction import limits_of, log_digest
from wavetank.scenarios.runs.unit import found_case
from wavetank.scenarios.stores.adapter import StoreAdapter

__all__ = ["try_steps"]

_IMAGES_A_POINT: Final = 3
_SETS_IN_RECOVERY: Final = 4
_CYCLES_EVERY: Final = 8


def try_steps(case: Case, store: StoreAdapter, images: int, notes: Notes) -> Course:
    """Run the steps of an input, crash them here and there, and note what comes of it.

    Args:
        case: the input.
        store: of the input, on the simulated disk.
        images: crash images judged at most.
        notes: of the input.
    """
    recording, profile = record(case.workload, store), case.profile
    undeclared = undeclared_invariants(store.held_to)
    subject = RaftSubject(case.workload, store, undeclared, on_recovery=notes.recovery)
    for live in _live(case, recording):
        problem = live.problem
        notes.problem(
            problem,
            live.step,
            partial(evolve, case, invariant=problem.invariant, kind=problem.kind),
            partial(explain_live, recording, profile, live.step, problem),
        )
    seen = explore(
        recording,
        profile,
        limits=_limits(case, recording, images),
        subject=subject,
        on_step=notes.step,
    )
    for finding in seen.findings:
        notes.problem(
            finding.problem,
            finding.step,
            partial(found_case, case, recording, finding),
            partial(explain, recording, profile, finding),
        )
    counts = (*recording.faults_fired.items(), *seen.faults_fired.items())
    whole = log_digest(recording) + seen.digest
    struck = frozenset(line for line, count in counts if count)
    ran = range(recording.steps_run)
    return Course(
        features=features(case.workload, ran, struck, notes.branches),
        steps=recording.steps_run,
        images=seen.judged,
        recoveries=seen.recoveries,
        digest=blake2b(whole.encode(), digest_size=16).hexdigest(),
    )


def _limits(case: Case, recording: Recording, images: int) -> Limits:
    first = case.workload.crashes_from
    begin = next((each.position for each in recording.history if each.step >= first), 0)
    points = max(1, len(recording.log) - begin)
    return evolve(
        limits_of(case, max_images=images),
        max_after_first=images,
        # Of a crash inside a recovery a few images, too: all of them may be thousands.
        max_sets_per_point=_SETS_IN_RECOVERY,
        look=Look(
            images=_IMAGES_A_POINT,
            every=max(1, points * _IMAGES_A_POINT // (2 * images)),
            seed=case.workload.seed,
            alone=True,
        ),
    )


def _live(case: Case, recording: Recording) -> Iterator[LiveProblem]:
    """Yield what is wrong without a chosen crash; idle crash cycles are tried now and then."""
    yield from recording.problems
    if case.workload.seed % _CYCLES_EVERY == 0:
        yield from crash_cycle_problems(recording, case.profile)
