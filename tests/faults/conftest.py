"""Faults are tried on a simulated disk and on the machine's own filesystem."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tracked_files import TrackedOsFileSystem

from wavetank.engine import FileSystem
from wavetank.sim import SimDisk, SimFileSystem


@pytest.fixture(params=["simulated", "real"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[FileSystem, str]]:
    """A filesystem without faults, and an empty directory in it."""
    if request.param == "real":
        real = TrackedOsFileSystem()
        yield real, str(tmp_path)
        real.close_all()
        return
    fs = SimFileSystem(SimDisk())
    fs.mkdir("/d")
    yield fs, "/d"
