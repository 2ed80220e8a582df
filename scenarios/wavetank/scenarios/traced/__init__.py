"""Programs in any language: their traces crashed everywhere, and checked on real directories.

::

    recording.py      a trace as a recording, as Python code on the simulated disk has one
    images.py         a crash image laid out in a real directory
    check_command.py  a check that is a command
    probing.py        a check on many images, several at once
    crash_trace.py    all of it: verdicts, findings, and which syncs are needed

The recorders are in `wavetank.sim.traces`. Start reading at crash_trace.py.
"""

from wavetank.scenarios.traced.check_command import CheckCommand, CommandError, Place
from wavetank.scenarios.traced.crash_trace import TraceVerdict, crash_trace
from wavetank.scenarios.traced.images import ImageDirectory, NoRoomError
from wavetank.scenarios.traced.probing import ImageCheck, ImageProbing
from wavetank.scenarios.traced.recording import recording_of

__all__ = [
    "CheckCommand",
    "CommandError",
    "ImageCheck",
    "ImageDirectory",
    "ImageProbing",
    "NoRoomError",
    "Place",
    "TraceVerdict",
    "crash_trace",
    "recording_of",
]
