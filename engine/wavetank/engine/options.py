"""Where a store lives and how it behaves: `StorageConfig` and `FileStorageOptions`.

Names are RaftLock's. An option is here only if it works.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any, Final, Protocol

from attrs import Attribute, field, frozen
from attrs.validators import optional

__all__ = ["FileStorageOptions", "RecoveryMode", "StorageConfig", "StorageFeatureFlags"]

_MEBIBYTE: Final = 1 << 20
_UNLIMITED: Final = 1 << 62
"""More bytes than a file can have."""


def _boolean(owner: object, attribute: Attribute[bool], value: bool) -> None:  # noqa: FBT001
    if not isinstance(value, bool):
        raise TypeError(_expected(owner, attribute.name, "bool", value))


def _integer(least: int, most: int) -> Any:  # noqa: ANN401 - attrs' validator type
    def check(owner: object, attribute: Attribute[int], value: int) -> None:
        if type(value) is not int:
            raise TypeError(_expected(owner, attribute.name, "int", value))
        if not least <= value <= most:
            raise ValueError(_expected(owner, attribute.name, f"{least} <= value <= {most}", value))

    return check


def _seconds(owner: object, attribute: Attribute[float], value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(_expected(owner, attribute.name, "seconds as a number", value))
    if not (math.isfinite(value) and value > 0):
        raise ValueError(_expected(owner, attribute.name, "seconds > 0", value))


def _expected(owner: object, name: str, expectation: str, value: object) -> str:
    kind = type(value).__name__
    return f"{type(owner).__name__}.{name}: expected {expectation} but got {value!r} ({kind})"


class _PathLike(Protocol):
    def __fspath__(self) -> str: ...


def _directory(value: str | _PathLike) -> str:
    path: object = value if isinstance(value, str) else getattr(value, "__fspath__", lambda: None)()
    if not isinstance(path, str):
        kind = type(value).__name__
        raise TypeError(f"StorageConfig.directory: expected a path but got {value!r} ({kind})")
    if not path or "\0" in path or not _is_encodable(path):
        raise ValueError(f"StorageConfig.directory: expected a non-empty text path, got {path!r}")
    return path.rstrip("/") or "/"


def _is_encodable(path: str) -> bool:
    """Whether the system can be asked for it; lone surrogates but for escaped bytes cannot."""
    try:
        path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


@frozen(kw_only=True)
class StorageConfig:
    """Where the store lives.

    Args:
        directory: the one directory that holds every file, as text or a path; made if missing.

    Raises:
        TypeError: no path.
        ValueError: empty, or a path that no system can name.

    >>> StorageConfig(directory="/var/lib/node-1/raft/").directory
    '/var/lib/node-1/raft'
    """

    directory: str = field(converter=_directory)


class RecoveryMode(Enum):
    """What an open may do with damage. Whatever it may do, it reports.

    Attributes:
        CONSERVATIVE: cut nothing from the log unless it was certainly never acknowledged.
        NORMAL: cut what may be an unfinished append; refuse to lose what was acknowledged.
        AGGRESSIVE: keep what can be read, give up the rest, and report it as lost.
    """

    CONSERVATIVE = "conservative"
    NORMAL = "normal"
    AGGRESSIVE = "aggressive"


def _recovery_mode(value: RecoveryMode | str) -> RecoveryMode:
    given: object = value
    for mode in RecoveryMode:
        if given is mode or given == mode.value:
            return mode
    names = ", ".join(mode.value for mode in RecoveryMode)
    kind = type(given).__name__
    message = f"FileStorageOptions.recovery_mode: expected {names} but got {given!r} ({kind})"
    raise ValueError(message) if isinstance(given, str) else TypeError(message)


@frozen(kw_only=True)
class StorageFeatureFlags:
    """Optimisations that can be switched off.

    Args:
        binary_format: write log entries in a compact binary form; off: in JSON.
        index_map: keep in memory where each frame of the log lies; off: every read looks for its
            frames in the file, which takes the time of reading all of it.
        async_truncation: compact in the background after a snapshot instead of inside the call.
        chunked_io: read and write large files ``chunk_size`` bytes at a time; off: each in one
            call, which takes as much memory as the file.
        atomic_writes: replace state, metadata and snapshot under a temporary name; off: write them
            in place, where a crash can leave damage. That is then detected, but not undone.
        lock_timeout: give up on a lock after the options' ``lock_timeout`` seconds; off: wait.
        metrics: count and time operations; off: no cost, and nothing to tell.

    Raises:
        TypeError: a flag that is no boolean, named.

    >>> FileStorageOptions(features=StorageFeatureFlags(metrics=False)).features.metrics
    False
    """

    binary_format: bool = field(default=True, validator=_boolean)
    index_map: bool = field(default=True, validator=_boolean)
    async_truncation: bool = field(default=True, validator=_boolean)
    chunked_io: bool = field(default=True, validator=_boolean)
    atomic_writes: bool = field(default=True, validator=_boolean)
    lock_timeout: bool = field(default=True, validator=_boolean)
    metrics: bool = field(default=True, validator=_boolean)


def _features(owner: object, attribute: Attribute[StorageFeatureFlags], value: object) -> None:
    if not isinstance(value, StorageFeatureFlags):
        raise TypeError(_expected(owner, attribute.name, "StorageFeatureFlags", value))


@frozen(kw_only=True)
class FileStorageOptions:
    """How a `FileStorage` behaves; the defaults suit production.

    Args:
        features: optimisations, each of which can be switched off.
        auto_truncate_on_snapshot: compact the log once a snapshot is durable.
        sync_on_append: an append is durable on return; off, only a prefix survives a crash.
        recovery_mode: what an open may do with damage; a `RecoveryMode`, or its name.
        read_only: open without a lock, change nothing, and read what is intact, damaged or not.
        retained_log_size: entries that a prefix truncation always keeps, for slow followers.
        chunk_size: bytes read or written at once for large files, with the feature ``chunked_io``.
        lock_timeout: seconds to wait for a lock.
        truncation_timeout: seconds that close() waits for background compaction.
        max_entry_size: largest command in bytes.
        compaction_requires_snapshot: refuse to drop entries that no snapshot covers.
        preallocate: bytes of space to reserve for the log at a time, so that a full disk shows
            before an append is written rather than within it; 0 for none. None, the default, fills
            space ahead of the frames, half of the log's length and at most 256 KiB at a time,
            which makes a sync cost less; where the disk has no room for it, it goes without.

    Raises:
        TypeError: an option of another type, named.
        ValueError: an option out of range, named.

    >>> FileStorageOptions(retained_log_size=4).sync_on_append
    True
    """

    features: StorageFeatureFlags = field(factory=StorageFeatureFlags, validator=_features)
    auto_truncate_on_snapshot: bool = field(default=True, validator=_boolean)
    sync_on_append: bool = field(default=True, validator=_boolean)
    recovery_mode: RecoveryMode = field(default=RecoveryMode.NORMAL, converter=_recovery_mode)
    read_only: bool = field(default=False, validator=_boolean)
    retained_log_size: int = field(default=100, validator=_integer(0, 2**63))
    chunk_size: int = field(default=_MEBIBYTE, validator=_integer(512, 1 << 30))
    lock_timeout: float = field(default=5.0, validator=_seconds)
    truncation_timeout: float = field(default=30.0, validator=_seconds)
    max_entry_size: int = field(default=64 * _MEBIBYTE, validator=_integer(1, (1 << 31) - 1))
    compaction_requires_snapshot: bool = field(default=True, validator=_boolean)
    preallocate: int | None = field(default=None, validator=optional(_integer(0, 1 << 30)))

    @property
    def transfer_size(self) -> int:
        """How many bytes a large file is read or written by: ``chunk_size``, or no limit.

        >>> FileStorageOptions(chunk_size=4096).transfer_size
        4096
        """
        return self.chunk_size if self.features.chunked_io else _UNLIMITED
