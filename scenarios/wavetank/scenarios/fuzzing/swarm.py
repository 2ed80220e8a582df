"""What one run of the fuzzer may use: a `Swarm`, drawn anew for each input.

Bugs hide behind each other: a run that may do everything does little of each thing. So each swarm
leaves most of what there is out, and does more of the rest (Groce et al., "Swarm testing", 2012).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from random import Random  # noqa: TID251 - seeded by the caller
from types import MappingProxyType
from typing import Final, TypeVar

from attrs import frozen

from wavetank.engine import FileStorageOptions
from wavetank.scenarios.raft.workloads.boundary_values import DEEP_DIRECTORY, LARGEST
from wavetank.scenarios.raft.workloads.option_choices import (
    LAYOUT_OPTIONS,
    OPTION_CHOICES,
    with_overrides,
)
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY

__all__ = [
    "FAULT_FAMILIES",
    "OPERATIONS",
    "VALUES",
    "Swarm",
    "by_chance",
    "draw_layouts",
    "draw_overrides",
    "draw_swarm",
    "few_to_many",
    "options_of",
    "some_of",
]

_Item = TypeVar("_Item")

OPERATIONS: Final = (
    *("vote", "append", "conflict", "compact", "snapshot", "install", "branch", "snapshot again"),
    *("nothing to do", "read", "refused", "inspect", "reopen", "kill", "cancelled"),
    "power cut",
)
"""Kinds of steps."""

VALUES: Final = (
    *("small", "empty", "sector", "block", "chunk", "frame end", "medium"),
    *("many entries", "terms in a batch", "far index", "high term", "odd name", "data in chunks"),
)
"""Kinds of values."""

FAULT_FAMILIES: Final[Mapping[str, float]] = MappingProxyType(
    {
        "failure": 0.7,
        "short": 0.2,
        "full": 0.2,
        "damage": 0.3,
        "lie": 0.15,
        "environment": 0.15,
        "end": 0.2,
    }
)
"""Kinds of faults, and how often a swarm has each."""

_ALWAYS: Final = ("append", "vote")
_MUST_SIZE: Final = ("small", "medium")
_OPERATION_STAYS: Final = 0.6
_VALUE_STAYS: Final = 0.4
_WEIGHTS: Final = (1, 1, 2, 4)
_FAULTLESS: Final = 0.4
_DEEP: Final = 0.15
_LONG: Final = 0.05

_OPTIONS: Final[tuple[tuple[float, tuple[str, ...]], ...]] = (
    (0.7, ("retained_log_size=0", "retained_log_size=0", "retained_log_size=1",
           "retained_log_size=2", "retained_log_size=5", "retained_log_size=1000")),
    (0.06, ("no_sync_on_append",)),
    (0.15, ("conservative", "aggressive")),
    (0.2, ("json_log",)),
    (0.35, ("inline_compaction",)),
    (0.15, ("no_index_map",)),
    (0.15, ("whole_file_io",)),
    (0.12, ("in_place_writes",)),
    (0.1, ("no_lock_timeout",)),
    (0.15, ("no_metrics",)),
    (0.3, ("no_auto_truncate",)),
    (0.15, ("free_compaction",)),
    (0.5, ("chunk_size=512", "chunk_size=513", "chunk_size=1024", "chunk_size=4096")),
    (0.35, ("preallocate=0", "preallocate=1", "preallocate=512", "preallocate=4096",
            "preallocate=65536")),
    (0.1, ("short_lock_timeout",)),
    (0.1, ("short_truncation",)),
    (0.1, ("max_entry_size=4096", "max_entry_size=513", "max_entry_size=40")),
)  # fmt: skip
"""Overrides of one option each, and how often one of them is taken."""

_LAYOUTS: Final = (
    *("json_log", "features.binary_format=on", "no_index_map", "inline_compaction"),
    *("whole_file_io", "no_metrics", "chunk_size=512", "chunk_size=4096"),
    *("preallocate=0", "preallocate=4096", "preallocate=none"),
)
"""What another process may set differently on the same directory."""


@frozen(kw_only=True)
class Swarm:
    """What one run may use.

    Attributes:
        operations: kinds of steps, one that is more frequent several times.
        values: kinds of values, likewise.
        overrides: the store's options that differ from their defaults.
        layouts: overrides of processes that are started later.
        faults: kinds of faults; () for a healthy machine.
        steps: how many are drawn, the opening aside.
        directory: of the store.
        largest: no term and no index is higher.
    """

    operations: tuple[str, ...]
    values: tuple[str, ...]
    overrides: tuple[str, ...]
    layouts: tuple[str, ...]
    faults: tuple[str, ...]
    steps: int
    directory: str
    largest: int = LARGEST


def draw_swarm(random: Random, *, faults: bool) -> Swarm:
    """Return a swarm.

    Args:
        random: the stream that everything is drawn from.
        faults: whether the store's filesystem can be made to fail.
    """
    is_faulty = faults and not by_chance(random, _FAULTLESS)
    drawn = (name for name, share in FAULT_FAMILIES.items() if by_chance(random, share))
    families = tuple(drawn) or ("failure",)
    return Swarm(
        operations=_weighted(random, some_of(random, OPERATIONS, _OPERATION_STAYS), _ALWAYS),
        values=_weighted(
            random, some_of(random, VALUES, _VALUE_STAYS), (random.choice(_MUST_SIZE),)
        ),
        overrides=draw_overrides(random),
        layouts=some_of(random, _LAYOUTS, 0.3) if by_chance(random, 0.3) else (),
        faults=families if is_faulty else (),
        steps=random.randint(20, 40) if by_chance(random, _LONG) else random.randint(3, 13),
        directory=DEEP_DIRECTORY if by_chance(random, _DEEP) else STORE_DIRECTORY,
    )


def draw_overrides(random: Random) -> tuple[str, ...]:
    """Return overrides of the store's options; none of them in one of eight draws."""
    if by_chance(random, 1 / 8):
        return ()
    return tuple(
        random.choice(choices) for share, choices in _OPTIONS if by_chance(random, share * 0.8)
    )


def draw_layouts(random: Random, overrides: Sequence[str]) -> tuple[str, ...]:
    """Return other overrides, of which only those differ that no step depends on."""
    firm = [each for each in overrides if _option(each) not in LAYOUT_OPTIONS]
    loose = [each for each in draw_overrides(random) if _option(each) in LAYOUT_OPTIONS]
    return (*firm, *loose)


def _option(override: str) -> str:
    name = override.partition("=")[0]
    return OPTION_CHOICES[name].option if name in OPTION_CHOICES else name


def options_of(overrides: Iterable[str]) -> FileStorageOptions:
    """Return the options of a store with these overrides."""
    return with_overrides(FileStorageOptions(), overrides)


def some_of(random: Random, items: Sequence[_Item], share: float) -> tuple[_Item, ...]:
    """Return the items that stay if each does so by this chance."""
    return tuple(item for item in items if by_chance(random, share))


def by_chance(random: Random, share: float) -> bool:
    """Return whether something happens that does so with a probability."""
    return random.random() < share


def few_to_many(random: Random, most: int) -> int:
    """Return a number from 1 on: as often below ten as between ten and a hundred, and so on."""
    return int(math.exp(random.uniform(0, math.log(most + 1))))


def _weighted(random: Random, chosen: Sequence[str], always: Sequence[str]) -> tuple[str, ...]:
    each = dict.fromkeys((*always, *chosen))
    return tuple(name for name in each for _ in range(random.choice(_WEIGHTS)))
