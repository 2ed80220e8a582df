"""A scenario from the text of a TOML file; whatever is not as expected is told with its path."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from functools import cache, reduce
from operator import or_
from types import MappingProxyType, UnionType
from typing import Final, Union, cast, get_args, get_origin

import attrs

from wavetank.engine import PersistentState
from wavetank.scenarios.cluster.plan import ClusterPlan
from wavetank.scenarios.raft.steps import (
    Append,
    Cancelled,
    Inspect,
    Interrupted,
    KillProcess,
    OpenAgain,
    Read,
    Reopen,
    SaveSnapshot,
    SaveState,
    SlowCall,
    TaskPlan,
    TaskStep,
    TruncatePrefix,
    TruncateSuffix,
)
from wavetank.scenarios.raft.workloads.exhaustive import Family
from wavetank.scenarios.scenario_files import plain_values as plain
from wavetank.scenarios.scenario_files import top_keys as keys
from wavetank.scenarios.scenario_files.amounts import Amount, Size
from wavetank.scenarios.scenario_files.moves import Alternative, Repeat, ScriptStep, When
from wavetank.scenarios.scenario_files.scenario import Scenario
from wavetank.scenarios.scenario_files.words import (
    CALLS,
    CANCELLATION,
    EXACT,
    FORMS,
    INTERRUPTION,
    REFUSED,
    RENAMED,
    STEPS,
    ExactSnapshot,
    HexBytes,
    RepeatedText,
)
from wavetank.sim import POSIX, PROFILES
from wavetank.sim.toml_places import Place

__all__ = ["ScenarioFileError", "scenario_from_toml"]


class ScenarioFileError(ValueError):
    """A scenario file is not as expected; the message says what was, and what came.

    Attributes:
        file: which file.
        key: path of the key in it; "" for the file as a whole.
    """

    def __init__(self, message: str, *, file: str = "", key: str = "") -> None:
        super().__init__(message)
        self.file = file
        self.key = key


def scenario_from_toml(text: str, *, file: str = "(text)", name: str = "") -> Scenario:
    """Return the scenario in the text of a file.

    Args:
        text: TOML, with the keys of docs/scenario-files.md.
        file: what errors call it.
        name: of the scenario, if the file gives it none.

    Raises:
        ScenarioFileError: it is not TOML, or no scenario; nothing has run then.

    >>> scenario = scenario_from_toml('''
    ... name = "two-appends"
    ... options = ["json_log"]
    ... steps = [
    ...     {campaign = true},
    ...     {repeat = 2, steps = [{append = {from = 1, to = 3}}]},
    ... ]
    ... ''')
    >>> print(*scenario.workload(seed=0).steps[2:], sep="; ")
    append entries 1..3 of term 1; append entry 4 of term 1
    """
    place = Place(file=file, failure=_failure)
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise place.error("TOML", str(error)) from error
    if name:
        document.setdefault("name", name)
    if not document.keys() & {"steps", "tasks", "pairs", "cluster"}:
        raise place.at("steps").error("steps, tasks, pairs or a cluster", "none")
    scenario = cast("Scenario", _table(document, Scenario, place))
    _check_whole(scenario, place)
    return scenario


def _failure(message: str, file: str, key: str) -> ScenarioFileError:
    return ScenarioFileError(message, file=file, key=key)


# Values of each type


def _read(value: object, kind: object, place: Place) -> object:
    """Return the value of a type that a value of TOML stands for."""
    reader = _READERS.get(kind)
    if reader is not None:
        return reader(value, place)
    if get_origin(kind) is tuple:
        (item, *_) = get_args(kind)
        return plain.array(value, place, lambda each, where: _read(each, item, where))
    if get_origin(kind) in (Union, UnionType):
        return _read(value, _not_none(kind), place)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return plain.enum(value, kind, place)
    return _table(value, cast("type[attrs.AttrsInstance]", kind), place)


def _not_none(kind: object) -> object:
    return reduce(or_, (each for each in get_args(kind) if each is not type(None)))


def _table(value: object, kind: type[attrs.AttrsInstance], place: Place) -> object:
    """Return a value of a class, with a key for each of its attributes."""
    fields = _keys_of(kind)
    table = plain.with_keys(value, fields, place)
    given = {}
    for key, field in fields.items():
        if key in table:
            given[field.name] = _field(table[key], kind, field, place.at(key))
        elif field.default is attrs.NOTHING:
            raise place.at(key).error("a value", "none")
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        raise _culprit(error, fields, place).refused(error) from error


def _field(value: object, kind: type, field: attrs.Attribute[object], place: Place) -> object:
    reader = _FIELDS.get((kind, field.name))
    return _read(value, field.type, place) if reader is None else reader(value, place)


def _culprit(
    error: Exception, fields: Mapping[str, attrs.Attribute[object]], place: Place
) -> Place:
    """Return the place of the key that a value's own checks complain of: they name it first."""
    named = str(error.args[0]).split()[0].rpartition(".")[2].strip("':")
    for key, field in fields.items():
        if field.name == named:
            return place.at(key)
    return place


