"""Programs in any language: their traces crashed everywhere, and checked on real directories.

::

    recording.py      a trace as a recording, as Python code on the simulated disk has one
    benches.py        real directories for images, one for each check that runs at once
    probing.py        a check on many images, each once
    command_runs.py   the check runs in processes,
    check_command.py  each of which is a command,
    persistent_check.py  or a process that is asked about one image after the other
    function_runs.py  the check runs in forks, as a Python function
    judged_again.py   the image of a stored finding, or its recovery
    recoveries.py     what the recovery does to an image, under the recorder
    crash_functions.py  `crash_test` of functions on the real machine
    crash_trace.py    all of it: verdicts, findings, and which syncs are needed

The recorders are in `wavetank.sim.traces`. Start reading at crash_trace.py.
"""

from wavetank.scenarios.traced.benches import Place
from wavetank.scenarios.traced.check_command import CheckCommand, CommandError
from wavetank.scenarios.traced.command_runs import CommandRuns, ImageCheck
from wavetank.scenarios.traced.crash_functions import (
    CodeUnderTrace,
    crash_functions,
    recorder_named,
)
from wavetank.scenarios.traced.crash_trace import TraceVerdict, crash_trace, judge_of
from wavetank.scenarios.traced.function_runs import FunctionRuns
from wavetank.scenarios.traced.judged_again import image_judged_again, recovery_judged_again
from wavetank.scenarios.traced.persistent_check import PersistentCheck
from wavetank.scenarios.traced.probing import ImageProbing, ImageRuns
from wavetank.scenarios.traced.recording import recording_of
from wavetank.scenarios.traced.recoveries import RecoveredCheck, RecoveryError, TracedRecoveries
from wavetank.serving import serve_checks
from wavetank.sim.traces.images import ImageDirectory, NoRoomError

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
    "PersistentCheck",
    "Place",
    "RecoveredCheck",
    "RecoveryError",
    "TraceVerdict",
    "TracedRecoveries",
    "crash_functions",
    "crash_trace",
    "image_judged_again",
    "judge_of",
    "recorder_named",
    "recording_of",
    "recovery_judged_again",
    "serve_checks",
]
