"""The whole zoo: the kill matrix, the necessity of every sync, and the oracle with parts missing.

Each bug is hunted under every safe profile, and the engine itself on the same trials: whatever is
found there is a false alarm. Each image that any safe profile allows is one of `posix` or of
`ext4`, so a sync is redundant if no image of these two is judged otherwise without it. Units of
work share nothing and may run in other processes. Races are hunted by schedules (race_hunt.py), and
the engine itself under as many as the longest hunt took.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from types import MappingProxyType
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios.catalogue import CONCURRENT_SCENARIOS
from wavetank.scenarios.mutants.bug_families.bugs import BUGS
from wavetank.scenarios.mutants.hunt import Hunt, hunts, reported
from wavetank.scenarios.mutants.missing_syncs import SYNC_TRIALS
from wavetank.scenarios.mutants.mutant_run import Trial
from wavetank.scenarios.mutants.necessity import NecessityResult, necessity_units, need_of
from wavetank.scenarios.mutants.planted_bug import BUILTIN
from wavetank.scenarios.mutants.races.race_bugs import RACES
from wavetank.scenarios.mutants.races.race_hunt import RaceHunt, hunt_race
from wavetank.scenarios.mutants.small_repro import (
    ReproSizes,
    SmallRepro,
    small_race_repro,
    small_repro,
)
from wavetank.scenarios.mutants.spreading import Progress, Spread
from wavetank.scenarios.raft.judging.oracle import INVARIANTS
from wavetank.sim import EXT4, POSIX, SAFE_PROFILES, Profile

__all__ = [
    "BugResult",
    "Witness",
    "ZooResult",
    "missed_without",
    "run_zoo",
]

_INVARIANT: Final = re.compile(r"\bO\d+\b")
_WEAKEST: Final = (POSIX, EXT4)
_WEAKEST_FIRST: Final[tuple[Profile, ...]] = (
    *_WEAKEST,
    *(each for each in SAFE_PROFILES if each not in _WEAKEST),
)


@frozen(kw_only=True)
class BugResult:
    """What became of one planted bug.

    Attributes:
        id: of the bug.
        hunts: one per safe profile, in their order.
        repro: its smallest repro; None if it survived, or nobody asked.
    """

    id: str
    hunts: tuple[Hunt, ...]
    repro: SmallRepro | None = None

    @property
    def killed_by(self) -> tuple[Hunt, ...]:
        """The hunts that killed it."""
        return tuple(each for each in self.hunts if each.kill is not None)

    @property
    def shortest(self) -> Hunt | None:
        """The hunt whose kill takes the fewest steps and losses; None if it survived."""
        kills = [(each.kill, each) for each in self.hunts if each.kill is not None]
        if not kills:
            return None
        return min(kills, key=lambda pair: (len(pair[0].steps), len(pair[0].lost)))[1]


@frozen(kw_only=True)
class Witness:
    """What the oracle misses without one invariant.

    Attributes:
        invariant: the one switched off.
        survivors: bugs that are then not reported, each with a profile on which they survive.
    """

    invariant: str
    survivors: tuple[tuple[str, str], ...]


@frozen(kw_only=True)
class ZooResult:
    """Everything the zoo found out.

    Attributes:
        bugs: one per bug hunted.
        races: one per race hunted.
        race_repros: the smallest repro of each race that showed, by its id, if they were asked for.
        false_alarms: what was reported about the engine, one line each.
        necessity: one per sync of the engine; () if only some bugs were asked for.
        witnesses: one per invariant; () if only some bugs were asked for.
    """

    bugs: tuple[BugResult, ...]
    false_alarms: tuple[str, ...]
    necessity: tuple[NecessityResult, ...]
    witnesses: tuple[Witness, ...]
    races: tuple[RaceHunt, ...] = ()
    race_repros: Mapping[str, SmallRepro] = MappingProxyType({})

    @property
    def repro_sizes(self) -> ReproSizes | None:
        """How large the smallest repros are; None if nobody asked for them."""
        of_bugs = (bug.repro for bug in self.bugs if bug.repro is not None)
        return ReproSizes.of((*of_bugs, *self.race_repros.values()))

    @property
    def survivors(self) -> tuple[str, ...]:
        """The ids of the bugs that nothing killed, and of the races that no schedule showed."""
        return (
            *(bug.id for bug in self.bugs if not bug.killed_by),
            *(race.id for race in self.races if race.sighting is None),
        )

    @property
    def passed(self) -> bool:
        """Whether every bug was killed and nothing was reported about the engine."""
        return not (self.survivors or self.false_alarms)


def run_zoo(
    ids: Sequence[str] | None = None,
    *,
    executor: Executor | None = None,
    on_progress: Progress | None = None,
    shrinks: bool = False,
) -> ZooResult:
    """Hunt planted bugs.

    Args:
        ids: which; None for all, and for the necessity of syncs and the test of the oracle too.
        executor: where the units of work run; None runs them here, one after the other.
        on_progress: told of it as results come.
        shrinks: whether the shortest kill of each bug is made small.

    Raises:
        KeyError: there is no bug of such an id.
    """
    asked = (*BUGS, *RACES) if ids is None else tuple(ids)
    bugs = [BUGS[each] for each in asked if each not in RACES]
    races = [each for each in asked if each in RACES]
    trials = [bug.trial for bug in bugs]
    spread = Spread(executor, on_progress)
    results = spread("planted bugs", _hunt_bug, [(bug.id,) for bug in bugs])
    if shrinks:
        results = spread("repros", _shrink_bug, [(each,) for each in results])
    races_seen = spread("planted races", _hunt_race, [(each,) for each in races])
    seen = [(each,) for each in races_seen if each.sighting is not None] if shrinks else []
    race_repros = dict(spread("repros of races", _shrink_race, seen))
    necessity: tuple[NecessityResult, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    if ids is None:
        trials += SYNC_TRIALS
        necessity = spread("missing syncs", need_of, necessity_units())
        witnesses = spread("invariants", missed_without, [(each, results) for each in INVARIANTS])
    alarms = spread("trials of the engine itself", _false_alarms, [(each,) for each in trials])
    alarms += spread("schedules of the engine itself", _race_alarms, _as_long_as(races_seen))
    return ZooResult(
        bugs=results,
        races=races_seen,
        race_repros=MappingProxyType(race_repros),
        false_alarms=tuple(alarm for each in alarms for alarm in each),
        necessity=necessity,
        witnesses=witnesses,
    )


def _hunt_bug(bug_id: str) -> BugResult:
    bug = BUGS[bug_id]
    return BugResult(id=bug_id, hunts=tuple(hunts(bug.backend, bug.trial, SAFE_PROFILES)))


def _shrink_bug(result: BugResult) -> BugResult:
    shortest = result.shortest
    if shortest is None:
        return result
    weakest = [each for each in result.killed_by if each.profile in (POSIX.name, EXT4.name)]
    hunts = dict.fromkeys((shortest, *weakest[-1:]))
    return evolve(result, repro=small_repro(BUGS[result.id], tuple(hunts)))


def _hunt_race(race_id: str) -> RaceHunt:
    return hunt_race(race_id, RACES[race_id].backend)


def _shrink_race(hunt: RaceHunt) -> tuple[str, SmallRepro]:
    assert hunt.sighting is not None, "only what showed is made small"
    return hunt.id, small_race_repro(RACES[hunt.id], hunt.sighting)


def _as_long_as(hunted: Sequence[RaceHunt]) -> list[tuple[str, int]]:
    """Return each scenario, and as many of its schedules as the longest of these hunts ran."""
    longest = max((each.runs for each in hunted), default=0)
    rounds = -(-longest // len(CONCURRENT_SCENARIOS))
    return [(each, rounds) for each in CONCURRENT_SCENARIOS] if rounds else []


def _race_alarms(scenario: str, runs: int) -> tuple[str, ...]:
    """Return what is reported about the engine under schedules of one scenario."""
    found = hunt_race(BUILTIN.name, BUILTIN, scenarios=(scenario,), most_runs=runs).sighting
    if found is None:
        return ()
    return (f"{found.scenario} under {found.schedule}: {found.invariant}: {found.kind}",)


def _false_alarms(trial: Trial) -> tuple[str, ...]:
    """Return what is reported about the engine without a bug."""
    alarms: list[str] = []
    for found in hunts(BUILTIN, trial, SAFE_PROFILES):
        alarms += found.wrong_without_crash
        alarms += [
            f"{trial.workload.name} under {found.profile}: {invariant}: {kind}"
            for invariant, kind in found.reports
        ]
    return tuple(alarms)


def missed_without(invariant: str, results: Sequence[BugResult]) -> Witness:
    """Hunt again, with one invariant switched off, the bugs that seem to depend on it.

    Args:
        invariant: the one.
        results: what became of the bugs with all of them on.
    """
    survivors: list[tuple[str, str]] = []
    for result in results:
        bug = BUGS[result.id]
        for profile in _WEAKEST_FIRST:
            found = next(each for each in result.hunts if each.profile == profile.name)
            if _rests_on(found, invariant) and not reported(
                bug.backend, bug.trial, profile, frozenset({invariant})
            ):
                survivors.append((bug.id, profile.name))
                break
    return Witness(invariant=invariant, survivors=tuple(survivors))


def _rests_on(found: Hunt, invariant: str) -> bool:
    """Whether every report is by this invariant, or quotes it."""
    return bool(found.reports) and all(
        invariant in (name, *_INVARIANT.findall(kind)) for name, kind in found.reports
    )
