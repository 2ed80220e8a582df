"""`site`: a place for a store, once on the real filesystem and once on the simulated one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_site import REAL_FILES, EngineSite

from wavetank.engine import OsFileSystem, ThreadRuntime
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem


@pytest.fixture(params=["real", "simulated"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> EngineSite:
    if request.param == "real":
        return EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/store")
    return EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")


@pytest.fixture(autouse=True)
def _close_real_files() -> Iterator[None]:
    """Close what the test left open, as the end of its process would."""
    yield
    while REAL_FILES:
        REAL_FILES.pop().close()
