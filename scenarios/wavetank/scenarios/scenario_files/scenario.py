"""`Scenario`: a named way to make workloads from a seed, and how they are to be run.

It is all data, the same in Python, in a TOML file (reading.py, writing.py), and in the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations_with_replacement
from typing import Final, Self

import attrs
from attrs import evolve, frozen

from wavetank.engine import FileStorageOptions
from wavetank.faults import fault_plan
from wavetank.scenarios.cluster.plan import ClusterPlan
from wavetank.scenarios.raft.steps import (
    AfterFailure,
    OpenStore,
    SlowCall,
    TaskPlan,
    TaskStep,
    Workload,
)
from wavetank.scenarios.raft.workloads.exhaustive import Family
from wavetank.scenarios.raft.workloads.option_choices import option_words, with_overrides
from wavetank.scenarios.raft.workloads.scripted_node import ScriptedNode
from wavetank.scenarios.scenario_files.amounts import Script
from wavetank.scenarios.scenario_files.moves import BeginCrashes, ScriptStep, write
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY
from wavetank.sim import Profile

__all__ = ["FIXPOINT", "Scenario", "turned"]

FIXPOINT: Final = "fixpoint"
"""The depth that goes on until no new image comes."""

_OF_FAMILY: Final = "it is one of all that are so short"
_OF_TASKS: Final = "tasks run beside one another behind its steps"
_OF_CLUSTER: Final = "a cluster runs instead of steps"


@frozen(kw_only=True)
class Scenario:
    """What runs, what of it is checked, and how.

    It is the life of a node, unless it has a family, tasks, pairs or a cluster. What begins with
    `store` says how it is run; left as it is, whoever runs it decides.

    Attributes:
        name: what reports call it, and part of the name of each random stream.
        summary: one sentence on what it is like.
        unusual: why it does not end with 20 entries in 8 frames and a snapshot; "" if it does.
        options: which options of the store differ from their defaults: names from
            `OPTION_CHOICES`, or ``option=value``.
        directory: of the store: `STORE_DIRECTORY`, or one below it.
        faults: lines of the fault language: what goes wrong while the steps run.
        after_failure: what the caller does once a fault has let a call fail.
        stream: name of the random stream of the numbers and choices in the steps.
        steps: what a node does once it has opened its store: moves, loops, calls with exact values.
        family: instead of one workload, all that end with so many operations; the steps come first.
        tasks: what runs beside one another, once the steps are done.
        pairs: instead of tasks: calls of which every two run beside each other, each pair as a
            workload of its own, under every schedule that can differ.
        after: what is done when all tasks have ended.
        slow_calls: calls of the filesystem that take long while the tasks run.
        cluster: the cluster that runs instead of steps.
        damaged: instead of being crashed, the files that the steps leave are damaged in so many
            ways, about; None: they are not.
        invariants: which are checked; none named: all.
        contract: promises of the store by name, demanded (True) or given up (False) whatever its
            options and the faults say.
        store: on which it runs.
        profiles: names of profiles: what a crash may lose.
        own_profiles: those among them that do not ship.
        seeds: it runs once with each.
        depth: crashes inside recoveries, one inside the other, or `FIXPOINT`.
        schedules: of its tasks, shared among the profiles.
        cluster_runs: of its cluster, shared among the profiles.
        max_images: distinct images recovered per profile at most.

    >>> from wavetank.scenarios.scenario_files.moves import AppendEntries, Campaign, Repeat
    >>> scenario = Scenario(
    ...     name="two", steps=(Campaign(), Repeat(times=2, steps=(AppendEntries(1),)))
    ... )
    >>> print(*scenario.workload(seed=0).steps, sep="; ")
    open the store; save state: term 1, vote for node-a; append entry 1 of term 1; append entry 2 \
