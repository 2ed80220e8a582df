"""Workloads, reference model, oracle, explorer: the only layer where engine, model and disk meet.

    exploration/     every crash of a recorded run: images, recovery graph, explanation
    raft/            Raft stores: workloads, model, oracle, driver, recording
    stores/          the stores that ship, what a store declares, and the registry of names
    conformance/     the checks that apply to any store (`wavetank check`)
    fault_sweep/     every operation fails once (`wavetank sweep`)
    fuzzing/         short lives with everything drawn together (`wavetank fuzz`)
    corruption/      stores damaged in every place (`wavetank damage`)
    mutants/         planted bugs that must be found (`wavetank zoo`)
    code/            any Python code that writes files (`crash_test`, `CrashDisk`)
    cluster/         Raft clusters over the store: nodes, network, faults, invariants
    concurrency/     tasks beside one another: schedules, crashes, linearizability
    scenario_files/  scenarios as values and as TOML files
    catalogue/       every scenario that ships, as such files
    shrinking/       findings made small: fewer steps, simpler values, fewer lost micro-ops
    machines/        hypothesis state machines over a crashing disk; strategies.py has the data
    runs/            a plan run: its results, its events, and those who listen
    case.py          everything that makes one judgement reproducible, as one value
    pages.py         the door to what draws results as pages
    reproduction.py  what judging a case again takes: limits, digests, the answer
    replay.py        a case judged again

It imports `wavetank.engine`, `wavetank.sim` and `wavetank.faults`. Start reading at raft/model.py.
"""

from typing import TYPE_CHECKING