@cache
def _keys_of(kind: type[attrs.AttrsInstance]) -> Mapping[str, attrs.Attribute[object]]:
    names = RENAMED.get(kind, {})
    return {
        names.get(field.name, field.name): field
        for field in attrs.fields(attrs.resolve_types(kind))
        if (kind, field.name) not in _HIDDEN
    }


# Texts and numbers that may be tables


def _text(value: object, place: Place) -> str:
    if isinstance(value, dict):
        repeated = cast("RepeatedText", _table(value, RepeatedText, place))
        return repeated.of * repeated.times
    return _TEXT(value, place)


def _bytes(value: object, place: Place) -> bytes:
    if isinstance(value, dict) and "hex" in value:
        digits = cast("HexBytes", _table(value, HexBytes, place)).hex
        try:
            return bytes.fromhex(digits)
        except ValueError as error:
            raise place.at("hex").unexpected("pairs of hexadecimal digits", digits) from error
    return _text(value, place).encode()


def _amount(value: object, place: Place) -> object:
    return _form(value, place, ("from", "by_round"))


def _size(value: object, place: Place) -> object:
    return _form(value, place, tuple(FORMS))


def _form(value: object, place: Place, forms: tuple[str, ...]) -> object:
    """Return a number, or what stands for one that is not known yet."""
    if type(value) is int:
        return value
    words = f"a whole number, or a table with {' or '.join(forms)}"
    if not isinstance(value, dict):
        raise place.unexpected(words, value)
    for key in forms:
        if key in value:
            return _table(value, FORMS[key], place)
    for key in value:
        raise place.at(key).unknown("one of the keys", key, forms)
    raise place.unexpected(words, value)


# Steps


def _script_step(value: object, place: Place) -> ScriptStep:
    """Return a step of a script: one of `STEPS`, or several, maybe under a condition."""
    known = (*STEPS, "steps", "repeat", "every", "rounds")
    table = plain.with_keys(value, known, place)
    inner: object
    if "steps" in table:
        _alone(table, ("steps", "repeat", "every", "rounds"), place)
        inner = plain.made(
            Repeat,
            {
                "steps": _read(table["steps"], tuple[ScriptStep, ...], place.at("steps")),
                "times": None
                if "repeat" not in table
                else plain.whole(table["repeat"], place.at("repeat")),
            },
            place,
        )
    else:
        if "repeat" in table:
            raise place.at("steps").error("the steps to repeat", "none")
        inner = _one_of(table, STEPS, ("every", "rounds"), place)
    conditions = {
        key: _read(table[key], kind, place.at(key))
        for key, kind in (("every", int), ("rounds", tuple[int, ...]))
        if key in table
    }
    if not conditions:
        return cast("ScriptStep", inner)
    return plain.made(When, {"step": inner, **conditions}, place)


