"""The zoo: bugs planted in variants of the engine, to see whether the testbed finds them.

General layout::

    planted_bug.py     a bug as a value; start reading here
    mutant_run.py      the few steps on which a bug is hunted
    bug_families/      the bugs, and those that one invariant alone reports
    hunt.py            one variant on one trial under one profile
    races/             bugs that only tasks beside one another show, hunted by schedules
    patches/, planted_patch.py, planted_code.py
                       bugs as diffs of the engine, and how they are planted in it
    missing_syncs.py   a store without one of its syncs, for every sync
    necessity.py       whether a sync is needed, and what is lost without it
    small_repro.py     a kill made small
    planted_case.py    a bug's failure as a case, to replay and explain
    spreading.py       units of work in other processes
    catalogue.py       everything: kill matrix, necessity table, the oracle with parts missing

The engine itself is never changed; a patch changes a copy of it.
"""

from wavetank.scenarios.mutants.bug_families.bugs import BUGS
from wavetank.scenarios.mutants.catalogue import (
    BugResult,
    Witness,
    ZooResult,
    missed_without,
    run_zoo,
)
from wavetank.scenarios.mutants.hunt import Hunt, Kill
from wavetank.scenarios.mutants.missing_syncs import SYNC_TRIALS, SyncSite, sync_sites, without
from wavetank.scenarios.mutants.mutant_run import Trial, record_trial
from wavetank.scenarios.mutants.necessity import (
    LosingImage,
    Necessity,
    NecessityResult,
    SyncsResult,
    need_of,
    run_syncs,
)
from wavetank.scenarios.mutants.planted_bug import PlantedBug
from wavetank.scenarios.mutants.planted_case import planted_case, store_name
from wavetank.scenarios.mutants.planted_code import plant
from wavetank.scenarios.mutants.planted_patch import (
    PATCHES,
    PatchError,
    PlantedPatch,
    write_patched_engine,
)
from wavetank.scenarios.mutants.races.race import Race
from wavetank.scenarios.mutants.races.race_bugs import RACES
from wavetank.scenarios.mutants.races.race_hunt import MOST_RUNS, RaceHunt, Sighting, hunt_race
from wavetank.scenarios.mutants.small_repro import ReproSizes, SmallRepro, small_repro
from wavetank.scenarios.mutants.spreading import Progress

__all__ = [
    "BUGS",
    "MOST_RUNS",
    "PATCHES",
    "RACES",
    "SYNC_TRIALS",
    "BugResult",
    "Hunt",
    "Kill",
    "LosingImage",
    "Necessity",
    "NecessityResult",
    "PatchError",
    "PlantedBug",
    "PlantedPatch",
    "Progress",
    "Race",
    "RaceHunt",
    "ReproSizes",
    "Sighting",
    "SmallRepro",
    "SyncSite",
    "SyncsResult",
    "Trial",
    "Witness",
    "ZooResult",
    "hunt_race",
    "missed_without",
    "need_of",
    "plant",
    "planted_case",
    "record_trial",
    "run_syncs",
    "run_zoo",
    "small_repro",
    "store_name",
    "sync_sites",
    "without",
    "write_patched_engine",
]