from wavetank.faults import fault_plan
from wavetank.scenarios.case import Case, CaseError
from wavetank.scenarios.case_evidence import evidence_of
from wavetank.scenarios.catalogue import (
    ALL_SCENARIOS,
    CLUSTER_SCENARIOS,
    CONCURRENT_SCENARIOS,
    FAMILIES,
    SCENARIOS,
    UnknownNameError,
    scenario_text,
    workload_of,
)
from wavetank.scenarios.cluster.cluster_run import UnfitForClusterError, require_fit
from wavetank.scenarios.cluster.invariants import CLUSTER_INVARIANTS
from wavetank.scenarios.cluster.plan import ClusterPlan
from wavetank.scenarios.code import (
    CheckError,
    CodeFinding,
    ComplaintKind,
    CrashFinding,
    CrashReport,
    CrashTestOptions,
    CrashTestWarning,
    EmptyWorkloadError,
    Explored,
    InterleavedDisk,
    InterleavingFinding,
    ProfileVerdict,
    WorkloadError,
    crash_test,
    every,
    explore_interleavings,
)
from wavetank.scenarios.code.crash_disk import EVERYTHING, CrashDisk, SharedPythonFiles
from wavetank.scenarios.concurrency.concurrent_run import (
    UnschedulableStoreError,
    is_schedulable,
    require_schedulable,
)
from wavetank.scenarios.concurrency.history import Call, History
from wavetank.scenarios.concurrency.schedules import ScheduleRun
from wavetank.scenarios.corruption.damaged_cases import DAMAGE_INVARIANTS
from wavetank.scenarios.evidence import (
    ChangedFile,
    DiskOp,
    Evidence,
    Fate,
    FileSeen,
    Span,
    StretchSeen,
    SyncCall,
)
from wavetank.scenarios.exploration.causes import (
    Action,
    Breach,
    BrokenPromise,
    Chain,
    Cure,
    CureKind,
    LostWork,
    PromiseKind,
    Tried,
)
from wavetank.scenarios.exploration.crash_point import CrashPoint
from wavetank.scenarios.exploration.explaining.explain import explain, explain_live
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.exploration.explorer import Exploration, Finding, explore
from wavetank.scenarios.exploration.judging import judge_crash
from wavetank.scenarios.exploration.loss import Loss, kept_after
from wavetank.scenarios.exploration.op_words import describe_op
from wavetank.scenarios.exploration.point_outcomes import PointOutcome
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.scenarios.exploration.subject import (
    Interval,
    NewWork,
    Problem,
    RecordedRun,
    RecoveryRun,
    Refusal,
    Subject,
)
from wavetank.scenarios.fault_sweep.operation_faults import (
    OPERATION_FAULTS,
    OperationCounts,
    OperationProblem,
    OperationSweep,
)
from wavetank.scenarios.fault_sweep.recovery_sweep import sweep_recoveries
from wavetank.scenarios.fault_sweep.scenario_sweeps import SweptScenario, sweep_scenarios
from wavetank.scenarios.fault_sweep.workload_sweep import shorten, sweep_operations
from wavetank.scenarios.fuzzing.coverage import Coverage, Feature
from wavetank.scenarios.fuzzing.fuzzer import BrokenRun, FuzzCounts, Fuzzer, FuzzPlan, FuzzResult
from wavetank.scenarios.fuzzing.notes import FuzzFinding
from wavetank.scenarios.raft.contract import Contract
from wavetank.scenarios.raft.driving.history import LiveProblem
from wavetank.scenarios.raft.judging.observation import Observation, observe
from wavetank.scenarios.raft.judging.oracle import INVARIANTS, Knowledge, judge
from wavetank.scenarios.raft.model import EMPTY, ModelState, acknowledge, begin
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.raft.reopening.recovery_run import LiveStore, RecoveryCache
from wavetank.scenarios.raft.steps import (
    AfterFailure,
    Append,
    Cancel,
    Cancelled,
    Close,
    Dump,
    Inspect,
    KillProcess,
    OpenAgain,
    OpenStore,
    Read,
    ReadBounds,
    ReadSnapshot,
    ReadState,
    Refused,
    Reopen,
    SaveSnapshot,
    SaveState,
    SlowCall,
    Step,
    TaskPlan,
    TaskStep,
    TruncatePrefix,
    TruncateSuffix,
    Verify,
    Wait,
    Workload,
)
from wavetank.scenarios.raft.store_life import StoreLife
from wavetank.scenarios.raft.workloads.exhaustive import Family
from wavetank.scenarios.raft.workloads.fitted_workload import fitted
from wavetank.scenarios.raft.workloads.option_choices import (
    OPTION_CHOICES,
    OptionChoice,
    OptionError,
    pairwise,
    with_overrides,
)
from wavetank.scenarios.replay import explain_case, judge_again, replay, tell
from wavetank.scenarios.reproduction import (
    ReplayResult,
    ReplayVerdict,
    limits_of,
    log_digest,
    trace_digest,
)
from wavetank.scenarios.runs.events import (
    EVENT_KINDS,
    ClusterRunEvent,
    DamageEvent,
    Event,
    FindingEvent,
    Happening,
    OpEvent,
    RunFinishedEvent,
    RunStartedEvent,
    ScenarioFinishedEvent,
    ScenarioStartedEvent,
    StepEvent,
    SyncEvent,
)
from wavetank.scenarios.runs.listening import (
    FindingFound,
    Listener,
    News,
    RunningNews,
    ScenarioFinished,
    ScenarioProgress,
)
from wavetank.scenarios.runs.plan import (
    OwnProfile,
    OwnScenario,
    PlanError,
    RunPlan,
    plan_from_json,
    plan_to_json,
)
from wavetank.scenarios.runs.results import ClusterCounts, RunResult, ScenarioResult, Verdict
from wavetank.scenarios.runs.runner import default_scenarios, run, runnable_scenarios
from wavetank.scenarios.runs.shares import Share, ShareOutcome, count_shares
from wavetank.scenarios.runs.spreading import FinishedShares, LostShareError, Workers
from wavetank.scenarios.runs.stream import EventStream, events_of
from wavetank.scenarios.runs.unit import Unit, profile_named, units_of
from wavetank.scenarios.scenario_files.reading import ScenarioFileError, scenario_from_toml
from wavetank.scenarios.scenario_files.scenario import Scenario
from wavetank.scenarios.scenario_files.writing import scenario_to_toml
from wavetank.scenarios.stores.adapter import (
    STORE_DIRECTORY,
    PlainStoreError,
    Site,
    StoreAdapter,
    StoreFactory,
    adapter_of,
)
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.scenarios.stores.python_stores import on_simulated_disk
from wavetank.scenarios.stores.registry import (
    BUILTIN,
    RAFTLOCK_PUBLISHED,
    SHIPPED_STORES,
    StoreNotFoundError,
    find_store,
    shipped_names,
)
from wavetank.serving import serve_checks

if TYPE_CHECKING:
    from wavetank.scenarios.machines import CrashingDiskMachine as CrashingDiskMachine
    from wavetank.scenarios.machines import RaftStoreMachine as RaftStoreMachine
