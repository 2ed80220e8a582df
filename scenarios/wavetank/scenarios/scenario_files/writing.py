"""The text of a scenario file from a scenario: what it has by default is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, cast

import attrs

from wavetank.scenarios.raft.steps import Cancelled, Inspect, Interrupted, SaveSnapshot, TaskStep
from wavetank.scenarios.scenario_files.moves import Alternative, Repeat, When
from wavetank.scenarios.scenario_files.scenario import Scenario
from wavetank.scenarios.scenario_files.words import (
    CALLS,
    CANCELLATION,
    INTERRUPTION,
    RENAMED,
    STEPS,
    ExactSnapshot,
)
from wavetank.sim import Profile, profile_table

__all__ = ["scenario_to_toml"]

_KEYS: Final[Mapping[type, str]] = MappingProxyType(
    {kind: key for key, kind in (*CALLS.items(), *STEPS.items())}
)


def scenario_to_toml(scenario: Scenario) -> str:
    """Return the text of a file that reads as an equal scenario.

    >>> from wavetank.scenarios.scenario_files.moves import Campaign
    >>> print(scenario_to_toml(Scenario(name="one", summary="one vote", steps=(Campaign(),))))
    name = "one"
    summary = "one vote"
    steps = [
        {campaign = true},
    ]
    <BLANKLINE>
    """
    table = _table(scenario)
    if not (scenario.steps or scenario.has_tasks or scenario.cluster):
        table["steps"] = []
    if scenario.contract:
        table["contract"] = dict(scenario.contract)
    plain = {key: value for key, value in table.items() if not _has_header(key, value)}
    # What takes a line stands before what takes many.
    plain = dict(sorted(plain.items(), key=lambda pair: _takes_lines(pair[1])))
    return "".join(
        (
            *_lines(plain),
            *(_headed(key, table[key]) for key in table if key not in plain),
        )
    )


def _table(value: object) -> dict[str, object]:
    """Return the table of a value: what differs from the defaults."""
    names = RENAMED.get(type(value), {})
    fields = attrs.fields(cast("type[attrs.AttrsInstance]", type(value)))
    return {
        names.get(field.name, field.name): _value(getattr(value, field.name))
        for field in fields
        if field.default is attrs.NOTHING or getattr(value, field.name) != _default(field)
    }


def _default(field: attrs.Attribute[object]) -> object:
    if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]  # attrs types it otherwise
        return field.default.factory()  # type: ignore[attr-defined]
    return field.default


def _value(value: object) -> object:
    """Return what stands for a value in a file."""
    if isinstance(value, tuple):
        return [_value(each) for each in value]
    if isinstance(value, bytes):
        return _bytes(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Profile):
        return profile_table(value)
    if isinstance(value, (TaskStep, Alternative, When, Repeat)) or type(value) in _KEYS:
        return _step(value)
    return _table(value) if attrs.has(type(value)) else value


def _bytes(value: bytes) -> object:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return {"hex": value.hex()}
    return text if text.isprintable() else {"hex": value.hex()}


def _step(step: object) -> dict[str, object]:
    if isinstance(step, TaskStep):
        others = {key: each for key, each in _table(step).items() if key != "call"}
        return {**_step(step.call), **others}
    if isinstance(step, (When, Alternative)):
        others = {key: each for key, each in _table(step).items() if key != "step"}
        return {**others, **_step(step.step)}
    if isinstance(step, Repeat):
        times = {} if step.times is None else {"repeat": step.times}
        return {**times, "steps": [_step(each) for each in step.steps]}
    return {_KEYS[type(step)]: _body(step)}


def _body(step: object) -> object:
    """Return what stands behind the key of a step."""
    if isinstance(step, SaveSnapshot):
        return _table(ExactSnapshot.of(step))
    if isinstance(step, Cancelled):
        when = {key: value for key, value in _table(step).items() if key in CANCELLATION}
        return {**_step(step.step), **when}
    if isinstance(step, Interrupted):
        cut = {key: value for key, value in _table(step).items() if key in INTERRUPTION}
        return {**_step(step.step), **cut, "profile": step.profile.name}
    table = _table(step)
    fields = attrs.fields(cast("type[attrs.AttrsInstance]", type(step)))
    if len(fields) == 1 and table and not isinstance(step, Inspect):
        return _value(getattr(step, fields[0].name))
    return table or True


# TOML


def _has_header(key: str, value: object) -> bool:
    """Whether a value at the top stands below a header of its own: behind all that does not."""
    return isinstance(value, dict) or key in ("tasks", "own_profiles")


def _headed(key: str, value: object) -> str:
    if isinstance(value, dict):
        return "".join((f"\n[{key}]\n", *_lines(value)))
    tables = cast("list[dict[str, object]]", value)
    return "".join("".join((f"\n[[{key}]]\n", *_lines(each))) for each in tables)


def _lines(table: Mapping[str, object]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{key} = {_spread(value)}\n"


def _takes_lines(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _spread(value: object) -> str:
    """Return a value of a key: arrays of tables with a line for each."""
    if not _takes_lines(value):
        return _inline(value)
    lines = "".join(f"    {_inline(each)},\n" for each in cast("list[object]", value))
    return f"[\n{lines}]"


def _inline(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON escapes all that TOML does, but for one control character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return repr(value)
