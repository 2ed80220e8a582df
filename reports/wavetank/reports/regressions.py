"""A stored failure as a test that runs by itself: fails while the bug is there, passes without it.

The test holds the workload as values, so that it means the same when the catalogue has changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import evolve

from wavetank.reports.python_values import PythonSource
from wavetank.scenarios import (
    Backend,
    ReplayCase,
    Workload,
    backend_named,
    judge_again,
    log_digest,
    profile_named,
    record,
    workload_of,
)
from wavetank.sim import Profile

__all__ = ["regression_test"]


def regression_test(case: ReplayCase, *, name: str, summary: str) -> str:
    """Return the source of a test for pytest.

    Args:
        case: what is to be tested.
        name: of the failure.
        summary: what was wrong, in a sentence.

    Raises:
        UnknownNameError: the case names a scenario, store or profile that is no longer there.
        OptionError: the same of options.
        FaultSyntaxError: the same of faults.
    """
    backend, profile = backend_named(case.backend), profile_named(case.profile, case.own_profiles)
    workload = workload_of(case.scenario, case.seed, case.options, case.faults)
    workload = _shortened(case, workload, backend, profile)
    source = PythonSource()
    for each in ("backend_named", "judge_again", "Workload"):
        source.need("wavetank.scenarios", each)
    body = [
        f"BACKEND = backend_named({case.backend!r})",
        f"PROFILE = {_profile(case, source)}",
        f"CRASH = {source.of(case.crash)}",
        f"DIGEST = {log_digest(record(workload, backend))!r}",
        *_workload(workload, source),
        "",
        "",
        f"def test_{re.sub(r'[^a-z0-9]+', '_', name.lower())}():",
        "    found = judge_again(WORKLOAD, BACKEND, PROFILE, CRASH, digest=DIGEST)",
        "    assert [",
        "        problem.summary",
        "        for problem in found",
        f"        if (problem.invariant, problem.kind) == ({case.invariant!r}, {case.kind!r})",
        "    ] == []",
    ]
    told = " ".join(summary.split()).replace("\\", "/").replace('"', "'")
    heading = f'"""{name}: {case.invariant}: {told}."""'
    return "\n".join([heading, "", *source.imports(), "", *body, ""])


def _shortened(
    case: ReplayCase, workload: Workload, backend: Backend, profile: Profile
) -> Workload:
    """Return a workload that ends with the step of the crash, if that shows the same."""
    if case.crash is None:
        return workload
    recording = record(workload, backend)
    step = recording.moment_at(case.crash.position).step
    shorter = evolve(workload, steps=workload.steps[: step + 1])
    digest = log_digest(record(shorter, backend))
    found = judge_again(shorter, backend, profile, case.crash, digest=digest)
    is_same = any((each.invariant, each.kind) == (case.invariant, case.kind) for each in found)
    return shorter if is_same else workload


def _profile(case: ReplayCase, source: PythonSource) -> str:
    if case.own_profile is not None:
        return source.of(case.own_profile.profile)
    source.need("wavetank.scenarios", "profile_named")
    return f"profile_named({case.profile!r})"


def _workload(workload: Workload, source: PythonSource) -> Iterator[str]:
    yield "WORKLOAD = Workload("
    yield f"    name={workload.name!r},"
    yield f"    seed={workload.seed},"
    yield f"    options={source.of(workload.options)},"
    if workload.faults.faults:
        yield f"    faults={source.of(workload.faults)},"
    yield "    steps=("
    for step in workload.steps:
        yield f"        {source.of(step)},"
    yield "    ),"
    yield ")"
