"""A second opening of a directory that is open is a call that must be refused."""

import pytest

from wavetank.engine import FileStorage, FileStorageOptions, OpenFlag, StorageConfig
from wavetank.scenarios import BUILTIN, OpenStore, Refused, Site, Workload, record
from wavetank.scenarios.raft.steps import OpenAgain
from wavetank.scenarios.raft.workloads.fitted_workload import fitted
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.scenarios.stores.registry import BUILTIN_OS, RAFTLOCK_PUBLISHED
from wavetank.sim import SimFileSystem
from wavetank.sim.disk.filesystem import SimFile

WORKLOAD = Workload(
    name="twice", seed=0, steps=(OpenStore(), Refused(OpenAgain())), options=FileStorageOptions()
)


class Unlocked(SimFileSystem):
    """A filesystem on which anybody gets any lock: that of each file alone."""

    def open(self, path: str, flags: OpenFlag) -> SimFile:
        """Open a file; LOCK is another one each time."""
        if path.endswith("/LOCK"):
            path += str(len(self.disk.log))
        return super().open(path, flags)


def open_unlocked(site: Site) -> FileStorage:
    assert isinstance(site.fs, SimFileSystem)
    fs = Unlocked(site.fs.disk)
    config = StorageConfig(directory=site.directory)
    return FileStorage(config, site.options, fs=fs, runtime=site.runtime)


@pytest.mark.parametrize("store", [BUILTIN, BUILTIN_OS], ids=lambda store: store.name)
def test_the_engine_refuses_a_second_opener(store: StoreAdapter) -> None:
    assert record(WORKLOAD, store).problems == ()


def test_a_store_that_lets_one_in_is_told() -> None:
    store = StoreAdapter(name="open", factory=open_unlocked, capabilities=BUILTIN.capabilities)
    kinds = [
        (live.problem.invariant, live.problem.kind) for live in record(WORKLOAD, store).problems
    ]
    assert kinds[0] == ("O16", "a second opener was let in")


def test_a_store_that_does_not_declare_it_is_not_asked() -> None:
    declared = BUILTIN.capabilities & RAFTLOCK_PUBLISHED.capabilities
    store = StoreAdapter(name="open", factory=open_unlocked, capabilities=declared)
    assert fitted(WORKLOAD, store).steps == (OpenStore(),)
