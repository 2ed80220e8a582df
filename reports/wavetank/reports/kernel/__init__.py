"""Litmus programs on real filesystems: what a kernel leaves on a disk that loses unflushed writes.

General layout, in the order in which things happen::

    machine.py           what the machine must have; a recording device with a real filesystem on it
    recording_device.py  the log of the device, and the process that serves it over FUSE
    mounts.py            private mount namespaces, mounts and loop devices
    program_run.py       a litmus program in real system calls, with writeback triggers between them
    crash_images.py      which writes a power cut may have kept, and image files that hold them
    observed_states.py   the litmus state that an image shows, compared with the model's sets
    results.py           the result as values
    experiment.py        all of this for one filesystem; start reading here

Real machines are not deterministic, so this stands in `wavetank.reports`. Commands import it only
when they run, so this package imports nothing.
"""

__all__: list[str] = []
