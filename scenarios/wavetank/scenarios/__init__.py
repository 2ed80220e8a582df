"""Workloads, reference model, oracle, runner: the only room where engine, model and disk meet.

General layout, along the way a run takes::

    steps.py, _node.py, catalogue.py   workloads as data, and the eight that ship
    backend.py                         stores under test; raftlock_published.py is one
    model.py                           the reference model and what may be on disk meanwhile
    recording.py                       a workload run once: op log and knowledge over time
    _live_run.py, _chronicle.py        the run itself, and what is known of the store meanwhile
    fault_lines.py, _fault_timeline.py what goes wrong, in the run and after each crash in it
    excuses.py, _excused.py            what may be missing where the disk lies
    explorer.py, recovery.py           every crash point, every image; what becomes of one image
    opening.py                         stores opened on images, once for all that they read alike
    observation.py, oracle.py          what a store shows, and which invariants that breaks
    crash_cycles.py                    crash after crash without work
    operation_faults.py                what goes wrong with every operation in turn
    operation_sweep.py                 every operation of a workload fails, and the store goes on
    recovery_sweep.py                  the same of each recovery from a power cut
    scenario_sweeps.py                 both over the catalogue
    violation.py                       a finding told to a person
    loss.py, store_life.py             one crash after the other, chosen by whoever drives
    moves.py                           what a node may do next, from what its store shows
    strategies.py, machines/           the same for hypothesis, which only they need
    events.py, runner.py               a whole plan, and those who listen
    replay.py, regression.py           one stored finding again
    zoo/                               bugs planted in variants of the engine, and their hunt
    crash_disk.py                      a disk for any code, crashed when one likes
    python_crashes/                    crash_test: any Python code that writes files
    damage/                            stores damaged in every place, and the right answers

It imports `wavetank.engine`, `wavetank.sim` and `wavetank.faults`. Start reading at model.py.
"""

from typing import TYPE_CHECKING

from wavetank.scenarios.backend import BACKENDS, Backend, Site, StoreBackend
from wavetank.scenarios.catalogue import SCENARIOS, Scenario
from wavetank.scenarios.contract import Contract
from wavetank.scenarios.crash_disk import EVERYTHING, CrashDisk, PythonDoor
from wavetank.scenarios.crash_point import CrashPoint
from wavetank.scenarios.events import (
    Event,
    Listener,
    OwnProfile,
    RunPlan,
    RunResult,
    ScenarioFinished,
    ScenarioProgress,
    ScenarioResult,
    Verdict,
)
from wavetank.scenarios.explorer import Finding, Sweep, explore, judge_image
from wavetank.scenarios.fates import Limits
from wavetank.scenarios.fault_lines import fault_plan
from wavetank.scenarios.loss import Loss, kept_after
from wavetank.scenarios.model import EMPTY, ModelState, acknowledge, begin
from wavetank.scenarios.observation import Observation, Problem, observe
from wavetank.scenarios.opening import LiveStore, Opening, Openings, Refusal
from wavetank.scenarios.operation_faults import (
    OPERATION_FAULTS,
    OperationCounts,
    OperationProblem,
    OperationSweep,
)
from wavetank.scenarios.operation_sweep import shorten, sweep_operations
from wavetank.scenarios.option_choices import (
    OPTION_CHOICES,
    OptionChoice,
    OptionError,
    pairwise,
    turned,
)
from wavetank.scenarios.oracle import INVARIANTS, Knowledge, judge
from wavetank.scenarios.python_crashes import (
    CodeFinding,
    CrashFinding,
    CrashReport,
    ProfileVerdict,
    WorkloadError,
    crash_test,
)
from wavetank.scenarios.recording import STORE_DIRECTORY, LiveProblem, Moment, Recording, record
from wavetank.scenarios.recovery import Recovery
from wavetank.scenarios.recovery_sweep import sweep_recoveries
from wavetank.scenarios.regression import judge_again
from wavetank.scenarios.replay import ReplayCase, ReplayResult, ReplayVerdict, replay, replay_cases
from wavetank.scenarios.runner import (
    UnknownNameError,
    backend_named,
    log_digest,
    profile_named,
    run,
    workload_of,
)
from wavetank.scenarios.scenario_sweeps import SweptScenario, sweep_scenarios
from wavetank.scenarios.steps import (
    Append,
    KillProcess,
    OpenStore,
    Read,
    Refused,
    Reopen,
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
    Workload,
)
from wavetank.scenarios.store_life import StoreLife
from wavetank.scenarios.violation import Violation, describe_op, explain, explain_live

if TYPE_CHECKING:
    from wavetank.scenarios.machines import CrashingDiskMachine as CrashingDiskMachine
    from wavetank.scenarios.machines import RaftStoreMachine as RaftStoreMachine
else:

    def __getattr__(name: str) -> object:
        """Import the machines when they are asked for: they need hypothesis."""
        if name not in ("CrashingDiskMachine", "RaftStoreMachine"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from wavetank.scenarios import machines  # noqa: PLC0415 - see above

        return getattr(machines, name)


__all__ = [
    "BACKENDS",
    "EMPTY",
    "EVERYTHING",
    "INVARIANTS",
    "OPERATION_FAULTS",
    "OPTION_CHOICES",
    "SCENARIOS",
    "STORE_DIRECTORY",
    "Append",
    "Backend",
    "CodeFinding",
    "Contract",
    "CrashDisk",
    "CrashFinding",
    "CrashPoint",
    "CrashReport",
    "Event",
    "Finding",
    "KillProcess",
    "Knowledge",
    "Limits",
    "Listener",
    "LiveProblem",
    "LiveStore",
    "Loss",
    "ModelState",
    "Moment",
    "Observation",
    "OpenStore",
    "Opening",
    "Openings",
    "OperationCounts",
    "OperationProblem",
    "OperationSweep",
    "OptionChoice",
    "OptionError",
    "OwnProfile",
    "Problem",
    "ProfileVerdict",
    "PythonDoor",
    "Read",
    "Recording",
    "Recovery",
    "Refusal",
    "Refused",
    "Reopen",
    "ReplayCase",
    "ReplayResult",
    "ReplayVerdict",
    "RunPlan",
    "RunResult",
    "SaveSnapshot",
    "SaveState",
    "Scenario",
    "ScenarioFinished",
    "ScenarioProgress",
    "ScenarioResult",
    "Site",
    "Step",
    "StoreBackend",
    "StoreLife",
    "Sweep",
    "SweptScenario",
    "TruncatePrefix",
    "TruncateSuffix",
    "UnknownNameError",
    "Verdict",
    "Violation",
    "Workload",
    "WorkloadError",
    "acknowledge",
    "backend_named",
    "begin",
    "crash_test",
    "describe_op",
    "explain",
    "explain_live",
    "explore",
    "fault_plan",
    "judge",
    "judge_again",
    "judge_image",
    "kept_after",
    "log_digest",
    "observe",
    "pairwise",
    "profile_named",
    "record",
    "replay",
    "replay_cases",
    "run",
    "shorten",
    "sweep_operations",
    "sweep_recoveries",
    "sweep_scenarios",
    "turned",
    "workload_of",
]
