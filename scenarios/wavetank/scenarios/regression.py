"""One finding again, from the workload itself: `judge_again`, for regression tests.

While the workload leaves the same op log, exactly the same image is judged. Once the store does
something else, that image means nothing, and every crash of the workload is tried.
"""

from __future__ import annotations

from contextlib import suppress

from wavetank.scenarios.exploration.crash_point import CrashPoint
from wavetank.scenarios.exploration.explorer import explore, judge_image
from wavetank.scenarios.raft.crash_cycles import crash_cycle_problems
from wavetank.scenarios.raft.observation import Problem
from wavetank.scenarios.raft.recording import record
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.runner import log_digest
from wavetank.scenarios.stores.backend import Backend
from wavetank.sim import Profile

__all__ = ["judge_again"]


def judge_again(
    workload: Workload,
    backend: Backend,
    profile: Profile,
    crash: CrashPoint | None,
    *,
    digest: str,
) -> tuple[Problem, ...]:
    """Return what is wrong with an image of a workload, or with its whole run without a crash.

    Args:
        workload: what is run.
        backend: on what.
        profile: what a crash may lose.
        crash: the image; None if no crash is needed.
        digest: `log_digest` of the recording in which the image was found. If the op log is another
            one by now, what is wrong with any image of the workload is returned.

    >>> from wavetank.engine import FileStorageOptions
    >>> from wavetank.scenarios import BACKENDS, OpenStore
    >>> from wavetank.sim import POSIX, Kept
    >>> workload = Workload(name="", seed=0, steps=(OpenStore(),), options=FileStorageOptions())
    >>> crash = CrashPoint(position=1, kept=Kept(()))
    >>> judge_again(workload, BACKENDS[0], POSIX, crash, digest="of an older store")
    ()
    """
    recording = record(workload, backend)
    if crash is None:
        live = (*recording.problems, *crash_cycle_problems(recording, profile))
        return tuple(each.problem for each in live)
    if log_digest(recording) == digest:
        # The profile may have changed instead of the store, and not allow the image any more.
        with suppress(ValueError):
            return judge_image(recording, profile, crash)
    return tuple(each.problem for each in explore(recording, profile).findings)