def _alternative(value: object, place: Place) -> Alternative:
    if not isinstance(value, dict):
        raise place.unexpected("a table", value)
    given: dict[str, object] = {}
    if "weight" in value:
        given["weight"] = plain.whole(value["weight"], place.at("weight"))
    rest = {key: each for key, each in value.items() if key != "weight"}
    return plain.made(Alternative, {"step": _script_step(rest, place), **given}, place)


def _task_step(value: object, place: Place) -> TaskStep:
    modifiers = ("timeout_s", "token")
    table = plain.with_keys(value, (*CALLS, *modifiers), place)
    given: dict[str, object] = {"call": _one_of(table, CALLS, modifiers, place)}
    if "timeout_s" in table:
        given["timeout_s"] = plain.number(table["timeout_s"], place.at("timeout_s"))
    if "token" in table:
        given["token"] = plain.text(table["token"], place.at("token"))
    return plain.made(TaskStep, given, place)


def _refused_call(value: object, place: Place) -> object:
    return _one_of(plain.with_keys(value, REFUSED, place), REFUSED, (), place)


def _cancelled(value: object, place: Place) -> object:
    known = {key: kind for key, kind in EXACT.items() if kind is not Read}
    table = plain.with_keys(value, (*known, *CANCELLATION), place)
    given = {
        "step": _one_of(table, known, CANCELLATION, place),
        "looks": plain.whole_from(0)(table.get("looks", 0), place.at("looks")),
        "in_data": plain.flag(table.get("in_data", False), place.at("in_data")),
    }
    return plain.made(Cancelled, given, place)


def _interrupted(value: object, place: Place) -> object:
    known = {key: kind for key, kind in EXACT.items() if kind is not Read}
    table = plain.with_keys(value, (*known, *INTERRUPTION), place)
    name = plain.choice(table.get("profile", POSIX.name), [p.name for p in PROFILES], place)
    given: dict[str, object] = {
        "step": _one_of(table, known, INTERRUPTION, place),
        "profile": next(profile for profile in PROFILES if profile.name == name),
    }
    count = plain.whole_from(0)
    for key in ("after", "newest", "torn_sectors"):
        if key in table:
            given[key] = count(table[key], place.at(key))
    if "also" in table:
        given["also"] = plain.array(table["also"], place.at("also"), count)
    return plain.made(Interrupted, given, place)


def _one_of(
    table: Mapping[str, object], kinds: Mapping[str, type], others: Collection[str], place: Place
) -> object:
    """Return the one step that a table holds."""
    keys = [key for key in table if key in kinds]
    if not keys:
        raise place.error(f"one of the keys {', '.join(kinds)}", "none")
    _alone(table, (keys[0], *others), place)
    return _step(table[keys[0]], kinds[keys[0]], place.at(keys[0]))


def _alone(table: Mapping[str, object], known: Collection[str], place: Place) -> None:
    for key in table:
        if key not in known:
            raise place.error("one step", f"{list(table)}; each is a table")


def _step(value: object, kind: type, place: Place) -> object:
    """Return a step: ``true`` for one without values, the value of one that has just one."""
    if kind is SaveSnapshot:
        exact = cast("ExactSnapshot", _table(value, ExactSnapshot, place))
        return plain.made(exact.step, {}, place)
    if kind is Interrupted:
        return _interrupted(value, place)
    if kind is Cancelled:
        return _cancelled(value, place)
    fields = _keys_of(kind)
    if all(field.default is not attrs.NOTHING for field in fields.values()):
        if value is True:
            return kind()
        if not fields:
            raise place.unexpected("true", value)
    if len(fields) == 1 and kind is not Inspect:
        (field,) = fields.values()
        return plain.made(kind, {field.name: _field(value, kind, field, place)}, place)
    return _table(value, kind, place)


