"""Findings of a trace again: `image_judged_again` and `recovery_judged_again`.

After a plain crash the image is the same as long as the program's trace is. After a crash inside a
recovery it is not: the recovery is part of what a check runs, and may have been mended.
"""

from __future__ import annotations

from typing import Final

from wavetank.scenarios.code.asking.answers import NotRunError
from wavetank.scenarios.code.asking.judging import Demand, Judge
from wavetank.scenarios.code.crashing.exploration import Window, explore_code
from wavetank.scenarios.code.crashing.nested import restarted
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.scenarios.code.recoveries import Recoveries
from wavetank.scenarios.code.report import Restart
from wavetank.scenarios.reproduction import ReplayResult, ReplayVerdict
from wavetank.sim import DiskImage, Profile

__all__ = ["image_judged_again", "recovery_judged_again"]

_SAME_TRACE: Final = (
    "what the program itself does is taken from the trace that was stored; trace it again once it "
    "has changed"
)


def image_judged_again(judge: Judge, image: DiskImage, demand: Demand) -> ReplayResult:
    """Return whether a check refuses an image.

    It is fixed only if the check was run on the image, accepted it twice, and refused something
    else.

    Args:
        judge: asks the check.
        image: what a crash left.
        demand: what must be true of it.

    Raises:
        CheckError: the check is wrong without any crash, or accepts everything.
    """
    try:
        refuses = judge.try_out()
        complaint = judge.complaint(image, demand)
        is_steady = complaint is not None or judge.is_steady(image, demand)
    except NotRunError:
        return _too_slow()
    if complaint is not None:
        told = f"the check refuses the same image: {complaint.sentence}; {_SAME_TRACE}"
        return ReplayResult(verdict=ReplayVerdict.FAILED, explanation=told)
    if not is_steady:
        told = "the check accepted the same image and then refused it"
        return ReplayResult(verdict=ReplayVerdict.DIVERGED, explanation=told)
    return _accepted("the image that it refused", refuses=refuses)


def recovery_judged_again(
    recording: CodeRecording,
    judge: Judge,
    restart: Restart,
    demand: Demand,
    *,
    recoveries: Recoveries,
    profile: Profile,
) -> ReplayResult:
    """Return whether crashes inside a recovery, which runs again, leave what a check refuses.

    Args:
        recording: what the program did.
        judge: asks the check.
        restart: from what the recovery starts.
        demand: what must be true whatever the recovery leaves.
        recoveries: runs it.
        profile: what crashes may lose.

    Raises:
        CheckError: the check is wrong without any crash, or accepts everything.
        WorkloadError: the recovery failed under the recorder.
    """
    again = restarted(recording, restart, recoveries)
    try:
        refuses = judge.try_out()
    except NotRunError:
        return _too_slow()
    window = Window(demand, restart.position)
    seen = explore_code(judge, again, profile, window=window)
    if seen.found:
        [first, *_] = seen.found.values()
        told = (
            f"the recovery was run again and crashed everywhere, and the check refuses what that "
            f"leaves: {first.complaint.sentence}; {_SAME_TRACE}"
        )
        return ReplayResult(verdict=ReplayVerdict.FAILED, explanation=told)
    if not seen.complete:
        told = (
            f"not all that crashes inside the recovery leave could be judged: {seen.images} images"
        )
        return ReplayResult(verdict=ReplayVerdict.INCONCLUSIVE, explanation=told)
    if not seen.images:
        told = "the recovery changes nothing any more, so there is no crash inside it to judge"
        return ReplayResult(verdict=ReplayVerdict.INCONCLUSIVE, explanation=told)
    images = f"all {seen.images} images that crashes inside the recovery, run again, can leave"
    return _accepted(images, refuses=refuses)


def _accepted(what: str, *, refuses: bool) -> ReplayResult:
    if not refuses:
        told = f"the check accepts {what}, but was never seen to refuse anything"
        return ReplayResult(verdict=ReplayVerdict.INCONCLUSIVE, explanation=told)
    told = f"the check accepts {what}; {_SAME_TRACE}"
    return ReplayResult(verdict=ReplayVerdict.FIXED, explanation=told)


def _too_slow() -> ReplayResult:
    told = "the check did not end in time, which says nothing"
    return ReplayResult(verdict=ReplayVerdict.INCONCLUSIVE, explanation=told)
