"""Inject faults into a filesystem: a language of one line per fault, and what does as it says.

From the bottom up::

    operations.py           the operations of the filesystem seam, by kind and class
    matching.py             which operations a fault looks at, and at which of them it fires
    failures.py             operations that report an error or do less
    damages.py              disks that report success and keep or show something else
    environment.py          the process ends, the cache is dropped, time passes or jumps
    fault.py                faults and plans of them, as values that print as text
    language.py             text read back, and the list of all words
    counting.py             how often each fault has matched and fired
    at_rest.py              the damage that lies on a disk
    injector.py             which operations the faults fire at
    damaged_filesystem.py   a filesystem as its damage shows it
    faulty_filesystem.py    a filesystem whose operations go wrong as a plan says
    strategies.py           faults and plans for hypothesis

It works on the filesystem seam and on `wavetank.sim`'s disk through their public hooks, does not
know the engine's store, and is imported by `wavetank.scenarios` and `wavetank.reports` alone. Start
reading at fault.py.
"""

from wavetank.faults.at_rest import AtRest, DamagedBlock, FormerContent, HiddenName, WrongLength
from wavetank.faults.damages import (
    BlockDamage,
    Damage,
    FileDamage,
    FlipBit,
    Lengthened,
    LostWrite,
    Misdirected,
    Missing,
    Shortened,
    Stale,
    SyncLie,
    TornShape,
    TornWrite,
    Unreadable,
    Zeroed,
)
from wavetank.faults.environment import (
    ClockHooks,
    ClockJump,
    Crash,
    CrashEnd,
    CrashSignal,
    DiskHooks,
    EnvironmentFault,
    Evict,
    Stall,
)
from wavetank.faults.failures import Fail, Failure, FaultErrno, FillUp, OpenLimit, ReadOnly, Short
from wavetank.faults.fault import Fault, FaultFamily, FaultPlan, OperationFault, What
from wavetank.faults.faulty_filesystem import FaultyFile, FaultyFileSystem
from wavetank.faults.injector import FaultInjector, InjectorState
from wavetank.faults.language import (
    VOCABULARY,
    FaultSyntaxError,
    FaultWords,
    fault_plan,
    parse_fault,
    parse_plan,
)
from wavetank.faults.matching import (
    ByteRange,
    Chance,
    FileTest,
    OperationMatcher,
    Trigger,
    While,
)
from wavetank.faults.operations import (
    FAULT_CLASSES,
    OPERATIONS,
    SYNCS_OF_FILES,
    FaultClass,
    Operation,
    OperationKind,
    SeamOperation,
    When,
    kinds_of,
)

__all__ = [
    "FAULT_CLASSES",
    "OPERATIONS",
    "SYNCS_OF_FILES",
    "VOCABULARY",
    "AtRest",
    "BlockDamage",
    "ByteRange",
    "Chance",
    "ClockHooks",
    "ClockJump",
    "Crash",
    "CrashEnd",
    "CrashSignal",
    "Damage",
    "DamagedBlock",
    "DiskHooks",
    "EnvironmentFault",
    "Evict",
    "Fail",
    "Failure",
    "Fault",
    "FaultClass",
    "FaultErrno",
    "FaultFamily",
    "FaultInjector",
    "FaultPlan",
    "FaultSyntaxError",
    "FaultWords",
    "FaultyFile",
    "FaultyFileSystem",
    "FileDamage",
    "FileTest",
    "FillUp",
    "FlipBit",
    "FormerContent",
    "HiddenName",
    "InjectorState",
    "Lengthened",
    "LostWrite",
    "Misdirected",
    "Missing",
    "OpenLimit",
    "Operation",
    "OperationFault",
    "OperationKind",
    "OperationMatcher",
    "ReadOnly",
    "SeamOperation",
    "Short",
    "Shortened",
    "Stale",
    "Stall",
    "SyncLie",
    "TornShape",
    "TornWrite",
    "Trigger",
    "Unreadable",
    "What",
    "When",
    "While",
    "WrongLength",
    "Zeroed",
    "fault_plan",
    "kinds_of",
    "parse_fault",
    "parse_plan",
]
