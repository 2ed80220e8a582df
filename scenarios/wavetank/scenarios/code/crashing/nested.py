"""An image that a crash inside a recovery left, told with every crash on the way, and its cure.

The recovery that was crashed last is a recording like any other: it starts from what the crash
before it left, and all that it may leave is judged by what had been acknowledged before that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios.code.asking.answers import NotRunError
from wavetank.scenarios.code.asking.judging import Judge, everything
from wavetank.scenarios.code.crashing.cure import Cures
from wavetank.scenarios.code.crashing.explain import (
    explain_code,
    lost_in_words,
    others_left,
    told_acked,
    where_it_crashed,
)
from wavetank.scenarios.code.crashing.exploration import (
    PLAIN,
    CodeRun,
    FoundImage,
    Key,
    Nested,
    NestedImage,
    Window,
)
from wavetank.scenarios.code.errors import WorkloadError
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.scenarios.code.recoveries import CodeRecovery, Recoveries
from wavetank.scenarios.code.report import CodeFinding, EarlierCrash, Restart
from wavetank.scenarios.code.work import CodeWork
from wavetank.scenarios.exploration.crash_point import Stretch, follow
from wavetank.scenarios.exploration.explaining.allowing import Allowing
from wavetank.sim import PROFILES, DiskImage, Profile

__all__ = ["explain_nested", "restarted"]

_INSIDE: Final = "inside the recovery"
_BEHIND: Final = "right after the recovery"


@frozen(kw_only=True)
class _Work:
    """What ran from one disk on until the power went.

    Attributes:
        recording: of it, with all that it would have done further.
        stretch: the part before the power cut.
        killed_at: records of it before the process was killed, and the recovery began; 0 where all
            of it is a recovery, None where none is.
    """

    recording: CodeRecording
    stretch: Stretch
    killed_at: int | None

    def where(self) -> str:
        """Return the crash point in words."""
        told = where_it_crashed(self.recording, len(self.stretch.log))
        if self.killed_at is None:
            return told
        has_ended = len(self.stretch.log) >= len(self.recording.log)
        return f"{_BEHIND if has_ended else _INSIDE}: {told}"


def explain_nested(
    judge: Judge,
    recording: CodeRecording,
    profile: Profile,
    found: NestedImage,
    key: Key,
    *,
    nested: Nested,
    max_images: int,
) -> CodeFinding:
    """Return the story of an image that the check refused after a crash inside a recovery.

    Args:
        judge: says what is wrong.
        recording: what the workload did.
        profile: what each crash may lose.
        found: the image.
        key: of the complaint.
        nested: runs the recoveries.
        max_images: distinct images judged for each cure that is tried.
    """
    run = CodeRun(judge, recording, nested=nested)
    trail = follow(run, run.subject(), profile, found.crash)
    works = list(_works(recording, found, trail.stretches, nested))
    last = works[-1]
    image = _found_image(judge, found, last, profile, trail.image)
    window = Window(found.demand, last.killed_at or 0)
    cures = Cures(
        judge, last.recording, profile, tearing=PLAIN, max_images=max_images, window=window
    )
    finding = explain_code(judge, last.recording, profile, image, cures.find(key, image))
    allows = Allowing(run).allows
    chosen = PROFILES if profile in PROFILES else (*PROFILES, profile)
    earlier = [_work_of(each, finding.work, at) for at, each in enumerate(works[:-1])]
    return evolve(
        finding,
        after=found.cause.value,
        earlier=tuple(_earlier(works, found, profile)),
        profiles=tuple(each.name for each in chosen if allows(trail, profile, each)),
        crash=f"{last.where()}; {told_acked(last.recording, image)}",
        why=_why(last, finding.why),
        restart=Restart(image=last.recording.image, position=last.killed_at or 0),
        work=evolve(finding.work, title="the recovery", earlier=tuple(earlier)),
    )


def _why(last: _Work, why: str) -> str:
    has_ended = len(last.stretch.log) >= len(last.recording.log)
    if last.killed_at:
        return f"the process was killed, and the power went {_told(has_ended)} that followed: {why}"
    return f"the power went {_told(has_ended)}: {why}"


def _told(has_ended: bool) -> str:  # noqa: FBT001 - its one argument
    return "after a recovery had ended" if has_ended else "inside a recovery"


def _works(
    recording: CodeRecording, found: NestedImage, stretches: tuple[Stretch, ...], nested: Nested
) -> Iterator[_Work]:
    """Yield what ran before each power cut."""
    for number, stretch in enumerate(stretches):
        killed_at = found.crash.killed_at if number == 0 else 0
        if killed_at is None:
            yield _Work(recording=recording, stretch=stretch, killed_at=None)
            continue
        restart = Restart(image=stretch.image, position=killed_at)
        yield _Work(
            recording=restarted(recording, restart, nested.recoveries),
            stretch=stretch,
            killed_at=killed_at,
        )


def restarted(recording: CodeRecording, restart: Restart, recoveries: Recoveries) -> CodeRecording:
    """Return the recovery that starts from a crash or a kill, with what it continues.

    Args:
        recording: what the workload did.
        restart: from what the recovery starts.
        recoveries: runs it.

    Raises:
        WorkloadError: the recovery failed under the recorder.
    """
    image, first = restart.image, 0
    if restart.position:
        image, first = _at_kill(recording, restart.position), len(recording.log)
    recovery = recoveries.on(image, first=first, located=True)
    if recovery.failed:
        raise WorkloadError(f"recovery: {recovery.failed}")
    return _continued(recording, restart.image, restart.position, recovery)


def _at_kill(recording: CodeRecording, position: int) -> DiskImage:
    """Return what a process finds that starts after a kill: all that was done."""
    return evolve(recording, log=recording.log[:position], sites=()).finished


def _continued(
    recording: CodeRecording, image: DiskImage, position: int, recovery: CodeRecovery
) -> CodeRecording:
    """Return so much of a workload, and a recovery behind it, as one recording."""
    log = (*recording.log[:position], *recovery.log)
    before = (each for each in recording.sites if each.position <= position)
    behind = (
        evolve(each, position=each.position + position, of="the recovery")
        for each in recovery.sites
    )
    return evolve(
        recording,
        image=image,
        log=log,
        sites=(*before, *behind),
        moments=(0, len(log)),
    )


def _found_image(
    judge: Judge, found: NestedImage, work: _Work, profile: Profile, image: DiskImage
) -> FoundImage:
    """Return an image as one that a single crash of the last recovery leaves."""
    try:
        cells = judge.cells(image, found.demand)
    except NotRunError:
        cells = everything(image)
    return _crashed(work, found, profile, frozenset(cell[1] for cell in cells))


def _crashed(work: _Work, found: NestedImage, profile: Profile, read: frozenset[int]) -> FoundImage:
    stretch = work.stretch
    return FoundImage(
        complaint=found.complaint,
        position=len(stretch.log),
        kept=stretch.kept,
        lost=tuple(op.number for op in stretch.lost(profile)),
        demand=found.demand,
        read=read,
        count=found.count,
    )


def _earlier(works: list[_Work], found: NestedImage, profile: Profile) -> Iterator[EarlierCrash]:
    """Yield what came before the last recovery."""
    first = works[0]
    if first.killed_at is not None:
        left = _at_kill(first.recording, first.killed_at)
        told = f"the process was killed {where_it_crashed(first.recording, first.killed_at)}"
        yield _left_by(first, left, told, ())
    for work in works[:-1]:
        image = _crashed(work, found, profile, frozenset())
        left = work.stretch.pending(profile).image(work.stretch.kept)
        yield _left_by(work, left, work.where(), tuple(lost_in_words(work.recording, image)))


def _left_by(work: _Work, left: DiskImage, crash: str, lost: tuple[str, ...]) -> EarlierCrash:
    return EarlierCrash(
        crash=crash,
        lost=tuple(dict.fromkeys(lost)),
        files=tuple((path, len(content)) for path, content in left.files().items()),
        others=tuple(others_left(work.recording, left)),
    )


def _work_of(work: _Work, last: CodeWork, number: int) -> CodeWork:
    return evolve(
        last,
        image=work.recording.image,
        log=work.recording.log,
        sites=work.recording.sites,
        position=len(work.stretch.log),
        kept=work.stretch.kept,
        title="a recovery" if number else "the workload",
    )
