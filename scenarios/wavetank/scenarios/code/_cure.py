"""The cure of a finding, found by trying: the sync in the code that makes it go away.

A sync is put in at every execution of one line: right after the call whose work was lost, or, for a
file, as late as may be, before it is renamed or something is acknowledged. The log with these syncs
is swept again under the same profile; if the finding does not come back, that is the cure. Where
nothing was lost by the disk, the bytes that the program wrote next are taken as written before the
acknowledgement: if the check is content then, the cure is a flush.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios.code._judging import Judging
from wavetank.scenarios.code._recording import CodeRecording
from wavetank.scenarios.code._sweep import FoundImage, Key, sweep_code
from wavetank.sim import (
    PROCESS_KILL,
    Data,
    Dirent,
    Mark,
    MicroOp,
    PendingOps,
    Profile,
    Record,
    Sync,
    SyncKind,
    Tearing,
)

__all__ = ["Cures", "find_flush", "latest_names"]

_MOST_TRIED: Final = 8
_MOST_TOGETHER: Final = 4


@frozen(kw_only=True)
class _Remedy:
    """Syncs to put in, by the record before which they come, and what a person would type."""

    syncs: tuple[tuple[int, Sync], ...]
    words: str


class Cures:
    """Looks for cures of what one sweep found.

    Args:
        judging: runs the check.
        recording: what the code did.
        profile: what crashes may lose.
        tearing: what the device does below a block.
    """

    def __init__(
        self, judging: Judging, recording: CodeRecording, profile: Profile, tearing: Tearing
    ) -> None:
        self._judging = judging
        self._recording = recording
        self._profile = profile
        self._tearing = tearing

    def find(self, key: Key, found: FoundImage) -> str:
        """Return what makes a finding go away: a flush, a sync, several; or what else to do."""
        flush = find_flush(self._judging, self._recording, found)
        if flush:
            return f"flush {flush} before acknowledging what stands in it"
        chosen = self._search(key, found)
        if not chosen:
            return _without_sync(found)
        words = "; ".join(each.words for each in self._fewest(key, chosen))
        return words if len(chosen) == 1 or ";" not in words else f"{words} (all of them)"

    def _search(self, key: Key, found: FoundImage) -> list[_Remedy]:
        """Return remedies that cure together, each for what the ones before have left."""
        chosen: list[_Remedy] = []
        for _ in range(_MOST_TOGETHER):
            better: tuple[_Remedy, FoundImage] | None = None
            for remedy in self._remedies(found):
                left = self._left(key, [*chosen, remedy])
                if left is None:
                    return [*chosen, remedy]
                if better is None and _names(left) != _names(found):
                    better = remedy, left
            if better is None:
                return []
            chosen.append(better[0])
            found = better[1]
        return []

    def _fewest(self, key: Key, chosen: list[_Remedy]) -> list[_Remedy]:
        """Return those of the remedies without which the finding comes back."""
        needed = list(chosen)
        for each in chosen:
            fewer = [other for other in needed if other is not each]
            if fewer and self._left(key, fewer) is None:
                needed = fewer
        return needed

    def _remedies(self, found: FoundImage) -> list[_Remedy]:
        by_words: dict[str, _Remedy] = {}
        for remedy in _remedies(self._recording, found):
            by_words.setdefault(remedy.words, remedy)
        return list(by_words.values())[:_MOST_TRIED]

    def _left(self, key: Key, remedies: list[_Remedy]) -> FoundImage | None:
        """Return the finding as it is with the remedies, None if it has gone."""
        at: dict[int, list[Sync]] = {}
        for position, sync in (each for remedy in remedies for each in remedy.syncs):
            same = at.setdefault(position, [])
            if all((each.kind, each.inode) != (sync.kind, sync.inode) for each in same):
                same.append(sync)
        log: list[Record] = []
        origins = [0]
        for position, record in enumerate((*self._recording.log, None)):
            for sync in at.get(position, ()):
                log.append(sync)
                origins.append(position)
            if record is not None:
                log.append(record)
                origins.append(position + 1)
        image = self._recording.image
        sweep = sweep_code(self._judging, image, log, self._profile, tearing=self._tearing)
        left = sweep.found.get(key)
        return None if left is None else evolve(left, position=origins[left.position])


def _names(found: FoundImage) -> tuple[int, tuple[int, ...]]:
    """Return what tells one image from another."""
    return found.position, found.lost


def _without_sync(found: FoundImage) -> str:
    """Return what is to be done where no sync helps."""
    if found.kept.tears:
        return (
            "no sync: a write can always reach the disk in part; let a length and a checksum tell "
            "what is whole, or write a new file beside, fsync it, and rename it over"
        )
    if not found.position:
        return "let the check be content with an empty directory as long as nothing is acknowledged"
    if not found.lost:
        return (
            "no sync: nothing was lost, the files were wrong at that moment; write a new file "
            "beside the old one, fsync it, and rename it over"
        )
    return "no sync that was tried; write a new file beside the old one, fsync it, rename it over"


def find_flush(judging: Judging, recording: CodeRecording, found: FoundImage) -> str:
    """Return the file whose buffer held what is missing, "" if it was none."""
    if found.lost or found.complaint.kind != "lost":
        return ""
    pending = PendingOps(recording.image, PROCESS_KILL)
    pending.take_all(recording.log[: found.position])
    # What has changed since the acknowledgement is missing for another reason.
    tried = _changed_since_ack(recording, found.position)
    for record in recording.log[found.position :]:
        if isinstance(record, Data) and record.inode not in tried:
            tried.add(record.inode)
            later = pending.fork()
            later.take_all(_of_file(recording.log[found.position :], record.inode))
            if judging.complaint(later.full, found.acked) is None:
                return latest_names(recording, found.position).get(record.inode, record.path)
    return ""


def latest_names(recording: CodeRecording, position: int) -> dict[int, str]:
    """Return the name that each inode had got last by then."""
    names: dict[int, str] = {}
    for record in recording.log[:position]:
        if isinstance(record, Dirent) and record.inode is not None:
            names[record.inode] = record.path
    return names


def _changed_since_ack(recording: CodeRecording, position: int) -> set[int]:
    changed: set[int] = set()
    for record in reversed(recording.log[:position]):
        if isinstance(record, Mark):
            break
        if isinstance(record, Dirent):
            changed.add(record.subject)
        elif not isinstance(record, Sync):
            changed.add(record.inode)
    return changed


def _of_file(log: tuple[Record, ...], inode: int) -> Iterator[Record]:
    for record in log:
        if not isinstance(record, (Mark, Sync, Dirent)) and record.inode == inode:
            yield record


def _remedies(recording: CodeRecording, found: FoundImage) -> Iterator[_Remedy]:
    """Yield every sync worth trying: those of the files first, then those of the directories."""
    lost = set(found.lost)
    ops = [
        (index, record)
        for index, record in enumerate(recording.log[: found.position])
        if not isinstance(record, (Mark, Sync)) and record.number in lost
    ]
    for index, op in ops:
        if not isinstance(op, Dirent):
            yield from _of_data(recording, index)
    for index, op in ops:
        if isinstance(op, Dirent):
            yield _of_name(recording, index, op)


def _of_data(recording: CodeRecording, index: int) -> Iterator[_Remedy]:
    alike = list(_alike(recording, index))
    late = tuple((_before_told(recording, at, op), _file_sync(op)) for at, op in alike)
    told, name = _place(recording, index), _name(recording, index)
    last = late[0][0]
    following = recording.log[last] if last < len(recording.log) else None
    if isinstance(following, Dirent):
        site = recording.site_of(last)
        call = site.call if site else "rename"
        yield _Remedy(
            syncs=late, words=f"os.fsync of {name} after the {told}, before the {call} that follows"
        )
    else:
        yield _Remedy(syncs=late, words=f"os.fsync of {name} after the {told}, before the next ack")
    early = tuple((_end_of_call(recording, at), _file_sync(op)) for at, op in alike)
    yield _Remedy(syncs=early, words=f"os.fsync of {name} right after the {told}")


def _of_name(recording: CodeRecording, index: int, op: Dirent) -> _Remedy:
    syncs = tuple(
        (_end_of_call(recording, at), _directory_sync(each))
        for at, each in _alike(recording, index)
        if isinstance(each, Dirent)
    )
    directory = op.path.rpartition("/")[0] or "/"
    told = _place(recording, index)
    return _Remedy(syncs=syncs, words=f"os.fsync of the directory {directory} after the {told}")


def _alike(recording: CodeRecording, index: int) -> Iterator[tuple[int, MicroOp]]:
    """Yield the ops that the same call in the same line has issued, at any time."""
    mine = recording.site_of(index)
    is_name = isinstance(recording.log[index], Dirent)
    for at, record in enumerate(recording.log):
        if isinstance(record, (Mark, Sync)) or isinstance(record, Dirent) is not is_name:
            continue
        site = recording.site_of(at)
        same = site and mine and (site.call, site.place) == (mine.call, mine.place)
        if at == index or same:
            yield at, record


def _before_told(recording: CodeRecording, index: int, op: MicroOp) -> int:
    """Return the position of what follows and makes the file's content count."""
    assert not isinstance(op, Dirent)
    for at in range(index + 1, len(recording.log)):
        record = recording.log[at]
        if isinstance(record, Mark) or (isinstance(record, Dirent) and record.subject == op.inode):
            return at
    return len(recording.log)


def _end_of_call(recording: CodeRecording, index: int) -> int:
    site = recording.site_of(index)
    return site.position if site is not None else index + 1


def _file_sync(op: MicroOp) -> Sync:
    assert not isinstance(op, Dirent)
    return Sync(kind=SyncKind.FILE, call=op.call, inode=op.inode, path=op.path)


def _directory_sync(op: Dirent) -> Sync:
    return Sync(kind=SyncKind.DIRECTORY, call=op.call, inode=op.directory, path=op.path)


def _place(recording: CodeRecording, index: int) -> str:
    site = recording.site_of(index)
    if site is None:
        return "call"
    return f"{site.call} at {site.place}" if site.place else site.call


def _name(recording: CodeRecording, index: int) -> str:
    """Return the name that a file had at the time of the op."""
    record = recording.log[index]
    assert not isinstance(record, (Mark, Sync, Dirent))
    return latest_names(recording, index).get(record.inode, record.path)
