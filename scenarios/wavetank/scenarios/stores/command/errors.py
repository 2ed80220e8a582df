"""What a driver can do wrong, apart from the errors that its store answers with.

Each is a `StorageError`, so that whoever judges the store sees a refusal, and names the request.
"""

from __future__ import annotations

from wavetank.engine import StorageError

__all__ = [
    "DriverAnswerError",
    "DriverEndedError",
    "DriverError",
    "DriverStartError",
    "DriverTimeoutError",
]


class DriverError(StorageError):
    """Root of what is wrong with a driver and not with what it stores."""


class DriverStartError(DriverError):
    """There is no such program, or it may not be run."""


class DriverEndedError(DriverError):
    """The driver ended, or closed its standard output, before it had answered."""


class DriverTimeoutError(DriverError):
    """The driver did not answer in time, and was killed."""


class DriverAnswerError(DriverError):
    """The driver answered what the protocol does not know, and was killed."""
