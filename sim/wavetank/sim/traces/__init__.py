"""Recorders: what any program, in any language, did to a real directory, as an op log.

::

    trace.py    the program to run, the trace that comes of it, and the errors
"""

from wavetank.sim.traces.trace import (
    Program,
    ProgramError,
    RecorderMissingError,
    Trace,
    TraceError,
    Work,
)

__all__ = ["Program", "ProgramError", "RecorderMissingError", "Trace", "TraceError", "Work"]
