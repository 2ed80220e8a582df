"""A stored finding of `wavetank trace` judged again: its image laid out, the check run on it."""

from __future__ import annotations

from contextlib import ExitStack

from wavetank.reports.commands.tracing.findings import (
    TraceFinding,
    TraceFindingError,
    TraceFindings,
)
from wavetank.scenarios import ReplayResult, ReplayVerdict
from wavetank.scenarios.code.asking.judging import Demand
from wavetank.scenarios.code.errors import CheckError, WorkloadError
from wavetank.scenarios.code.report import Restart
from wavetank.scenarios.traced import (
    CommandError,
    NoRoomError,
    image_judged_again,
    judge_of,
    recording_of,
    recovery_judged_again,
)
from wavetank.sim import DiskImage
from wavetank.sim.traces import RecorderMissingError, Trace, TraceError

__all__ = ["replayed"]


def replayed(finding: TraceFinding, findings: TraceFindings) -> ReplayResult:
    """Return whether the check still refuses what the crash left.

    Args:
        finding: which.
        findings: where it is stored.
    """
    try:
        return _judged(finding, findings.trace_of(finding), findings.image_of(finding))
    except (
        CheckError,
        CommandError,
        NoRoomError,
        OSError,
        RecorderMissingError,
        TraceError,
        TraceFindingError,
        WorkloadError,
    ) as error:
        return ReplayResult(verdict=ReplayVerdict.ERROR, explanation=str(error))


def _judged(finding: TraceFinding, trace: Trace, image: DiskImage) -> ReplayResult:
    check, recording = finding.check, recording_of(trace)
    earliest, latest = finding.moments
    demand = Demand(acked=finding.acked, earliest=earliest, latest=latest)
    with ExitStack() as stack:
        probing = stack.enter_context(check.probing(trace.directory, trace.tokens, 1))
        judge = judge_of(recording, probing, is_observed=check.is_observed)
        if finding.restarted_at is None:
            return image_judged_again(judge, image, demand)
        return recovery_judged_again(
            recording,
            judge,
            Restart(image=image, position=finding.restarted_at),
            demand,
            recoveries=stack.enter_context(check.recoveries(trace.directory)),
            profile=finding.profile,
        )