of term 1
    """

    name: str
    summary: str = ""
    unusual: str = ""
    options: tuple[str, ...] = ()
    directory: str = STORE_DIRECTORY
    faults: tuple[str, ...] = ()
    after_failure: AfterFailure = AfterFailure.REOPEN
    stream: str = "choices"
    steps: tuple[ScriptStep, ...] = ()
    family: Family | None = None
    tasks: tuple[TaskPlan, ...] = ()
    pairs: tuple[TaskStep, ...] = ()
    after: tuple[TaskStep, ...] = ()
    slow_calls: tuple[SlowCall, ...] = ()
    cluster: ClusterPlan | None = None
    damaged: int | None = None
    invariants: tuple[str, ...] = ()
    contract: tuple[tuple[str, bool], ...] = ()
    store: str | None = None
    profiles: tuple[str, ...] = ()
    own_profiles: tuple[Profile, ...] = ()
    seeds: tuple[int, ...] = ()
    depth: int | str | None = None
    schedules: int | None = None
    cluster_runs: int | None = None
    max_images: int | None = None

    @property
    def has_tasks(self) -> bool:
        """Whether calls run beside one another."""
        return bool(self.tasks or self.pairs)

    @property
    def is_life(self) -> bool:
        """Whether it is one workload of steps alone, and crashed."""
        return not (self.has_tasks or self.family or self.cluster or self.damaged)

    @property
    def is_of_engine(self) -> bool:
        """Whether it looks at this project's engine, and says nothing about other stores."""
        return self.store is not None or self.damaged is not None

    def workload(self, seed: int) -> Workload:
        """Return the workload for `seed`, always the same for the same seed; the first of many.

        Raises:
            ValueError: the steps ask for what cannot be, such as an entry beyond the last index.
            OptionError: there is no such option, or it does not take that value.
            FaultSyntaxError: a line is no fault.
        """
        return next(self.workloads(seed))

    def workloads(self, seed: int) -> Iterator[Workload]:
        """Yield all workloads; errors are those of `workload`."""
        whole = self._written(seed)
        if self.family is not None:
            yield from self.family.workloads(whole)
        elif self.pairs:
            for one, other in combinations_with_replacement(self.pairs, 2):
                yield evolve(
                    whole,
                    tasks=(
                        TaskPlan(name="one", steps=(one,)),
                        TaskPlan(name="other", steps=(other,)),
                    ),
                )
        else:
            yield whole

    def _written(self, seed: int) -> Workload:
        node = ScriptedNode(self.name, seed)
        script = Script(node, node.stream(self.stream))
        for step in self.steps:
            write(step, script)
        return Workload(
            name=self.name,
            seed=seed,
            steps=() if self.cluster else tuple(node.steps),
            options=with_overrides(FileStorageOptions(), self.options),
            summary=self.summary,
            unusual=self.unusual or self._unusual(),
            directory=self.directory,
            faults=fault_plan(self.faults),
            after_failure=self.after_failure,
            crashes_from=node.crashes_from,
            tasks=self.tasks,
            after=self.after,
            slow_calls=self.slow_calls,
            cluster=self.cluster,
            invariants=self.invariants,
            contract=self.contract,
        )

    def _unusual(self) -> str:
        if self.cluster:
            return _OF_CLUSTER
        if self.family:
            return _OF_FAMILY
        return _OF_TASKS if self.has_tasks else ""

    @classmethod
    def of(cls, workload: Workload) -> Self:
        """Return the scenario of which a workload is the only one, whatever the seed.

        Left out is what a workload was told on the way to a store: which options were overridden,
        whether votes were left out, and which of a cluster's runs it was.

        Raises:
            ValueError: the steps do not begin with the opening of the store.
        """
        steps: list[ScriptStep] = list(workload.steps)
        if workload.cluster is None:
            if not steps or not isinstance(steps[0], OpenStore):
                raise ValueError("steps: expected the opening of the store first")
            if workload.crashes_from:
                steps.insert(workload.crashes_from, BeginCrashes())
            del steps[0]
        plan = workload.cluster
        made = cls(
            name=workload.name,
            summary=workload.summary,
            steps=tuple(steps),
            options=option_words(workload.options),
            directory=workload.directory,
            faults=tuple(map(str, workload.faults.faults)),
            after_failure=workload.after_failure,
            tasks=workload.tasks,
            after=workload.after,
            slow_calls=workload.slow_calls,
            cluster=None if plan is None else evolve(plan, run=0),
            invariants=workload.invariants,
            contract=workload.contract,
            seeds=(workload.seed,),
        )
        return (
            made if workload.unusual == made._unusual() else evolve(made, unusual=workload.unusual)
        )

    def without_settings(self, names: Iterable[str]) -> Self:
        """Return a scenario that leaves some of what begins with `store` to whoever runs it.

        Args:
            names: of attributes.
        """
        defaults = {each.name: each.default for each in attrs.fields(type(self))}
        return evolve(self, **{name: defaults[name] for name in names})


def turned(workload: Workload, options: tuple[str, ...], faults: tuple[str, ...]) -> Workload:
    """Return a workload with overrides of its options, and more faults; those it has count once.

    Raises:
        OptionError: there is no such option, or it does not take that value.
        FaultSyntaxError: a line is no fault.
    """
    return evolve(
        workload,
        options=with_overrides(workload.options, options),
        overrides=options,
        faults=fault_plan((*map(str, workload.faults.faults), *faults)),
    )
