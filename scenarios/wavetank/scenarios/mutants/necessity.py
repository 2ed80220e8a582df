"""Which syncs of a store are needed: the store without each of them, crashed everywhere.

Each image that any safe profile allows is one of `posix` or of `ext4`, so a sync of a store that is
right with it is redundant if no image of these two is judged otherwise without it. A store that is
wrong already is also crashed under stronger profiles, which hide less behind what it lacks: there a
sync is needed if something is reported that is not reported with it, on the same trial and profile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from enum import Enum
from typing import Final

from attrs import evolve, field, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.exploration.explaining.violation import Violation
from wavetank.scenarios.mutants.hunt import Hunt, Kill, TrialRun, hunts, trial_run
from wavetank.scenarios.mutants.missing_syncs import (
    SYNC_TRIALS,
    SyncSite,
    store_name_without,
    sync_sites,
    without,
)
from wavetank.scenarios.mutants.mutant_run import Trial, record_trial, store_of
from wavetank.scenarios.mutants.planted_bug import BUILTIN
from wavetank.scenarios.mutants.spreading import Progress, Spread
from wavetank.scenarios.raft.workloads.fitted_workload import fitted
from wavetank.scenarios.replay import judge_again, tell
from wavetank.scenarios.shrinking import look_for
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import EXT4, POSIX, SAFE_PROFILES, SEQUENTIAL, Profile

__all__ = [
    "LosingImage",
    "Necessity",
    "NecessityResult",
    "SyncsResult",
    "necessity_units",
    "need_of",
    "run_syncs",
]

_WEAKEST: Final = (POSIX, EXT4)
_FOR_ANY_STORE: Final = (SEQUENTIAL, EXT4, POSIX)
_MOST_IMAGES: Final = 100
"""Images of one trial under one profile that are judged of a store that does not ship."""

_Reports = frozenset[tuple[str, str, str, str]]


class Necessity(Enum):
    """Whether a sync is needed."""

    NECESSARY = "necessary"
    REDUNDANT = "redundant"
    UNDECIDED = "undecided"


@frozen
class LosingImage:
    """What is lost without a sync: the case that brings it back, and its story."""

    case: Case
    story: Violation


@frozen(kw_only=True)
class NecessityResult:
    """What became of a store without one of its syncs.

    Attributes:
        site: the sync.
        ordinal: which one it is of those that this function asks for on this target, from 1.
        necessity: whether it is needed.
        kill: how its absence shows; None if it does not.
        profiles: the safe profiles under which it shows.
        trials: names of the trials that reach the sync.
        judged: images judged without it, in the hunt that killed it or in all.
        image: the finding as one that can be replayed; None if its absence does not show, or nobody
            asked.
    """

    site: SyncSite
    ordinal: int
    necessity: Necessity
    kill: Kill | None
    profiles: tuple[str, ...]
    trials: tuple[str, ...]
    judged: int
    image: LosingImage | None = None


def _ordinals(sites: Iterable[SyncSite]) -> dict[SyncSite, int]:
    """Number the syncs that one function asks for on one target during one operation."""
    seen: dict[tuple[str, str, str], int] = {}
    numbers: dict[SyncSite, int] = {}
    for site in sites:
        key = (site.operation, site.function, site.target)
        numbers[site] = seen[key] = seen.get(key, 0) + 1
    return numbers


def necessity_units() -> list[tuple[SyncSite, tuple[int, ...], int]]:
    """Return the arguments of `need_of` for every sync of the engine."""
    sites = sync_sites()
    ordinals = _ordinals(sites)
    return [(site, numbers, ordinals[site]) for site, numbers in sites.items()]


def need_of(
    site: SyncSite,
    numbers: tuple[int, ...],
    ordinal: int = 1,
    about: _Subject | None = None,
) -> NecessityResult:
    """Hunt a store without one sync, until it is killed or all trials are through.

    Args:
        site: the sync.
        numbers: of the trials that reach it.
        ordinal: its number among those of its function and target.
        about: the store, its trials, and what is reported of it as it is; None: the engine.
    """
    about = about or _Subject()
    backend = without(site, about.store)
    trials = [about.trials[number] for number in numbers]
    if site.operation == "creation":
        # The others begin where the creation is durable, which without this sync it is not.
        trials = [trial for trial in trials if not trial.from_step]
    # Most kills need no crash inside a recovery, and those take most of the time.
    shallow = [evolve(trial, depth=0) for trial in trials if trial.depth != 0]
    profiles: tuple[str, ...] = ()
    image: LosingImage | None = None
    with ExitStack() as stack:
        runs = _Runs(backend, stack)
        hunted = _hunted_until_killed([*shallow, *trials], runs, about)
        killed_on, last = hunted[-1] if hunted else (None, None)
        kill = None if last is None else last.kill
        if kill is not None and killed_on is not None and last is not None:
            run = runs.of(killed_on)
            profiles = (last.profile,) if about.known else _shown_under(run, killed_on)
            image = _image(site, about.store, killed_on, last, kill) if about.keeps_images else None
    whole = [found for trial, found in hunted if trial in trials]
    is_decided = bool(trials) and all(found.complete for found in whole)
    undecided = Necessity.REDUNDANT if is_decided else Necessity.UNDECIDED
    return NecessityResult(
        site=site,
        ordinal=ordinal,
        necessity=undecided if kill is None else Necessity.NECESSARY,
        kill=kill,
        profiles=profiles,
        trials=tuple(trial.workload.name for trial in trials),
        judged=sum(found.judged for found in whole) if kill is None else hunted[-1][1].judged,
        image=image,
    )


@frozen(kw_only=True)
class _Subject:
    """The store whose syncs are in question.

    Attributes:
        store: as it is.
        trials: what it runs.
        profiles: under which it is crashed.
        known: what is reported of it as it is, by trial and profile.
        max_images: judged of one trial under one profile; None: all.
        keeps_images: whether what is lost is made a case.
    """

    store: StoreAdapter = BUILTIN
    trials: tuple[Trial, ...] = SYNC_TRIALS
    profiles: tuple[Profile, ...] = _WEAKEST
    known: _Reports = frozenset()
    max_images: int | None = None
    keeps_images: bool = False


@frozen
class _Runs:
    """Trials on one variant, each recorded once for all depths at which it is hunted.

    Args:
        backend: the variant.
        stack: holds what the recordings need.
    """

    backend: StoreAdapter
    stack: ExitStack
    _of: dict[Trial, TrialRun] = field(factory=dict, init=False)

    def of(self, trial: Trial) -> TrialRun:
        """Return the run of a trial."""
        key = evolve(trial, depth=0)
        if key not in self._of:
            self._of[key] = self.stack.enter_context(trial_run(self.backend, key))
        return self._of[key]


def _hunted_until_killed(
    trials: Iterable[Trial], runs: _Runs, about: _Subject
) -> list[tuple[Trial, Hunt]]:
    """Return the hunts on trials under each profile, up to the first with a kill."""
    hunted: list[tuple[Trial, Hunt]] = []
    for trial in trials:
        known = {
            profile: frozenset(
                (invariant, kind)
                for name, other, invariant, kind in about.known
                if (name, other) == (trial.workload.name, profile)
            )
            for profile in (each.name for each in about.profiles)
        }
        for found in runs.of(trial).hunts(
            about.profiles, depth=trial.depth, known=known, max_images=about.max_images
        ):
            hunted.append((trial, found))
            if found.kill is not None:
                return hunted
    return hunted


def _shown_under(run: TrialRun, trial: Trial) -> tuple[str, ...]:
    """Return the names of the safe profiles under which a variant is reported, in their order."""
    shown = {each.name for each in run.reported_under(SAFE_PROFILES, depth=trial.depth)}
    unseen = [each for each in SAFE_PROFILES if each.name not in shown]
    deep = next((each for each in SYNC_TRIALS if each.workload == trial.workload), trial)
    if deep != trial:
        shown |= {each.name for each in run.reported_under(unseen, depth=deep.depth)}
    return tuple(each.name for each in SAFE_PROFILES if each.name in shown)


def _image(
    site: SyncSite, store: StoreAdapter, trial: Trial, found: Hunt, kill: Kill
) -> LosingImage:
    """Return what was lost as a case of its own."""
    backend = without(site, store)
    wanted = Case(
        workload=evolve(trial.workload, crashes_from=trial.from_step),
        store=store_name_without(site, store),
        profile=next(each for each in SAFE_PROFILES if each.name == found.profile),
        depth=trial.depth,
        invariant=kill.invariant,
        kind=kill.kind,
    )
    case = look_for(wanted, store=store_of(trial, backend))
    problem = judge_again(case, store=store_of(trial, backend))[0]
    return LosingImage(case, tell(case, problem, store=store_of(trial, backend)))


@frozen(kw_only=True)
class SyncsResult:
    """Which syncs of a store are needed.

    Attributes:
        store: its name.
        syncs: one result for each sync that is reached.
        wrong_already: whether something is reported of the store as it is.
    """

    store: str
    syncs: tuple[NecessityResult, ...] = field(factory=tuple)
    wrong_already: bool = False


def run_syncs(
    store: StoreAdapter,
    trials: Sequence[Trial] = SYNC_TRIALS,
    *,
    executor: Executor | None = None,
    on_progress: Progress | None = None,
) -> SyncsResult:
    """Tell which syncs of a store are needed, and what is lost without each.

    Args:
        store: takes its filesystem from its site; it can be found by its name.
        trials: what it runs; calls that it does not have are left out.
        executor: where the units of work run; None runs them here, one after the other.
        on_progress: told of it as results come.
    """
    spread = Spread(executor, on_progress)
    is_engine = store == BUILTIN
    mine = tuple(trials) if is_engine else tuple(_fit(store, each) for each in trials)
    about = _Subject(store=store, trials=mine, keeps_images=True)
    if not is_engine:
        about = evolve(about, profiles=_FOR_ANY_STORE, max_images=_MOST_IMAGES)
        each_known = spread("the store as it is", _known, [(about, trial) for trial in mine])
        about = evolve(about, known=frozenset[tuple[str, str, str, str]]().union(*each_known))
    sites: Mapping[SyncSite, tuple[int, ...]] = sync_sites(store, mine)
    ordinals = _ordinals(sites)
    units = [(site, numbers, ordinals[site], about) for site, numbers in sites.items()]
    syncs = spread("missing syncs", need_of, units)
    return SyncsResult(store=store.name, syncs=syncs, wrong_already=bool(about.known))


def _known(about: _Subject, trial: Trial) -> _Reports:
    """Return what is reported of the store as it is on one trial."""
    found = hunts(about.store, trial, about.profiles, max_images=about.max_images)
    return frozenset(
        (trial.workload.name, each.profile, invariant, kind)
        for each in found
        for invariant, kind in each.reports
    )


def _fit(store: StoreAdapter, trial: Trial) -> Trial:
    """Return a trial that asks of a store only what it declares."""
    trial = evolve(
        trial,
        workload=fitted(trial.workload, store),
        depth=0,
        directory_made=False,
    )
    try:
        record_trial(trial, store)
    except ValueError:  # something is still pending at the step from which crashes were to begin
        return evolve(trial, from_step=0)
    return trial
