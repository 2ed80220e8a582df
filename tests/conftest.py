"""Settings for every test: no examples are timed, and a fault that never fires fails its test."""

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from wavetank.engine import FileSystem
from wavetank.faults import ClockHooks, DiskHooks, FaultInjector, FaultyFileSystem

# A busy machine must fail no test; how many examples a test takes says how long it may be.
settings.register_profile("wavetank", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wavetank")


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
