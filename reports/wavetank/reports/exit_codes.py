"""What the process says on its way out."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """Exit codes of every command.

    Attributes:
        OK: pass, fixed, or inconclusive without ``--strict``.
        VIOLATION: an invariant was broken.
        USAGE: the command line or a settings file is wrong; nothing was run.
        INTERNAL: an error of wavetank itself, or two equal runs that differed.
        INCONCLUSIVE: images were left unjudged, and ``--strict`` was given.
        INTERRUPTED: Ctrl-C.
    """

    OK = 0
    VIOLATION = 1
    USAGE = 2
    INTERNAL = 3
    INCONCLUSIVE = 4
    INTERRUPTED = 130
