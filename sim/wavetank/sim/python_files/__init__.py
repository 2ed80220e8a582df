"""Unmodified Python code on a simulated disk.

General layout, from the bottom up::

    errors.py             what is refused, and why
    directory.py          the simulated directory as code is given it
    os_functions.py       what becomes of each function of os, by name
    _clock.py             time that passes when somebody looks at it
    _status.py            what stat gives, and who looks at modes and times
    _process.py           descriptors, working directory, locks and clock of one process
    _world.py             who is inside the simulation, and where each change was made
    _real.py              the functions of the real machine
    _places.py            from a path to a place, simulated or real
    _scan.py              what scandir gives
    _mapping.py           mmap
    _descriptor_calls.py  the functions of os that take a descriptor
    _open_call.py         os.open
    _name_calls.py        the functions of os that take a path
    _locks.py             fcntl
    _databases.py         databases written in C, which are refused
    _raw_file.py          open, under CPython's own buffering
    _routes.py            all of these by module and name
    _references.py        who holds a function, and another put in its place
    _replacing.py         put in the place of the real ones, and taken out
    _c_calls.py           what ctypes calls past the system's Python
    _guard.py             what gets past them is stopped
    _limit.py             an end to code that does not end
    forks.py              processes for the code under test: forks, or none
    door.py               PythonFiles: the door

It knows nothing of workloads and verdicts. Start reading at door.py, then _process.py.
"""

from wavetank.sim.python_files._limit import Deadline, StepLimit
from wavetank.sim.python_files._world import CallHook, RunningProcess
from wavetank.sim.python_files.directory import SimulatedDirectory, unused_directory
from wavetank.sim.python_files.door import FIRST_PID, CallSite, PythonFiles
from wavetank.sim.python_files.errors import (
    MissingProgramError,
    PythonFilesError,
    StaleFileError,
    StepLimitError,
    TimeLimitError,
    UnroutedCallError,
)
from wavetank.sim.python_files.forks import (
    Died,
    Forks,
    Hung,
    OneProcess,
    ProcessEnd,
    Processes,
    quietly,
)
from wavetank.sim.python_files.os_functions import (
    COMPOSED,
    HARMLESS,
    MACHINE_DESCRIPTORS,
    PROGRAMS,
    REFUSED,
    ROUTED,
)

__all__ = [
    "COMPOSED",
    "FIRST_PID",
    "HARMLESS",
    "MACHINE_DESCRIPTORS",
    "PROGRAMS",
    "REFUSED",
    "ROUTED",
    "CallHook",
    "CallSite",
    "Deadline",
    "Died",
    "Forks",
    "Hung",
    "MissingProgramError",
    "OneProcess",
    "ProcessEnd",
    "Processes",
    "PythonFiles",
    "PythonFilesError",
    "RunningProcess",
    "SimulatedDirectory",
    "StaleFileError",
    "StepLimit",
    "StepLimitError",
    "TimeLimitError",
    "UnroutedCallError",
    "quietly",
    "unused_directory",
]
