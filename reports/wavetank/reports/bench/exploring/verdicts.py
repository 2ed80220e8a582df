"""What is asked of every contender: to open the engine on an image, read everything, and judge it.

A `Verdict` is the invariants broken and how. It is the same whether the image lay on a simulated
disk, in a directory or in a fake filesystem, so that the contenders can be held against one
another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from attrs import frozen

from wavetank.engine import FileSystem
from wavetank.reports.bench.exploring.trace import CrashedImage, Trace
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.judging.observation import Observation, observe
from wavetank.scenarios.raft.judging.oracle import judge
from wavetank.scenarios.stores.adapter import Site
from wavetank.sim import SerialRuntime

__all__ = ["Shown", "Verdict", "recover", "verdict_of", "verdict_on"]

Verdict: TypeAlias = tuple[tuple[str, str], ...]
"""Invariants and kinds of problems, sorted; () if the image is right."""

_LITTER: Final = (".tmp", "snapshot.marker")


@frozen(kw_only=True)
class Shown:
    """What the engine shows after a recovery.

    Attributes:
        observation: everything read; None if the engine did not open.
        refused: name of the error that it did not open with; "" if it did.
        litter: names of temporary files that a clean open left behind.
    """

    observation: Observation | None
    refused: str = ""
    litter: tuple[str, ...] = ()


def recover(trace: Trace, fs: FileSystem, root: str, *, close: bool) -> Shown:
    """Open the engine on the files below `root` and read everything.

    Args:
        trace: whose options it is opened with.
        fs: the filesystem.
        root: what stands for the root directory of the image there; "" for the root.
        close: whether the engine is closed afterwards; else its process is about to end.
    """
    workload = trace.recording.workload
    directory = root + workload.directory
    site = Site(
        fs=fs,
        runtime=SerialRuntime(workload.seed),
        directory=directory,
        options=workload.options,
    )
    try:
        store = trace.recording.backend.open(site)
        observation = observe(store)
    except Exception as error:  # noqa: BLE001 - whatever the engine raises is the verdict
        return Shown(observation=None, refused=type(error).__name__)
    litter = tuple(name for name in fs.listdir(directory) if name.endswith(_LITTER))
    if close:
        store.close()
    return Shown(observation=observation, litter=litter)


def verdict_on(trace: Trace, crashed: CrashedImage, shown: Shown) -> Verdict:
    """Judge what the engine shows by what was known at the crash."""
    if shown.observation is None:
        return (("O7", f"does not open: {shown.refused}"),)
    workload = trace.recording.workload
    known = trace.recording.interval_at(crashed.position).knowledge
    problems = judge(shown.observation, known, workload.options, promises=workload.promises)
    litter = [("O10", f"litter: {name}") for name in shown.litter]
    own = [(each.invariant, each.kind) for each in shown.observation.problems]
    return tuple(sorted({*verdict_of(problems), *own, *litter}))


def verdict_of(problems: Iterable[Problem]) -> Verdict:
    """Return problems as a verdict."""
    return tuple(sorted({(each.invariant, each.kind) for each in problems}))
