"""Idle crash cycles must not fill the disk."""

from sick_filesystems import builtin_over

from wavetank.engine import FileStorageOptions, FileSystem, OpenFlag
from wavetank.scenarios import OpenStore, Workload, find_store, record
from wavetank.scenarios.raft.crash_cycles import crash_cycle_problems
from wavetank.sim import POSIX

OPENED = Workload(name="opened", seed=0, steps=(OpenStore(),), options=FileStorageOptions())


class GrowsWhenOpened:
    """A planted bug: whoever opens the store leaves a line in a file that nobody ever cuts."""

    def __init__(self, inner: FileSystem) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def listdir(self, path: str) -> object:
        if path == "/store":
            file = self._inner.open(f"{path}/openings", OpenFlag.WRITE | OpenFlag.CREATE)
            file.append(b"opened\n")
            file.fsync()
        return self._inner.listdir(path)


def test_a_store_that_grows_with_every_opening_is_reported() -> None:
    recording = record(OPENED, builtin_over(GrowsWhenOpened))
    (found,) = crash_cycle_problems(recording, POSIX)
    assert (found.problem.invariant, found.problem.kind) == ("O10", "growth when idle")


def test_the_engine_does_not_grow() -> None:
    recording = record(OPENED, find_store("builtin"))
    assert crash_cycle_problems(recording, POSIX) == ()
