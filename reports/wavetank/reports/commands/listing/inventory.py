"""What there is to choose from: scenarios, profiles, backends, options, checks and the like.

Names and descriptions come from the values and docstrings themselves, so that this list cannot
drift from what runs.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

import attrs
from attrs import frozen

from wavetank.engine import FileStorageOptions
from wavetank.faults import VOCABULARY, FaultWords, parse_fault
from wavetank.scenarios import (
    ALL_SCENARIOS,
    CLUSTER_INVARIANTS,
    DAMAGE_INVARIANTS,
    INVARIANTS,
    OPTION_CHOICES,
    SHIPPED_STORES,
    Contract,
    OptionChoice,
    with_overrides,
)
from wavetank.scenarios.conformance import (
    CAPABILITIES,
    CHECKS,
    StoreNotFoundError,
    find_store,
    shipped_names,
)
from wavetank.sim import PROFILES, Profile

__all__ = ["KINDS", "Detail", "Item"]

# A field of a docstring's section: its name, and a text whose further lines are indented deeper.
_DESCRIBED: Final = re.compile(r"^    (\w+): (\S.*(?:\n {8}\S.*)*)", re.MULTILINE)


@frozen(kw_only=True)
class Detail:
    """One value that belongs to an item.

    Attributes:
        name: of the field.
        value: what it is, in one word.
        meaning: what the field stands for; "" where the item's summary says it.
    """

    name: str
    value: str
    meaning: str = ""


@frozen(kw_only=True)
class Item:
    """One thing to choose.

    Attributes:
        name: what to type.
        summary: one sentence.
        details: the values it consists of.
    """

    name: str
    summary: str
    details: tuple[Detail, ...] = ()


def _scenarios() -> tuple[Item, ...]:
    return tuple(Item(name=each.name, summary=each.summary) for each in ALL_SCENARIOS.values())


def _profiles() -> tuple[Item, ...]:
    return tuple(
        Item(name=each.name, summary=each.summary, details=_promises(each)) for each in PROFILES
    )


def _promises(profile: Profile) -> tuple[Detail, ...]:
    """Return every field of a profile with its value and what it means."""
    meanings = _descriptions(Profile)
    return tuple(
        Detail(
            name=field.name,
            value=_word(getattr(profile, field.name)),
            meaning=meanings.get(field.name, ""),
        )
        for field in attrs.fields(Profile)
        if field.name not in ("name", "summary")
    )


def _backends() -> tuple[Item, ...]:
    return tuple(Item(name=each.name, summary=each.summary) for each in SHIPPED_STORES.values())


def _invariants() -> tuple[Item, ...]:
    promises = {**INVARIANTS, **CLUSTER_INVARIANTS, **DAMAGE_INVARIANTS}
    return tuple(Item(name=name, summary=promise) for name, promise in promises.items())


def _options() -> tuple[Item, ...]:
    return tuple(_option(choice) for choice in OPTION_CHOICES.values())


def _option(choice: OptionChoice) -> Item:
    defaults = FileStorageOptions()
    options = with_overrides(defaults, [choice.name])
    sets = Detail(name=choice.option, value=_word(_value_of(options, choice.option)))
    default = Detail(name="default", value=_word(_value_of(defaults, choice.option)))
    gives_up = Detail(name="gives up", value=", ".join(Contract.of(options).relaxed) or "nothing")
    return Item(name=choice.name, summary=choice.summary, details=(sets, default, gives_up))


def _value_of(options: FileStorageOptions, name: str) -> object:
    value: object = options
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _faults() -> tuple[Item, ...]:
    return tuple(_fault_words(words) for words in VOCABULARY)


def _fault_words(words: FaultWords) -> Item:
    fault = parse_fault(words.example)
    example = Detail(name="example", value=words.example)
    if str(fault.what) != words.form:
        return Item(name=words.form, summary=words.meaning, details=(example,))
    kinds = fault.what.kinds
    operations = "any" if kinds is None else ", ".join(kind.value for kind in kinds)
    return Item(
        name=words.form,
        summary=words.meaning,
        details=(
            example,
            Detail(name="operations", value=operations),
            Detail(name="family", value=fault.family.value),
        ),
    )


def _checks() -> tuple[Item, ...]:
    return tuple(
        Item(
            name=check.id,
            summary=check.summary,
            details=tuple(
                Detail(name="needs", value=each.value, meaning=CAPABILITIES[each])
                for each in CAPABILITIES
                if each in check.needs
            ),
        )
        for check in CHECKS
    )


def _stores() -> tuple[Item, ...]:
    return tuple(_store(name) for name in shipped_names())


def _store(name: str) -> Item:
    try:
        store = find_store(name)
    except StoreNotFoundError as error:
        return Item(name=name, summary=str(error))
    return Item(
        name=store.name,
        summary=store.summary,
        details=tuple(
            Detail(name=each.value, value=_word(each in store.capabilities), meaning=meaning)
            for each, meaning in CAPABILITIES.items()
        ),
    )


def _descriptions(owner: type) -> dict[str, str]:
    """Return what a docstring says of each field."""
    found = _DESCRIBED.findall(inspect.getdoc(owner) or "")
    return {name: " ".join(text.split()) for name, text in found}


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value.value if isinstance(value, Enum) else value)


KINDS: Final[Mapping[str, Callable[[], tuple[Item, ...]]]] = MappingProxyType(
    {
        "scenarios": _scenarios,
        "profiles": _profiles,
        "backends": _backends,
        "invariants": _invariants,
        "options": _options,
        "faults": _faults,
        "checks": _checks,
        "stores": _stores,
    }
)
"""Every kind of thing that can be listed, and how to list it."""
