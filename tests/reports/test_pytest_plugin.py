"""The pytest plugin as its users meet it: pytest in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

PLUGIN: Final = "wavetank.reports.pytest_plugin"

FORGETFUL: Final = """
from pathlib import Path

def workload(directory, ack):
    new = Path(directory, "config.tmp")
    new.write_text("blue")
    new.replace(Path(directory, "config"))
    ack("config")

def check(directory, acked):
    config = Path(directory, "config")
    if acked and not config.exists():
        return "the configuration is gone"
    if config.exists() and config.read_text() != "blue":
        return "the configuration is damaged"
"""

CRASH_TEST: Final = f"""
import pytest
{FORGETFUL}
@pytest.mark.wavetank(profiles=["process-kill", "lazyfs"])
def test_config(crash_test):
    crash_test(workload, check)

def test_other():
    pass
"""

WRITE_AND_SYNC: Final = (
    'f = new.open("w"); f.write("blue"); f.flush(); __import__("os").fsync(f.fileno())'
)

SWEEP: Final = """
import pytest

@pytest.mark.wavetank(profiles="sequential")
def test_store(sweep_store):
    sweep_store("follower-catchup", backend="raftlock-published")
"""


def run(
    directory: Path, source: str, *options: str, plugin: bool = True, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    (directory / "test_it.py").write_text(source)
    where = os.environ.get("PYTHONPATH", "")
    chosen = ["-p", PLUGIN] if plugin else []
    return subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("--strict-markers", "-W", "error", *chosen, *options),
        ],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": where if path is None else f"{path}{os.pathsep}{where}"},
        capture_output=True,
        text=True,
        check=False,
    )


def reproducing(done: subprocess.CompletedProcess[str]) -> str:
    found = re.search(r"Reproduce: pytest --wavetank-replay ([\w-]+)", done.stdout)
    assert found, done.stdout
    return found.group(1)


@pytest.mark.slow
def test_a_finding_carries_its_story_and_is_replayed_by_its_id(tmp_path: Path) -> None:
    done = run(tmp_path, CRASH_TEST)
    assert done.returncode == 1
    assert "DAMAGED: the configuration is damaged" in done.stdout
    assert "- wavetank -" in done.stdout
    assert "damaged under lazyfs: the configuration is damaged" in done.stdout
    failure = reproducing(done)
    again = run(tmp_path, CRASH_TEST, "--wavetank-replay", failure)
    assert "1 failed, 1 deselected" in again.stdout
    assert "process-kill: " not in again.stdout
    synced = CRASH_TEST.replace('new.write_text("blue")', WRITE_AND_SYNC)
    fixed = run(tmp_path, synced, "--wavetank-replay", failure)
    assert (fixed.returncode, "1 passed, 1 deselected" in fixed.stdout) == (0, True)


def wavetank(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wavetank", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_commands_take_the_id_of_a_finding_too(tmp_path: Path) -> None:
    failure = reproducing(run(tmp_path, CRASH_TEST))
    shown = wavetank(tmp_path, "show", failure)
    assert shown.stdout.startswith(f"{failure}: test_it.py::test_config\n\nDAMAGED: ")
    assert "  cure     fsync of /simulated/config.tmp" in shown.stdout
    replayed = wavetank(tmp_path, "replay", failure)
    assert (replayed.returncode, replayed.stdout.partition(" ")[0]) == (1, "FAILED")
    a_test = wavetank(tmp_path, "show", failure, "--as", "pytest")
    assert (a_test.returncode, "run that: pytest 'test_it.py::test_config'" in a_test.stderr) == (
        2,
        True,
    )
    synced = CRASH_TEST.replace('new.write_text("blue")', WRITE_AND_SYNC)
    (tmp_path / "test_it.py").write_text(synced)
    fixed = wavetank(tmp_path, "replay", failure)
    assert (fixed.returncode, fixed.stdout.partition(" ")[0]) == (0, "FIXED")
    assert re.search(r"and passed: [1-9]\d* images judged$", fixed.stdout.strip())
    (tmp_path / "test_it.py").write_text(CRASH_TEST.replace("check(directory, acked)", "check()"))
    broken = wavetank(tmp_path, "replay", failure)
    assert (broken.returncode, broken.stdout.partition(" ")[0]) == (3, "ERROR")


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["skip", "xfail"])
def test_a_finding_whose_test_judges_nothing_is_not_fixed(tmp_path: Path, mark: str) -> None:
    failure = reproducing(run(tmp_path, CRASH_TEST))
    marked = CRASH_TEST.replace("def test_config", f"@pytest.mark.{mark}\ndef test_config")
    (tmp_path / "test_it.py").write_text(f"import pytest\n{marked}")
    done = wavetank(tmp_path, "replay", failure)
    assert (done.returncode, done.stdout.partition(" ")[0]) == (4, "INCONCLUSIVE")


@pytest.mark.slow
def test_a_finding_is_the_same_on_a_worker(tmp_path: Path) -> None:
    alone, spread = run(tmp_path, CRASH_TEST), run(tmp_path, CRASH_TEST, "-n", "2")
    assert spread.returncode == 1
    assert reproducing(alone) == reproducing(spread)
    again = run(tmp_path, CRASH_TEST, "-n", "1", "--wavetank-replay", reproducing(alone))
    assert "1 failed" in again.stdout


@pytest.mark.slow
def test_a_sweep_of_a_store_is_stored_for_both_ways_to_replay(tmp_path: Path) -> None:
    done = run(tmp_path, SWEEP)
    assert done.returncode == 1
    assert "promised  O1: " in done.stdout
    failure = reproducing(done)
    again = run(tmp_path, "def test_other(): pass", "--wavetank-replay", failure)
    assert f"wavetank-replay[{failure}]" in again.stdout
    assert "1 failed, 1 deselected" in again.stdout
    replayed = subprocess.run(
        [sys.executable, "-m", "wavetank", "replay", failure],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (replayed.returncode, replayed.stdout.startswith("FAILED ")) == (1, True)


def test_a_sweep_of_the_engine_passes_and_takes_the_options(tmp_path: Path) -> None:
    source = """
