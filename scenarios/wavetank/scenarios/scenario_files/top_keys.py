"""Keys at the top of a scenario file whose values follow rules of their own, read one by one.

Each function takes a value and its place in the file, as those of plain_values.py do.
"""

from __future__ import annotations

from wavetank.engine import FileStorageOptions
from wavetank.faults import FaultSyntaxError, parse_fault
from wavetank.scenarios.cluster.invariants import CLUSTER_INVARIANTS
from wavetank.scenarios.raft.contract import STORE_PROMISES
from wavetank.scenarios.raft.judging.oracle import INVARIANTS
from wavetank.scenarios.raft.workloads.exhaustive import ALPHABET
from wavetank.scenarios.raft.workloads.option_choices import (
    LAYOUT_OPTIONS,
    OptionError,
    with_overrides,
)
from wavetank.scenarios.raft.workloads.option_choices import option_words as words_of
from wavetank.scenarios.scenario_files import plain_values as plain
from wavetank.scenarios.scenario_files.scenario import FIXPOINT
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY
from wavetank.sim import Profile, ProfileFileError, profile_from_table
from wavetank.sim.toml_places import Place

__all__ = [
    "alphabet",
    "contract",
    "depth",
    "directory",
    "fault_lines",
    "invariants",
    "layout_words",
    "name",
    "option_words",
    "own_profiles",
    "seeds",
    "sentence",
]


def option_words(value: object, place: Place) -> tuple[str, ...]:
    """Return options that differ from their defaults."""
    words = plain.texts(value, place)
    for number in range(len(words)):
        try:
            with_overrides(FileStorageOptions(), words[: number + 1])
        except OptionError as error:
            raise place.item(number).refused(error) from error
    return words


def layout_words(value: object, place: Place) -> tuple[str, ...]:
    """Return options that a new process may have for itself."""
    words = option_words(value, place)
    for number, word in enumerate(words):
        for changed in words_of(with_overrides(FileStorageOptions(), [word])):
            option = changed.partition("=")[0]
            if option not in LAYOUT_OPTIONS:
                known = sorted(LAYOUT_OPTIONS)
                raise place.item(number).unknown("an option out of", option, known)
    return words


def fault_lines(value: object, place: Place) -> tuple[str, ...]:
    """Return lines of the fault language."""
    lines = plain.texts(value, place)
    for number, line in enumerate(lines):
        try:
            parse_fault(line)
        except FaultSyntaxError as error:
            raise place.item(number).refused(error) from error
    return lines


def own_profiles(value: object, place: Place) -> tuple[Profile, ...]:
    """Return profiles that do not ship."""

    def read(table: object, where: Place) -> Profile:
        if not isinstance(table, dict):
            raise where.unexpected("a table", table)
        try:
            return profile_from_table(table, file=where.file, path=where.key)
        except ProfileFileError as error:
            raise where.failure(str(error), error.file, error.key) from error

    return plain.array(value, place, read)


def contract(value: object, place: Place) -> tuple[tuple[str, bool], ...]:
    """Return promises of a store, demanded or given up."""
    table = plain.with_keys(value, STORE_PROMISES, place)
    return tuple(
        (name, plain.flag(table[name], place.at(name))) for name in STORE_PROMISES if name in table
    )


def invariants(value: object, place: Place) -> tuple[str, ...]:
    """Return ids of invariants."""
    known = (*INVARIANTS, *CLUSTER_INVARIANTS)
    return plain.array(value, place, lambda each, where: plain.choice(each, known, where))


def alphabet(value: object, place: Place) -> tuple[str, ...]:
    """Return names of operations of a family."""
    return plain.array(value, place, lambda each, where: plain.choice(each, ALPHABET, where))


def depth(value: object, place: Place) -> int | str:
    """Return a depth of crashes inside recoveries."""
    if value == FIXPOINT:
        return FIXPOINT
    if type(value) is not int or value < 0:
        raise place.unexpected(f'a whole number >= 0 or "{FIXPOINT}"', value)
    return value


def seeds(value: object, place: Place) -> tuple[int, ...]:
    """Return seeds."""
    return plain.array(value, place, plain.whole_from(0))


def directory(value: object, place: Place) -> str:
    """Return the directory of a store."""
    if value != STORE_DIRECTORY and not str(value).startswith(f"{STORE_DIRECTORY}/"):
        raise place.unexpected(f"{STORE_DIRECTORY} or a path below it", value)
    return str(value)


def sentence(value: object, place: Place) -> str:
    """Return a line of text, which may be empty."""
    return plain.line(value, place) if value else ""


def name(value: object, place: Place) -> str:
    """Return a name that can stand in a file's and a command."""
    line = plain.line(value, place)
    if not all(each.isalnum() or each in "-_." for each in line):
        raise place.unexpected("a name of letters, digits, -, _ and .", value)
    return line
