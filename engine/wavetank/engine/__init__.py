"""The storage engine: a durable, crash-resilient Raft store on one directory.

General layout, from the outside in::

    storage.py           Storage: the contract of every store, this one or another's
    file_storage.py      FileStorage: this one; start reading here
    values.py, options.py, errors.py, report.py, snapshot_stream.py
                         what goes in and comes out
    verify.py, dump.py   a store looked at from outside; what they return is in verify_report.py
                         and store_dump.py
    filesystem.py        the door to files; os_filesystem.py is the real side
    runtime.py           the door to threads and time; thread_runtime.py is the real side
    locker.py            RWOperationLocker: readers beside one writer

Behind them stand small services, one module each, brought together in _services: the log
(_log_store, _log_appender, _log_reader, _log_compactor, _log_rewriter over _current_log,
_active_log, _index, _live_frames, _serializer, _frame) and what is known of it (_metadata), the
state (_state), snapshots (_snapshot_store, _snapshot_writer over _snapshot), metrics (_metrics over
_histogram), and what an open does (_judgement with _log_recovery and _snapshot_recovery, then
_recovery; _read_only with _read_only_log and _log_walk where nothing may change).
docs/format.md has every byte, docs/engine.md every promise.

It imports the standard library, attrs and a checksum library, and nothing else of this project.
"""

from wavetank.engine.dump import dump_directory
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
    CutTail,
    FileCondition,
    FoundFile,
    LostData,
    RecoveryAction,
    RecoveryReport,
    RecoveryStep,
)
from wavetank.engine.runtime import Condition, Lock, Runtime, Task
from wavetank.engine.snapshot_stream import SnapshotStream
from wavetank.engine.storage import CancelToken, SnapshotData, Storage
from wavetank.engine.store_dump import (
    DumpedDamage,
    DumpedDocument,
    DumpedFile,
    DumpedFrame,
    DumpedLogHeader,
    DumpedPart,
    StoreDump,
)
from wavetank.engine.thread_runtime import ThreadRuntime
from wavetank.engine.values import LogBounds, LogEntry, PersistentState, SnapshotMetadata
from wavetank.engine.verify import verify_directory
from wavetank.engine.verify_report import BadPlace, VerifyReport

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
