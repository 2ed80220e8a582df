"""Programs in any language: their traces crashed everywhere, and checked on real directories.

::

    recording.py      a trace as a recording, as Python code on the simulated disk has one
    images.py         a crash image laid out in a real directory
    probing.py        a check on many images, each once
    command_runs.py   the check runs in processes,
    check_command.py  each of which is a command,
    function_runs.py  or in forks, as a Python function
    crash_functions.py  `crash_test` of functions on the real machine
    crash_trace.py    all of it: verdicts, findings, and which syncs are needed

The recorders are in `wavetank.sim.traces`. Start reading at crash_trace.py.
"""

from wavetank.scenarios.traced.check_command import CheckCommand, CommandError, Place
from wavetank.scenarios.traced.command_runs import CommandRuns, ImageCheck
from wavetank.scenarios.traced.crash_functions import (
    CodeUnderTrace,
    crash_functions,
    recorder_named,
)
from wavetank.scenarios.traced.crash_trace import TraceVerdict, crash_trace
from wavetank.scenarios.traced.function_runs import FunctionRuns
from wavetank.scenarios.traced.images import ImageDirectory, NoRoomError
from wavetank.scenarios.traced.probing import ImageProbing, ImageRuns
from wavetank.scenarios.traced.recording import recording_of

__all__ = [
    "CheckCommand",
    "CodeUnderTrace",
    "CommandError",
    "CommandRuns",
    "FunctionRuns",
    "ImageCheck",
    "ImageDirectory",
    "ImageProbing",
    "ImageRuns",
    "NoRoomError",
    "Place",
    "TraceVerdict",
    "crash_functions",
    "crash_trace",
    "recorder_named",
    "recording_of",
]
