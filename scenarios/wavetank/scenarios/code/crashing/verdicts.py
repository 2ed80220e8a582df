"""Recordings judged under profiles: explored, and each finding explained, with its cure.

It asks nothing of where a recording came from, or of who judges: the code may have run on the
simulated disk, or on the real machine under a recorder.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios.code.asking.answers import NotRunError
from wavetank.scenarios.code.asking.judging import Judge, everything
from wavetank.scenarios.code.crashing.cure import Cures
from wavetank.scenarios.code.crashing.explain import explain_code
from wavetank.scenarios.code.crashing.exploration import (
    PLAIN,
    CodeExploration,
    FoundImage,
    GrownLog,
    Nested,
    explore_code,
)
from wavetank.scenarios.code.crashing.nested import explain_nested
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.scenarios.code.report import (
    CodeFinding,
    ComplaintKind,
    CrashReport,
    Outcome,
    ProfileVerdict,
    merged,
)
from wavetank.sim import PendingOps, Profile, Tearing

__all__ = ["Extent", "Judged", "explored_under", "report_of", "too_slow_at_once"]

_EXPLAINED: Final = 16
"""Kinds of complaint under one profile that are explained: each cure is looked for by trying."""
_AFTER_FIRST: Final = 500
"""Images judged at least, once something was found: another kind may come."""
_MOST_IMAGES: Final = 3000
"""Images judged under a profile, unless all are asked for."""
_MOST_RECOVERIES: Final = 200
"""Recoveries crashed under a profile, unless all are asked for: each runs under a recorder."""
_FOR_A_CURE: Final = 1000
"""Images judged at least for each cure that is tried."""
_ONE_STEP: Final = 2
"""Moments of a workload that is one step: its beginning and its end."""


@frozen(kw_only=True)
class Extent:
    """How far an exploration goes; see the arguments of `crash_test`.

    Attributes:
        profiles: what filesystems promise.
        exhaustive: whether every image is judged.
        max_images: distinct images judged per profile at most; None for what is usual.
        depth: crashes inside recoveries, one inside the other, where recoveries are recorded.
        max_recoveries: recoveries crashed per profile at most; None for what is usual.
        tearing: what the device does below a block; None for what is usual.
        is_over: whether the time for the whole test is over.
    """

    profiles: tuple[Profile, ...]
    exhaustive: bool = False
    max_images: int | None = None
    depth: int = 0
    max_recoveries: int | None = None
    tearing: Tearing | None = None
    is_over: Callable[[], bool] = bool

    @property
    def most_images(self) -> int | None:
        """Distinct images judged per profile at most."""
        return self.max_images if self.exhaustive or self.max_images else _MOST_IMAGES

    @property
    def most_recoveries(self) -> int | None:
        """Recoveries crashed per profile at most."""
        return self.max_recoveries if self.exhaustive or self.max_recoveries else _MOST_RECOVERIES

    @property
    def max_after_first(self) -> int | None:
        """Distinct images judged at least once something was found; None for all."""
        return None if self.exhaustive else _AFTER_FIRST

    @property
    def device(self) -> Tearing:
        """What the device does below a block."""
        return self.tearing or PLAIN


@frozen
class Judged:
    """A recording, what judges its images, and how its recoveries are crashed; None: not at all."""

    recording: CodeRecording
    judge: Judge
    nested: Nested | None = None


def explored_under(
    judged: Judged,
    profile: Profile,
    extent: Extent,
    on_progress: Callable[[int], None] | None = None,
    *,
    grown: GrownLog | None = None,
) -> CodeExploration:
    """Judge the images of a recording under a profile, as far as an extent goes.

    Args:
        judged: the recording, and what judges it.
        profile: what a crash may lose.
        extent: how far to go.
        on_progress: called with the number of images judged so far, now and then.
        grown: its log with other syncs, to be explored in its place.
    """
    return explore_code(
        judged.judge,
        judged.recording,
        profile,
        grown=grown,
        tearing=extent.device,
        max_images=extent.most_images,
        max_after_first=extent.max_after_first,
        is_over=extent.is_over,
        on_progress=on_progress,
        nested=judged.nested,
    )


def report_of(
    explored: Sequence[Judged],
    extent: Extent,
    verdict: Callable[[Profile], ProfileVerdict] | None = None,
    *,
    check_limit_s: float,
    isolated: bool = True,
    refuses: bool = False,
    silent_faults: Sequence[str] = (),
    has_check: bool = True,
) -> CrashReport:
    """Return what the crashes of recordings come to under each profile.

    Args:
        explored: the run without faults first.
        extent: how far to go.
        verdict: gives the verdict of each profile where nothing is to be explored.
        check_limit_s: real seconds after which a run of the check is stopped.
        isolated: whether each look has a process of its own.
        refuses: whether the check was seen to refuse anything.
        silent_faults: those that never fired.
        has_check: whether the user says what is right.
    """
    verdicts: dict[str, ProfileVerdict] = {}
    for profile in extent.profiles:
        if verdict is not None:
            verdicts[profile.name] = verdict(profile)
        else:
            verdicts[profile.name] = merged([_verdict(each, profile, extent) for each in explored])
    first = explored[0].recording
    return CrashReport(
        verdicts=verdicts,
        checks=sum(each.judge.runs for each in explored),
        check_refuses=refuses or any(each.kinds for each in verdicts.values()),
        check_limit_s=check_limit_s,
        acked=len(first.tokens),
        operations=len(first.sites),
        difference=first.difference,
        isolated=isolated,
        faulty_runs=tuple(
            (each.recording.fault, each.recording.ended_by)
            for each in explored
            if each.recording.fault
        ),
        silent_faults=tuple(silent_faults),
        idle_acks=first.idle_acks,
        one_step=not has_check and not first.tokens and len(first.moments) <= _ONE_STEP,
    )


def too_slow_at_once(profile: Profile) -> ProfileVerdict:
    """Return the verdict where the check is too slow on what no crash has touched."""
    return ProfileVerdict(
        profile=profile.name,
        outcome="inconclusive",
        findings=(),
        kinds=(),
        crash_points=0,
        images=1,
        too_slow=1,
        unjudged=0,
        stopped=False,
        complete=False,
    )


def _verdict(judged: Judged, profile: Profile, extent: Extent) -> ProfileVerdict:
    with _progress(profile.name) as on_progress:
        seen = explored_under(judged, profile, extent, on_progress)
        cures = Cures(
            judged.judge,
            judged.recording,
            profile,
            tearing=extent.device,
            max_images=max(_FOR_A_CURE, seen.images),
        )
        explained = {
            key: evolve(found, read=_read(judged, profile, found))
            for key, found in list(seen.found.items())[:_EXPLAINED]
        }
        findings = tuple(
            explain_code(judged.judge, judged.recording, profile, found, cures.find(key, found))
            for key, found in explained.items()
        )
        findings += tuple(_nested_findings(judged, profile, seen))
    kinds = [(each.complaint, each.count) for each in seen.found.values()]
    kinds += [(each.complaint, each.count) for each in seen.nested.values()]
    open_: Outcome = "inconclusive" if _is_open(seen, extent) else "pass"
    return ProfileVerdict(
        profile=profile.name,
        outcome="fail" if findings else open_,
        findings=findings,
        kinds=tuple(
            ComplaintKind(complaint.kind, complaint.sentence, count) for complaint, count in kinds
        ),
        crash_points=seen.crash_points,
        images=seen.images,
        too_slow=seen.too_slow,
        unjudged=seen.unjudged + seen.not_run,
        stopped=seen.stopped,
        complete=seen.complete,
        choice=seen.choice,
        recoveries=seen.crashed,
        recoveries_idle=seen.idle,
        recoveries_left=seen.uncrashed,
        unrecorded=seen.unrecorded,
    )


def _is_open(seen: CodeExploration, extent: Extent) -> bool:
    """Whether an exploration that found nothing has left out what was asked for."""
    if seen.not_run or seen.too_slow or seen.stopped or seen.unrecorded:
        return True
    if seen.unjudged and extent.max_images is not None:
        return True
    return bool(seen.uncrashed) and extent.max_recoveries is not None


def _nested_findings(
    judged: Judged, profile: Profile, seen: CodeExploration
) -> Iterator[CodeFinding]:
    """Yield what crashes inside recoveries came to."""
    if judged.nested is None:
        return
    for key, found in islice(seen.nested.items(), _EXPLAINED):
        yield explain_nested(
            judged.judge,
            judged.recording,
            profile,
            found,
            key,
            nested=judged.nested,
            max_images=max(_FOR_A_CURE, seen.images),
        )


def _read(judged: Judged, profile: Profile, found: FoundImage) -> frozenset[int]:
    """Return the files and directories that are looked at on an image."""
    pending = PendingOps(judged.recording.image, profile)
    pending.take_all(judged.recording.log[: found.position])
    image = pending.image(found.kept)
    try:
        cells = judged.judge.cells(image, found.demand)
    except NotRunError:
        cells = everything(image)
    return frozenset(cell[1] for cell in cells)


@contextmanager
def _progress(profile: str) -> Iterator[Callable[[int], None] | None]:
    """Keep one line on a terminal that says how far it has come; nothing anywhere else."""
    stream = sys.stderr
    if stream is None or not stream.isatty():
        yield None
        return

    def tell(images: int) -> None:
        stream.write(f"\r{profile}, {images} images judged ")
        stream.flush()

    try:
        yield tell
    finally:
        stream.write("\r\x1b[K")
        stream.flush()
