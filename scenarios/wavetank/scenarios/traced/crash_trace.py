"""`crash_trace`: crash a traced program everywhere, and let a check look at all that is left."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from wavetank.scenarios.code.asking.answers import Probing, TooSlowError
from wavetank.scenarios.code.asking.judging import CheckJudge, Demand, Judge
from wavetank.scenarios.code.asking.observing import ObserveJudge
from wavetank.scenarios.code.crashing.exploration import Nested
from wavetank.scenarios.code.crashing.sync_needs import SyncNeed, sync_needs
from wavetank.scenarios.code.crashing.verdicts import Extent, Judged, report_of, too_slow_at_once
from wavetank.scenarios.code.errors import CheckError
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.scenarios.code.report import CrashReport
from wavetank.scenarios.traced.recoveries import TracedRecoveries

__all__ = ["TraceVerdict", "crash_trace", "judge_of"]


@frozen(kw_only=True)
class TraceVerdict:
    """What crashes of a traced program came to.

    Attributes:
        report: verdicts and findings.
        syncs: which of its syncs the program needs; () if nobody asked.
    """

    report: CrashReport
    syncs: tuple[SyncNeed, ...] = ()


def crash_trace(
    recording: CodeRecording,
    probing: Probing,
    extent: Extent,
    *,
    is_observed: bool = False,
    check_limit_s: float,
    recoveries: TracedRecoveries | None = None,
    on_sync: Callable[[int, int], None] | None = None,
    with_syncs: bool = False,
) -> TraceVerdict:
    """Judge every image that a crash of a recorded program can leave.

    Args:
        recording: what it did.
        probing: runs the check on images.
        extent: profiles, and how far to go.
        is_observed: whether the probe shows what is there, and does not complain.
        check_limit_s: real seconds after which one run of the check is stopped.
        recoveries: run under a recorder, and crashed as deep as `extent` says; None: not at all.
        on_sync: called with how many syncs were taken out so far, and of how many.
        with_syncs: whether to find out which syncs are needed.

    Raises:
        CheckError: the check is wrong without any crash, or accepts everything.
        RecoveryError: the recovery cannot be recorded.
    """
    judge = judge_of(recording, probing, is_observed=is_observed)
    nested = None
    if recoveries is not None and extent.depth:
        nested = Nested(
            recoveries=recoveries, depth=extent.depth, max_recoveries=extent.most_recoveries
        )
    judged = Judged(recording, judge, nested)
    try:
        refuses = judge.try_out()
        if recoveries is not None and nested is not None:
            _try_recovery_out(recoveries, recording, judge)
    except TooSlowError:
        slow = report_of([judged], extent, too_slow_at_once, check_limit_s=check_limit_s)
        return TraceVerdict(report=slow)
    report = report_of([judged], extent, check_limit_s=check_limit_s, refuses=refuses)
    syncs = sync_needs(judged, extent, on_sync=on_sync) if with_syncs else ()
    return TraceVerdict(report=report, syncs=syncs)


def judge_of(recording: CodeRecording, probing: Probing, *, is_observed: bool) -> Judge:
    """Return what judges the images of a trace; arguments as for `crash_trace`."""
    return ObserveJudge(probing, recording) if is_observed else CheckJudge(probing, recording)


def _try_recovery_out(recoveries: TracedRecoveries, recording: CodeRecording, judge: Judge) -> None:
    """See the recovery do its work twice where no crash is to blame."""
    last = len(recording.moments) - 1
    demand = Demand(acked=len(recording.tokens), earliest=last, latest=last)
    complaint = judge.complaint(recoveries.try_out(recording.finished), demand)
    if complaint is not None:
        raise CheckError(
            f"check: with crashes inside recoveries it must accept what a recovery has left, which "
            f"is recovered again, but without any crash it said {complaint.sentence!r}"
        )
