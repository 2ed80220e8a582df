"""A refused image told to a person: where the crash was, what it lost, why, and the cure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from wavetank.scenarios.code.asking.judging import Judge
from wavetank.scenarios.code.crashing.cure import Cure, lost_ops
from wavetank.scenarios.code.crashing.exploration import FoundImage
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.scenarios.code.report import CodeFinding
from wavetank.scenarios.code.work import CodeWork
from wavetank.scenarios.exploration.crash_point import loses_the_same
from wavetank.scenarios.exploration.op_words import describe_op, describe_ops
from wavetank.sim import (
    PROFILES,
    DirectoryContent,
    Dirent,
    DiskImage,
    LinkContent,
    Mark,
    MicroOp,
    PendingOps,
    Profile,
    Sync,
)

__all__ = ["explain_code", "lost_in_words", "others_left", "told_acked", "where_it_crashed"]

_MOST_EXPECTED: Final = 8
"""Lines of what had to come back."""


def explain_code(
    judge: Judge, recording: CodeRecording, profile: Profile, found: FoundImage, cure: Cure
) -> CodeFinding:
    """Return the story of an image that `profile` allows and the check refused."""
    index = _last_change(recording, found.position)
    site = None if index is None else recording.site_of(index)
    path = "" if index is None else _path(recording, index)
    pending = _pending(recording, profile, found.position)
    image = pending.image(found.kept)
    return CodeFinding(
        kind=found.complaint.kind,
        sentence=found.complaint.sentence,
        raised_at=found.complaint.place,
        raised_line=found.complaint.line,
        differs=judge.differs(image, found.demand),
        fault=recording.fault,
        is_flaky=not judge.is_steady(image, found.demand),
        profile=profile.name,
        profiles=tuple(_profiles(recording, profile, pending, found)),
        crash=f"{where_it_crashed(recording, found.position)}; {told_acked(recording, found)}",
        operation=site.call if site else "",
        path=path,
        place=site.place if site else "",
        position=found.position,
        kept=found.kept,
        acked=recording.tokens[: found.acked],
        lost=tuple(dict.fromkeys(lost_in_words(recording, found))),
        why=_why(recording, found, cure),
        cure=cure.words,
        files=tuple((path, len(content)) for path, content in image.files().items()),
        others=tuple(others_left(recording, image)),
        schedule=recording.schedule,
        departures=recording.departures,
        directory=recording.directory,
        moments=(found.demand.earliest, found.demand.latest),
        image=image,
        work=CodeWork(
            image=recording.image,
            log=recording.log,
            sites=recording.sites,
            tokens=recording.tokens,
            profile=profile,
            position=found.position,
            kept=found.kept,
            promised=tuple(_promised(recording, found)),
            shown=(found.complaint.shown or found.complaint.sentence,),
        ),
    )


def _promised(recording: CodeRecording, found: FoundImage) -> Iterator[str]:
    """Yield what had to come back: one of these, or what goes with all that was acknowledged."""
    if found.complaint.expected:
        yield from found.complaint.expected[:_MOST_EXPECTED]
        return
    for token in recording.tokens[max(0, found.acked - _MOST_EXPECTED) : found.acked]:
        yield f"{token!r} was acknowledged"


def others_left(recording: CodeRecording, image: DiskImage) -> Iterator[str]:
    """Yield the directories and links that a crash left, but for those that were there before."""
    before = {path for path, _, _ in recording.image.walk()}
    for path, _, node in image.walk():
        if isinstance(node, DirectoryContent) and path not in before:
            yield f"{path}/"
        elif isinstance(node, LinkContent):
            yield f"{path} -> {node.target}"


def _pending(recording: CodeRecording, profile: Profile, position: int) -> PendingOps:
    pending = PendingOps(recording.image, profile)
    pending.take_all(islice(recording.log, position))
    return pending


def _profiles(
    recording: CodeRecording, profile: Profile, pending: PendingOps, found: FoundImage
) -> Iterator[str]:
    """Yield the profiles that allow the image."""
    for other in PROFILES if profile in PROFILES else (*PROFILES, profile):
        theirs = _pending(recording, other, found.position)
        if other is profile or loses_the_same(pending, theirs, found.kept) is not None:
            yield other.name


def _last_change(recording: CodeRecording, position: int) -> int | None:
    for index in range(position - 1, -1, -1):
        if not isinstance(recording.log[index], (Mark, Sync)):
            return index
    return None


def _path(recording: CodeRecording, index: int) -> str:
    """Return what a change was about; a rename is about where it arrives."""
    call = recording.call_of(index)
    arriving = [
        each.path
        for each in recording.log[call.start : call.stop]
        if isinstance(each, Dirent) and each.inode is not None
    ]
    return arriving[0] if arriving else recording.name_at(index)


def told_acked(recording: CodeRecording, found: FoundImage) -> str:
    """Return how much had been acknowledged in words."""
    told = f"{found.acked} acknowledged"
    if found.acked:
        told += f", the last {recording.tokens[found.acked - 1]!r}"
    return told


def where_it_crashed(recording: CodeRecording, position: int) -> str:
    """Return the crash point after so many records in words."""
    index = _last_change(recording, position)
    if index is None:
        return "before anything was written"
    site = recording.site_of(index)
    call = site.call if site else "a call"
    where = str(site).removeprefix(call) if site else ""
    inside = "inside" if _is_inside(recording, position) else "after"
    return f"{inside} {call} of {_path(recording, index)}{where}"


def _is_inside(recording: CodeRecording, position: int) -> bool:
    """Whether the last call before a crash had not ended."""
    index = _last_change(recording, position)
    site = None if index is None else recording.site_of(index)
    return site is not None and site.position > position


def lost_in_words(recording: CodeRecording, found: FoundImage) -> Iterator[str]:
    """Yield what a crash lost or tore, each with the call that had done it."""
    torn = {tear.number for tear in found.kept.tears}
    for index, op in lost_ops(recording, found):
        site = recording.site_of(index)
        made = f" ({site})" if site and (site.place or site.number) else ""
        yield _tell(recording, index, op) + (" (torn)" if op.number in torn else "") + made
    if found.kept.stale:
        yield "blocks that were never written show foreign bytes"


def _tell(recording: CodeRecording, index: int, op: MicroOp) -> str:
    """Return a lost op in words; the names that one rename changes are told as the rename."""
    if isinstance(op, Dirent):
        call = recording.call_of(index)
        return describe_ops(recording.log[call.start : call.stop])[op.number]
    return describe_op(op, recording.name_at(index))


def _why(recording: CodeRecording, found: FoundImage, cure: Cure) -> str:
    ops = lost_ops(recording, found)
    # What the cure saves is what matters; a crash may lose other things that nobody misses.
    ops.sort(key=lambda lost: lost[0] != cure.index)
    for index, op in ops:
        token = _acked_since(recording, index, found.position)
        if token:
            return (
                f"{token} was acknowledged, but {_tell(recording, index, op)} needed a sync "
                f"of {_synced(recording, index, op)}, which had not come when the power went"
            )
    if ops:
        return _why_unacked(recording, found, *ops[0])
    if _is_inside(recording, found.position):
        return "the crash came in the middle of a call, which this profile lets happen in part"
    if cure.flush:
        return (
            f"what is missing was still in the buffer of {cure.flush} when the process was killed"
        )
    if recording.fault:
        ended = f", and the code ended with {recording.ended_by}" if recording.ended_by else ""
        return f"nothing was lost: the code left it so when an operation failed{ended}"
    return "nothing was lost: what the code had done so far is already wrong after a restart"


def _why_unacked(recording: CodeRecording, found: FoundImage, index: int, op: MicroOp) -> str:
    told, synced = _tell(recording, index, op), _synced(recording, index, op)
    if any(tear.number == op.number for tear in found.kept.tears):
        return f"the power went while {told} were on their way: they reached the disk in part"
    lost = set(found.lost)
    following = recording.log[index + 1 : found.position]
    if any(not isinstance(each, (Mark, Sync)) and each.number not in lost for each in following):
        return (
            f"nothing orders {told} before what came after: no sync of {synced} stands "
            f"between, and the crash kept the later without it"
        )
    return f"{told} had not reached the disk when the power went: no sync of {synced} had come"


def _synced(recording: CodeRecording, index: int, op: MicroOp) -> str:
    if isinstance(op, Dirent):
        return f"the directory {op.path.rpartition('/')[0] or '/'}"
    return f"the file {recording.name_at(index)}"


def _acked_since(recording: CodeRecording, index: int, position: int) -> str:
    """Return the first acknowledgement between an op and the crash, "" if there was none."""
    before = recording.acked_at(index)
    if recording.acked_at(position) == before:
        return ""
    return f"{recording.tokens[before]!r}"
