"""`wavetank run`, once its options are known: check the names, run, show, store the failures."""

from __future__ import annotations

import os  # noqa: TID251 - NO_COLOR is part of the environment
import sys
from collections.abc import Iterable
from typing import Final

import click
from attrs import evolve, frozen

from wavetank.engine import FileStorageOptions
from wavetank.reports._choices import UnknownChoiceError, choose_all, choose_store
from wavetank.reports._version import version
from wavetank.reports.documents import to_text
from wavetank.reports.documents.runs import run_document
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.failures import FailureStore, StoredFailure
from wavetank.reports.profile_files import choose_profiles
from wavetank.reports.progress import progress_on
from wavetank.reports.session import Session, compare, run_session, untouched
from wavetank.reports.text import fault_warnings, first_line, render_session
from wavetank.scenarios import (
    ALL_SCENARIOS,
    CLUSTER_SCENARIOS,
    CONCURRENT_SCENARIOS,
    SCENARIOS,
    OwnProfile,
    PlainStoreError,
    RunPlan,
    StoreAdapter,
    UnfitForClusterError,
    UnschedulableStoreError,
    Verdict,
    default_scenarios,
    fault_plan,
    pairwise,
    require_fit,
    require_schedulable,
    runnable_scenarios,
    with_overrides,
)
from wavetank.sim import SAFE_PROFILES

__all__ = ["RunRequest", "execute", "plan_of"]

_ALL_PROFILES: Final = "all"
_DEFAULT_PROFILES: Final = ("sequential", "ext4", "posix")
_DEFAULT_STORE: Final = "builtin"
_PAIRWISE: Final = "pairwise"
_HASH_SEEDS: Final = (1, 2)
_SCHEDULES_BY_DEFAULT: Final = 24
_SCHEDULES_WHEN_NAMED: Final = 540
_CLUSTER_RUNS: Final = 36
_IMAGES_AFTER_FIRST: Final = 500
"""Judged at least, once a scenario and profile has failed."""


@frozen(kw_only=True)
class RunRequest:
    """What a person asked for, names not yet checked; None or () where they left it open.

    Attributes:
        scenarios: names and shell patterns.
        seeds: of every scenario.
        profiles: names, files, or ``all``.
        backend: name of the store, or package.module:factory.
        options: sets of choices, each separated by commas; ``pairwise`` stands for many.
        faults: lines of the fault language.
        max_images: distinct images recovered per scenario and profile at most.
        depth: crashes inside recoveries; None: none; negative: until nothing new comes.
        workers: processes.
        max_failures: violations after which to stop.
        check_determinism: run twice under different hash seeds.
        as_json: print a document instead of text.
        strict: an inconclusive run fails, and so does one that skipped legal images.
        keep_going: judge every image of a scenario and profile that has failed.
        schedules: runs of each scenario with tasks; None: as many as fit.
        cluster_runs: runs of each cluster scenario; None: as many as fit.
    """

    scenarios: tuple[str, ...]
    seeds: range
    profiles: tuple[str, ...]
    backend: str | None
    options: tuple[str, ...]
    faults: tuple[str, ...]
    max_images: int | None
    depth: int | None
    workers: int
    max_failures: int | None
    check_determinism: bool
    as_json: bool
    strict: bool
    keep_going: bool
    schedules: int | None = None
    cluster_runs: int | None = None


def plan_of(request: RunRequest) -> RunPlan:
    """Return the plan for a request.

    Raises:
        UnknownChoiceError: a name in it does not exist; or the store is one of plain Python, whose
            operations no fault can strike.
        ProfileFileError: a file in it holds no profile, or one whose name is taken.
        OptionError: an option that does not exist, or a value that it does not take.
        FaultSyntaxError: a line that is no fault.
    """
    store = choose_store(request.backend or _DEFAULT_STORE)
    faults = fault_plan(request.faults).faults
    named = _scenarios(request, store)
    if faults or not set(named) & set(SCENARIOS) <= set(runnable_scenarios(store)):
        try:
            store.require_simulated(faults=True)
        except PlainStoreError as error:
            raise UnknownChoiceError(f"backend: {error}") from error
    chosen = choose_profiles(request.profiles or _DEFAULT_PROFILES, everything=SAFE_PROFILES)
    return RunPlan(
        scenarios=named,
        seeds=tuple(request.seeds),
        profiles=tuple(each.profile.name for each in chosen),
        backend=store.name,
        max_images=request.max_images,
        depth=None if request.depth is not None and request.depth < 0 else request.depth or 0,
        max_after_first=None if request.keep_going else _IMAGES_AFTER_FIRST,
        own_profiles=tuple(OwnProfile(each.profile, each.file) for each in chosen if each.file),
        option_sets=_option_sets(request.options),
        faults=tuple(map(str, faults)),
        schedules=request.schedules
        or (_SCHEDULES_WHEN_NAMED if request.scenarios else _SCHEDULES_BY_DEFAULT),
        cluster_runs=request.cluster_runs or _CLUSTER_RUNS,
    )


