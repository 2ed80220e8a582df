"""What a store is like, found out by asking it: its files, its numbers, its directory."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random  # noqa: TID251 - of one stream, always the same
from typing import Final

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState
from wavetank.scenarios.fuzzing.drawing import draw_steps
from wavetank.scenarios.fuzzing.inputs import FUZZ, InputDrawer
from wavetank.scenarios.fuzzing.swarm import OPERATIONS, VALUES, Swarm
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.raft.steps import Append, OpenStore, SaveState, Step, Workload
from wavetank.scenarios.raft.workloads.boundary_values import DEEP_DIRECTORY, LARGEST
from wavetank.scenarios.raft.workloads.fitted_workload import fitted
from wavetank.scenarios.runs.plan import OwnProfile
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY, StoreAdapter
from wavetank.scenarios.stores.registry import BUILTIN
from wavetank.sim import POSIX, Dirent

__all__ = ["drawer_for", "names_of"]

_STEPS: Final = 40
_LEFT_OUT: Final = frozenset({"inspect", "refused", "power cut"})
_MOST_NAMES: Final = 24
_SIGNED: Final = 2**63 - 1
_OPTIONS: Final = FileStorageOptions(retained_log_size=0)


def drawer_for(store: StoreAdapter, profiles: tuple[OwnProfile, ...]) -> InputDrawer:
    """Return what draws inputs for a store, within what it can take.

    Numbers of 64 bits and missing directories above its own are no promise that a store declares.
    The engine makes both, and is held to them.

    Args:
        store: any.
        profiles: what crashes may lose.
    """
    large = (
        OpenStore(),
        SaveState(PersistentState(LARGEST, "node-a")),
        Append((LogEntry(1, LARGEST, b"large"),)),
    )
    is_engine = store.name == BUILTIN.name
    return InputDrawer(
        store=store,
        profiles=profiles,
        names=names_of(store),
        largest=LARGEST if is_engine or not _run(store, large).problems else _SIGNED,
        deep=is_engine or not _run(store, (OpenStore(),), DEEP_DIRECTORY).problems,
    )


def names_of(store: StoreAdapter) -> tuple[str, ...]:
    """Return the names of files that a store makes in a short life without faults."""
    swarm = Swarm(
        operations=tuple(each for each in OPERATIONS if each not in _LEFT_OUT),
        values=VALUES[:1],
        overrides=(),
        layouts=(),
        faults=(),
        steps=_STEPS,
        directory=STORE_DIRECTORY,
    )
    random = Random("fuzz/names")  # noqa: S311 - reproducible on purpose
    recording = _run(store, draw_steps(random, swarm, _OPTIONS, POSIX))
    names = (record.name for record in recording.log if isinstance(record, Dirent))
    return tuple(dict.fromkeys(_plain(names)))[:_MOST_NAMES]


def _run(
    store: StoreAdapter, steps: tuple[Step, ...], directory: str = STORE_DIRECTORY
) -> Recording:
    workload = Workload(name=FUZZ, seed=0, steps=steps, options=_OPTIONS, directory=directory)
    return record(fitted(workload, store), store)


def _plain(names: Iterator[str]) -> Iterator[str]:
    """Yield the names that can stand in the fault language as a pattern of one file."""
    for name in names:
        if name and not set(name) & set(" #:*?[/") and name not in {"offset", "in", "while"}:
            yield name
