"""Stores in any language: a driver, started by a command, answers the suite line by line.

    command_store.py    a command as a store under test; start reading here
    driver_store.py     each call of the suite as a request and its answer
    protocol.py         the words of the lines
    driver_process.py   the child process: limits, its end, what it said
    traced_drivers.py   a traced driver, whose system calls are applied to a simulated disk
    errors.py           what a driver can do wrong

docs/driver-protocol.md is the page for whoever writes a driver.
"""

from wavetank.scenarios.stores.command.command_store import (
    COMMAND_PREFIX,
    CommandError,
    command_store,
)
from wavetank.scenarios.stores.command.errors import (
    DriverAnswerError,
    DriverEndedError,
    DriverError,
    DriverStartError,
    DriverTimeoutError,
)
from wavetank.scenarios.stores.command.protocol import DRIVER_CAPABILITIES, PROTOCOL_VERSION

__all__ = [
    "COMMAND_PREFIX",
    "DRIVER_CAPABILITIES",
    "PROTOCOL_VERSION",
    "CommandError",
    "DriverAnswerError",
    "DriverEndedError",
    "DriverError",
    "DriverStartError",
    "DriverTimeoutError",
    "command_store",
]
