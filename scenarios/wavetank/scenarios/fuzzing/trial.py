"""One input run, crashed and judged: what it has reached, and what was wrong."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.explain import Violation, explain, explain_live
from wavetank.scenarios.exploration.explorer import Exploration, explore
from wavetank.scenarios.exploration.recovery_graph import Limits, Look
from wavetank.scenarios.exploration.subject import RecoveryRun
from wavetank.scenarios.fuzzing.coverage import Feature, branch_of, features
from wavetank.scenarios.raft.crash_cycles import crash_cycle_problems
from wavetank.scenarios.raft.fitted_workload import undeclared_invariants
from wavetank.scenarios.raft.observation import Observation
from wavetank.scenarios.raft.recording import LiveProblem, Recording, record
from wavetank.scenarios.raft.recovery import RaftSubject
from wavetank.scenarios.reproduction import limits_of, log_digest
from wavetank.scenarios.stores.python_stores import on_simulated_disk
from wavetank.scenarios.stores.registry import find_store
from wavetank.scenarios.unit import found_case

__all__ = ["FuzzFinding", "FuzzKey", "Trial", "try_case"]

FuzzKey = tuple[str, str, str]
"""Invariant, kind of problem, and kind of step: findings of one key are told once."""

_IMAGES_A_POINT: Final = 3
_CYCLES_EVERY: Final = 8


@frozen(kw_only=True)
class FuzzFinding:
    """One thing that was wrong.

    Attributes:
        key: what is told once.
        case: brings it back.
        violation: its story.
    """

    key: FuzzKey
    case: Case
    violation: Violation


@frozen(kw_only=True)
class Trial:
    """What came of one input.

    Attributes:
        features: what it has reached.
        findings: what was wrong, and was not known.
        wrong: the keys of all that was wrong.
        steps: that ran.
        images: crash images judged.
        recoveries: stores opened.
        digest: a hash of the run, the images and the verdicts.
        error: why the run broke off, which is an error of wavetank; "" if it did not.
    """

    features: frozenset[Feature]
    findings: tuple[FuzzFinding, ...]
    wrong: tuple[FuzzKey, ...]
    steps: int
    images: int
    recoveries: int
    digest: str
    error: str = ""


def try_case(case: Case, images: int, known: frozenset[FuzzKey] = frozenset()) -> Trial:
    """Run an input once, crash it here and there, and judge what comes back.

    Args:
        case: the input.
        images: crash images judged at most.
        known: findings whose story has been told.
    """
    try:
        return _tried(case, images, known)
    except Exception as error:  # noqa: BLE001 - one run must not end a night
        place = traceback.extract_tb(error.__traceback__)[-1]
        told = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
        return Trial(
            features=frozenset(),
            findings=(),
            wrong=(),
            steps=0,
            images=0,
            recoveries=0,
            digest=told,
            error=told,
        )


def _tried(case: Case, images: int, known: frozenset[FuzzKey]) -> Trial:
    workload = case.workload
    faults = bool(workload.faults.faults)
    with on_simulated_disk(find_store(case.store), faults=faults) as store:
        recording = record(workload, store)
        watch = _Watch()
        undeclared = undeclared_invariants(store.held_to)
        subject = RaftSubject(workload, store, undeclared, on_recovery=watch.recovery)
        live = tuple(_live(case, recording))
        seen = explore(
            recording,
            case.profile,
            limits=_limits(case, recording, images),
            subject=subject,
            on_step=watch.step,
        )
        found = _Found(case, recording, known)
        for problem in live:
            found.take_live(problem)
        found.take(seen)
    struck = {
        line
        for counts in (recording.faults_fired, seen.faults_fired)
        for line, count in counts.items()
        if count
    }
    return Trial(
        features=features(workload, range(recording.steps_run), struck, watch.branches),
        findings=tuple(found.findings),
        wrong=tuple(dict.fromkeys(found.wrong)),
        steps=recording.steps_run,
        images=seen.judged,
        recoveries=seen.recoveries,
        digest=_digest(recording, seen),
    )


def _limits(case: Case, recording: Recording, images: int) -> Limits:
    first = case.workload.crashes_from
    begin = next((each.position for each in recording.history if each.step >= first), 0)
    points = max(1, len(recording.log) - begin)
    return evolve(
        limits_of(case, max_images=images),
        max_after_first=images,
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


class _Watch:
    """Notes what recoveries do, by the step in which the crash came."""

    def __init__(self) -> None:
        self.branches: dict[int, dict[str, None]] = {}
        self._step = 0

    def step(self, step: int) -> None:
        self._step = step

    def recovery(self, run: RecoveryRun[Observation]) -> None:
        self.branches.setdefault(self._step, {})[branch_of(run)] = None


class _Found:
    """Tells what is wrong, each kind once."""

    def __init__(self, case: Case, recording: Recording, known: frozenset[FuzzKey]) -> None:
        self.findings: list[FuzzFinding] = []
        self.wrong: list[FuzzKey] = []
        self._case = case
        self._recording = recording
        self._known = set(known)

    def take_live(self, live: LiveProblem) -> None:
        problem = live.problem
        key = problem.invariant, problem.kind, self._operation(live.step)
        if self._is_new(key):
            case = evolve(self._case, invariant=problem.invariant, kind=problem.kind)
            story = explain_live(self._recording, self._case.profile, live.step, problem)
            self._tell(key, case, story)

    def take(self, seen: Exploration) -> None:
        for finding in seen.findings:
            problem = finding.problem
            key = problem.invariant, problem.kind, self._operation(finding.step)
            if self._is_new(key):
                case = found_case(self._case, self._recording, finding)
                self._tell(key, case, explain(self._recording, self._case.profile, finding))

    def _operation(self, step: int) -> str:
        return type(self._recording.workload.steps[step]).__name__

    def _is_new(self, key: FuzzKey) -> bool:
        self.wrong.append(key)
        return key not in self._known

    def _tell(self, key: FuzzKey, case: Case, story: Violation) -> None:
        self._known.add(key)
        violation = evolve(story, id=case.id)
        self.findings.append(FuzzFinding(key=key, case=case, violation=violation))


def _digest(recording: Recording, seen: Exploration) -> str:
    whole = log_digest(recording) + seen.digest
    return blake2b(whole.encode(), digest_size=16).hexdigest()
