"""One finding as a page tells it: promise, breach, timeline, disk, reason, cure."""

from __future__ import annotations

from attrs import frozen

from wavetank.reports.page.files import HexDiff, TreeRow
from wavetank.reports.page.history import HistoryDrawing
from wavetank.reports.page.timeline import Timeline

__all__ = ["Finding"]


@frozen(kw_only=True)
class Finding:
    """One broken promise.

    Attributes:
        id: what a link to it names.
        sentence: what a person would say, in one sentence.
        label: a word or two, such as ``O1`` or ``lost``.
        promise: what must hold, in words.
        broken: what came instead.
        place: scenario, seed, store and so on.
        steps: the run that shows it, one line each.
        timelines: what the disk was told, one for each stretch of work.
        same_as: id of an earlier finding with the same timelines, directory and bytes, which are
            then only there; "" if there is none.
        history: calls of tasks beside one another; None if there were none.
        tree: the directory before and after.
        files: bytes that differ.
        promised: what recovery had to show, one line each.
        shown: what it showed.
        lost: what the crash lost or tore, one line each.
        why: how it came about, from the promise to the loss; a sentence each.
        cure: what would have prevented it; "" if no single sync does.
        profiles: crash models that allow it.
        rules: promises of a filesystem, each of which would forbid it.
        notes: what else a reader must know, one sentence each.
        replay: the command that shows it again; "" if there is none.
    """

    id: str
    sentence: str
    label: str
    promise: str
    broken: str
    place: tuple[tuple[str, str], ...]
    steps: tuple[str, ...]
    timelines: tuple[Timeline, ...] = ()
    same_as: str = ""
    history: HistoryDrawing | None = None
    tree: tuple[TreeRow, ...] = ()
    files: tuple[HexDiff, ...] = ()
    promised: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    cure: str = ""
    profiles: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    replay: str = ""
