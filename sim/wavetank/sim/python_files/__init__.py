"""Unmodified Python code on a simulated disk.

General layout, from the bottom up::

    errors.py             what is refused, and why
    directory.py          the simulated directory as code is given it
    os_functions.py       what becomes of each function of os, by name
    _clock.py             time that passes when somebody looks at it
    _process.py           descriptors, working directory, locks and clock of one process
    _simulation.py        who is inside the simulation, and where each change was made
    threads/              threads, locks and event loops under one scheduler
    calls/                the routed functions themselves
    _databases.py         databases written in C, which are refused
    _routes.py            all of these by module and name
    _replacing.py         put in the place of the real ones wherever they are held, and taken out
    _guard.py             what gets past them is stopped
    _limit.py             an end to code that does not end
    forks.py              processes for the code under test: forks, or none
    simulator.py          PythonFiles: what opens all of it

It knows nothing of workloads and verdicts. Start reading at simulator.py, then _process.py.
"""

from wavetank.serving.leftovers import kill_marked
from wavetank.sim.python_files._limit import Deadline, StepLimit
from wavetank.sim.python_files._simulation import CallHook, RunningProcess
from wavetank.sim.python_files.directory import SimulatedDirectory, unused_directory
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
from wavetank.sim.python_files.simulator import FIRST_PID, PythonFiles

__all__ = [
    "COMPOSED",
    "FIRST_PID",
    "HARMLESS",
    "MACHINE_DESCRIPTORS",
    "PROGRAMS",
    "REFUSED",
    "ROUTED",
    "CallHook",
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
    "kill_marked",
    "quietly",
    "unused_directory",
]
