"""Filesystem wrappers that forget one thing each: planted bugs without a change to the engine."""

from collections.abc import Callable

from attrs import evolve, frozen

from wavetank.engine import File, FileSystem, Storage
from wavetank.scenarios import BUILTIN, Site, StoreAdapter


class NoDirectorySync:
    """Every sync of the directory `path` is forgotten."""

    def __init__(self, inner: FileSystem, path: str = "/store") -> None:
        self._inner = inner
        self._path = path

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def fsync_dir(self, path: str) -> None:
        if path != self._path:
            self._inner.fsync_dir(path)


class _UnsyncedFile:
    def __init__(self, inner: File) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def fsync(self) -> None:
        self._inner.size()

    def datasync(self) -> None:
        self._inner.size()


class NoFileSync:
    """Every sync of the file `path` is forgotten."""

    def __init__(self, inner: FileSystem, path: str) -> None:
        self._inner = inner
        self._path = path

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def open(self, path: str, flags: object) -> object:
        file = self._inner.open(path, flags)  # type: ignore[arg-type]
        return _UnsyncedFile(file) if path == self._path else file


@frozen
class _Opener:
    wrap: Callable[[FileSystem], object]

    def __call__(self, site: Site) -> Storage:
        healthy = Site(
            fs=self.wrap(site.fs),  # type: ignore[arg-type]
            runtime=site.runtime,
            directory=site.directory,
            options=site.options,
        )
        return BUILTIN.open(healthy)


def builtin_over(wrap: Callable[[FileSystem], object]) -> StoreAdapter:
    """The engine on a filesystem that is not what it says."""
    return evolve(BUILTIN, name="builtin-sick", summary="the engine misled", factory=_Opener(wrap))
