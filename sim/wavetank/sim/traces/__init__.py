"""Recorders: what any program, in any language, did to a real directory, as an op log.

::

    trace.py            the program to run, the trace that comes of it, and the errors
    trace_file.py       a trace as a file, to be judged again
    strace_recorder.py  runs it under strace, or reads a text of strace that was kept
    fuse_recorder.py    runs it on a directory that we serve over FUSE, and sees shared mappings
    interpreter.py      applies traced system calls to a simulated disk
    system_calls.py     the lines of strace as values
    directories.py      a real directory as an image, and held against a disk
    images.py           the other way: an image in a real directory
"""

from wavetank.sim.traces.directories import difference, directory_image
from wavetank.sim.traces.interpreter import TraceInterpreter
from wavetank.sim.traces.strace_recorder import STRACE_OPTIONS, read_trace, record
from wavetank.sim.traces.system_calls import CallReader, SystemCall
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
    "STRACE_OPTIONS",
    "CallReader",
    "Program",
    "ProgramError",
    "Recorder",
    "RecorderMissingError",
    "SystemCall",
    "Trace",
    "TraceError",
    "TraceInterpreter",
    "Work",
    "difference",
    "directory_image",
    "read_trace",
    "read_trace_file",
    "record",
    "trace_file",
]
