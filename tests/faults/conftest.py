"""Where faults are tried: on a simulated disk and on the machine's own filesystem."""

from pathlib import Path

import pytest

from wavetank.engine import FileSystem, OsFileSystem
from wavetank.sim import SimDisk, SimFileSystem


@pytest.fixture(params=["simulated", "real"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[FileSystem, str]:
    """A filesystem without faults, and an empty directory in it."""
    if request.param == "real":
        return OsFileSystem(), str(tmp_path)
    fs = SimFileSystem(SimDisk())
    fs.mkdir("/d")
    return fs, "/d"
