"""The pytest plugin: fixtures, a marker and options; installed with wavetank.

Nothing of wavetank is imported until a fixture or the marker is used.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final, cast

import pytest

if TYPE_CHECKING:
    from wavetank.reports.pytest_fixtures.tools import CrashTests, Interleavings, StoreSweeps
    from wavetank.scenarios import CrashDisk
    from wavetank.sim import SimFileSystem

__all__ = [
    "crash_disk",
    "crash_test",
    "interleavings",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_runtest_makereport",
    "pytest_terminal_summary",
    "sim_fs",
    "sweep_store",
    "wavetank_seed",
]

_FIXTURES: Final = {
    *("crash_disk", "crash_test", "interleavings"),
    *("sim_fs", "sweep_store", "wavetank_seed"),
}
_TOLD: Final = pytest.StashKey[list[str]]()
_SECTION: Final = "wavetank"
_MARKER: Final = (
    "wavetank(profiles, depth): what power cuts may lose, a name or several of `wavetank list "
    "profiles`; crashes inside recoveries, a number or 'fixpoint'"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("wavetank")
    group.addoption(
        "--wavetank-seed",
        type=int,
        default=0,
        metavar="N",
        help="what the fixture wavetank_seed gives, and sweeps begin with (default: 0)",
    )
    group.addoption(
        "--wavetank-max-images",
        type=int,
        metavar="N",
        help="judge at most N crash images per test and profile (default: all)",
    )
    group.addoption(
        "--wavetank-replay",
        metavar="ID|FILE",
        help="run nothing but a stored failure, by the id that its report names",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and check the options."""
    config.addinivalue_line("markers", _MARKER)
    for option, least in (("wavetank_seed", 0), ("wavetank_max_images", 1)):
        number = config.getoption(option)
        if number is not None and number < least:
            name = option.replace("_", "-")
            raise pytest.UsageError(f"--{name}: expected a number >= {least} but got {number}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Check every marker, and leave nothing but the failure that is to be replayed."""
    try:
        for item in items:
            _check_markers(item)
        name = config.getoption("wavetank_replay")
        if name is not None:
            from wavetank.reports.pytest_fixtures.replay import chosen  # noqa: PLC0415 - only who asks pays

            kept = chosen(name, session, items)
            config.hook.pytest_deselected(items=[item for item in items if item not in kept])
            items[:] = kept
    except pytest.UsageError as error:
        if not hasattr(config, "workerinput"):
            raise
        # A worker of pytest-xdist that raises here takes the whole session down.
        items[:] = [_Refusal.of(session, str(error))]


def _check_markers(item: pytest.Item) -> None:
    for mark in item.iter_markers("wavetank"):
        from wavetank.reports.pytest_fixtures.tools import Asked  # noqa: PLC0415 - only who asks pays

        try:
            Asked.of(mark.args, mark.kwargs)
        except (TypeError, ValueError, LookupError) as error:
            raise pytest.UsageError(f"{item.nodeid}: marker wavetank: {error}") from error


class _Refusal(pytest.Item):
    """A test that fails in the place of all others, since they were asked for wrongly."""

    reason: str

    @classmethod
    def of(cls, session: pytest.Session, reason: str) -> _Refusal:
        item: _Refusal = cls.from_parent(session, name="wavetank")
        item.reason = reason
        return item

    def runtest(self) -> None:
        pytest.fail(self.reason, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failed test how to see it again."""
    report = yield
    if report.when == "call" and report.failed:
        told = item.stash.get(_TOLD, [])
        if not told and _FIXTURES.intersection(getattr(item, "fixturenames", ())):
            seed = item.config.getoption("wavetank_seed")
            told = [f"Reproduce: pytest '{item.nodeid}' --wavetank-seed {seed}"]
        if told:
            report.sections.append((_SECTION, "\n".join(told)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many images were judged again; `wavetank replay` reads it."""
    if terminalreporter.config.getoption("wavetank_replay") is None:
        return
    from wavetank.reports.pytest_fixtures.replay import images_judged_again  # noqa: PLC0415 - only who asks pays

    images = images_judged_again(terminalreporter.stats.get("passed", ()))
    if images:
        terminalreporter.write_line(f"wavetank: {images} images judged again, none was refused")


@pytest.fixture
def wavetank_seed(request: pytest.FixtureRequest) -> int:
    """The number given as ``--wavetank-seed``; 0 by default."""
    return cast("int", request.config.getoption("wavetank_seed"))


@pytest.fixture
def sim_fs() -> SimFileSystem:
    """A simulated filesystem, empty."""
    from wavetank.sim import SimDisk, SimFileSystem  # noqa: PLC0415 - loaded when it is used

    return SimFileSystem(SimDisk())


@pytest.fixture
def crash_disk(request: pytest.FixtureRequest) -> Iterator[CrashDisk]:
    """A `wavetank.scenarios.CrashDisk` under the marker's profile; `posix` by default."""
    from wavetank.reports.pytest_fixtures.tools import asked_of, only_profile  # noqa: PLC0415 - see sim_fs
    from wavetank.scenarios import CrashDisk  # noqa: PLC0415 - see sim_fs

    with CrashDisk(only_profile(asked_of(request.node))) as disk:
        yield disk


@pytest.fixture
def crash_test(request: pytest.FixtureRequest) -> CrashTests:
    """`wavetank.scenarios.crash_test` under the marker's profiles and the options."""
    from wavetank.reports.pytest_fixtures.tools import CrashTests  # noqa: PLC0415 - see sim_fs

    return CrashTests(request.node, request.node.stash.setdefault(_TOLD, []))


@pytest.fixture
def interleavings(request: pytest.FixtureRequest) -> Interleavings:
    """Runs a function under many schedules of its threads, over a simulated disk."""
    from wavetank.reports.pytest_fixtures.tools import Interleavings  # noqa: PLC0415 - see sim_fs

    return Interleavings(request.node)


@pytest.fixture
def sweep_store(request: pytest.FixtureRequest) -> StoreSweeps:
    """Sweeps a scenario on a store that ships, under the marker's profiles and the options."""
    from wavetank.reports.pytest_fixtures.tools import StoreSweeps  # noqa: PLC0415 - see sim_fs

    return StoreSweeps(request.node, request.node.stash.setdefault(_TOLD, []))
