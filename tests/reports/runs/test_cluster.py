"""Shares run on a dask cluster; one that cannot be used is told before anything runs."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define, field
from console import wavetank
from distributed import LocalCluster

from wavetank.reports.runs.cluster import ClusterError, dask_cluster, scheduler_address
from wavetank.reports.runs.session import run_session
from wavetank.scenarios import News, RunPlan, RunResult, ScenarioProgress, run

PLAN = RunPlan(
    scenarios=("mixed", "leader-steady"),
    seeds=(0,),
    profiles=("posix",),
    backend="builtin",
    part_images=400,
)


@pytest.mark.parametrize(
    "url",
    ["dask://", "dask://host", "dask://:8786", "dask://host:port", "dask://host:0",
     "dask://host:70000", "tcp://host:8786", "dask://a/b:8786", "dask://user@host:8786"],
)  # fmt: skip
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(ClusterError, match=r"expected dask://HOST:PORT, .* got "):
        scheduler_address(url)


def test_the_command_ends_with_exit_code_2_before_anything_runs(tmp_path: Path) -> None:
    done = wavetank("run", "mixed", "--executor", "dask://host", cwd=tmp_path)
    assert done.returncode == 2
    assert "--executor: expected dask://HOST:PORT" in done.stderr
    done = wavetank("run", "mixed", "--executor", "dask://h:1", "--workers", "2", cwd=tmp_path)
    assert (done.returncode, "got both" in done.stderr) == (2, True)
    assert not list(tmp_path.iterdir())


def test_without_dask_the_line_that_installs_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = wavetank("run", "mixed", "--executor", "dask://h:8786", cwd=tmp_path)
    assert done.returncode == 2
    assert "python -m pip install 'wavetank[dask]'" in done.stderr


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address=":0",  # any free port: two clusters may run at once
        local_directory=str(tmp_path),
    ) as cluster:
        yield cluster


def url_of(cluster: LocalCluster) -> str:
    return str(cluster.scheduler_address).replace("tcp://", "dask://")


@define
class KillsWorker:
    """A listener that kills a worker of a cluster once some parts have been explored."""

    cluster: LocalCluster
    killed: list[int] = field(factory=list)
    _seen: int = 0

    def start(self, plan: RunPlan) -> None: ...

    def handle(self, news: News) -> None:
        self._seen += isinstance(news, ScenarioProgress)
        if self._seen == 3 and not self.killed:
            worker = self.cluster.workers[0]
            self.killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    def finish(self, result: RunResult) -> None: ...


@pytest.mark.slow
def test_a_worker_of_a_cluster_that_is_killed_changes_nothing(cluster: LocalCluster) -> None:
    killer = KillsWorker(cluster)
    with dask_cluster(url_of(cluster), (PLAN.backend,)) as workers:
        assert workers.threads == 2
        session = run_session(PLAN, workers=1, listener=killer, cluster=workers)
    assert session.error is None
    assert len(killer.killed) == 1
    assert session.result == run(PLAN)


@pytest.mark.slow
def test_the_command_runs_on_a_cluster(tmp_path: Path, cluster: LocalCluster) -> None:
    plan = ("run", "leader-steady", "--profile", "ext4", "--seeds", "0:3")
    here = wavetank(*plan, "--workers", "1", cwd=tmp_path)
    there = wavetank(*plan, "--executor", url_of(cluster), cwd=tmp_path)
    assert there.returncode == here.returncode == 0
    assert digest_line(there.stdout) == digest_line(here.stdout)


@pytest.mark.slow
def test_nobody_at_the_address_is_told(tmp_path: Path) -> None:
    done = wavetank("run", "mixed", "--executor", "dask://127.0.0.1:9", cwd=tmp_path)
    assert done.returncode == 2
    assert "expected a dask scheduler at tcp://127.0.0.1:9, but nobody answered" in done.stderr


def digest_line(text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith("digest ")]
    return line