import pytest

@pytest.mark.wavetank(profiles="lazyfs", depth=1)
def test_store(sweep_store, wavetank_seed):
    (result,) = sweep_store("follower-catchup").results
    assert (result.seed, result.profile, wavetank_seed) == (3, "lazyfs", 3)
    assert result.unjudged
"""
    done = run(tmp_path, source, "--wavetank-seed", "3", "--wavetank-max-images", "20")
    assert done.returncode == 0, done.stdout


def test_disks_are_empty_and_under_the_markers_profile(tmp_path: Path) -> None:
    source = """
import pytest
from wavetank.engine import OpenFlag

def test_fs(sim_fs):
    assert list(sim_fs.listdir("/")) == []

@pytest.mark.wavetank(profiles="process-kill")
def test_kept(crash_disk):
    crash_disk.fs.open(f"{crash_disk.directory}/f", OpenFlag.WRITE | OpenFlag.CREATE).close()
    crash_disk.crash()
    assert list(crash_disk.fs.listdir(crash_disk.directory)) == ["f"]

def test_lost(crash_disk):
    crash_disk.fs.open(f"{crash_disk.directory}/f", OpenFlag.WRITE | OpenFlag.CREATE).close()
    crash_disk.crash()
    assert list(crash_disk.fs.listdir(crash_disk.directory)) == ["f"]
