"""Overrides of the engine's options, by name: the flags that scenarios run with.

`OPTION_CHOICES` names what is worth turning; ``NAME=VALUE`` sets any option to any value.
`pairwise` gives few sets of choices in which every two of them come together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import Any, Final

import attrs
from attrs import frozen

from wavetank.engine import FileStorageOptions, RecoveryMode, StorageFeatureFlags
from wavetank.sim.toml_places import nearest

__all__ = [
    "LAYOUT_OPTIONS",
    "OPTION_CHOICES",
    "OptionChoice",
    "OptionError",
    "option_words",
    "pairwise",
    "with_overrides",
]

_FEATURES: Final = "features."
_WORDS: Final = MappingProxyType(
    {"on": True, "true": True, "off": False, "false": False, "none": None}
)
_Value = bool | int | float | str | None


class OptionError(ValueError):
    """An option that does not exist, or a value that it does not take."""


@frozen(kw_only=True)
class OptionChoice:
    """One option and the value that overrides its default.

    Attributes:
        name: what the command line calls it.
        option: the option of `FileStorageOptions`, features with ``features.`` before them.
        value: what it is set to.
        summary: one sentence on what is then different.
    """

    name: str
    option: str
    value: _Value
    summary: str


def _choices() -> Iterator[OptionChoice]:
    for name, option, value, summary in (
        # Those come first that cost most in a sweep, or that exclude each other: so pairwise has
        # the former seldom, and few sets.
        ("no_sync_on_append", "sync_on_append", False, "appends are not durable on return"),
        ("conservative", "recovery_mode", "conservative", "an open refuses a tail in doubt"),
        ("aggressive", "recovery_mode", "aggressive", "an open keeps what can be read of damage"),
        ("retain_nothing", "retained_log_size", 0, "compaction keeps no entry back"),
        ("retain_all", "retained_log_size", 1000, "compaction keeps everything back"),
        ("json_log", "features.binary_format", False, "log entries are written in JSON"),
        ("inline_compaction", "features.async_truncation", False, "snapshots compact the log"),
        ("no_index_map", "features.index_map", False, "entries are found by reading the log"),
        ("whole_file_io", "features.chunked_io", False, "large files are moved in one call"),
        ("in_place_writes", "features.atomic_writes", False, "small files are written in place"),
        ("no_lock_timeout", "features.lock_timeout", False, "a lock is waited for without end"),
        ("no_metrics", "features.metrics", False, "nothing is counted"),
        ("no_auto_truncate", "auto_truncate_on_snapshot", False, "snapshots keep the log"),
        ("free_compaction", "compaction_requires_snapshot", False, "entries go without snapshot"),
        ("small_chunks", "chunk_size", 512, "files are moved 512 bytes at a time"),
        ("preallocate", "preallocate", 65536, "space for the log is reserved ahead"),
        ("short_lock_timeout", "lock_timeout", 0.001, "a lock is waited for one millisecond"),
        ("short_truncation", "truncation_timeout", 0.001, "close waits one millisecond for work"),
        ("small_entries", "max_entry_size", 4096, "an entry has at most 4,096 bytes"),
    ):
        yield OptionChoice(name=name, option=option, value=value, summary=summary)


OPTION_CHOICES: Final[Mapping[str, OptionChoice]] = MappingProxyType(
    {choice.name: choice for choice in _choices()}
)
"""Every choice by name."""

LAYOUT_OPTIONS: Final = frozenset(
    {
        *("features.binary_format", "features.index_map", "features.async_truncation"),
        *("features.chunked_io", "features.metrics", "features.lock_timeout"),
        *("chunk_size", "preallocate", "lock_timeout", "truncation_timeout"),
    }
)
"""Options that change how a store works, but neither what it promises nor what it keeps."""


def with_overrides(options: FileStorageOptions, choices: Iterable[str]) -> FileStorageOptions:
    """Return options with some of them overridden.

    Args:
        options: what to begin with.
        choices: names from `OPTION_CHOICES`, or ``option=value``.

    Raises:
        OptionError: there is no such choice or option, a value is not one, or an option is set
            twice.

    >>> with_overrides(FileStorageOptions(), ["json_log", "chunk_size=1024"]).chunk_size
    1024
    """
    values: dict[str, _Value] = {}
    for choice in choices:
        option, value = _setting(choice)
        if option in values:
            raise OptionError(f"options: {option} is set twice, the second time by {choice!r}")
        values[option] = value
    features: dict[str, Any] = {
        option.removeprefix(_FEATURES): value
        for option, value in values.items()
        if option.startswith(_FEATURES)
    }
    others: dict[str, Any] = {
        option: value for option, value in values.items() if not option.startswith(_FEATURES)
    }
    try:
        flags = attrs.evolve(options.features, **features)
        return attrs.evolve(options, features=flags, **others)
    except (TypeError, ValueError) as error:
        raise OptionError(f"options: {error}") from error


def option_words(options: FileStorageOptions) -> tuple[str, ...]:
    """Return what differs from the defaults, as `with_overrides` takes it.

    >>> option_words(FileStorageOptions(chunk_size=1024, recovery_mode=RecoveryMode.AGGRESSIVE))
    ('recovery_mode=aggressive', 'chunk_size=1024')
    """
    return tuple(
        f"{name}={_word(_option(options, name))}"
        for name in _option_names()
        if _option(options, name) != _option(FileStorageOptions(), name)
    )


def _option(options: FileStorageOptions, name: str) -> object:
    value: object = options
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _word(value: object) -> object:
    if isinstance(value, RecoveryMode):
        return value.value
    words = {known: word for word, known in _WORDS.items() if word not in ("true", "false")}
    return words[value] if isinstance(value, bool) or value is None else value


def pairwise(choices: Mapping[str, OptionChoice] = OPTION_CHOICES) -> tuple[tuple[str, ...], ...]:
    """Return sets of choices in which any two that can stand together do so at least once.

    Choices of one option exclude each other, and each of them also meets the others' defaults. The
    sets are found greedily and are always the same.

    >>> few = {name: OPTION_CHOICES[name] for name in ("json_log", "conservative", "aggressive")}
    >>> for choices in pairwise(few):
    ...     print(*choices or ("defaults",))
    defaults
    conservative
    aggressive
    json_log
    json_log conservative
    json_log aggressive
    """
    levels = _levels(choices.values())
    wanted = dict.fromkeys(
        pair
        for one, other in combinations(levels, 2)
        for pair in ((first, second) for first in one for second in other)
    )
    sets: list[tuple[str, ...]] = []
    while wanted:
        row = _next_row(levels, wanted)
        for pair in combinations(row, 2):
            wanted.pop(pair, None)
        sets.append(tuple(name for _, name in row if name))
    return tuple(sets)


_Level = tuple[str, str]
"""An option, and the choice that turns it; "" for its default."""


def _levels(choices: Iterable[OptionChoice]) -> list[tuple[_Level, ...]]:
    by_option: dict[str, list[_Level]] = {}
    for choice in choices:
        by_option.setdefault(choice.option, []).append((choice.option, choice.name))
    # The default comes first, so that it is taken where nothing speaks for a choice.
    return [((option, ""), *names) for option, names in by_option.items()]


def _next_row(
    levels: Sequence[tuple[_Level, ...]], wanted: Mapping[tuple[_Level, _Level], None]
) -> tuple[_Level, ...]:
    """Return a level of each option, so that many wanted pairs come together."""
    first, second = next(iter(wanted))
    chosen = {first[0]: first, second[0]: second}
    for each in levels:
        if each[0][0] not in chosen:
            chosen[each[0][0]] = max(each, key=lambda level: _gain(level, chosen, wanted))
    return tuple(chosen[each[0][0]] for each in levels)


def _gain(
    level: _Level, chosen: Mapping[str, _Level], wanted: Mapping[tuple[_Level, _Level], None]
) -> tuple[int, int]:
    """Return how many wanted pairs a level brings together now, and how many it is in at all."""
    now = sum(((level, other) in wanted) + ((other, level) in wanted) for other in chosen.values())
    return now, sum(level in pair for pair in wanted)


def _setting(choice: str) -> tuple[str, _Value]:
    option, equals, word = choice.partition("=")
    if not equals:
        if choice not in OPTION_CHOICES:
            expected = f"one of {', '.join(OPTION_CHOICES)}, or option=value"
            raise _unknown(expected, choice, OPTION_CHOICES)
        return OPTION_CHOICES[choice].option, OPTION_CHOICES[choice].value
    known_options = list(_option_names())
    if option not in known_options:
        raise _unknown(f"an option out of {', '.join(known_options)}", option, known_options)
    return option, _value(word)


def _unknown(expected: str, name: str, known: Iterable[str]) -> OptionError:
    return OptionError(f"options: expected {expected}, got {name!r}{nearest(name, tuple(known))}")


def _option_names() -> Iterator[str]:
    for each in attrs.fields(FileStorageOptions):
        # Scenarios change their store, so that read_only is nothing to run them with.
        if each.name not in ("features", "read_only"):
            yield each.name
    for each in attrs.fields(StorageFeatureFlags):
        yield f"{_FEATURES}{each.name}"


def _value(word: str) -> _Value:
    if word in _WORDS:
        return _WORDS[word]
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
