"""What can go wrong besides a crash: the fault language and its injectors.

General layout, from the bottom up::

    operations.py         the operations of the filesystem seam, in classes
    where.py, which.py    the operations that a fault looks at, and which of them it strikes
    failures.py           what it does: operations that report an error or do less
    damages.py            what it does: disks that say nothing of it
    damages_at_rest.py    what it does: bytes and files that are not what was written
    crashes.py            what it does: the power goes, or the process is killed
    disturbances.py       what it does: the cache is dropped, time passes or jumps
    fault.py              faults and plans of them, as values that print as text
    syntax.py             text read back
    at_rest.py            the damage that lies on a disk, as a value
    vocabulary.py         all that can be said, for people who choose
    injector.py           which operations are struck, and how often each fault has fired
    surroundings.py       what faults ask of a simulated machine beside its filesystem
    faulty_filesystem.py  another filesystem, whose operations go wrong as a plan says

It acts on the filesystem seam and on `wavetank.sim`'s disk through their public hooks, does not
know the engine's store, and is imported by `wavetank.scenarios` and `wavetank.reports` alone. Start
reading at fault.py. Not there: messages between nodes.
"""

from wavetank.faults.at_rest import AtRest, DamagedBlock, FormerContent, HiddenName, WrongLength
from wavetank.faults.conditions import FileTest, While
from wavetank.faults.crashes import Crash, CrashEnd, CrashSignal, Moment
from wavetank.faults.damages import (
    FlipBit,
    LostWrite,
    Misdirected,
    SyncLie,
    TornShape,
    TornWrite,
)
from wavetank.faults.damages_at_rest import (
    Lengthened,
    Missing,
    Shortened,
    Stale,
    Unreadable,
    Zeroed,
)
from wavetank.faults.disturbances import ClockJump, Evict, Stall
from wavetank.faults.failures import Fail, FaultErrno, FillUp, OpenLimit, ReadOnly, Short, When
from wavetank.faults.fault import (
    BlockDamage,
    Damage,
    Disturbance,
    Failure,
    Fault,
    FaultFamily,
    FaultPlan,
    FileDamage,
    Struck,
    What,
)
from wavetank.faults.faulty_file import FaultyFile
from wavetank.faults.faulty_filesystem import FaultyFileSystem
from wavetank.faults.injector import FaultInjector, InjectorState
from wavetank.faults.operation import Operation
from wavetank.faults.operations import (
    FAULT_CLASSES,
    OPERATIONS,
    SYNCS_OF_FILES,
    FaultClass,
    OperationKind,
    SeamOperation,
    kinds_of,
)
from wavetank.faults.surroundings import ClockHooks, DiskHooks
from wavetank.faults.syntax import parse_fault, parse_plan
from wavetank.faults.syntax_error import FaultSyntaxError
from wavetank.faults.vocabulary import VOCABULARY, FaultWords
from wavetank.faults.where import ByteRange, Where
from wavetank.faults.which import Chance, Which

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
    "Disturbance",
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
    "Moment",
    "OpenLimit",
    "Operation",
    "OperationKind",
    "ReadOnly",
    "SeamOperation",
    "Short",
    "Shortened",
    "Stale",
    "Stall",
    "Struck",
    "SyncLie",
    "TornShape",
    "TornWrite",
    "Unreadable",
    "What",
    "When",
    "Where",
    "Which",
    "While",
    "WrongLength",
    "Zeroed",
    "kinds_of",
    "parse_fault",
    "parse_plan",
]