_TEXT: Final = plain.exactly(str, "a text, or a table with times and of")

_READERS: Final[Mapping[object, Callable[[object, Place], object]]] = MappingProxyType(
    {
        bool: plain.flag,
        int: plain.whole,
        float: plain.number,
        str: plain.text,
        bytes: _bytes,
        Amount: _amount,
        Size: _size,
        ScriptStep: _script_step,
        Alternative: _alternative,
        TaskStep: _task_step,
        SaveState
        | SaveSnapshot
        | Append
        | Read
        | TruncateSuffix
        | TruncatePrefix
        | OpenAgain: _refused_call,
    }
)
"""How values are read, by their types."""

_FIELDS: Final[Mapping[tuple[type, str], Callable[[object, Place], object]]] = MappingProxyType(
    {
        (Scenario, "name"): keys.name,
        (Scenario, "summary"): keys.sentence,
        (Scenario, "options"): keys.option_words,
        (Scenario, "faults"): keys.fault_lines,
        (Scenario, "directory"): keys.directory,
        (Scenario, "own_profiles"): keys.own_profiles,
        (Scenario, "contract"): keys.contract,
        (Scenario, "invariants"): keys.invariants,
        (Scenario, "seeds"): keys.seeds,
        (Scenario, "depth"): keys.depth,
        (Scenario, "damaged"): plain.whole_from(1),
        (Scenario, "schedules"): plain.whole_from(1),
        (Scenario, "cluster_runs"): plain.whole_from(1),
        (Scenario, "max_images"): plain.whole_from(1),
        (Family, "alphabet"): keys.alphabet,
        (TaskPlan, "name"): plain.line,
        (SlowCall, "nth"): plain.whole_from(0),
        (ExactSnapshot, "chunk_bytes"): plain.whole_from(0),
        (Reopen, "overrides"): keys.layout_words,
        (KillProcess, "overrides"): keys.layout_words,
        (PersistentState, "voted_for"): _text,
    }
)
"""Attributes whose values follow rules of their own."""

_HIDDEN: Final = frozenset({(ClusterPlan, "run")})
"""Attributes that a run gives, and no file."""

_EXCLUSIVE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "cluster": (
            *("steps", "family", "tasks", "pairs", "after", "slow_calls"),
            *("faults", "contract", "damaged"),
        ),
        "damaged": ("family", "tasks", "pairs", "faults"),
        "family": ("tasks", "pairs"),
        "pairs": ("tasks", "faults"),
        "tasks": ("faults",),
    }
)
"""Keys that do not go together."""


def _check_whole(scenario: Scenario, place: Place) -> None:
    """Refuse keys that do not go together, and steps that cannot be.

    Raises:
        ScenarioFileError: there are such.
    """
    _check_profiles(scenario, place)
    for one, others in _EXCLUSIVE.items():
        for other in others:
            if getattr(scenario, one) and getattr(scenario, other):
                raise place.at(other).error(f"no such key beside {one}", "both")
    for key in ("after", "slow_calls"):
        if getattr(scenario, key) and not scenario.has_tasks:
            raise place.at(key).error("tasks or pairs, too", "none")
    names = [task.name for task in scenario.tasks]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise place.at("tasks").item(number).at("name").error("another name", repr(name))
    try:
        scenario.workload(0)
    except (TypeError, ValueError) as error:
        raise place.at("steps").refused(error) from error


def _check_profiles(scenario: Scenario, place: Place) -> None:
    own = tuple(profile.name for profile in scenario.own_profiles)
    known = (*(profile.name for profile in PROFILES), *own)
    for number, name in enumerate(scenario.profiles):
        if name not in known:
            raise place.at("profiles").item(number).unknown("one of", name, known)
    for number, name in enumerate(own):
        if name in own[:number]:
            where = place.at("own_profiles").item(number).at("name")
            raise where.error("another name", repr(name))
