"""The storage engine: a durable, crash-resilient Raft store on one directory.

Layout, from the outside in::

    storage.py           Storage: the contract of every store, this one or another's
    file_storage.py      FileStorage: this one; start reading here
    values.py, options.py, errors.py, report.py
                         what goes in and comes out
    verify.py, dump.py   a store read back, copied, shown
    filesystem.py        the seam to files; os_filesystem.py is the real side
    runtime.py           the seam to threads and time; thread_runtime.py is the real side
    locker.py            RWOperationLocker: readers beside one writer
    state.py, snapshot.py, snapshot_store.py over document.py and directory.py
                         the small files and the snapshot
    log/                 log.dat: format, scanner, reader, append, compaction, repair
    inspection.py        inspect: the one look at a directory
    recovery.py          what an open makes of it, also with read_only
    metrics.py, status.py
                         counters; whether the store may be used

docs/format.md has every byte, docs/engine.md every promise.

It imports the standard library, attrs and a checksum library, and nothing else of this project.
"""

from wavetank.engine.dump import (
    DumpedDamage,
    DumpedDocument,
    DumpedFile,
    DumpedFrame,
    DumpedLogHeader,
    DumpedPart,
    StoreDump,
    dump_directory,
)
from wavetank.engine.errors import (
    CorruptedError,
    CorruptedLogError,
    CorruptedSnapshotError,
    CorruptedStateError,
    EmptyEntriesError,
    EntryConflictError,
    EntryNotFoundError,
    EntryTooLargeError,
    IndexOutOfRangeError,
    InvalidLogRangeError,
    InvalidOffsetError,
    LockTimeoutError,
    LogError,
    NonContiguousEntriesError,
    NoSnapshotError,
    NotInitializedError,
    OperationCancelledError,
    OutOfOrderEntriesError,
    SnapshotError,
    SnapshotMismatchError,
    SnapshotOutOfDateError,
    StateRegressionError,
    StorageClosedError,
    StorageError,
    StorageForkedError,
    StorageIOError,
    StorageLockedError,
    StoragePoisonedError,
    StorageReadOnlyError,
    UnsupportedFormatError,
)
from wavetank.engine.file_storage import FileStorage
from wavetank.engine.filesystem import Buffer, File, FileKind, FileStat, FileSystem, OpenFlag
from wavetank.engine.locker import RWOperationLocker
from wavetank.engine.options import (
    FileStorageOptions,
    RecoveryMode,
    StorageConfig,
    StorageFeatureFlags,
)
from wavetank.engine.os_filesystem import OsFileSystem
from wavetank.engine.report import (
    BadPlace,
    CutTail,
    FileCondition,
    FoundFile,
    LostData,
    RecoveryAction,
    RecoveryReport,
    RecoveryStep,
    VerifyReport,
)
from wavetank.engine.runtime import Condition, Lock, Runtime, Task
from wavetank.engine.snapshot import SnapshotStream
from wavetank.engine.storage import CancelToken, SnapshotData, Storage
from wavetank.engine.thread_runtime import ThreadRuntime
from wavetank.engine.values import LogBounds, LogEntry, PersistentState, SnapshotMetadata
from wavetank.engine.verify import verify_directory

__all__ = [
    "BadPlace",
    "Buffer",
    "CancelToken",
    "Condition",
    "CorruptedError",
    "CorruptedLogError",
    "CorruptedSnapshotError",
    "CorruptedStateError",
    "CutTail",
    "DumpedDamage",
    "DumpedDocument",
    "DumpedFile",
    "DumpedFrame",
    "DumpedLogHeader",
    "DumpedPart",
    "EmptyEntriesError",
    "EntryConflictError",
    "EntryNotFoundError",
    "EntryTooLargeError",
    "File",
    "FileCondition",
    "FileKind",
    "FileStat",
    "FileStorage",
    "FileStorageOptions",
    "FileSystem",
    "FoundFile",
    "IndexOutOfRangeError",
    "InvalidLogRangeError",
    "InvalidOffsetError",
    "Lock",
    "LockTimeoutError",
    "LogBounds",
    "LogEntry",
    "LogError",
    "LostData",
    "NoSnapshotError",
    "NonContiguousEntriesError",
    "NotInitializedError",
    "OpenFlag",
    "OperationCancelledError",
    "OsFileSystem",
    "OutOfOrderEntriesError",
    "PersistentState",
    "RWOperationLocker",
    "RecoveryAction",
    "RecoveryMode",
    "RecoveryReport",
    "RecoveryStep",
    "Runtime",
    "SnapshotData",
    "SnapshotError",
    "SnapshotMetadata",
    "SnapshotMismatchError",
    "SnapshotOutOfDateError",
    "SnapshotStream",
    "StateRegressionError",
    "Storage",
    "StorageClosedError",
    "StorageConfig",
    "StorageError",
    "StorageFeatureFlags",
    "StorageForkedError",
    "StorageIOError",
    "StorageLockedError",
    "StoragePoisonedError",
    "StorageReadOnlyError",
    "StoreDump",
    "Task",
    "ThreadRuntime",
    "UnsupportedFormatError",
    "VerifyReport",
    "dump_directory",
    "verify_directory",
]
