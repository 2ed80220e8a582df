"""Smaller runs: for one case, all whose workload is one step nearer to the simplest.

Fewer steps come first, then simpler values, fewer faults, and default options.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import evolve, fields

from wavetank.engine import FileStorageOptions, PersistentState, StorageFeatureFlags
from wavetank.faults import FaultPlan
from wavetank.scenarios.case import Case
from wavetank.scenarios.raft.steps import (
    AfterFailure,
    Append,
    SaveSnapshot,
    SaveState,
    Step,
    StoreCall,
    Workload,
)
from wavetank.scenarios.raft.workloads.option_choices import with_overrides
from wavetank.scenarios.shrinking.attempt import Candidate
from wavetank.scenarios.shrinking.refitting import is_legal, refitted, states_before

__all__ = ["plainer_workloads", "simpler_step", "smaller_runs", "smaller_starts"]

_COMMAND: Final = b"x"
_NOBODY: Final = PersistentState(1, "")
_SOMEBODY: Final = PersistentState(1, "node-a")


def smaller_runs(case: Case, last_step: int) -> Iterator[Candidate]:
    """Yield cases of smaller workloads, each once, whose crashes are still to be explored.

    Args:
        case: of a finding.
        last_step: the step at which it crashes.
    """
    whole = case.without_finding()
    seen = {case.workload}
    for workload, near in _smaller_workloads(case.workload, last_step):
        if workload not in seen:
            seen.add(workload)
            yield Candidate(evolve(whole, workload=workload), near, case.crash)


def smaller_starts(workload: Workload) -> Iterator[Workload]:
    """Yield a workload with fewer steps, then with simpler ones, before its tasks begin."""
    yield from (each for each, _ in _simpler_runs(workload, len(workload.steps) - 1))


def _smaller_workloads(workload: Workload, last_step: int) -> Iterator[tuple[Workload, int]]:
    """Yield smaller workloads, and where in them the step of the crash is."""
    yield from _simpler_runs(workload, last_step)
    for each in plainer_workloads(workload):
        yield each, last_step


def _simpler_runs(workload: Workload, last_step: int) -> Iterator[tuple[Workload, int]]:
    rules = is_legal if is_legal(workload.steps, workload.options) else _anything
    for steps in _fewer_steps(workload, last_step):
        near = max(0, sum(number <= last_step for number, _ in steps) - 1)
        for each in _fitted(workload, steps, rules):
            yield each, near
    for number, step in enumerate(workload.steps):
        for simpler in simpler_step(step):
            steps = [*enumerate(workload.steps)]
            steps[number] = number, simpler
            for each in _fitted(workload, steps, rules):
                yield each, last_step


_Steps = Sequence[tuple[int, Step]]
"""Steps, each with its number in the workload from which it comes."""


def _fitted(
    workload: Workload,
    steps: _Steps,
    rules: Callable[[Sequence[Step], FileStorageOptions], bool],
) -> Iterator[Workload]:
    """Yield the workload with these steps, if that is legal."""
    states = tuple(states_before(workload.steps, workload.options))
    fitted = refitted([(step, states[number]) for number, step in steps], workload.options)
    if rules(fitted, workload.options):
        before = sum(number < workload.crashes_from for number, _ in steps)
        yield evolve(workload, steps=fitted, crashes_from=before)


def _fewer_steps(workload: Workload, last_step: int) -> Iterator[_Steps]:
    """Yield the steps to the crash, then all but some, then all with two appends as one."""
    steps = list(enumerate(workload.steps))
    if last_step + 1 < len(steps):
        yield steps[: last_step + 1]
    size = len(steps) // 2
    while size:
        for end in range(len(steps), 1, -size):
            yield steps[: max(1, end - size)] + steps[end:]
        size //= 2
    for place in range(1, len(steps) - 1):
        (number, first), (_, second) = steps[place : place + 2]
        if isinstance(first, Append) and isinstance(second, Append):
            both = Append(first.entries + second.entries)
            yield [*steps[:place], (number, both), *steps[place + 2 :]]


def simpler_step(step: Step | StoreCall) -> Iterator[SaveState | Append | SaveSnapshot]:
    """Yield simpler steps of the same kind, the simplest first."""
    if isinstance(step, Append):
        yield from _simpler_appends(step)
    elif isinstance(step, SaveState):
        for state in (_NOBODY, _SOMEBODY):
            if _is_simpler(state, step.state):
                yield SaveState(state)
        if step.state.voted_for not in ("", "node-a"):
            yield SaveState(evolve(step.state, voted_for="node-a"))
    elif isinstance(step, SaveSnapshot):
        size = len(step.data)
        for data in (b"", _COMMAND, step.data[: size // 2]):
            if len(data) < size:
                yield evolve(step, data=data)


def _is_simpler(state: PersistentState, than: PersistentState) -> bool:
    return (state.current_term, state.voted_for != "", len(state.voted_for)) < (
        than.current_term,
        than.voted_for != "",
        len(than.voted_for),
    )


def _simpler_appends(step: Append) -> Iterator[Append]:
    entries = step.entries
    for count in (1, len(entries) // 2, len(entries) - 1):
        if 0 < count < len(entries):
            yield Append(entries[:count])
    longest = max(len(each.command) for each in entries)
    for size in (0, 1, longest // 2):
        if size < longest:
            yield Append(tuple(evolve(each, command=each.command[:size]) for each in entries))
    if any(each.command.strip(_COMMAND) for each in entries):
        plain = (evolve(each, command=_COMMAND * len(each.command)) for each in entries)
        yield Append(tuple(plain))
    if any(each.term > 1 for each in entries):
        yield Append(tuple(evolve(each, term=1) for each in entries))


def plainer_workloads(workload: Workload) -> Iterator[Workload]:
    """Yield the workload with fewer faults, default options, seed 0, and a usual caller."""
    faults = workload.faults.faults
    for place in range(len(faults)):
        yield evolve(workload, faults=FaultPlan((*faults[:place], *faults[place + 1 :])))
    for options in _plainer_options(workload.options):
        kept = tuple(
            each for each in workload.overrides if with_overrides(options, [each]) == options
        )
        yield evolve(workload, options=options, overrides=kept)
    if workload.seed:
        yield evolve(workload, seed=0)
    if workload.after_failure is not AfterFailure.REOPEN:
        yield evolve(workload, after_failure=AfterFailure.REOPEN)


def _plainer_options(options: FileStorageOptions) -> Iterator[FileStorageOptions]:
    """Yield the default options, then those with one less that differs."""
    default = FileStorageOptions()
    if options != default:
        yield default
    for each in fields(FileStorageOptions):
        if each.name != "features" and getattr(options, each.name) != getattr(default, each.name):
            yield evolve(options, **{each.name: getattr(default, each.name)})
    flags = default.features
    for each in fields(StorageFeatureFlags):
        if getattr(options.features, each.name) != getattr(flags, each.name):
            plainer = evolve(options.features, **{each.name: getattr(flags, each.name)})
            yield evolve(options, features=plainer)


def _anything(steps: Sequence[Step], options: FileStorageOptions) -> bool:
    """Allow what the workload allowed itself."""
    del steps, options
    return True
