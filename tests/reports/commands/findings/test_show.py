"""`wavetank show`: a stored failure as text, and as a test that fails while the bug is there."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import evolve
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from wavetank import sim
from wavetank.engine import FileStorageOptions, RecoveryMode, StorageFeatureFlags
from wavetank.faults.strategies import fault_plans
from wavetank.reports.cli import cli
from wavetank.reports.stored.failures import FailureStore, StoredFailure
from wavetank.reports.stored.python_values import PythonSource
from wavetank.reports.stored.regressions import regression_test
from wavetank.scenarios import (
    Case,
    CrashPoint,
    OwnProfile,
    RunPlan,
    Violation,
    Workload,
    run,
)
from wavetank.scenarios.strategies import profiles, workloads
from wavetank.sim import Kept, Tear

STORE: Final = "store='raftlock-published'"
FIXED: Final = "store='builtin'"


def wavetank(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


SEQUENTIAL: Final = RunPlan(
    scenarios=("follower-catchup",),
    seeds=(0,),
    profiles=("sequential",),
    backend="raftlock-published",
)


def found_by(plan: RunPlan) -> list[tuple[Case, Violation]]:
    return [
        pair
        for result in run(plan).results
        for pair in zip(result.cases, result.violations, strict=True)
    ]


def test_of(source: str) -> Callable[[], None]:
    names: dict[str, Any] = {}
    exec(source, names)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    found: Callable[[], None] = test
    return found


test_of.__test__ = False  # type: ignore[attr-defined]


def sources(found: list[tuple[Case, Violation]]) -> Iterator[str]:
    for case, violation in found:
        yield regression_test(case, name=violation.id, summary=violation.summary)


def require_that_each_fails_until_it_is_fixed(found: list[tuple[Case, Violation]]) -> None:
    for source in sources(found):
        with pytest.raises(AssertionError):
            test_of(source)()
        assert source.count(STORE) == 1
        test_of(source.replace(STORE, FIXED))()


@pytest.mark.minutes
def test_every_failure_of_a_published_store_becomes_a_test() -> None:
    found = found_by(SEQUENTIAL)
    assert len(found) > 5
    require_that_each_fails_until_it_is_fixed(found)


@pytest.mark.slow
def test_a_crash_inside_a_recovery_becomes_a_test() -> None:
    found = found_by(evolve(SEQUENTIAL, depth=1, max_images=300))
    inner = [each for each in found if each[0].crash and each[0].crash.then]
    killed = [each for each in found if each[0].crash and each[0].crash.killed_at is not None]
    assert inner or killed
    require_that_each_fails_until_it_is_fixed([*inner[:1], *killed[:1]])


def test_a_failure_of_an_own_profile_with_options_and_faults_becomes_a_test() -> None:
    own = OwnProfile(evolve(sim.SEQUENTIAL, name="own", summary="orderly"), "own.toml")
    plan = evolve(
        SEQUENTIAL,
        profiles=("own",),
        own_profiles=(own,),
        option_sets=(("small_chunks",),),
        faults=("stat: stall 1 ms",),
        max_images=40,
    )
    found = found_by(plan)
    source = next(sources(found))
    assert "profile=Profile(name='own', summary='orderly', program_order=True" in source
    assert "faults=parse_plan('stat: stall 1 ms')" in source
    with pytest.raises(AssertionError):
        test_of(source)()


@pytest.mark.slow
def test_a_workload_ends_with_the_step_of_the_crash() -> None:
    (case, violation) = found_by(SEQUENTIAL)[0]
    assert case.crash is not None
    source = regression_test(case, name=violation.id, summary=violation.summary)
    shown = [line for line in source.splitlines() if line.startswith(" " * 12 + "A")]
    told = [step for step in violation.steps if ": append" in step]
    assert len(shown) == len(told)


@pytest.mark.minutes
def test_it_shows_text_and_a_test_that_pytest_runs(tmp_path: Path) -> None:
    arguments = ("wavetank", "run", "follower-catchup", "--profile", "sequential")
    wavetank(*arguments, "--backend", "raftlock-published", directory=tmp_path)
    name = min((tmp_path / ".wavetank" / "failures").iterdir()).stem
    shown = wavetank("wavetank", "show", name, directory=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"FAIL {name}: follower-catchup, seed 0, sequential, ")
    written = wavetank("wavetank", "show", name, "--as", "pytest", directory=tmp_path)
    assert (written.returncode, written.stderr) == (0, "")
    test = tmp_path / "test_regression.py"
    options = ("-q", "-W", "error", "-p", "no:cacheprovider", test.name)
    test.write_text(written.stdout)
    failed = wavetank("pytest", *options, directory=tmp_path)
    assert (failed.returncode, "1 failed" in failed.stdout) == (1, True)
    test.write_text(written.stdout.replace(STORE, FIXED))
    passed = wavetank("pytest", *options, directory=tmp_path)
    assert (passed.returncode, "1 passed" in passed.stdout) == (0, True)


def test_it_shows_a_page_with_the_timeline(tmp_path: Path) -> None:
    (case, violation), *_ = found_by(evolve(SEQUENTIAL, max_images=5))
    FailureStore(tmp_path).save(StoredFailure(case=case, violation=violation, version="0"))
    file = str(tmp_path / f"{violation.id}.json")
    done = CliRunner().invoke(cli, ["show", file, "--as", "html"])
    assert done.exit_code == 0
    assert done.stdout.startswith("<!doctype html>")
    assert done.stdout.endswith("</html>\n")
    assert f'<article class="finding" id="{violation.id}"' in done.stdout
    assert "<strong>Power cut</strong>" in done.stdout


def test_of_a_failure_that_does_not_run_as_it_did_there_is_no_page(tmp_path: Path) -> None:
    (case, violation), *_ = found_by(evolve(SEQUENTIAL, max_images=5))
    other = evolve(case, store="builtin")
    FailureStore(tmp_path).save(StoredFailure(case=other, violation=violation, version="0"))
    file = str(tmp_path / f"{violation.id}.json")
    done = CliRunner().invoke(cli, ["show", file, "--as", "html"])
    assert done.exit_code == 2
    assert f"--as html: {file} does not fail as it did: FIXED, " in done.stderr


def test_a_failure_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    done = wavetank("wavetank", "show", "mixed-00000000", directory=tmp_path)
    assert done.returncode == 2
    assert "failure: expected an id stored in .wavetank/failures or a file" in done.stderr


options = st.builds(
    FileStorageOptions,
    retained_log_size=st.integers(0, 9),
    recovery_mode=st.sampled_from(RecoveryMode),
    features=st.builds(StorageFeatureFlags, index_map=st.booleans(), metrics=st.booleans()),
)
tears = st.builds(Tear, number=st.integers(0, 9), sectors=st.integers(0, 255))
crashes = st.builds(
    CrashPoint,
    position=st.integers(0, 99),
    kept=st.builds(
        Kept, st.lists(st.integers(0, 9)).map(tuple), st.lists(tears).map(tuple), st.booleans()
    ),
    killed_at=st.none() | st.integers(0, 99),
)


@given(value=st.one_of(options, crashes, profiles(), workloads(max_steps=4), fault_plans()))
def test_a_value_is_equal_to_its_source(value: object) -> None:
    source = PythonSource()
    written = source.of(value)
    names: dict[str, Any] = {}
    exec("\n".join(source.imports()), names)
    assert eval(written, names) == value


def test_a_value_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a value of wavetank but got 1j"):
        PythonSource().of(1j)
    assert PythonSource().of(Workload(name="", seed=0, steps=(), options=FileStorageOptions()))
