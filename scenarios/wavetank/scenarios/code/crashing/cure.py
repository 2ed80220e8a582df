"""The cure of a finding, found by trying: the sync in the code that makes it go away.

A sync is put in at every execution of one line, between two calls, where a person can write it:
after the call whose work was lost, or, for a file, as late as possible, before it is renamed or
something is acknowledged. The log with these syncs is explored again under the same profile. It is
the cure if the finding does not come back. Where the disk lost nothing, the bytes that the program
wrote next are taken as written before the acknowledgement: if the check is content then, the cure
is a flush.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios.code.asking.answers import NotRunError
from wavetank.scenarios.code.asking.judging import Judge
from wavetank.scenarios.code.crashing.exploration import (
    FoundImage,
    GrownLog,
    Key,
    Window,
    explore_code,
)
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.sim import (
    BLOCK_SIZE,
    PROCESS_KILL,
    Attribute,
    Data,
    Dirent,
    FileContent,
    Mark,
    MicroOp,
    PendingOps,
    Profile,
    Record,
    Size,
    Sync,
    SyncKind,
    Tearing,
)

__all__ = ["Cure", "Cures", "lost_ops"]

_MOST_TRIED: Final = 12
_MOST_TOGETHER: Final = 4
_AFTER_FIRST: Final = 20
"""Images judged after another finding has come: that one may come still."""


@frozen(kw_only=True)
class Cure:
    """What makes a finding go away, or what to do instead where no sync does.

    Attributes:
        words: for people.
        index: position in the log of the lost op that the cure saves; None if nothing was lost, or
            no sync helps.
        flush: the file whose buffer held what is missing; "" if it was none.
    """

    words: str
    index: int | None = None
    flush: str = ""


@frozen(kw_only=True)
class _Remedy:
    """Syncs to put in.

    Attributes:
        syncs: each with the record before which it comes.
        words: what a person would write.
        index: the lost op that it is for.
    """

    syncs: tuple[tuple[int, Sync], ...]
    words: str
    index: int


class Cures:
    """Looks for cures of what one exploration found.

    Args:
        judge: says what is wrong.
        recording: what the code did.
        profile: what crashes may lose.
        tearing: what the device does below a block.
        max_images: distinct images judged for each cure that is tried.
        window: which crashes count; None for all.
    """

    def __init__(
        self,
        judge: Judge,
        recording: CodeRecording,
        profile: Profile,
        *,
        tearing: Tearing,
        max_images: int,
        window: Window | None = None,
    ) -> None:
        self._judge = judge
        self._recording = recording
        self._profile = profile
        self._tearing = tearing
        self._max_images = max_images
        self._window = window

    def find(self, key: Key, found: FoundImage) -> Cure:
        """Return what makes a finding go away: a flush, a sync, several; or what else to do."""
        # Nobody acknowledges anything in a recovery.
        flush = "" if self._window else _unflushed_file(self._judge, self._recording, found)
        if flush:
            return Cure(words=f"flush {flush} before acknowledging what stands in it", flush=flush)
        chosen = self._search(key, found)
        if not chosen:
            return Cure(words=_without_sync(self._recording, found))
        needed = self._fewest(key, found, chosen)
        words = "; ".join(each.words for each in needed)
        together = " (all of them)" if len(needed) > 1 else ""
        return Cure(words=words + together, index=needed[0].index)

    def _search(self, key: Key, found: FoundImage) -> list[_Remedy]:
        """Return remedies that cure together, each for what the ones before have left."""
        chosen: list[_Remedy] = []
        for _ in range(_MOST_TOGETHER):
            better: tuple[_Remedy, FoundImage] | None = None
            for remedy in self._untried(found):
                left = self._left(key, found, [*chosen, remedy])
                if left is None:
                    return [*chosen, remedy]
                if better is None and _identity(left) != _identity(found):
                    better = remedy, left
            if better is None:
                return []
            chosen.append(better[0])
            found = better[1]
        return []

    def _fewest(self, key: Key, found: FoundImage, chosen: list[_Remedy]) -> list[_Remedy]:
        """Return those of the remedies without which the finding comes back."""
        needed = list(chosen)
        for each in chosen:
            fewer = [other for other in needed if other is not each]
            if fewer and self._left(key, found, fewer) is None:
                needed = fewer
        return needed

    def _untried(self, found: FoundImage) -> list[_Remedy]:
        by_syncs: dict[tuple[tuple[int, SyncKind, int], ...], _Remedy] = {}
        for remedy in self._candidates(found):
            same = tuple(
                sorted({(at, each.kind, each.inode) for at, each in remedy.syncs}, key=repr)
            )
            by_syncs.setdefault(same, remedy)
        return list(by_syncs.values())[:_MOST_TRIED]

    def _candidates(self, found: FoundImage) -> Iterator[_Remedy]:
        """Yield every sync worth trying; after a kill, only those that the recovery can make."""
        since = self._window.since if self._window else 0
        if since:
            for index, op in lost_ops(self._recording, found):
                if index < since:
                    yield _first_thing(self._recording, index, op, since)
        for remedy in _remedies(self._recording, found):
            syncs = tuple((at, sync) for at, sync in remedy.syncs if at > since)
            if remedy.index >= since and syncs:
                yield evolve(remedy, syncs=syncs)

    def _left(self, key: Key, found: FoundImage, remedies: list[_Remedy]) -> FoundImage | None:
        """Return the finding as it is with the remedies, None if it has gone.

        Args:
            key: of the finding.
            found: an image of it, which must be impossible where not all images are explored.
            remedies: what is put in.
        """
        syncs = [each for remedy in remedies for each in remedy.syncs]
        grown = GrownLog(self._recording.log, syncs)
        seen = explore_code(
            self._judge,
            self._recording,
            self._profile,
            grown=grown,
            tearing=self._tearing,
            max_images=self._max_images,
            max_after_first=_AFTER_FIRST,
            window=self._window,
        )
        left = seen.found.get(key)
        if left is not None:
            return evolve(left, position=grown.origins[left.position])
        if seen.complete:
            return None
        is_open = seen.too_slow or self._is_possible(found, grown)
        return found if is_open else None

    def _is_possible(self, found: FoundImage, grown: GrownLog) -> bool:
        pending = PendingOps(self._recording.image, self._profile)
        pending.take_all(islice(grown.log, grown.position_of(found.position)))
        present = {op.number for op in pending.ops}
        gone = set(found.lost) - {tear.number for tear in found.kept.tears}
        kept = evolve(found.kept, numbers=tuple(sorted(present - gone)))
        return gone <= present and pending.is_legal(kept)


def lost_ops(recording: CodeRecording, found: FoundImage) -> list[tuple[int, MicroOp]]:
    """Return the ops that a crash lost or tore, each with its position in the log.

    Those of files and directories that were looked at come first: the others nobody missed.
    """
    lost = set(found.lost)
    ops: list[tuple[int, MicroOp]] = [
        (index, record)
        for index, record in enumerate(recording.log[: found.position])
        if not isinstance(record, (Mark, Sync)) and record.number in lost
    ]
    return sorted(ops, key=lambda each: not _is_read(each[1], found.read))


def _is_read(op: MicroOp, read: frozenset[int]) -> bool:
    return (op.directory if isinstance(op, Dirent) else op.inode) in read


def _identity(found: FoundImage) -> tuple[int, tuple[int, ...]]:
    return found.position, found.lost


def _without_sync(recording: CodeRecording, found: FoundImage) -> str:
    """Return what is to be done where no sync helps."""
    written = _interrupted_write(recording, found)
    if written is None and found.lost and not found.kept.tears:
        return (
            "none of the syncs that were tried; prepare what belongs together under another name, "
            "fsync it, and rename it into place last"
        )
    if written is None:
        return (
            "no sync: nothing was lost, a crash at this point leaves just this; prepare what "
            "belongs together under another name, fsync it, and rename it into place last"
        )
    name, appends = written
    if appends:
        return (
            f"no sync: what is appended to {name} can always reach the disk in part; write the "
            f"length and a checksum of each record before it, and drop an end that does not match"
        )
    return (
        f"no sync: {name} is written in place, and a crash can leave any part of that; write a new "
        f"file beside it, fsync it, rename it over {name}, and fsync the directory"
    )


def _interrupted_write(recording: CodeRecording, found: FoundImage) -> tuple[str, bool] | None:
    """Return the file whose content the crash tore or lost, or was being changed when it came.

    And whether all that was being written to it lies behind its old end, and that was not empty.
    """
    torn = {tear.number for tear in found.kept.tears} or set(found.lost)
    for index in range(found.position - 1, -1, -1):
        op = recording.log[index]
        if isinstance(op, (Mark, Sync)):
            continue
        if torn and not (op.number in torn and _is_read(op, found.read)):
            continue
        if isinstance(op, (Dirent, Attribute)):
            return None
        call = recording.call_of(index)
        before = PendingOps(recording.image, PROCESS_KILL)
        before.take_all(recording.log[: call.start])
        node = before.full.node(op.inode)
        size = node.size if isinstance(node, FileContent) else 0
        is_log = size > 0 or _is_appended_to_later(recording, index)
        appends = is_log and all(
            each.block * BLOCK_SIZE + each.start >= size
            for each in recording.log[call.start : call.stop]
            if isinstance(each, Data) and each.inode == op.inode
        )
        return recording.name_at(index), appends and not _empties(op)
    return None


def _is_appended_to_later(recording: CodeRecording, index: int) -> bool:
    """Whether a file that begins empty is written on behind its end, as a log is."""
    op, end = recording.log[index], 0
    assert isinstance(op, (Data, Size))
    for at, record in enumerate(recording.log):
        if isinstance(record, Size) and record.inode == op.inode and not record.extends:
            if at > index:
                return False
        elif isinstance(record, Data) and record.inode == op.inode:
            start = record.block * BLOCK_SIZE + record.start
            if at > index and recording.call_of(at) != recording.call_of(index) and start >= end:
                return True
            end = max(end, start + len(record.content))
    return False


def _empties(op: MicroOp) -> bool:
    return isinstance(op, Size) and not op.extends


def _unflushed_file(judge: Judge, recording: CodeRecording, found: FoundImage) -> str:
    """Return the file whose buffer held what is missing, "" if it was none."""
    if found.lost or found.complaint.kind != "lost":
        return ""
    pending = PendingOps(recording.image, PROCESS_KILL)
    pending.take_all(recording.log[: found.position])
    # What has changed since the acknowledgement is missing for another reason.
    tried = _changed_since_ack(recording, found.position)
    for index in range(found.position, len(recording.log)):
        record = recording.log[index]
        if isinstance(record, (Mark, Sync, Dirent)) or record.inode in tried:
            continue
        tried.add(record.inode)
        later = pending.fork()
        later.take_all(_of_file(recording.log[found.position :], record.inode))
        try:
            if judge.complaint(later.full, found.demand) is None:
                return recording.name_at(index)
        except NotRunError:
            return ""
    return ""


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
    """Yield every sync worth trying: of single files, of directories, of all that a line writes."""
    ops = lost_ops(recording, found)
    files = [index for index, op in ops if not isinstance(op, Dirent)]
    for read in (True, False):
        some = [(index, op) for index, op in ops if _is_read(op, found.read) is read]
        for index, op in some:
            if not isinstance(op, Dirent):
                yield _late(recording, index, _same_name)
        for index, op in some:
            if isinstance(op, Dirent):
                yield _of_directory(recording, index, _same_directory)
    for index in files:
        yield _late(recording, index, _any_name)
    for index, op in ops:
        if isinstance(op, Dirent):
            yield _of_directory(recording, index, _any_name)
    for index in files:
        yield from _early(recording, index)


def _first_thing(recording: CodeRecording, index: int, op: MicroOp, since: int) -> _Remedy:
    """Return a sync, first thing in the recovery, of what a killed process had changed."""
    if isinstance(op, Dirent):
        sync, which = _directory_sync(op), f"the directory {_directory(recording.name_at(index))}"
    else:
        sync, which = _file_sync(recording, index), recording.name_at(index)
    words = f"fsync of {which} at the start of the recovery, before it changes anything"
    return _Remedy(syncs=((since, sync),), words=words, index=index)


def _late(recording: CodeRecording, index: int, alike: Callable[[str, str], bool]) -> _Remedy:
    """Return the syncs of what a line writes, each just before it is renamed or acknowledged."""
    found = list(_same_line(recording, index, alike))
    syncs = tuple((_before_it_counts(recording, at), _file_sync(recording, at)) for at in found)
    at = _before_it_counts(recording, index)
    if at == len(recording.log):
        until = "before the process ends"
    elif isinstance(recording.log[at], Mark):
        until = "before the next ack"
    else:
        site = recording.site_of(at)
        until = f"before the {site.call if site else 'rename'} that follows"
    place, name = _place(recording, index), recording.name_at(index)
    which = name
    if len({_pattern(recording.name_at(each)) for each in found}) > 1:
        which = f"every file such as {name}"
    return _Remedy(syncs=syncs, words=f"fsync of {which} after the {place}, {until}", index=index)


def _early(recording: CodeRecording, index: int) -> Iterator[_Remedy]:
    """Yield the syncs of what a line writes, each as soon as the line is done."""
    site = recording.site_of(index)
    if site is None or not (site.place or site.number):
        return  # nobody could tell where to write it
    found = list(_same_line(recording, index, _same_name))
    yield _Remedy(
        syncs=tuple((_end_of_line(recording, at), _file_sync(recording, at)) for at in found),
        words=f"fsync of {recording.name_at(index)} right after the {_place(recording, index)}",
        index=index,
    )


def _of_directory(
    recording: CodeRecording, index: int, alike: Callable[[str, str], bool]
) -> _Remedy:
    """Return the syncs of the directories in which a line makes, moves or removes names."""
    found = [
        (at, record)
        for at in _same_line(recording, index, alike)
        if isinstance(record := recording.log[at], Dirent)
    ]
    syncs = tuple((recording.call_of(at)[-1] + 1, _directory_sync(each)) for at, each in found)
    directory = _directory(recording.name_at(index))
    which = f"the directory {directory}"
    if len({each.directory for _, each in found}) > 1:
        which = f"every directory such as {directory}"
    words = f"fsync of {which} after the {_place(recording, index)}"
    return _Remedy(syncs=syncs, words=words, index=index)


def _same_line(
    recording: CodeRecording, index: int, alike: Callable[[str, str], bool]
) -> Iterator[int]:
    """Yield the ops of one kind that the same call in the same line has issued, at any time."""
    mine, name = recording.site_of(index), recording.name_at(index)
    is_name = isinstance(recording.log[index], Dirent)
    for at, record in enumerate(recording.log):
        if isinstance(record, (Mark, Sync)) or isinstance(record, Dirent) is not is_name:
            continue
        site = recording.site_of(at)
        same = site and mine and (site.call, site.place) == (mine.call, mine.place)
        if at == index or (same and alike(name, recording.name_at(at))):
            yield at


def _same_name(one: str, other: str) -> bool:
    """Whether two names are one to a person: temporary names are counted through."""
    return _pattern(one) == _pattern(other)


def _same_directory(one: str, other: str) -> bool:
    return _directory(one) == _directory(other)


def _any_name(_one: str, _other: str) -> bool:
    return True


def _directory(name: str) -> str:
    return name.rpartition("/")[0] or "/"


def _pattern(name: str) -> str:
    return re.sub(r"\d+", "0", name)


def _before_it_counts(recording: CodeRecording, index: int) -> int:
    """Return the position of the call or ack that makes a file's content count."""
    op = recording.log[index]
    assert not isinstance(op, (Mark, Sync, Dirent))
    for at in range(index + 1, len(recording.log)):
        record = recording.log[at]
        if isinstance(record, Mark):
            return at
        if isinstance(record, Dirent) and record.subject == op.inode:
            return recording.call_of(at)[0]
    return len(recording.log)


def _end_of_line(recording: CodeRecording, index: int) -> int:
    """Return the position where a line is done with a file.

    One `write` of a program may be several calls, where a buffer is flushed in between. Nobody can
    write anything between those.
    """
    mine, op = recording.site_of(index), recording.log[index]
    end = recording.call_of(index)[-1] + 1
    while end < len(recording.log):
        record, site = recording.log[end], recording.site_of(end)
        if isinstance(record, (Mark, Sync, Dirent)) or isinstance(op, (Mark, Sync, Dirent)):
            break
        if record.inode != op.inode or site is None or mine is None or site.place != mine.place:
            break
        end = recording.call_of(end)[-1] + 1
    return end


def _file_sync(recording: CodeRecording, index: int) -> Sync:
    op = recording.log[index]
    assert not isinstance(op, (Mark, Sync, Dirent))
    return Sync(kind=SyncKind.FILE, call=op.call, inode=op.inode, path=op.path)


def _directory_sync(op: Dirent) -> Sync:
    return Sync(kind=SyncKind.DIRECTORY, call=op.call, inode=op.directory, path=op.path)


def _place(recording: CodeRecording, index: int) -> str:
    site = recording.site_of(index)
    if site is None:
        return "call"
    return str(site)
