"""The head of a log that is opened: intact, of another version, rebuilt, or not the right one's.

Left out: the frames behind it (_log_recovery.py, _read_only_log.py).
"""

from __future__ import annotations

from wavetank.engine.errors import CorruptedLogError, UnsupportedFormatError
from wavetank.engine.filesystem import File
from wavetank.engine.log.active import ActiveLog
from wavetank.engine.log.format import (
    LOG_HEADER_SIZE,
    LOG_VERSION,
    LogHeader,
    decode_log_header,
    encode_log_header,
    log_header_version,
)
from wavetank.engine.metadata import LogMetadata

__all__ = ["begin_log", "check_generation", "require_proof_of_header"]


def begin_log(
    path: str, file: File, content: bytes, metadata: LogMetadata | None, *, indexed: bool
) -> tuple[ActiveLog, bool]:
    """Return the log of a header, and whether that had to be taken from the metadata.

    Args:
        path: of the log, for errors.
        file: the log.
        content: the bytes where the header belongs.
        metadata: what may stand in for a damaged header, or None.
        indexed: keep an index of the frames in memory.

    Raises:
        CorruptedLogError: the header is damaged, and nothing stands in for it.
        UnsupportedFormatError: it is of another version.
    """
    decoded = decode_log_header(content)
    if decoded is not None:
        return ActiveLog(file, *decoded, indexed=indexed), False
    version = log_header_version(content)
    if version is not None and version != LOG_VERSION:
        raise UnsupportedFormatError(
            f"{path}: expected log version {LOG_VERSION} but found version {version}"
        )
    if metadata is None:
        raise _damaged_header(path)
    header = LogHeader(
        incarnation=metadata.incarnation,
        generation=metadata.generation,
        base_index=metadata.base_index,
        base_term=metadata.base_term,
    )
    header_checksum = encode_log_header(header)[1]
    return ActiveLog(file, header, header_checksum, indexed=indexed), True


def require_proof_of_header(path: str, log: ActiveLog) -> None:
    """Raise `CorruptedLogError` unless a frame shows that a rebuilt header is the right one."""
    if not log.last_batch:
        raise _damaged_header(path)


def _damaged_header(path: str) -> CorruptedLogError:
    return CorruptedLogError(
        f"{path}: expected an intact header of {LOG_HEADER_SIZE} bytes; without it nothing in the "
        "log can be told from damage; restore the directory, or let the node join anew",
        path=path,
        offset=0,
    )


def check_generation(path: str, log: ActiveLog, metadata: LogMetadata | None) -> None:
    """Raise `CorruptedLogError` for a log that is older than metadata.json, or another."""
    if metadata is None:
        return
    header = log.header
    older = header.generation < metadata.generation
    other = header.generation == metadata.generation and header.incarnation != metadata.incarnation
    if older or other:
        raise CorruptedLogError(
            f"{path}: expected generation {metadata.generation} as metadata.json says, "
            f"but found {'another' if other else f'generation {header.generation}'}; "
            "restore the log that belongs to this directory",
            path=path,
            offset=0,
            index=log.first_index,
        )
