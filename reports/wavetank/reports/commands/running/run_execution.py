"""`wavetank run`, once its options are known: check the names, run, show, store the failures."""

from __future__ import annotations

import os  # noqa: TID251 - NO_COLOR is part of the environment
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Final, TypeVar

import click
from attrs import evolve, field, frozen

from wavetank.engine import FileStorageOptions
from wavetank.reports._version import version
from wavetank.reports.arguments.choices import UnknownChoiceError, choose_all, choose_store
from wavetank.reports.arguments.own_files import is_own_file, read_scenario
from wavetank.reports.arguments.profile_files import choose_profiles
from wavetank.reports.documents import to_text
from wavetank.reports.documents.runs import run_document
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.outputs.event_lines import short_line
from wavetank.reports.outputs.files import write_run_reports
from wavetank.reports.outputs.progress import progress_on
from wavetank.reports.outputs.run_text import (
    fault_warnings,
    first_line,
    render_session,
    screen_width,
)
from wavetank.reports.runs.cluster import Cluster, dask_cluster
from wavetank.reports.runs.code_identity import stores_of
from wavetank.reports.runs.keeping import KeptRun, kept_run, store_failures
from wavetank.reports.runs.session import Session, compare, run_session, untouched
from wavetank.reports.runs.unfinished import UnfinishedRun, UnfinishedRuns
from wavetank.reports.stored.failures import StoredFailure
from wavetank.reports.stored.shrunk_failures import with_first_made_smaller
from wavetank.reports.telling.next_commands import recheck_command
from wavetank.scenarios import (
    ALL_SCENARIOS,
    CONCURRENT_SCENARIOS,
    Event,
    OwnProfile,
    OwnScenario,
    PlainStoreError,
    RunPlan,
    ScenarioFileError,
    StoreAdapter,
    UnfitForClusterError,
    UnschedulableStoreError,
    Verdict,
    default_scenarios,
    fault_plan,
    pairwise,
    require_fit,
    require_schedulable,
    with_overrides,
)
from wavetank.sim import SAFE_PROFILES

__all__ = ["RunRequest", "execute", "plan_of"]

_Value = TypeVar("_Value")
_ALL_PROFILES: Final = "all"
_DEFAULT_PROFILES: Final = ("sequential", "ext4", "posix")
_DEFAULT_STORE: Final = "builtin"
_PAIRWISE: Final = "pairwise"
_HASH_SEEDS: Final = (1, 2)
_SCHEDULES_BY_DEFAULT: Final = 24
_SCHEDULES_WHEN_NAMED: Final = 516
_CLUSTER_RUNS: Final = 36
_SHRINK_BUDGET: Final = 400
"""Images and runs: some seconds."""
_IMAGES_AFTER_FIRST: Final = 500
"""Judged at least, once a scenario and profile has failed."""


