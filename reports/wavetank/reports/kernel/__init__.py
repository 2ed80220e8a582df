"""Litmus programs on real filesystems: what a kernel leaves on a disk that loses unflushed writes.

General layout, in the order in which things happen::

    requirements.py    what the machine must have, by name
    machine.py         a recording device, a real filesystem on it; and all of it taken away again
    _device_server.py  the process that serves the device over FUSE
    _mounts.py         mounting in a name space of one's own, and unmounting whatever happens
    _loop.py           block devices over files
    device_log.py      what the device was asked to do
    nudges.py          what makes a kernel write back earlier than it would
    program_run.py     a litmus program, done with real system calls
    crash_points.py    which writes a power cut may have kept, and the marks made by then
    image_file.py      such a set of writes as a file to be mounted
    reading.py         what a mounted directory shows, as a litmus state
    sightings.py       what was read, held against the model's sets
    experiment.py      all of this for one filesystem
    real_result.py     the result as values; real_report.py: as text and as a document

Real machines are not deterministic, so this stands in `wavetank.reports`. Commands import it only
when they run, so this package imports nothing. Start reading at experiment.py.
"""

__all__: list[str] = []
