"""A run that was killed goes on from its finished shares, if plan and code are the same."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from attrs import define, evolve
from console import wavetank

from wavetank.reports.runs.unfinished import ResumeError, UnfinishedRun, UnfinishedRuns
from wavetank.scenarios import (
    OwnScenario,
    RunPlan,
    Share,
    ShareOutcome,
    run,
    scenario_from_toml,
)

TOML = """
name = "short-life"
summary = "two appends and a kill"
steps = [{campaign = true}, {append = 2}, {kill = true}, {append = 1}]
"""
PLAN = RunPlan(
    scenarios=("short-life",),
    own_scenarios=(OwnScenario(scenario_from_toml(TOML)),),
    seeds=(0, 1),
    profiles=("ext4",),
    backend="builtin",
    part_images=20,
)


class KilledError(BaseException):
    """Ends a run where it stands, as SIGKILL does."""


@define
class Killing:
    """Keeps so many shares in an unfinished run; the next one ends the run."""

    run: UnfinishedRun
    left: int

    def load(self, share: Share) -> ShareOutcome | None:
        return self.run.load(share)

    def save(self, share: Share, outcome: ShareOutcome) -> None:
        if not self.left:
            raise KilledError
        self.left -= 1
        self.run.save(share, outcome)


def kill_after(shares: int, directory: Path, plan: RunPlan = PLAN) -> None:
    with pytest.raises(KilledError), UnfinishedRuns(directory).begin(plan) as unfinished:
        run(plan, finished=Killing(unfinished, shares))


def resume(directory: Path, plan: RunPlan) -> None:
    with UnfinishedRuns(directory).resume(plan):
        pass


@pytest.mark.parametrize("shares", [0, 1, 3])
def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_been(tmp_path: Path, shares: int) -> None:
    kill_after(shares, tmp_path)
    with UnfinishedRuns(tmp_path).resume(PLAN) as unfinished:
        assert unfinished.count == shares
        assert run(PLAN, finished=Killing(unfinished, 100)) == run(PLAN)
        unfinished.delete()
    assert list(tmp_path.iterdir()) == []


def test_shares_that_are_damaged_run_again(tmp_path: Path) -> None:
    kill_after(3, tmp_path)
    with UnfinishedRuns(tmp_path).resume(PLAN) as unfinished:
        damaged = (b"", b"\0" * 9, b"I1e\n.")
        for path, content in zip(unfinished.path.glob("*.pickle"), damaged, strict=True):
            path.write_bytes(content)
        assert run(PLAN, finished=unfinished) == run(PLAN)


def test_the_newest_run_of_the_plan_is_resumed(tmp_path: Path) -> None:
    for shares, plan in ((3, PLAN), (1, PLAN), (2, evolve(PLAN, seeds=(0,)))):
        kill_after(shares, tmp_path, plan)
    with UnfinishedRuns(tmp_path).resume(PLAN) as unfinished:
        assert unfinished.count == 1


def test_the_oldest_of_many_unfinished_runs_are_deleted(tmp_path: Path) -> None:
    for _ in range(7):
        kill_after(0, tmp_path)
    assert sorted(int(path.name.partition("-")[0]) for path in tmp_path.iterdir()) == [
        3,
        4,
        5,
        6,
        7,
    ]


def test_a_run_that_still_runs_is_not_resumed(tmp_path: Path) -> None:
    runs = UnfinishedRuns(tmp_path)
    with runs.begin(PLAN), pytest.raises(ResumeError, match="still runs"), runs.resume(PLAN):
        pass


def test_another_plan_is_not_resumed(tmp_path: Path) -> None:
    kill_after(1, tmp_path)
    other = evolve(PLAN, seeds=(0,))
    with pytest.raises(ResumeError, match="found none; of other plans there are 1; start the run"):
        resume(tmp_path, other)


def test_other_code_does_not_resume(tmp_path: Path) -> None:
    kill_after(1, tmp_path)
    (about,) = tmp_path.glob("*/run.json")
    begun = json.loads(about.read_text())
    begun["code"] = "wavetank 0.0.1 (0123456789abcdef) on Python 3.11"
    about.write_text(json.dumps(begun))
    with pytest.raises(ResumeError, match=r"0\.0\.1 .*, got wavetank .* start the run without"):
        resume(tmp_path, PLAN)


@pytest.mark.parametrize(
    ("store", "file"), [("command:python driver.py {dir}", "driver.py"), ("own:open", "own.py")]
)
def test_neither_does_another_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, file: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path(file).write_text("first")
    scenario = scenario_from_toml(f"{TOML}store = '{store}'")
    plan = evolve(PLAN, own_scenarios=(OwnScenario(scenario),))
    runs = UnfinishedRuns(tmp_path / "runs")
    with runs.begin(plan):
        pass
    resume(tmp_path / "runs", plan)
    Path(file).write_text("other")
    with pytest.raises(ResumeError, match="expected the code that began the unfinished run"):
        resume(tmp_path / "runs", plan)


def test_the_command_says_that_there_is_nothing_to_resume(tmp_path: Path) -> None:
    done = wavetank("run", "mixed", "--resume", cwd=tmp_path)
    assert done.returncode == 2
    assert "--resume: expected an unfinished run of this plan" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_run_that_ends_leaves_nothing_to_resume(tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text(TOML)
    command = ("run", "short.toml", "--profile", "ext4", "--workers", "1")
    assert wavetank(*command, cwd=tmp_path).returncode == 0
    assert not list((tmp_path / ".wavetank" / "unfinished").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_command_killed_by_the_kernel_is_resumed(tmp_path: Path, workers: str) -> None:
    plan = ("run", "leader-steady", "--profile", "ext4", "--seeds", "0:6", "--workers", workers)
    whole = wavetank(*plan, cwd=tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "wavetank", *plan], cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    kept = tmp_path / ".wavetank" / "unfinished"
    while len(list(kept.glob("*/*.pickle"))) < 2:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = wavetank(*plan, "--resume", cwd=tmp_path)
    assert "shares are done" in done.stderr
    assert digest_line(done.stdout) == digest_line(whole.stdout)


def digest_line(text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith("digest ")]
    return line