def _scenarios(request: RunRequest, store: StoreAdapter) -> tuple[str, ...]:
    """Return the names of the scenarios; clusters only if they are named.

    Those with tasks are among the others only for a store that can be scheduled.

    Raises:
        UnknownChoiceError: a name that does not exist, or of a scenario that this store, or one
            with faults, cannot run.
    """
    if not request.scenarios:
        chosen = default_scenarios(store)
        return tuple(n for n in chosen if not (request.faults and n in CONCURRENT_SCENARIOS))
    chosen = choose_all("scenario", request.scenarios, ALL_SCENARIOS)
    for name in chosen:
        if name not in CONCURRENT_SCENARIOS and name not in CLUSTER_SCENARIOS:
            continue
        is_cluster = name in CLUSTER_SCENARIOS
        if request.faults:
            what = "is a cluster" if is_cluster else "has tasks that run beside one another"
            raise UnknownChoiceError(f"scenario: {name} {what}, and takes no --fault")
        try:
            (require_fit if is_cluster else require_schedulable)(store)
        except (UnschedulableStoreError, UnfitForClusterError) as error:
            raise UnknownChoiceError(f"scenario: {name}: {error}") from error
    return chosen


def _option_sets(asked: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the sets of choices that were asked for, each once; only the defaults if none was."""
    sets: dict[tuple[str, ...], None] = {}
    for word in asked:
        one = tuple(name for name in word.split(",") if name)
        sets.update(dict.fromkeys(pairwise() if word == _PAIRWISE else (one,)))
    for choices in sets:
        with_overrides(FileStorageOptions(), choices)
    return tuple(sets) or ((),)


def execute(request: RunRequest, plan: RunPlan) -> ExitCode:
    """Run a plan, show what came of it, and return what to exit with."""
    try:
        click.echo(first_line(version(), plan), err=request.as_json)
        work = _checked_twice if request.check_determinism else _once
        session = work(request, plan)
    except KeyboardInterrupt:
        session = untouched(plan)
    _store_failures(session)
    if request.as_json:
        for warning in fault_warnings(session):
            click.echo(warning, err=True)
        click.echo(to_text(run_document(session, version())))
    else:
        click.echo(render_session(session))
    return _exit_code(session, strict=request.strict)


def _once(request: RunRequest, plan: RunPlan, with_hash_seed: int | None = None) -> Session:
    with progress_on(sys.stderr, color="NO_COLOR" not in os.environ) as listener:
        return run_session(
            plan,
            workers=request.workers,
            listener=listener,
            max_failures=request.max_failures,
            with_hash_seed=with_hash_seed,
        )


def _checked_twice(request: RunRequest, plan: RunPlan) -> Session:
    """Run the plan in fresh processes under each hash seed, and keep the first of the two."""
    first = _once(request, plan, _HASH_SEEDS[0])
    if first.interrupted:
        return first
    second = _once(request, plan, _HASH_SEEDS[1])
    if second.interrupted:
        return evolve(first, interrupted=True)
    return evolve(first, determinism=compare(first, second, _HASH_SEEDS))


def _store_failures(session: Session) -> None:
    store = FailureStore()
    try:
        for case, violation in session.violations:
            store.save(StoredFailure(case=case, violation=violation, version=version()))
    except OSError as error:
        click.echo(f"failures could not be stored in {store.directory}: {error}", err=True)
    unreadable = list(store.unreadable())
    if unreadable:
        others = len(unreadable) - 1
        more = f" (and {others} more in {store.directory})" if others else ""
        click.echo(f"{unreadable[0]}{more}", err=True)


def _exit_code(session: Session, *, strict: bool) -> ExitCode:
    if session.interrupted:
        return ExitCode.INTERRUPTED
    if session.determinism is not None and session.determinism.difference:
        return ExitCode.INTERNAL
    if session.verdict is Verdict.FAIL:
        return ExitCode.VIOLATION
    skipped = any(not result.complete for result in session.result.results)
    if strict and (skipped or session.verdict is Verdict.INCONCLUSIVE):
        return ExitCode.INCONCLUSIVE
    return ExitCode.OK
