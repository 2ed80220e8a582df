"""Recorders: what any program, in any language, did to a real directory, as an op log.

::

    trace.py       the program to run, the trace that comes of it, and the errors
    trace_file.py  a trace as a file, to be judged again
"""

from wavetank.sim.traces.trace import (
    Program,
    ProgramError,
    Recorder,
    RecorderMissingError,
    Trace,
    TraceError,
    Work,
)
from wavetank.sim.traces.trace_file import read_trace_file, trace_file

__all__ = [
    "Program",
    "ProgramError",
    "Recorder",
    "RecorderMissingError",
    "Trace",
    "TraceError",
    "Work",
    "read_trace_file",
    "trace_file",
]
