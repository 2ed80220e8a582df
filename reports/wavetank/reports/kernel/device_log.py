"""What a block device was asked to do: writes and flushes, in order, as they reach it.

The program that serves the device (_device_server.py) appends to a log file; whoever drives the
filesystem on it reads the same file. Its length at any moment therefore says what the device had
received by then.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from attrs import frozen

__all__ = ["DeviceEvent", "DeviceWrite", "Flush", "LoggedEvent", "encode_event", "read_events"]

_HEADER: Final = struct.Struct("<BQI")
_WRITE: Final = 1
_FLUSH: Final = 2


@frozen
class DeviceWrite:
    """Bytes that reached the device and may be lost until the next flush.

    Attributes:
        offset: on the device, in bytes.
        data: what was written there.
    """

    offset: int
    data: bytes


@frozen
class Flush:
    """From here on, all that was written before is durable."""


DeviceEvent = DeviceWrite | Flush


@frozen
class LoggedEvent:
    """An event and where it stands.

    Attributes:
        position: length of the log, in bytes, once the event is in it.
        event: what happened.
    """

    position: int
    event: DeviceEvent


def encode_event(event: DeviceEvent) -> bytes:
    """Return an event as it stands in the log file."""
    if isinstance(event, Flush):
        return _HEADER.pack(_FLUSH, 0, 0)
    return _HEADER.pack(_WRITE, event.offset, len(event.data)) + event.data


def read_events(log: bytes) -> Iterator[LoggedEvent]:
    """Yield the events of a log file.

    Args:
        log: its content. An event that is not complete yet ends it.

    Raises:
        ValueError: these bytes are no such log.
    """
    start = 0
    while start + _HEADER.size <= len(log):
        kind, offset, length = _HEADER.unpack_from(log, start)
        end = start + _HEADER.size + length
        if kind not in (_WRITE, _FLUSH):
            raise ValueError(f"expected event kind 1 or 2 at byte {start} of the log, got {kind}")
        if end > len(log):
            return
        data = log[start + _HEADER.size : end]
        yield LoggedEvent(end, Flush() if kind == _FLUSH else DeviceWrite(offset, data))
        start = end
