"""Inputs of the fuzzer: cases without a finding, drawn anew or changed from others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random  # noqa: TID251 - seeded by the caller
from typing import Final, TypeAlias

from attrs import evolve, frozen

from wavetank.engine import FileStorageOptions, PersistentState
from wavetank.scenarios.case import AtRest, Case
from wavetank.scenarios.concurrency.concurrent_run import is_schedulable
from wavetank.scenarios.fuzzing.drawing import draw_steps
from wavetank.scenarios.fuzzing.fault_lines import draw_faults
from wavetank.scenarios.fuzzing.swarm import (
    Swarm,
    by_chance,
    draw_layouts,
    draw_swarm,
    options_of,
)
from wavetank.scenarios.fuzzing.task_drawing import draw_tasks
from wavetank.scenarios.raft.steps import (
    AfterFailure,
    Inspect,
    KillProcess,
    OpenStore,
    Reopen,
    SaveState,
    Step,
    Workload,
)
from wavetank.scenarios.raft.workloads.boundary_values import LARGEST
from wavetank.scenarios.raft.workloads.fitted_workload import fitted
from wavetank.scenarios.runs.plan import OwnProfile
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY, StoreAdapter
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.scenarios.stores.registry import BUILTIN
from wavetank.sim import POSIX

__all__ = ["FUZZ", "InputDrawer"]

FUZZ: Final = "fuzz"
"""The name of every workload that was drawn."""

_BESIDE: Final = 0.15
_DAMAGED: Final = 0.15
_UNRULED: Final = frozenset(
    {"in_place_writes", "no_sync_on_append", "free_compaction", "no_index_map"}
    | {"conservative", "aggressive"}
)
"""Overrides for which the rules of damage do not say what is right."""
_ELECTED: Final = (OpenStore(), SaveState(PersistentState(1, "node-a")))
"""What a node does before it has entries: without it, the log speaks of terms never saved."""
_LIMIT: Final = "max_entry_size="
_RETRIES: Final = 0.6
_WHOLE: Final = 0.35
_DEPTHS: Final = (0, 0, 0, 0, 0, 0, 0, 1, 1, 2)
_LAST: Final = 3
_STATE_KEPT: Final = 0.8

_Change: TypeAlias = Callable[["InputDrawer", Random, Case], Case]


@frozen(kw_only=True)
class InputDrawer:
    """Draws inputs for one store.

    Attributes:
        store: runs them.
        profiles: what crashes may lose, one of these.
        names: of the store's files.
        largest: no term and no index is higher.
        deep: whether the store makes the directories above its own.
    """

    store: StoreAdapter
    profiles: tuple[OwnProfile, ...]
    names: tuple[str, ...]
    largest: int = LARGEST
    deep: bool = True

    @property
    def has_faults(self) -> bool:
        """Whether the store's filesystem can be made to fail."""
        return self.store.has(Capability.SITE_FILESYSTEM)

    def new(self, random: Random, number: int) -> Case:
        """Return an input that is drawn anew.

        Args:
            random: the stream that everything is drawn from.
            number: of the run.
        """
        swarm = self.swarm(random)
        options, own = options_of(swarm.overrides), random.choice(self.profiles)
        if is_schedulable(self.store) and by_chance(random, _BESIDE):
            return self._case(random, _with_tasks(random, swarm, options, number), own)
        if self.store.name == BUILTIN.name and by_chance(random, _DAMAGED):
            return self._damaged(random, swarm, number)
        workload = Workload(
            name=FUZZ,
            seed=number,
            steps=draw_steps(random, swarm, options, own.profile),
            options=options,
            overrides=swarm.overrides,
            faults=draw_faults(random, swarm.faults, self.names),
            after_failure=_after_failure(random),
            directory=swarm.directory,
        )
        return self._case(random, workload, own)

    def swarm(self, random: Random) -> Swarm:
        """Return a swarm for the store."""
        drawn = draw_swarm(random, faults=self.has_faults)
        directory = drawn.directory if self.deep else STORE_DIRECTORY
        overrides = drawn.overrides
        if self.store.name != BUILTIN.name:
            # No store declares that it refuses what this option forbids.
            overrides = tuple(each for each in overrides if not each.startswith(_LIMIT))
        return evolve(drawn, largest=self.largest, directory=directory, overrides=overrides)

    def changed(self, random: Random, case: Case, number: int) -> Case:
        """Return an input that differs from another in one or two things.

        Args:
            random: the stream that everything is drawn from.
            case: the other.
            number: of the run.
        """
        changed = evolve(case, workload=evolve(case.workload, seed=number))
        if case.workload.tasks:
            # Another seed is another choice of schedules.
            return _new_profile(self, random, changed)
        if case.at_rest is not None:
            # A place of damage means nothing in another life.
            return self._damaged(random, self.swarm(random), number)
        for _ in range(random.choice((1, 1, 2))):
            changed = random.choice(_CHANGES)(self, random, changed)
        return evolve(changed, workload=fitted(changed.workload, self.store))

    def _damaged(self, random: Random, swarm: Swarm, number: int) -> Case:
        """Return a life of the engine whose files are damaged in the end."""
        overrides = tuple(filter(_is_ruled, swarm.overrides))
        options = options_of(overrides)
        healthy = evolve(
            swarm,
            operations=tuple(
                each for each in swarm.operations if each not in {"inspect", "power cut"}
            ),
        )
        workload = Workload(
            name=FUZZ,
            seed=number,
            steps=tuple(map(_as_ruled, draw_steps(random, healthy, options, POSIX, _ELECTED))),
            options=options,
            overrides=overrides,
        )
        at_rest = AtRest(closed=by_chance(random, 1 / 2))
        return evolve(self._case(random, workload, self.profiles[0]), depth=0, at_rest=at_rest)

    def _case(self, random: Random, workload: Workload, own: OwnProfile) -> Case:
        workload = fitted(workload, self.store)
        if not workload.tasks:
            workload = evolve(workload, crashes_from=_crashes_from(random, workload.steps))
        return Case(
            workload=workload,
            store=self.store.name,
            profile=own.profile,
            profile_file=own.file,
            depth=random.choice(_DEPTHS),
        )