@frozen(kw_only=True)
class RunRequest:
    """What a person asked for, names not yet checked; None or () where they left it open.

    Attributes:
        scenarios: names, shell patterns and files.
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
        given: which settings of a scenario were typed, and so win over those in its file.
        shrinks: whether the first finding is made smaller.
        logs_events: show each event in a line of its own.
        executor: ``dask://HOST:PORT``; None: processes here.
        resumes: go on with the newest unfinished run of the same plan.
        reports: files to write, by kind.
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
    given: frozenset[str] = frozenset()
    shrinks: bool = True
    logs_events: bool = False
    executor: str | None = None
    resumes: bool = False
    reports: Mapping[str, Path] = field(factory=dict)


def plan_of(request: RunRequest) -> RunPlan:
    """Return the plan for a request.

    Raises:
        UnknownChoiceError: a name in it does not exist, or is that of a scenario that its store,
            or one with faults, cannot run.
        ScenarioFileError: a file in it holds no scenario, or one whose name is taken.
        ProfileFileError: a file in it holds no profile, or one whose name is taken.
        OptionError: an option that does not exist, or a value that it does not take.
        FaultSyntaxError: a line that is no fault.
    """
    store = choose_store(request.backend or _DEFAULT_STORE)
    faults = fault_plan(request.faults).faults
    chosen = _scenarios(request, store)
    for each in chosen:
        _require_runnable(each, _store_of(each, store), faults=bool(faults))
    profiles = choose_profiles(request.profiles or _DEFAULT_PROFILES, everything=SAFE_PROFILES)
    plan = RunPlan(
        scenarios=tuple(each.scenario.name for each in chosen),
        own_scenarios=tuple(each for each in chosen if each.file),
        seeds=tuple(request.seeds),
        profiles=tuple(each.profile.name for each in profiles),
        backend=store.name,
        max_images=request.max_images,
        depth=None if request.depth is not None and request.depth < 0 else request.depth or 0,
        max_after_first=_images_after_first(request),
        own_profiles=tuple(OwnProfile(each.profile, each.file) for each in profiles if each.file),
        option_sets=_option_sets(request.options),
        faults=tuple(map(str, faults)),
        schedules=request.schedules
        or (_SCHEDULES_WHEN_NAMED if request.scenarios else _SCHEDULES_BY_DEFAULT),
        cluster_runs=request.cluster_runs or _CLUSTER_RUNS,
    )
    return _as_agreed(plan)


def _images_after_first(request: RunRequest) -> int | None:
    if request.keep_going:
        return None
    # Who wants one violation alone waits for no smaller one of its kind.
    return 0 if request.max_failures == 1 else _IMAGES_AFTER_FIRST


def _scenarios(request: RunRequest, store: StoreAdapter) -> tuple[OwnScenario, ...]:
    """Return the scenarios, each once; clusters only if they are named.

    Those with tasks are among the others only for a store that can be scheduled.

    Raises:
        UnknownChoiceError: a name that does not exist.
        ScenarioFileError: a file holds no scenario, or one whose name another one has.
    """
    if not request.scenarios:
        names = default_scenarios(store)
        if request.faults:
            names = tuple(name for name in names if _takes_faults(name))
        return tuple(OwnScenario(ALL_SCENARIOS[name]) for name in names)
    chosen: dict[str, OwnScenario] = {}
    for value in request.scenarios:
        for each in _named(value, request.given):
            name = each.scenario.name
            before = chosen.setdefault(name, each)
            if before.file != each.file:
                expected = f"another name than in {before.file or 'the catalogue'}"
                message = f"{each.file}: name: expected {expected}, got {name!r}"
                raise ScenarioFileError(message, file=each.file, key="name")
    return tuple(chosen.values())


def _takes_faults(name: str) -> bool:
    """Whether faults can strike a scenario that ships: not its tasks, nor the engine's own."""
    return name not in CONCURRENT_SCENARIOS and not ALL_SCENARIOS[name].is_of_engine


def _named(value: str, given: frozenset[str]) -> tuple[OwnScenario, ...]:
    """Return the scenario in a file, or those that a name or pattern stands for."""
    if is_own_file(value):
        return (OwnScenario(read_scenario(value).without_settings(given), value),)
    names = choose_all("scenario", [value], ALL_SCENARIOS)
    return tuple(OwnScenario(ALL_SCENARIOS[name]) for name in names)


def _store_of(own: OwnScenario, default: StoreAdapter) -> StoreAdapter:
    if own.scenario.store is None:
        return default
    try:
        return choose_store(own.scenario.store)
    except UnknownChoiceError as error:
        message = f"{own.file}: store: {str(error).removeprefix('backend: ')}"
        raise ScenarioFileError(message, file=own.file, key="store") from error


def _require_runnable(own: OwnScenario, store: StoreAdapter, *, faults: bool) -> None:
    """Raise `UnknownChoiceError` unless a store, with faults or without, can run a scenario."""
    scenario = own.scenario
    if faults and not (scenario.is_life or scenario.family):
        what = "is a cluster" if scenario.cluster else "has tasks that run beside one another"
        what = "damages files at rest" if scenario.damaged else what
        raise UnknownChoiceError(f"scenario: {scenario.name} {what}, and takes no --fault")
    try:
        if scenario.cluster:
            require_fit(store)
        elif scenario.has_tasks:
            require_schedulable(store)
    except (UnschedulableStoreError, UnfitForClusterError) as error:
        raise UnknownChoiceError(f"scenario: {scenario.name}: {error}") from error
    if faults or scenario.faults:
        try:
            store.require_simulated(faults=True)
        except PlainStoreError as error:
            raise UnknownChoiceError(f"backend: {error}") from error


def _as_agreed(plan: RunPlan) -> RunPlan:
    """Return the plan with what all its scenarios say for themselves, so that reports tell it."""
    said = [each.scenario for each in plan.own_scenarios]
    if not said or len(said) < len(plan.scenarios):
        return plan
    profiles = _agreed([each.profiles for each in said], plan.profiles)
    own = tuple(
        OwnProfile(profile, each.file)
        for each in plan.own_scenarios[:1]
        for profile in each.scenario.own_profiles
        if profile.name in profiles
    )
    return evolve(
        plan,
        backend=_agreed([each.store for each in said], plan.backend),
        profiles=profiles,
        own_profiles=(*plan.own_profiles, *own),
        seeds=_agreed([each.seeds for each in said], plan.seeds),
        max_images=_agreed([each.max_images for each in said], plan.max_images),
    )


