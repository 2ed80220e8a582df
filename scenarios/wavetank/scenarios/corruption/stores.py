"""The stores of the matrix, made through the engine's public calls on a simulated disk.

Together they hold what a store can hold: several batches, a compacted log, snapshots, a truncated
suffix, both encodings, free space ahead of the log by each of its ways and none, what a crash left;
most of them once cleanly closed and once as a killed run leaves them. Others were killed at each
moment inside a save of the state or of a snapshot, the compaction behind it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Final

from attrs import evolve, frozen

from wavetank.engine import FileStorageOptions, StorageFeatureFlags
from wavetank.scenarios.corruption.damaged_store import StoreRecord
from wavetank.scenarios.corruption.store_builder import StoreBuilder

__all__ = ["STORES", "Recipe", "interrupted", "store_record"]

_PLAIN: Final = FileStorageOptions(
    retained_log_size=2,
    features=StorageFeatureFlags(async_truncation=False, metrics=False),
)
_UNCOMPACTED: Final = evolve(_PLAIN, auto_truncate_on_snapshot=False)
_JSON: Final = evolve(
    _PLAIN,
    features=StorageFeatureFlags(async_truncation=False, metrics=False, binary_format=False),
)
_RESERVING: Final = evolve(_PLAIN, preallocate=8192)
_NOTHING_AHEAD: Final = evolve(_PLAIN, preallocate=0)


def _batches(builder: StoreBuilder) -> None:
    """Append four batches, and two small entries.

    By default the first of these brings filler behind it, since it is small beside the log, and
    the second is written over filler.
    """
    for term in (1, 1, 2, 2):
        if term > builder.store.load_state().current_term:
            builder.vote(term)
        builder.append(term)
    builder.vote(3)
    builder.append_small(3)
    builder.append_small(3)


def _voted(builder: StoreBuilder) -> None:
    _batches(builder)
    builder.vote(4)
    builder.vote(5)


def _reopened(builder: StoreBuilder) -> None:
    _batches(builder)
    builder.close()
    builder.reopen()
    builder.append(3)
    builder.append(3)


def _compacted(builder: StoreBuilder) -> None:
    _batches(builder)
    builder.snapshot(9)
    builder.append(3)
    builder.append_small(3)


def _compacted_twice(builder: StoreBuilder) -> None:
    _compacted(builder)
    builder.snapshot(16)
    builder.append(3)


def _snapshots(builder: StoreBuilder) -> None:
    _batches(builder)
    builder.snapshot(4)
    builder.snapshot(8)
    builder.append_small(3)


def _truncated(builder: StoreBuilder) -> None:
    _batches(builder)
    builder.truncate(11)
    builder.vote(4)
    builder.append(4)
    builder.append(4)


def _torn(builder: StoreBuilder) -> None:
    _batches(builder)
    builder.tear(3)


def _recovered(builder: StoreBuilder) -> None:
    _torn(builder)
    builder.reopen()
    builder.append(3)
    builder.tear(3)
    builder.reopen()


def _few(builder: StoreBuilder) -> None:
    builder.vote(1)
    builder.append(1)
    builder.vote(2)
    builder.append(2)
    builder.append_small(2)


def _few_compacted(builder: StoreBuilder) -> None:
    _few(builder)
    builder.snapshot(4)
    builder.append(2)


@frozen(kw_only=True)
class Recipe:
    """How a store comes about.

    Attributes:
        options: of all its runs.
        steps: what is done.
        closed: whether the last run closes it; it is killed otherwise.
        call: the last call, inside which it is killed; None if no call is under way.
        moment: which of the moments inside that call, from 1.
    """

    options: FileStorageOptions
    steps: Callable[[StoreBuilder], None]
    closed: bool = False
    call: Callable[[StoreBuilder], None] | None = None
    moment: int = 0


def _at_rest() -> Iterator[tuple[str, Recipe]]:
    for name, options, steps, ends in (
        ("batches", _PLAIN, _batches, ("closed", "killed")),
        ("voted", _PLAIN, _voted, ("closed", "killed")),
        ("reopened", _PLAIN, _reopened, ("closed", "killed")),
        ("compacted", _PLAIN, _compacted, ("closed", "killed")),
        ("compacted twice", _PLAIN, _compacted_twice, ("killed",)),
        ("snapshots", _UNCOMPACTED, _snapshots, ("closed", "killed")),
        ("truncated", _PLAIN, _truncated, ("closed", "killed")),
        ("json", _JSON, _batches, ("closed",)),
        ("json", _JSON, _compacted, ("killed",)),
        ("torn append", _PLAIN, _torn, ("killed",)),
        ("recovered", _PLAIN, _recovered, ("killed",)),
        ("reserved space", _RESERVING, _batches, ("killed",)),
        ("nothing ahead", _NOTHING_AHEAD, _batches, ("killed",)),
        ("torn append, nothing ahead", _NOTHING_AHEAD, _torn, ("killed",)),
    ):
        for end in ends:
            yield f"{name}, {end}", Recipe(options=options, steps=steps, closed=end == "closed")


def _inside() -> Iterator[tuple[str, Recipe]]:
    for name, steps, call, moments in (
        ("a save of the state", _few, lambda builder: builder.vote(3), 5),
        ("the first snapshot", _few, lambda builder: builder.snapshot(4), 14),
        ("the second snapshot", _few_compacted, lambda builder: builder.snapshot(8), 14),
        ("a snapshot beyond the log", _few_compacted, lambda builder: builder.snapshot(20), 13),
    ):
        for moment in range(1, moments + 1):
            recipe = Recipe(options=_PLAIN, steps=steps, call=call, moment=moment)
            yield f"inside {name} {moment}", recipe


STORES: Final[Mapping[str, Recipe]] = dict((*_at_rest(), *_inside()))
"""How each store comes about, by name."""


@cache
def store_record(name: str) -> StoreRecord:
    """Return the store of that name.

    Raises:
        KeyError: there is none.
    """
    recipe = STORES[name]
    if recipe.call is not None:
        return interrupted(recipe)[recipe.moment - 1].named(name)
    builder = StoreBuilder(recipe.options)
    recipe.steps(builder)
    if recipe.closed:
        builder.close()
    return builder.record(name, closed=recipe.closed)


def interrupted(recipe: Recipe) -> tuple[StoreRecord, ...]:
    """Return the store as a kill leaves it at every moment inside the recipe's last call."""
    return _moments(recipe.options, recipe.steps, recipe.call)


@cache
def _moments(
    options: FileStorageOptions,
    steps: Callable[[StoreBuilder], None],
    call: Callable[[StoreBuilder], None] | None,
) -> tuple[StoreRecord, ...]:
    builder = StoreBuilder(options)
    steps(builder)
    return () if call is None else tuple(builder.inside(call))
