"""A stored failure as a test that runs by itself: fails while the bug is there, passes without it.

The test holds the whole case as a value, so that it means the same when the scenarios that ship
have changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from attrs import evolve, fields

from wavetank.reports.stored.python_values import PythonSource, is_default
from wavetank.scenarios import Case, Workload, find_store, judge_again, record, trace_digest
from wavetank.sim import PROFILES, Tearing

__all__ = ["regression_test"]

_LISTED: Final = ("steps", "tasks", "after", "slow_calls")
_TOLD_APART: Final = frozenset(
    {"name", "seed", "options", "summary", "unusual", "overrides", *_LISTED}
)
"""Fields of a workload with a line of their own, or for people alone."""


def regression_test(case: Case, *, name: str, summary: str) -> str:
    """Return the source of a test for pytest.

    Args:
        case: what is to be tested.
        name: of the failure.
        summary: what was wrong, in a sentence.

    Raises:
        StoreNotFoundError: the case names a store that is no longer there.
    """
    case = _shortened(case)
    source = PythonSource()
    for each in ("Case", "Workload", "judge_again"):
        source.need("wavetank.scenarios", each)
    body = [
        "CASE = Case(",
        *_workload(case.workload, source),
        f"    store={case.store!r},",
        f"    profile={_profile(case, source)},",
        f"    depth={case.depth!r},",
        *_tearing(case, source),
        f"    crash={source.of(case.crash)},",
        f"    invariant={case.invariant!r},",
        f"    kind={case.kind!r},",
        f"    trace={case.trace!r},",
        *_schedule(case, source),
        ")",
        "",
        "",
        f"def test_{re.sub(r'[^a-z0-9]+', '_', name.lower())}():",
        "    assert judge_again(CASE) == ()",
    ]
    told = " ".join(summary.split()).replace("\\", "/").replace('"', "'")
    heading = f'"""{name}: {case.invariant}: {told}."""'
    return "\n".join([heading, "", *source.imports(), "", *body, ""])


def _shortened(case: Case) -> Case:
    """Return a case whose workload ends with the step of the crash, if that shows the same."""
    crash = case.crash
    if crash is None or case.workload.tasks:
        return case
    recording = record(case.workload, find_store(case.store))
    position = crash.position if crash.killed_at is None else crash.killed_at
    steps = case.workload.steps[: recording.interval_at(position).step + 1]
    shorter = evolve(case, workload=evolve(case.workload, steps=steps))
    shorter_run = record(shorter.workload, find_store(case.store))
    try:
        trace = trace_digest(shorter_run, case.profile, crash)
    except ValueError:
        return case
    shorter = evolve(shorter, trace=trace)
    return shorter if judge_again(shorter) else case


def _profile(case: Case, source: PythonSource) -> str:
    if case.profile not in PROFILES:
        return source.of(case.profile)
    source.need("wavetank.scenarios", "profile_named")
    return f"profile_named({case.profile.name!r})"


def _workload(workload: Workload, source: PythonSource) -> Iterator[str]:
    yield "    workload=Workload("
    yield f"        name={workload.name!r},"
    yield f"        seed={workload.seed},"
    yield f"        options={source.of(workload.options)},"
    for field in fields(Workload):
        value = getattr(workload, field.name)
        if field.name not in _TOLD_APART and not is_default(workload, field):
            yield f"        {field.name}={source.of(value)},"
    for name in _LISTED:
        if (values := getattr(workload, name)) or name == "steps":
            yield f"        {name}=("
            yield from (f"            {source.of(value)}," for value in values)
            yield "        ),"
    yield "    ),"


def _tearing(case: Case, source: PythonSource) -> Iterator[str]:
    if case.tearing != Tearing():
        yield f"    tearing={source.of(case.tearing)},"


def _schedule(case: Case, source: PythonSource) -> Iterator[str]:
    if case.schedule is not None:
        source.need("wavetank.sim", "Schedule")
        yield f"    schedule=Schedule.from_text({str(case.schedule)!r}),"
