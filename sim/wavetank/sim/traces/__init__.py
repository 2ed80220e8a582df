"""Recorders: what any program, in any language, did to a real directory, as an op log.

::

    trace.py             the program to run, the trace that comes of it, and the errors
    trace_file.py        a trace as a file, to be judged again
    directories.py       a real directory as an image, and held against a disk
    images.py            an image laid out in a real directory
    continuing.py        the trace of a program that ran there, as a log that continues the image
    acknowledgements.py  what a program acknowledges, line by line
    rebuilt.py           files that programs make anew after a crash
    strace/              system calls, and what they do to a disk: recorder.py runs strace
    fuse/                a directory served from a disk: recorder.py mounts it

Start reading at trace.py, then strace/recorder.py and strace/interpreter.py.
"""

from wavetank.sim.traces.continuing import continued
from wavetank.sim.traces.directories import difference, directory_image
from wavetank.sim.traces.strace.interpreter import TraceInterpreter
from wavetank.sim.traces.strace.recorder import STRACE_OPTIONS, read_trace, record
from wavetank.sim.traces.strace.system_calls import CallReader, SystemCall
from wavetank.sim.traces.trace import (
    Program,
    ProgramError,
    ProgramSlowError,
    ProgramUnchangedError,
    Recorder,
    RecorderMissingError,
    Trace,
    TraceError,
    Work,
)
from wavetank.sim.traces.trace_file import read_trace_file, trace_file

__all__ = [
    "STRACE_OPTIONS",
    "CallReader",
    "Program",
    "ProgramError",
    "ProgramSlowError",
    "ProgramUnchangedError",
    "Recorder",
    "RecorderMissingError",
    "SystemCall",
    "Trace",
    "TraceError",
    "TraceInterpreter",
    "Work",
    "continued",
    "difference",
    "directory_image",
    "read_trace",
    "read_trace_file",
    "record",
    "trace_file",
]