def _with_tasks(random: Random, swarm: Swarm, options: FileStorageOptions, number: int) -> Workload:
    drawn = draw_tasks(random, swarm, options)
    return Workload(
        name=FUZZ,
        seed=number,
        steps=drawn.steps,
        options=options,
        overrides=swarm.overrides,
        directory=swarm.directory,
        tasks=drawn.tasks,
        after=drawn.after,
        slow_calls=drawn.slow_calls,
    )


def _after_failure(random: Random) -> AfterFailure:
    return AfterFailure.RETRY if by_chance(random, _RETRIES) else AfterFailure.REOPEN


def _crashes_from(random: Random, steps: Sequence[Step]) -> int:
    """Return where crashes begin: at the first step, or at one of the last."""
    if by_chance(random, _WHOLE) or len(steps) <= _LAST:
        return 0
    return random.randrange(max(1, len(steps) - 2 * _LAST), len(steps))


def _extend(drawer: InputDrawer, random: Random, case: Case) -> Case:
    """Let a life go on otherwise behind some of its steps."""
    workload = case.workload
    kept = workload.steps[: random.randint(1, len(workload.steps))]
    swarm = evolve(drawer.swarm(random), steps=random.randint(1, 7))
    steps = draw_steps(random, swarm, workload.options, case.profile, kept)
    longer = evolve(workload, steps=steps)
    return evolve(case, workload=evolve(longer, crashes_from=_crashes_from(random, steps)))


def _new_faults(drawer: InputDrawer, random: Random, case: Case) -> Case:
    if not drawer.has_faults:
        return _new_profile(drawer, random, case)
    families = drawer.swarm(random).faults
    faults = draw_faults(random, families, drawer.names)
    workload = evolve(case.workload, faults=faults, after_failure=_after_failure(random))
    return evolve(case, workload=workload)


def _new_profile(drawer: InputDrawer, random: Random, case: Case) -> Case:
    own = random.choice(drawer.profiles)
    return evolve(case, profile=own.profile, profile_file=own.file, depth=random.choice(_DEPTHS))


def _new_crashes(_: InputDrawer, random: Random, case: Case) -> Case:
    begin = _crashes_from(random, case.workload.steps)
    return evolve(case, workload=evolve(case.workload, crashes_from=begin))


def _new_layout(_: InputDrawer, random: Random, case: Case) -> Case:
    """Turn options that steps do not depend on."""
    overrides = draw_layouts(random, case.workload.overrides)
    workload = evolve(case.workload, overrides=overrides, options=options_of(overrides))
    return evolve(case, workload=workload)


def _new_process(_: InputDrawer, random: Random, case: Case) -> Case:
    """Put in a step that changes nothing of what the store holds."""
    steps = list(case.workload.steps)
    for step in random.choices(_IDLE, k=random.choice((1, 1, 2))):
        steps.insert(random.randint(1, len(steps)), step)
    return evolve(case, workload=evolve(case.workload, steps=tuple(steps)))


_IDLE: Final = (Reopen(), KillProcess(), KillProcess(), Inspect())
"""Steps that change nothing of what the store holds."""

_CHANGES: Final[tuple[_Change, ...]] = (
    _extend,
    _extend,
    _extend,
    _new_faults,
    _new_faults,
    _new_faults,
    _new_profile,
    _new_crashes,
    _new_layout,
    _new_process,
)


def _is_ruled(override: str) -> bool:
    """Whether the rules of damage hold with an option: none speaks of space reserved by number."""
    return override not in _UNRULED and not override.startswith("preallocate")


def _as_ruled(step: Step) -> Step:
    if isinstance(step, (Reopen, KillProcess)):
        return evolve(step, overrides=tuple(filter(_is_ruled, step.overrides)))
    return step
