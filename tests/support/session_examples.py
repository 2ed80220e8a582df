"""A plan, a finding and a session, made by hand, for whatever shows them."""

from attrs import evolve

from wavetank.reports.runs.session import Session, untouched
from wavetank.scenarios import (
    SCENARIOS,
    Case,
    RunPlan,
    RunResult,
    ScenarioResult,
    Violation,
)
from wavetank.sim import POSIX

PLAN = RunPlan(
    scenarios=("mixed", "log-conflict"),
    seeds=(0,),
    profiles=("sequential", "posix"),
    backend="builtin",
)
CASE = Case(
    workload=SCENARIOS["mixed"].workload(0),
    store="builtin",
    profile=POSIX,
    invariant="O12",
    kind="acknowledged entry lost",
)


VIOLATION = Violation(
    id="mixed-00112233",
    invariant="O12",
    kind="acknowledged entry lost",
    summary="acknowledged entry lost: index 4",
    why="step 1 ('append entry 4 of term 1') was acknowledged",
    steps=("0: open the store", "1: append entry 4 of term 1"),
    lost=("step 1: size 3 of /store/log.dat",),
    profiles=("posix",),
    cure="",
    rules=(),
    crash=None,
)

RESULT = ScenarioResult(
    name="mixed",
    seed=0,
    backend="builtin",
    profile="posix",
    steps=40,
    compactions=2,
    crash_points=267,
    legal=None,
    distinct=1000,
    judged=1000,
    unjudged=0,
    cache_hits=0,
    recoveries=2000,
    depth=0,
    complete=False,
    forked_points=0,
    stopped_after_first=False,
    violations=(),
    cases=(),
    digest="0" * 32,
)


def finished(*results: ScenarioResult) -> Session:
    session = untouched(PLAN)
    outcome = RunResult(plan=PLAN, results=results, digest="ab")
    return evolve(session, result=outcome, remaining=(), interrupted=False, elapsed_s=2.04)
