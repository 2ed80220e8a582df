"""Entries, batches, workloads, profiles and losses for hypothesis.

Import it by name, `from wavetank.scenarios.strategies import workloads`: it needs hypothesis, which
the rest of wavetank does not. Plans of faults are in `wavetank.faults.strategies`.

    >>> from hypothesis import given, settings
    >>> from wavetank.scenarios import BUILTIN, record
    >>> @settings(max_examples=5, database=None)
    ... @given(workload=workloads(max_steps=5))
    ... def a_right_store_passes_without_crashes(workload):
    ...     assert record(workload, BUILTIN).problems == ()
    >>> a_right_store_passes_without_crashes()
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

from wavetank.engine import FileStorageOptions, LogEntry
from wavetank.scenarios.exploration.loss import Loss
from wavetank.scenarios.raft.model import EMPTY, Possible, acknowledge
from wavetank.scenarios.raft.steps import KillProcess, OpenStore, Reopen, Step, Workload
from wavetank.scenarios.raft.workloads.actions import (
    append_move,
    compaction_move,
    conflict_move,
    installation_move,
    read_move,
    snapshot_move,
    vote_move,
)
from wavetank.scenarios.raft.workloads.boundary_values import COMMAND_SIZES, NAMES, TERMS
from wavetank.sim import PROFILES, SAFE_PROFILES, Profile

__all__ = ["batches", "candidates", "command_sizes", "entries", "losses", "profiles", "workloads"]

_MAX_INDEX: Final = 2**40
_SECTORS: Final = 8
_OPS_SHOWN: Final = 40
_LONG_BYTES: Final = 5000
_OPTIONS: Final = FileStorageOptions(retained_log_size=0)


def command_sizes(max_bytes: int = _LONG_BYTES) -> st.SearchStrategy[int]:
    """Return sizes of commands in bytes: short ones, boundaries, some that reach over blocks."""
    boundaries = [size for size in COMMAND_SIZES if size <= max_bytes]
    return (
        st.integers(1, min(40, max_bytes)) | st.sampled_from(boundaries) | st.integers(0, max_bytes)
    )


def candidates() -> st.SearchStrategy[str]:
    """Return names of candidates: short ones, nobody's, and such as are long or not ASCII."""
    return st.sampled_from(("node-a", "node-b", *NAMES))


def entries(
    *, index: int | None = None, max_term: int = 2**20, max_bytes: int = _LONG_BYTES
) -> st.SearchStrategy[LogEntry]:
    """Return log entries.

    Args:
        index: of all of them; None for any.
        max_term: no term is higher.
        max_bytes: no command is longer.
    """
    return st.builds(
        LogEntry,
        st.integers(1, _MAX_INDEX) if index is None else st.just(index),
        st.integers(1, max_term) | st.sampled_from([term for term in TERMS if term <= max_term]),
        st.binary(max_size=max_bytes),
    )


@st.composite
def batches(
    draw: st.DrawFn, *, first_index: int = 1, max_size: int = 5, max_bytes: int = _LONG_BYTES
) -> tuple[LogEntry, ...]:
    """Return batches that a store may append at `first_index`: contiguous, terms never falling.

    Args:
        draw: given by hypothesis.
        first_index: of the first entry.
        max_size: entries at most; there is at least one.
        max_bytes: no command is longer.
    """
    steps = draw(
        st.lists(
            st.tuples(st.integers(0, 2), st.binary(max_size=max_bytes)),
            min_size=1,
            max_size=max_size,
        )
    )
    term = 1
    batch = []
    for place, (ahead, command) in enumerate(steps):
        term += ahead
        batch.append(LogEntry(first_index + place, term, command))
    return tuple(batch)


@st.composite
def workloads(
    draw: st.DrawFn, *, max_steps: int = 10, options: FileStorageOptions = _OPTIONS
) -> Workload:
    """Return workloads that keep Raft's rules, for `record` and `explore`.

    Args:
        draw: given by hypothesis.
        max_steps: behind the opening of the store.
        options: of the store.
    """
    possible: Possible = (EMPTY,)
    steps: list[Step] = [OpenStore()]
    for _ in range(draw(st.integers(0, max_steps))):
        step = draw(_steps(possible, len(steps), options))
        possible = acknowledge(possible, step, options)
        steps.append(step)
    return Workload(name="drawn", seed=0, steps=tuple(steps), options=options)


def profiles(among: Sequence[Profile] = SAFE_PROFILES) -> st.SearchStrategy[Profile]:
    """Return profiles, the strongest first.

    Args:
        among: of these; by default those on which a store must be safe.
    """
    known = [profile for profile in PROFILES if profile in among]
    return st.sampled_from([*known, *(profile for profile in among if profile not in known)])


def losses() -> st.SearchStrategy[Loss]:
    """Return what power cuts take, from nothing to everything; smaller losses are simpler."""
    return st.builds(
        Loss,
        newest=st.integers(0, _OPS_SHOWN),
        also=st.lists(st.integers(0, _OPS_SHOWN), max_size=3, unique=True).map(tuple),
        torn_sectors=st.just(0) | st.integers(0, 2**_SECTORS - 1),
    )


def _steps(possible: Possible, mark: int, options: FileStorageOptions) -> st.SearchStrategy[Step]:
    """Return the steps that a node may take next."""
    shown = possible[-1]
    few, size = st.integers(0, 5), command_sizes()
    covered = options.compaction_requires_snapshot
    moves: list[st.SearchStrategy[Step | None]] = [
        st.builds(
            lambda ahead, name: vote_move(shown, terms_ahead=ahead, candidate=name),
            st.integers(0, 2),
            candidates(),
        ),
        st.lists(size, min_size=1, max_size=4).map(
            lambda sizes: append_move(shown, sizes_bytes=tuple(sizes), mark=mark)
        ),
        few.map(lambda count: conflict_move(shown, count=count)),
        few.map(lambda keep: compaction_move(shown, keep=keep, needs_snapshot=covered)),
        st.builds(lambda back, size: snapshot_move(shown, back=back, size_bytes=size), few, size),
        st.builds(
            lambda ahead, size: installation_move(shown, ahead=ahead, size_bytes=size), few, size
        ),
        st.builds(lambda back, count: read_move(shown, back=back, count=count), few, few),
        st.sampled_from([Reopen(), KillProcess()]),
    ]
    return st.one_of(moves).map(
        lambda step: step or append_move(shown, sizes_bytes=(1,), mark=mark)
    )
