"""The states that the simulated disk may leave of a litmus test, and whether they are the named.

Every legal set of pending micro-ops gives an image, at every point of the program; an image is read
back as letters. Nothing here knows an order rule: these are `Profile`'s and `PendingOps`' business,
and it is they that a litmus test is held against.

Left out: torn writes; a block is on disk whole or not at all.
"""

from __future__ import annotations

from typing import Final

from wavetank.sim.crashes.closed_sets import closed_sets
from wavetank.sim.crashes.pending import PendingOps
from wavetank.sim.image import ROOT_INODE, DirectoryContent, DiskImage, FileContent
from wavetank.sim.litmus._litmus_disk import record_litmus
from wavetank.sim.litmus.program import (
    UNWRITTEN,
    LitmusError,
    LitmusResult,
    LitmusState,
    LitmusTest,
)
from wavetank.sim.ops import BLOCK_SIZE, Mark, Sync
from wavetank.sim.profiles.profile import Profile

__all__ = ["hold_litmus", "possible_states"]

_MOST_SETS: Final = 1 << 20


def possible_states(
    test: LitmusTest, profile: Profile, *, limit: int = _MOST_SETS
) -> frozenset[LitmusState]:
    """Return every state that a power cut may leave, at any point of the program.

    Args:
        test: the program; the states that it names are not looked at.
        profile: the filesystem's promises.
        limit: give up where a point of the program has more legal sets of micro-ops.

    Raises:
        LitmusError: an operation cannot be done, or there are more sets than `limit`.
    """
    recording = record_litmus(test)
    marks = recording.setup_marks
    pending = PendingOps(recording.image, profile)
    found = _states(pending, marks, holding=0, limit=limit)
    for record in recording.records:
        pending.take(record)
        if isinstance(record, Mark | Sync):
            # The same images, but more was promised; or fewer, and perhaps others, as on lazyfs.
            marks = (*marks, record.word) if isinstance(record, Mark) else marks
            found |= _states(pending, marks, holding=0, limit=limit)
        elif pending.whole:
            newest = pending.newest_needs
            found |= _states(pending, marks, holding=newest, limit=limit)
    return frozenset(found)


def hold_litmus(test: LitmusTest, profile: Profile) -> LitmusResult:
    """Compare the states that `test` names for `profile` with those of the simulated disk.

    Raises:
        KeyError: the test names no states for this profile.
        LitmusError: as for `possible_states`.
    """
    named = test.states[profile.name]
    try:
        found = possible_states(test, profile)
    except LitmusError as error:
        raise LitmusError(f"test {test.id}: {error}") from error
    return LitmusResult(
        id=test.id,
        profile=profile.name,
        states=len(found),
        missing=tuple(sorted(named - found)),
        extra=tuple(sorted(found - named)),
    )


def _states(
    pending: PendingOps, marks: tuple[str, ...], *, holding: int, limit: int
) -> set[LitmusState]:
    masks = closed_sets(pending, holding=holding, limit=limit)
    if masks is None:
        raise LitmusError(
            f"program: expected at most {limit} legal sets of micro-ops at each point, "
            f"got more under {pending.profile.name}"
        )
    readings = (False, True) if pending.profile.truncate_discards else (False,)
    return {
        LitmusState(marks, _read(pending.image(pending.kept(mask, forgotten=forgotten))))
        for mask in masks
        for forgotten in readings
    }


def _read(image: DiskImage) -> tuple[tuple[str, str], ...]:
    """Return every file's path and letters, ordered by path."""
    found: list[tuple[str, str]] = []
    todo: list[tuple[str, int, frozenset[int]]] = [("", ROOT_INODE, frozenset())]
    while todo:
        prefix, inode, above = todo.pop()
        node = image.node(inode)
        assert isinstance(node, DirectoryContent)
        # Where a rename can be split, a directory can come to lie in itself.
        inside = above | {inode}
        for name, entry in node.entries.items():
            child = image.node(entry)
            if isinstance(child, FileContent):
                found.append((prefix + name, _letters(child)))
            elif entry not in inside:
                todo.append((f"{prefix}{name}/", entry, inside))
    return tuple(sorted(found))


def _letters(file: FileContent) -> str:
    blocks = file.blocks
    return "".join(
        chr(blocks[number][0]) if number < len(blocks) and blocks[number] else UNWRITTEN
        for number in range(file.size // BLOCK_SIZE)
    )
