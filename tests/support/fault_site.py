"""A directory with a few files in it, over which faults are tried."""

from contextlib import AbstractContextManager

import pytest

from wavetank.engine import File, FileSystem, OpenFlag
from wavetank.faults import (
    ClockHooks,
    DiskHooks,
    FaultInjector,
    FaultyFileSystem,
    parse_plan,
)
from wavetank.sim import SerialRuntime

Ground = tuple[FileSystem, str]
"""A filesystem without faults, and an empty directory in it."""

NEW = OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE


def fails_with(number: int) -> AbstractContextManager[object]:
    """Expect a refusal with an errno."""
    return pytest.raises(OSError, match=f"Errno {number}")


class FaultSite:
    """A directory with a file ``f`` of some bytes and an empty directory ``sub``, then faults.

    Args:
        ground: a filesystem without faults, and an empty directory in it.
        plan: what goes wrong, as text.
        content: of the file.
        disk: below the filesystem, if it is simulated.
        clock: of the run.
    """

    def __init__(
        self,
        ground: Ground,
        plan: str,
        content: bytes = b"01234567",
        *,
        disk: DiskHooks | None = None,
        clock: ClockHooks | None = None,
    ) -> None:
        self.pristine, self.directory = ground
        with_content = self.pristine.open(self.path("f"), NEW)
        with_content.pwrite(content, 0)
        with_content.close()
        self.pristine.mkdir(self.path("sub"))
        self.injector = FaultInjector(parse_plan(plan), SerialRuntime().lock())
        self.fs = FaultyFileSystem(self.pristine, self.injector, disk, clock)

    def path(self, name: str) -> str:
        return f"{self.directory}/{name}"

    def open(self, name: str = "f", flags: OpenFlag = NEW) -> File:
        return self.fs.open(self.path(name), flags)

    def content(self, name: str = "f") -> bytes:
        """Return what the filesystem below holds."""
        file = self.pristine.open(self.path(name), OpenFlag.READ)
        content = file.pread(1 << 20, 0)
        file.close()
        return content

    def shown(self, name: str = "f") -> bytes:
        """Return what a program reads."""
        file = self.open(name, OpenFlag.READ)
        try:
            return file.pread(1 << 20, 0)
        finally:
            file.close()

    def names(self) -> list[str]:
        """Return the names that the filesystem below has."""
        return sorted(self.pristine.listdir(self.directory))

    def next_process(self) -> None:
        """Let a new process work on the same filesystem."""
        self.fs = FaultyFileSystem(self.pristine, self.injector)

    @property
    def fired(self) -> list[int]:
        return list(self.injector.fired().values())
