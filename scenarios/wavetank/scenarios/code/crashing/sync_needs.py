"""Which of its syncs a program needs: each is taken out of its log, and the rest is judged again.

The syncs that one line makes, of files with like names, are one: a person takes out a line, and not
its seventh execution. A sync is needed if its absence brings a complaint that did not come before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import TypeAlias

from attrs import evolve, frozen

from wavetank.scenarios.code.crashing.exploration import CodeExploration, GrownLog
from wavetank.scenarios.code.crashing.verdicts import Extent, Judged, explored_under
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.sim import Profile, Sync

__all__ = ["Need", "SyncNeed", "sync_needs"]

_Key: TypeAlias = tuple[str, str, str]


class Need(Enum):
    """Whether a program can do without a sync.

    Attributes:
        NEEDED: without it something is lost or damaged that was not before.
        REDUNDANT: every legal image without it is accepted, or one that stands for it.
        NOT_SEEN: no image that was judged without it was refused, but there are more.
    """

    NEEDED = "needed"
    REDUNDANT = "redundant"
    NOT_SEEN = "not seen to be needed"


@frozen(kw_only=True)
class SyncNeed:
    """One sync of a program, and what came of taking it out.

    Attributes:
        call: the system call, such as ``fdatasync``.
        path: what it syncs; digits in it may differ from one execution to the next.
        place: source line; "" if nobody knows.
        times: how often it was executed.
        need: whether the program can do without it.
        profile: under which that was tried: the first that needs it, else the last.
        complaint: what is wrong without it; "" if nothing.
        images: distinct images that were judged without it.
    """

    call: str
    path: str
    place: str
    times: int
    need: Need
    profile: str
    complaint: str
    images: int


def sync_needs(
    judged: Judged, extent: Extent, *, on_sync: Callable[[int, int], None] | None = None
) -> tuple[SyncNeed, ...]:
    """Return what comes of taking out each sync in turn, in the order of their first execution.

    Args:
        judged: the recording, and what judges it.
        extent: how far each is explored; its profiles are tried in turn.
        on_sync: called with how many syncs were tried, and of how many.
    """
    # What crashes inside recoveries need is theirs, and not the program's.
    judged = evolve(judged, nested=None)
    before = {each.name: explored_under(judged, each, extent) for each in extent.profiles}
    groups = _groups(judged.recording)
    needs = []
    for number, (key, positions) in enumerate(groups.items()):
        if on_sync is not None:
            on_sync(number, len(groups))
        needs.append(_need(judged, extent, before, key, positions))
    return tuple(needs)


def _need(
    judged: Judged,
    extent: Extent,
    before: dict[str, CodeExploration],
    key: _Key,
    positions: Sequence[int],
) -> SyncNeed:
    call, _, place = key
    path = judged.recording.name_at(positions[0])
    images, complete, profile = 0, True, extent.profiles[0]
    for profile in extent.profiles:
        seen = _without(judged, extent, profile, positions)
        images += seen.images
        complete = complete and seen.complete
        new = [each for each in seen.found if each not in before[profile.name].found]
        if new:
            complaint = seen.found[new[0]].complaint.sentence
            need = Need.NEEDED
            break
    else:
        complaint, need = "", Need.REDUNDANT if complete else Need.NOT_SEEN
    return SyncNeed(
        call=call,
        path=path,
        place=place,
        times=len(positions),
        need=need,
        profile=profile.name,
        complaint=complaint,
        images=images,
    )


def _without(
    judged: Judged, extent: Extent, profile: Profile, positions: Sequence[int]
) -> CodeExploration:
    grown = GrownLog(judged.recording.log, without=frozenset(positions))
    return explored_under(judged, profile, extent, grown=grown)


def _groups(recording: CodeRecording) -> dict[_Key, list[int]]:
    """Return the positions of all syncs that did not fail, those of one line together."""
    found: dict[_Key, list[int]] = {}
    for key, position in _syncs(recording):
        found.setdefault(key, []).append(position)
    return found


def _syncs(recording: CodeRecording) -> Iterator[tuple[_Key, int]]:
    for position, record in enumerate(recording.log):
        if isinstance(record, Sync) and not record.failed:
            site = recording.site_of(position)
            alike = re.sub(r"\d+", "0", recording.name_at(position))
            call = site.call if site else record.kind.value
            yield (call, alike, site.place if site else ""), position
