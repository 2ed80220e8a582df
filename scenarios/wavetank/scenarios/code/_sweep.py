"""Every crash point of a recording under one profile, every image there, one check each.

As in the sweep over stores, images that hold the newest op are new where the log grew, and all are
judged again where something was acknowledged. Where there are too many, they are chosen by what
the check reads, until something has been found; a catalogue stands in after that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from attrs import frozen

from wavetank.scenarios.code._judging import Complaint, Judging
from wavetank.scenarios.exploration.recovery_graph import Limits
from wavetank.sim import (
    AppendFill,
    Cell,
    CrashImages,
    DiskImage,
    Kept,
    Mark,
    PendingOps,
    Profile,
    Reader,
    Record,
    Sync,
    Tearing,
    TearShape,
    all_images,
    newest_images,
)

__all__ = ["PLAIN", "CodeSweep", "FoundImage", "Key", "sweep_code"]

Key: TypeAlias = tuple[str, str]
"""Equal for findings that are one to a person: the kind, and the sentence without particulars."""

PLAIN: Final = Tearing(
    shapes=frozenset(TearShape) - {TearShape.GARBAGE}, append_fill=AppendFill.ZEROS
)
"""Writes tear at sectors; a sector is old or new, and what was never written is zeros."""

_LIMIT: Final = Limits().max_sets_per_point
_KINDS: Final = 16
_GIVE_UPS: Final = 2
"""How often the check is followed in vain until the next sync: each time costs hundreds of runs."""


@frozen(kw_only=True)
class FoundImage:
    """An image that the check refused.

    Attributes:
        complaint: what it said.
        position: records of the log before the crash.
        kept: the pending ops that the crash kept.
        lost: numbers of the ops that it lost or tore.
        acked: how much had been acknowledged.
    """

    complaint: Complaint
    position: int
    kept: Kept
    lost: tuple[int, ...]
    acked: int


@frozen(kw_only=True)
class CodeSweep:
    """What a sweep saw; see `ProfileVerdict`."""

    found: dict[Key, FoundImage]
    crash_points: int
    images: int
    unjudged: int
    complete: bool


def sweep_code(
    judging: Judging,
    image: DiskImage,
    log: Iterable[Record],
    profile: Profile,
    *,
    tearing: Tearing = PLAIN,
    max_images: int | None = None,
) -> CodeSweep:
    """Judge the images at every crash point of a log under a profile.

    Args:
        judging: runs the check.
        image: the disk before the first record.
        log: what was done to it.
        profile: what a crash may lose.
        tearing: what the device does below a block.
        max_images: distinct images at most; None for all.
    """
    sweeper = _Sweeper(judging, PendingOps(image, profile), tearing, max_images)
    sweeper.run(log)
    return sweeper.finish()


class _Sweeper:
    """The running counts and findings of one sweep."""

    def __init__(
        self, judging: Judging, pending: PendingOps, tearing: Tearing, max_images: int | None
    ) -> None:
        self._judging = judging
        self._tearing = tearing
        self._pending = pending
        self._max_images = max_images
        self._acked = 0
        self._crash_points = 0
        self._complete = True
        self._judged: set[bytes] = set()
        self._unjudged: set[bytes] = set()
        self._found: dict[Key, FoundImage] = {}
        self._forks_below: int | None = None
        self._gave_up = 0
        self._cells: dict[tuple[bytes, int, tuple[int, ...]], tuple[Cell, ...]] = {}

    def run(self, log: Iterable[Record]) -> None:
        self._visit(0, is_new=False)
        for position, record in enumerate(log, start=1):
            self._pending.take(record)
            if isinstance(record, Mark):
                self._acked += 1
                self._visit(position, is_new=False)
            elif isinstance(record, Sync):
                self._forks_below = None
                self._gave_up = 0
            else:
                self._crash_points += 1
                if self._pending.whole:
                    self._visit(position, is_new=True)

    def finish(self) -> CodeSweep:
        return CodeSweep(
            found=self._found,
            crash_points=self._crash_points,
            images=len(self._judged),
            unjudged=len(self._unjudged),
            complete=self._complete and not self._unjudged,
        )

    def _visit(self, position: int, *, is_new: bool) -> None:
        seen: set[bytes] = set()
        for kept in self._images(is_new=is_new).images:
            image = self._pending.image(kept)
            name = image.digest()
            if name in seen or not self._may_judge(name):
                continue
            seen.add(name)
            complaint = self._judging.complaint(image, self._acked)
            if complaint is not None:
                self._keep(complaint, position, kept)

    def _may_judge(self, name: bytes) -> bool:
        if name in self._judged:
            return True
        if self._is_spent:
            self._unjudged.add(name)
            return False
        self._judged.add(name)
        return True

    @property
    def _is_spent(self) -> bool:
        return self._max_images is not None and len(self._judged) >= self._max_images

    def _images(self, *, is_new: bool) -> CrashImages:
        waiting = sum(1 for _ in self._pending.ops)
        # Until something is durable, more pending ops can only mean more ways to go.
        hopeless = self._forks_below is not None and waiting >= self._forks_below
        hopeless = hopeless or self._gave_up >= _GIVE_UPS or self._is_spent
        reader = None if hopeless or self._found else self._reader()
        choose = newest_images if is_new else all_images
        images = choose(self._pending, limit=_LIMIT, tearing=self._tearing, reader=reader)
        if not images.complete and reader is not None:
            self._forks_below = waiting
            self._gave_up += 1
        self._complete = self._complete and images.complete
        return images

    def _reader(self) -> Reader:
        def read(kept: Kept) -> tuple[Cell, ...]:
            image = self._pending.image(kept)
            # Looks are told by inode, which equal images need not share.
            inodes = tuple(inode for _, inode, _ in image.walk())
            key = (image.digest(), self._acked, inodes)
            if key not in self._cells:
                self._cells[key] = self._judging.cells(image, self._acked)
            return self._cells[key]

        return read

    def _keep(self, complaint: Complaint, position: int, kept: Kept) -> None:
        """Keep, of each kind of complaint, the image that lost least; the first of those."""
        torn = {tear.number for tear in kept.tears}
        whole = set(kept.numbers) - torn
        lost = tuple(op.number for op in self._pending.ops if op.number not in whole)
        key = (complaint.kind, _shape(complaint.sentence))
        best = self._found.get(key)
        if best is None and len(self._found) >= _KINDS:
            return
        if best is None or len(lost) < len(best.lost):
            self._found[key] = FoundImage(
                complaint=complaint,
                position=position,
                kept=kept,
                lost=lost,
                acked=self._acked,
            )


def _shape(sentence: str) -> str:
    """Return a sentence without what differs from image to image: numbers and quoted things."""
    return re.sub(r"b?'[^']*'|b?\"[^\"]*\"|\[.*\]|\{.*\}|0x[0-9a-f]+|\d+", "_", sentence)
