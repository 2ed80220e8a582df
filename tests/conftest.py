"""Settings for every test: no examples are timed, and a fault that never fires fails its test."""

import sys
import zlib
from collections import Counter
from collections.abc import Iterator

import laws
import pytest

from wavetank.engine import FileSystem
from wavetank.faults import ClockHooks, DiskHooks, FaultInjector, FaultyFileSystem

laws.register()


@pytest.fixture(scope="session", autouse=True)
def _children_share_bytecode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let Pythons that tests start compile nothing twice, also where no bytecode may be written.

    PYTHONDONTWRITEBYTECODE keeps a tree clean; without bytecode most of such a process's time would
    go into compiling this project again. It goes to the tests' temporary directory instead.
    """
    with pytest.MonkeyPatch.context() as patch:
        if sys.dont_write_bytecode:
            patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
            patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.getbasetemp() / "bytecode"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _as_wide_as_needed() -> Iterator[None]:
    """Let tables have all their columns: xdist sets COLUMNS for its workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        yield


@pytest.fixture(autouse=True)
def _faults_fire(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Require that each fault over each filesystem of the test has fired at least once.

    ``@pytest.mark.idle_faults(line, ...)`` names the lines that must never fire; without arguments
    any line may stay idle, for plans drawn at random and for sweeps past the last operation.
    """
    injectors: dict[int, FaultInjector] = {}
    original = FaultyFileSystem.__init__

    def init(
        self: FaultyFileSystem,
        inner: FileSystem,
        injector: FaultInjector,
        disk: DiskHooks | None = None,
        clock: ClockHooks | None = None,
    ) -> None:
        original(self, inner, injector, disk, clock)
        injectors[id(injector)] = injector

    monkeypatch.setattr(FaultyFileSystem, "__init__", init)
    yield
    fired: Counter[str] = Counter()
    for injector in injectors.values():
        fired.update(injector.fired())
    marker = request.node.get_closest_marker("idle_faults")
    if marker is None or marker.args:
        idle = sorted(line for line, count in fired.items() if not count)
        assert idle == sorted(marker.args if marker else ())


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run take a share of the tests, always the same one, so that others take the rest."""
    parser.addoption("--share", metavar="K/N", help="run the K-th of N shares of the tests, from 0")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take the share that is asked for, and put the tests in the order that costs least."""
    share = config.getoption("--share")
    if share:
        number, count = map(int, share.split("/"))
        taken = {each for each in items if zlib.crc32(each.nodeid.encode()) % count == number}
        config.hook.pytest_deselected(items=[each for each in items if each not in taken])
        items[:] = [each for each in items if each in taken]
    _begin_with_searches(items)


def _begin_with_searches(items: list[pytest.Item]) -> None:
    """Begin with the tests that search the whole heap for functions and locks, half on each worker.

    Later in a run the heap is larger, and each search takes longer.
    """
    folders = ("sim/python_files", "scenarios/code")
    searching = [item for item in items if any(each in item.nodeid for each in folders)]
    first = set(searching)
    others = [item for item in items if item not in first]
    middle = len(others) // 2
    items[:] = [*searching[::2], *others[:middle], *searching[1::2], *others[middle:]]
