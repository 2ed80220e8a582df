"""What the fixtures of the pytest plugin do, once they are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final, Unpack, cast

import pytest
from attrs import frozen

from wavetank.reports._version import version
from wavetank.reports.pytest_fixtures.replay import JUDGED_AGAIN, NEW_RUN
from wavetank.reports.stored.failures import DIRECTORY, FailureStore, StoredFailure
from wavetank.reports.stored.test_findings import TestFinding
from wavetank.reports.telling.story import render_story
from wavetank.scenarios import (
    CrashFinding,
    CrashReport,
    CrashTestOptions,
    Explored,
    InterleavedDisk,
    RunPlan,
    RunResult,
    crash_test,
    explore_interleavings,
    profile_named,
    run,
)
from wavetank.scenarios.code.user_code import Check, Workload
from wavetank.sim import POSIX, Profile

__all__ = [
    "Asked",
    "BrokenStoreError",
    "CrashTests",
    "Interleavings",
    "StoreSweeps",
    "asked_of",
    "only_profile",
]

_KNOWN: Final = ("profiles", "depth")


class BrokenStoreError(AssertionError):
    """A sweep has found a broken invariant; the message tells the first three."""


@frozen(kw_only=True)
class Asked:
    """What the markers of a test ask for.

    Attributes:
        profiles: names; () if they say nothing.
        depth: crashes inside recoveries; None: until no new image comes.
    """

    profiles: tuple[str, ...] = ()
    depth: int | None = 0

    @classmethod
    def of(cls, arguments: Sequence[object], named: Mapping[str, object]) -> Asked:
        """Return what one marker asks for.

        Raises:
            TypeError: an argument that it does not know, or one without a name.
            ValueError: a profile or depth that there is none of.
        """
        unknown = [*map(repr, arguments), *(name for name in named if name not in _KNOWN)]
        if unknown:
            raise TypeError(f"expected profiles= and depth= but got {', '.join(unknown)}")
        given = named.get("profiles", ())
        names = (given,) if isinstance(given, str) else given
        if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
            raise TypeError(f"profiles: expected a name or a list of names but got {given!r}")
        for name in names:
            profile_named(name)
        depth = named.get("depth", 0)
        if depth == "fixpoint":
            return cls(profiles=tuple(names), depth=None)
        if not isinstance(depth, int) or depth < 0:
            raise ValueError(f"depth: expected a number >= 0 or 'fixpoint' but got {depth!r}")
        return cls(profiles=tuple(names), depth=depth)


def asked_of(node: pytest.Item) -> Asked:
    """Return what the nearest marker of a test asks for."""
    mark = node.get_closest_marker("wavetank")
    return Asked() if mark is None else Asked.of(mark.args, mark.kwargs)


def only_profile(asked: Asked) -> Profile:
    """Return the one profile that is asked for, `posix` by default.

    Raises:
        pytest.UsageError: there are several.
    """
    if len(asked.profiles) > 1:
        names = ", ".join(asked.profiles)
        raise pytest.UsageError(f"crash_disk: expected a marker with one profile but got {names}")
    return profile_named(asked.profiles[0]) if asked.profiles else POSIX


class CrashTests:
    """`crash_test` with the marker's profiles and the options; findings get a line to repeat them.

    Args:
        node: the test.
        told: lines for its report.
    """

    def __init__(self, node: pytest.Item, told: list[str]) -> None:
        self._node = node
        self._told = told

    def __call__(
        self,
        workload: Workload,
        check: Check | None = None,
        *,
        profiles: Sequence[str | Profile] | None = None,
        max_images: int | None = None,
        **options: Unpack[CrashTestOptions],
    ) -> CrashReport:
        """Crash code at every point; arguments, findings and errors as `crash_test`'s.

        Args:
            workload: the code.
            check: looks at what is left.
            profiles: instead of the marker's.
            max_images: instead of the option's.
            options: see `crash_test`.

        Raises:
            CrashFinding: something is lost or damaged.
            CheckError: the check is wrong without any crash.
        """
        __tracebackhide__ = True
        config = self._node.config
        chosen = (
            profiles or asked_of(self._node).profiles or ("process-kill", "lazyfs", "ext4", "posix")
        )
        case = config.stash.get(NEW_RUN, None)
        if case is not None:
            chosen = [each for each in chosen if _name(each) == case.profile] or [case.profile]
        limit = max_images or config.getoption("wavetank_max_images")
        try:
            report = crash_test(workload, check, profiles=chosen, max_images=limit, **options)
        except CrashFinding as found:
            for finding in found.report.findings:
                stored = TestFinding.of(self._node.nodeid, finding)
                stored.save(Path(config.invocation_params.dir))
                self._told.append(
                    f"{finding.kind} under {finding.profile}: {finding.sentence}\n"
                    f"Reproduce: pytest --wavetank-replay {stored.id}"
                )
            raise
        if case is not None and report.outcome == "pass":
            images = sum(verdict.images for verdict in report.verdicts.values())
            # Properties of a test reach the process that xdist's workers report to.
            self._node.user_properties.append((JUDGED_AGAIN, images))
        return report


class Interleavings:
    """Schedules of the threads of a test's own code; the seed is that of the options.

    Args:
        node: the test.
    """

    def __init__(self, node: pytest.Item) -> None:
        self._node = node

    def explore(
        self,
        run: Callable[[InterleavedDisk], object],
        *,
        schedules: int = 200,
        schedule: str | None = None,
        modules: Sequence[ModuleType] | None = None,
    ) -> Explored:
        """Run a function under many schedules; arguments and errors as `explore_interleavings`'.

        Args:
            run: called once for each schedule as ``run(disk)``.
            schedules: how many.
            schedule: runs this one alone, as a failure tells it.
            modules: whose statements are pauses.

        Raises:
            InterleavingFinding: it fails under a schedule.
        """
        __tracebackhide__ = True
        seed = cast("int", self._node.config.getoption("wavetank_seed"))
        return explore_interleavings(
            run, schedules=schedules, schedule=schedule, seed=seed, modules=modules
        )


class StoreSweeps:
    """Sweeps every crash of a scenario on a store that ships.

    Args:
        node: the test.
        told: lines for its report.
    """

    def __init__(self, node: pytest.Item, told: list[str]) -> None:
        self._node = node
        self._told = told

    def __call__(self, scenario: str, *, backend: str = "builtin") -> RunResult:
        """Run a scenario and judge every crash of it.

        Args:
            scenario: its name (`wavetank list scenarios`).
            backend: the store's name (`wavetank list stores`), or ``package.module:factory``.

        Raises:
            BrokenStoreError: an invariant is broken.
            UnknownNameError: there is no such scenario.
            StoreNotFoundError: there is no such store.
        """
        __tracebackhide__ = True
        options, asked = self._node.config, asked_of(self._node)
        seed = cast("int", options.getoption("wavetank_seed"))
        plan = RunPlan(
            scenarios=(scenario,),
            seeds=(seed,),
            profiles=asked.profiles or (POSIX.name,),
            backend=backend,
            max_images=options.getoption("wavetank_max_images"),
            depth=asked.depth,
        )
        result = run(plan)
        failures = FailureStore(Path(options.invocation_params.dir) / DIRECTORY)
        stories = []
        for each in result.results:
            for case, violation in zip(each.cases, each.violations, strict=True):
                failures.save(StoredFailure(case=case, violation=violation, version=version()))
                stories.append(render_story(violation, case, max_images=plan.max_images))
                self._told.append(f"Reproduce: pytest --wavetank-replay {violation.id}")
        if stories:
            raise BrokenStoreError("\n\n".join(stories[:3]))
        return result


def _name(profile: str | Profile) -> str:
    return profile if isinstance(profile, str) else profile.name
