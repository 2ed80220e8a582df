"""The damage matrix: stores damaged in every place, and the engine held to what it must say.

General layout::

    damaged_store.py  a store as bytes, with all that is known of it
    store_builder.py       where stores are made, and killed inside a call
    stores.py         the stores that are damaged
    regions.py        the places of their files, by meaning
    damages.py        eight kinds of damage to a place
    rules.py          what may be answered to which damage
    expectation.py    which rules apply, told from the bytes
    log_expectation.py  the same for the log
    opened.py         a damaged store opened, and asked for everything
    verdict.py        the answers held to the rules
    read_aside.py     what is shown of a damaged log without changing it
    matrix.py         all of it

The engine is never asked what is right. Start reading at rules.py.
"""

from wavetank.scenarios.corruption.damaged_store import LogView, StoreRecord
from wavetank.scenarios.corruption.damages import Damage, DamagedFiles, DamageKind, damages, inflict
from wavetank.scenarios.corruption.expectation import Expectation, expect
from wavetank.scenarios.corruption.matrix import (
    CellKey,
    DamageResult,
    Progress,
    WrongCell,
    run_damage,
)
from wavetank.scenarios.corruption.opened import Opener, Shown, look, medium_of, open_engine
from wavetank.scenarios.corruption.regions import Region, regions
from wavetank.scenarios.corruption.rules import RULES, Outcome, Rule
from wavetank.scenarios.corruption.stores import STORES, Recipe, interrupted, store_record
from wavetank.scenarios.corruption.verdict import Judged, judge

__all__ = [
    "RULES",
    "STORES",
    "CellKey",
    "Damage",
    "DamageKind",
    "DamageResult",
    "DamagedFiles",
    "Expectation",
    "Judged",
    "LogView",
    "Opener",
    "Outcome",
    "Progress",
    "Recipe",
    "Region",
    "Rule",
    "Shown",
    "StoreRecord",
    "WrongCell",
    "damages",
    "expect",
    "inflict",
    "interrupted",
    "judge",
    "look",
    "medium_of",
    "open_engine",
    "regions",
    "run_damage",
    "store_record",
]
