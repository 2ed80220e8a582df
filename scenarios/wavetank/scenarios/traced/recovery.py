"""What a check does to the disk: recovery is at work in it, and a crash may come in its midst."""

from __future__ import annotations

from wavetank.scenarios.traced.benches import Bench
from wavetank.scenarios.traced.check_command import CheckCommand
from wavetank.sim import DiskImage
from wavetank.sim.traces import Program, ProgramError, Recorder, Trace

__all__ = ["recovery_trace"]


def recovery_trace(
    image: DiskImage, check: CheckCommand, recorder: Recorder, bench: Bench, *, limit_s: float
) -> Trace | None:
    """Run a check once more, on an image, and record what it does to it.

    Nothing counts as acknowledged: what a crash leaves must be accepted then. The trace's own image
    has what a program sees of `image`, with other inode numbers, and its log continues that.

    Args:
        image: what a crash left.
        check: opens it.
        recorder: sees what the check does.
        bench: where the image is laid out.
        limit_s: real seconds after which the check is stopped.

    Returns:
        The trace; None if the check changed nothing, failed, or did not end in time.

    Raises:
        NoRoomError: the image has no room.
        RecorderMissingError: the machine lacks what records.
        TraceError: what was seen cannot be trusted.
    """
    place = bench.lay_out(image, ())
    program = Program(
        work=check.filled(place),
        directory=place.directory,
        limit_s=limit_s,
    )
    try:
        return recorder(program)
    except ProgramError:
        return None
