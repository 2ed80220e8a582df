"""One input run, crashed and judged: what it has reached, and what was wrong."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.fuzzing.coverage import Feature
from wavetank.scenarios.fuzzing.damage_trial import try_damage
from wavetank.scenarios.fuzzing.notes import Course, FuzzFinding, FuzzKey, Notes
from wavetank.scenarios.fuzzing.step_trial import try_steps
from wavetank.scenarios.fuzzing.task_trial import try_tasks
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.scenarios.stores.python_stores import on_simulated_disk
from wavetank.scenarios.stores.registry import find_store

__all__ = ["Trial", "try_case"]


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

    features: frozenset[Feature] = frozenset()
    findings: tuple[FuzzFinding, ...] = ()
    wrong: tuple[FuzzKey, ...] = ()
    steps: int = 0
    images: int = 0
    recoveries: int = 0
    digest: str = ""
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
        return Trial(digest=told, error=told)


def _tried(case: Case, images: int, known: frozenset[FuzzKey]) -> Trial:
    workload, notes = case.workload, Notes(case, known)
    faults = bool(workload.faults.faults)
    with on_simulated_disk(find_store(case.store), faults=faults) as store:
        attempt = _attempt_for(case)
        course = attempt(case, store, images, notes)
    return Trial(
        features=course.features,
        findings=tuple(notes.findings),
        wrong=tuple(notes.wrong),
        steps=course.steps,
        images=course.images,
        recoveries=course.recoveries,
        digest=course.digest,
    )


def _attempt_for(case: Case) -> Callable[[Case, StoreAdapter, int, Notes], Course]:
    if case.at_rest is not None:
        return try_damage
    return try_tasks if case.workload.tasks else try_steps
