"""A trace as a recording, so that it is judged as Python code on the simulated disk is."""

from __future__ import annotations

from wavetank.scenarios.code.errors import EmptyWorkloadError
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.sim import Mark, Sync
from wavetank.sim.traces import Trace

__all__ = ["recording_of"]


def recording_of(trace: Trace, tokens: tuple[object, ...] | None = None) -> CodeRecording:
    """Return what a program did, with a moment at the start, at each acknowledgement, at the end.

    Args:
        trace: what a recorder saw.
        tokens: what was acknowledged, if it is more than the text of the lines.

    Raises:
        EmptyWorkloadError: the program changed nothing.
    """
    if all(isinstance(record, (Mark, Sync)) for record in trace.log):
        raise EmptyWorkloadError(
            f"expected a program that changes {trace.directory.lstrip('/')} but of its "
            f"{trace.calls} system calls none did"
        )
    acked = (at for at, record in enumerate(trace.log, 1) if isinstance(record, Mark))
    return CodeRecording(
        directory=trace.directory,
        image=trace.image,
        log=trace.log,
        sites=trace.sites,
        tokens=trace.tokens if tokens is None else tokens,
        moments=tuple(sorted({0, *acked, len(trace.log)})),
        end_ns=0,
    )
