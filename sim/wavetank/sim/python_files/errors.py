"""What the simulation of Python's files refuses, as typed errors.

::

    PythonFilesError(RuntimeError)
      UnroutedCallError    a call that would get past the simulated disk
        MissingProgramError  a program that is not started; a FileNotFoundError, too
      StaleFileError       a file object of a process that is gone
      TimeLimitError       code that did not end in time
      StepLimitError       code that made too many calls, or let too much virtual time pass
"""

from __future__ import annotations

__all__ = [
    "MissingProgramError",
    "PythonFilesError",
    "StaleFileError",
    "StepLimitError",
    "TimeLimitError",
    "UnroutedCallError",
]


class PythonFilesError(RuntimeError):
    """The root of what goes wrong between Python code and the simulated disk."""


class UnroutedCallError(PythonFilesError):
    """A call that would have changed the real machine, or that no simulated disk would have seen.

    Common causes: a new process, a database written in C, a change to a real file.
    """


class MissingProgramError(FileNotFoundError, UnroutedCallError):
    """A program that code wants to start, and that the simulated machine does not have.

    Code may handle it, as it handles the absence of the program.
    """


class StaleFileError(PythonFilesError):
    """A file object that was opened by a process that is gone, and is used by a later one.

    Common cause: a module keeps a file open in a global variable. Open it anew.
    """


class TimeLimitError(PythonFilesError):
    """Code that did not end within its limit of real time, and was stopped."""


class StepLimitError(PythonFilesError):
    """Code that made too many simulated calls, or let too much virtual time pass.

    It was stopped at the same call on every machine, however fast that is.
    """