"""
    done = run(tmp_path, source)
    assert "1 failed, 2 passed" in done.stdout
    assert "Reproduce: pytest 'test_it.py::test_lost' --wavetank-seed 0" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("marker", "reason"),
    [
        ("profil='posix'", "expected profiles= and depth= but got profil"),
        ("'posix'", "expected profiles= and depth= but got 'posix'"),
        ("profiles='posiks'", "posiks"),
        ("profiles=3", "profiles: expected a name or a list of names but got 3"),
        ("depth=-1", "depth: expected a number >= 0 or 'fixpoint' but got -1"),
    ],
)
def test_a_marker_that_says_nothing_is_a_usage_error(
    tmp_path: Path, marker: str, reason: str
) -> None:
    source = f"import pytest\n@pytest.mark.wavetank({marker})\ndef test_it(): pass\n"
    done = run(tmp_path, source)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert reason in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("marker", "options"), [("profil='posix'", ()), ("", ("--wavetank-replay", "nothing"))]
)
def test_what_makes_no_sense_is_told_by_a_worker_too(
    tmp_path: Path, marker: str, options: tuple[str, ...]
) -> None:
    source = f"import pytest\n@pytest.mark.wavetank({marker})\ndef test_it(): pass\n"
    done = run(tmp_path, source, "-n", "2", *options)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "but got profil" in done.stdout if marker else "expected an id stored" in done.stdout
    assert "1 failed" in done.stdout


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--wavetank-seed", "-1"), "--wavetank-seed: expected a number >= 0 but got -1"),
        (("--wavetank-max-images", "0"), "--wavetank-max-images: expected a number >= 1 but got 0"),
        (("--wavetank-replay", "nothing"), "expected an id stored in"),
    ],
)
def test_an_option_that_makes_no_sense_is_a_usage_error(
    tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    done = run(tmp_path, "def test_it(): pass", *options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert reason in done.stderr


@pytest.mark.slow
def test_a_test_that_is_gone_cannot_be_replayed(tmp_path: Path) -> None:
    failure = reproducing(run(tmp_path, CRASH_TEST))
    done = run(tmp_path, "def test_it(): pass", "--wavetank-replay", failure)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "expected the test test_it.py::test_config among those" in done.stderr


def test_who_uses_nothing_of_it_loads_nothing_of_it(tmp_path: Path) -> None:
    source = """
import sys

def test_it():
    packages = ("wavetank.engine", "wavetank.sim", "wavetank.scenarios", "attrs", "hypothesis")
    assert [name for name in packages if name in sys.modules] == []
"""
    done = run(tmp_path, source, "-p", "no:hypothesispytest")
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_an_entry_point_and_an_option_register_it_once(tmp_path: Path) -> None:
    information = tmp_path / "site" / "wavetank_twin-1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: wavetank-twin\nVersion: 1\n"
    )
    (information / "entry_points.txt").write_text(f"[pytest11]\n{PLUGIN} = {PLUGIN}\n")
    source = "def test_it(wavetank_seed): assert wavetank_seed == 0"
    for plugin in (True, False):
        done = run(tmp_path, source, plugin=plugin, path=tmp_path / "site")
        assert done.returncode == 0, done.stdout + done.stderr


RACE: Final = """
class Counter:
    def __init__(self, directory):
        self.path = directory / "count"

    def increment(self):
        number = int(self.path.read_text()) if self.path.exists() else 0
        self.path.write_text(str(number + 1))

    def value(self):
        return int(self.path.read_text())

def test_counter(interleavings):
    def run(disk):
        counter = Counter(disk.directory)
        disk.together(counter.increment, counter.increment)
        assert counter.value() == 2

    interleavings.explore(run, schedules=50)
"""


@pytest.mark.slow
def test_interleavings_tell_the_schedule_that_fails(tmp_path: Path) -> None:
    told = run(tmp_path, RACE)
    assert told.returncode == 1
    schedule = re.search(r"schedule='(.*)'", told.stdout)
    failure = re.search(r" fails: .*", told.stdout)
    assert schedule is not None
    assert failure is not None
    assert re.search(r"step [0-9]+: from '0 increment' to '1 increment' at test_it.py", told.stdout)
    again = RACE.replace("schedules=50", f"schedule='{schedule[1]}'")
    assert f"schedule 1{failure[0]}" in run(tmp_path, again).stdout
    elsewhere = RACE.replace("schedules=50", "schedule='calls'")
    assert run(tmp_path, elsewhere).returncode == 0