else:

    def __getattr__(name: str) -> object:
        """Import what is asked for: the machines need hypothesis."""
        if name not in ("CrashingDiskMachine", "RaftStoreMachine"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from wavetank.scenarios import machines  # noqa: PLC0415 - see above

        return getattr(machines, name)


__all__ = [
    "ALL_SCENARIOS",
    "BUILTIN",
    "CLUSTER_INVARIANTS",
    "CLUSTER_SCENARIOS",
    "CONCURRENT_SCENARIOS",
    "DAMAGE_INVARIANTS",
    "EMPTY",
    "EVENT_KINDS",
    "EVERYTHING",
    "FAMILIES",
    "INVARIANTS",
    "OPERATION_FAULTS",
    "OPTION_CHOICES",
    "RAFTLOCK_PUBLISHED",
    "SCENARIOS",
    "SHIPPED_STORES",
    "STORE_DIRECTORY",
    "Action",
    "AfterFailure",
    "Append",
    "Breach",
    "BrokenPromise",
    "BrokenRun",
    "Call",
    "Cancel",
    "Cancelled",
    "Capability",
    "Case",
    "CaseError",
    "Chain",
    "ChangedFile",
    "CheckError",
    "Close",
    "ClusterCounts",
    "ClusterPlan",
    "ClusterRunEvent",
    "CodeFinding",
    "ComplaintKind",
    "Contract",
    "Coverage",
    "CrashDisk",
    "CrashFinding",
    "CrashPoint",
    "CrashReport",
    "CrashTestOptions",
    "CrashTestWarning",
    "Cure",
    "CureKind",
    "DamageEvent",
    "DiskOp",
    "Dump",
    "EmptyWorkloadError",
    "Event",
    "EventStream",
    "Evidence",
    "Exploration",
    "Explored",
    "Family",
    "Fate",
    "Feature",
    "FileSeen",
    "Finding",
    "FindingEvent",
    "FindingFound",
    "FinishedShares",
    "FuzzCounts",
    "FuzzFinding",
    "FuzzPlan",
    "FuzzResult",
    "Fuzzer",
    "Happening",
    "History",
    "Inspect",
    "InterleavedDisk",
    "InterleavingFinding",
    "Interval",
    "KillProcess",
    "Knowledge",
    "Limits",
    "Listener",
    "LiveProblem",
    "LiveStore",
    "Loss",
    "LostShareError",
    "LostWork",
    "ModelState",
    "NewWork",
    "News",
    "Observation",
    "OpEvent",
    "OpenAgain",
    "OpenStore",
    "OperationCounts",
    "OperationProblem",
    "OperationSweep",
    "OptionChoice",
    "OptionError",
    "OwnProfile",
    "OwnScenario",
    "PlainStoreError",
    "PlanError",
    "PointOutcome",
    "Problem",
    "ProfileVerdict",
    "PromiseKind",
    "RaftSubject",
    "Read",
    "ReadBounds",
    "ReadSnapshot",
    "ReadState",
    "RecordedRun",
    "Recording",
    "RecoveryCache",
    "RecoveryRun",
    "Refusal",
    "Refused",
    "Reopen",
    "ReplayResult",
    "ReplayVerdict",
    "RunFinishedEvent",
    "RunPlan",
    "RunResult",
    "RunStartedEvent",
    "RunningNews",
    "SaveSnapshot",
    "SaveState",
    "Scenario",
    "ScenarioFileError",
    "ScenarioFinished",
    "ScenarioFinishedEvent",
    "ScenarioProgress",
    "ScenarioResult",
    "ScenarioStartedEvent",
    "ScheduleRun",
    "Share",
    "ShareOutcome",
    "SharedPythonFiles",
    "Site",
    "SlowCall",
    "Span",
    "Step",
    "StepEvent",
    "StoreAdapter",
    "StoreFactory",
    "StoreLife",
    "StoreNotFoundError",
    "StretchSeen",
    "Subject",
    "SweptScenario",
    "SyncCall",
    "SyncEvent",
    "TaskPlan",
    "TaskStep",
    "Tried",
    "TruncatePrefix",
    "TruncateSuffix",
    "UnfitForClusterError",
    "Unit",
    "UnknownNameError",
    "UnschedulableStoreError",
    "Verdict",
    "Verify",
    "Violation",
    "Wait",
    "Workers",
    "Workload",
    "WorkloadError",
    "acknowledge",
    "adapter_of",
    "begin",
    "count_shares",
    "crash_test",
    "default_scenarios",
    "describe_op",
    "events_of",
    "every",
    "evidence_of",
    "explain",
    "explain_case",
    "explain_live",
    "explore",
    "explore_interleavings",
    "fault_plan",
    "find_store",
    "fitted",
    "is_schedulable",
    "judge",
    "judge_again",
    "judge_crash",
    "kept_after",
    "limits_of",
    "log_digest",
    "observe",
    "on_simulated_disk",
    "pairwise",
    "plan_from_json",
    "plan_to_json",
    "profile_named",
    "record",
    "replay",
    "require_fit",
    "require_schedulable",
    "run",
    "runnable_scenarios",
    "scenario_from_toml",
    "scenario_text",
    "scenario_to_toml",
    "serve_checks",
    "shipped_names",
    "shorten",
    "sweep_operations",
    "sweep_recoveries",
    "sweep_scenarios",
    "tell",
    "trace_digest",
    "units_of",
    "with_overrides",
    "workload_of",
]
