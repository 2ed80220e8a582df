"""What a run is asked for, as a value and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen
from cattrs import BaseValidationError, transform_error
from cattrs.preconf.json import JsonConverter, make_converter

from wavetank.scenarios.scenario_files.reading import scenario_from_toml
from wavetank.scenarios.scenario_files.scenario import Scenario
from wavetank.scenarios.scenario_files.writing import scenario_to_toml
from wavetank.sim import Profile

__all__ = ["OwnProfile", "OwnScenario", "PlanError", "RunPlan", "plan_from_json", "plan_to_json"]


class PlanError(ValueError):
    """JSON that is no plan."""


@frozen
class OwnProfile:
    """A profile that does not ship.

    Attributes:
        profile: what it promises; its name is none of those that ship.
        file: where it was read from, as a person would type it again.
    """

    profile: Profile
    file: str


@frozen
class OwnScenario:
    """A scenario that does not ship.

    Attributes:
        scenario: what runs; of the settings that it has for itself each one wins over the plan's.
        file: where it was read from, as a person would type it again; "" if from none.
    """

    scenario: Scenario
    file: str = ""


@frozen(kw_only=True)
class RunPlan:
    """What to run; plain values, so that it can travel to another process.

    Attributes:
        scenarios: names from the catalogue or among one's own, in order.
        seeds: each scenario runs once per seed.
        profiles: names of profiles.
        backend: name of the backend.
        max_images: distinct images recovered per scenario and profile at most; None: all.
        depth: crashes inside recoveries, one inside the other; None: until nothing new comes.
        max_after_first: once a scenario and profile has failed, as many images are judged as
            before, and at least this many; 0: none; None: all.
        own_profiles: those among the profiles that do not ship.
        own_scenarios: those among the scenarios that do not ship; of two of one name these win.
        option_sets: sets of engine options that differ from their defaults; each scenario runs once
            with each set, instead of with the workload's own options.
        faults: lines of the fault language; they strike each scenario while its steps run, and the
            recoveries from crashes in it.
        schedules: runs of each scenario whose tasks run beside one another, each under another
            schedule, shared among the profiles.
        cluster_runs: runs of each cluster scenario, shared among the profiles.
        part_images: an exploration is cut into parts of about so many images; None: 1,000, or 400
            with crashes inside recoveries, and one with fewer than 6 such parts is not cut.
    """

    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]
    profiles: tuple[str, ...]
    backend: str
    max_images: int | None = None
    depth: int | None = 0
    max_after_first: int | None = None
    own_profiles: tuple[OwnProfile, ...] = ()
    own_scenarios: tuple[OwnScenario, ...] = ()
    option_sets: tuple[tuple[str, ...], ...] = ((),)
    faults: tuple[str, ...] = ()
    schedules: int = 516
    cluster_runs: int = 36
    part_images: int | None = None


def plan_to_json(plan: RunPlan) -> dict[str, object]:
    """Return a plan as `json.dumps` takes it; what it has by default is left out.

    >>> plan = RunPlan(
    ...     scenarios=("mixed",), seeds=(0,), profiles=("posix",), backend="builtin", depth=1
    ... )
    >>> plan_to_json(plan)["depth"]
    1
    >>> plan_from_json(plan_to_json(plan)) == plan
    True
    """
    members: dict[str, object] = _CONVERTER.unstructure(plan)
    return members


def plan_from_json(members: Mapping[str, object]) -> RunPlan:
    """Return the plan that was written so.

    Raises:
        PlanError: it is none; the message names the places.
    """
    try:
        return _CONVERTER.structure(members, RunPlan)
    except BaseValidationError as error:
        raise PlanError(f"plan: {'; '.join(transform_error(error))}") from error


def _converter() -> JsonConverter:
    converter = make_converter(omit_if_default=True, forbid_extra_keys=True)
    converter.register_unstructure_hook(Scenario, scenario_to_toml)
    converter.register_structure_hook(Scenario, lambda text, _: scenario_from_toml(text))
    return converter


_CONVERTER: Final = _converter()