def _agreed(said: Sequence[_Value | None], otherwise: _Value) -> _Value:
    """Return what all say; what was asked for otherwise if one says nothing, or something else."""
    first = said[0]
    return first if first and all(each == first for each in said) else otherwise


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
    """Run a plan, show what came of it, and return what to exit with.

    What an error or Ctrl-C ends is shown, kept and reported as far as it came.

    Raises:
        click.FileError: a file of `--report` cannot be written.
        ClusterError: the cluster cannot be used; nothing was run.
        ResumeError: there is no run to resume; nothing was run.
        Exception: what has ended the run.
    """
    with (
        _cluster(request, plan) as cluster,
        _finished(request, plan) as finished,
        kept_run(request.reports) as kept,
    ):
        session = _session(request, plan, kept, _Place(cluster, finished))
        if finished is not None and not session.is_broken_off:
            finished.delete()
        small = None
        if request.shrinks:
            session, small = with_first_made_smaller(session, budget=_SHRINK_BUDGET)
        store_failures(_stored(session, small))
        document = run_document(session, version())
        if request.as_json:
            for warning in fault_warnings(session):
                click.echo(warning, err=True)
            click.echo(to_text(document))
        else:
            found = None if small is None else small.found
            click.echo(render_session(session, found=found, width=screen_width()))
        place = kept.finish(session, document)
    if place is not None and not request.as_json:
        click.echo(f"kept in {place}: {recheck_command(place.name)} runs it again")
    write_run_reports(session, request.reports, version(), kept=place)
    if session.error is not None:
        raise session.error
    return _exit_code(session, strict=request.strict)


@frozen
class _Place:
    """Where a plan runs, and where its finished shares are kept; None: processes here, nowhere."""

    cluster: Cluster | None
    finished: UnfinishedRun | None


def _cluster(request: RunRequest, plan: RunPlan) -> AbstractContextManager[Cluster | None]:
    if request.executor is None:
        return nullcontext()
    return dask_cluster(request.executor, stores_of(plan))


@contextmanager
def _finished(request: RunRequest, plan: RunPlan) -> Iterator[UnfinishedRun | None]:
    """Give what keeps the finished shares of the run: a new one, or the one to resume.

    Raises:
        ResumeError: there is no run to resume.
    """
    runs = UnfinishedRuns()
    with ExitStack() as stack:
        finished = None
        if request.resumes:
            finished = stack.enter_context(runs.resume(plan))
            click.echo(f"resumed from {finished.path}: {finished.count} shares are done", err=True)
        # Of two runs with different hash seeds, neither may know what came of the other.
        elif not request.check_determinism:
            try:
                finished = stack.enter_context(runs.begin(plan))
            except OSError as error:
                click.echo(f"shares cannot be kept in {runs.directory}: {error}", err=True)
        yield finished


def _session(request: RunRequest, plan: RunPlan, kept: KeptRun, place: _Place) -> Session:
    """Run the plan, twice if that was asked for; a run that was interrupted ends early."""

    def on_event(event: Event) -> None:
        kept.take(event)
        if request.logs_events:
            click.echo(short_line(event), err=True)

    try:
        click.echo(first_line(version(), plan), err=request.as_json)
        if not request.check_determinism:
            return _once(request, plan, place, on_event)
        first = _once(request, plan, place, on_event, _HASH_SEEDS[0])
        if first.is_broken_off:
            return first
        second = _once(request, plan, place, None, _HASH_SEEDS[1])
    except KeyboardInterrupt:
        return untouched(plan)
    if second.is_broken_off:
        return evolve(first, interrupted=second.interrupted, error=second.error)
    return evolve(first, determinism=compare(first, second, _HASH_SEEDS))


def _once(
    request: RunRequest,
    plan: RunPlan,
    place: _Place,
    on_event: Callable[[Event], None] | None,
    with_hash_seed: int | None = None,
) -> Session:
    """Run the plan once, with progress unless its events are shown."""
    with progress_on(
        sys.stderr, color="NO_COLOR" not in os.environ, silent=request.logs_events
    ) as listener:
        return run_session(
            plan,
            workers=request.workers,
            listener=listener,
            on_event=on_event,
            max_failures=request.max_failures,
            with_hash_seed=with_hash_seed,
            cluster=place.cluster,
            finished=place.finished,
        )


def _stored(session: Session, small: StoredFailure | None) -> Iterator[StoredFailure]:
    """Yield what is stored of a session; of the finding that was made smaller, that."""
    for case, violation in session.violations:
        if small is not None and violation == small.violation:
            yield small
        else:
            yield StoredFailure(case=case, violation=violation, version=version())


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
