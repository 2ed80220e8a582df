"""Stores that are wrong in one way, found by name: ``wrong_stores:forgetful_recovery``."""

from typing import cast

from attrs import evolve

from wavetank.engine import FileSystem, Storage
from wavetank.scenarios import BUILTIN, Site

__all__ = [
    "ForgetfulRecovery",
    "NoDirectorySyncOnceMade",
    "forgetful_recovery",
    "unsynced_names",
]


class ForgetfulRecovery:
    """Removes one copy of the state when its first look finds the marker of an unclean end."""

    def __init__(self, inner: FileSystem) -> None:
        self._inner = inner
        self._has_looked = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def listdir(self, path: str) -> object:
        names = list(self._inner.listdir(path))
        for name in ("state.json", "state.copy.json"):
            if not self._has_looked and "recovery.marker" in names and name in names:
                self._inner.unlink(f"{path}/{name}")
                names.remove(name)
                break
        self._has_looked = True
        return names


class NoDirectorySyncOnceMade:
    """From the day the store is complete, makes no sync of its directory."""

    def __init__(self, inner: FileSystem) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def fsync_dir(self, path: str) -> None:
        if path != "/store" or "metadata.json" not in self._inner.listdir(path):
            self._inner.fsync_dir(path)


def forgetful_recovery(site: Site) -> Storage:
    """Open the engine with a recovery that a second crash breaks."""
    return BUILTIN.open(evolve(site, fs=cast("FileSystem", ForgetfulRecovery(site.fs))))


def unsynced_names(site: Site) -> Storage:
    """Open the engine without the syncs of its directory."""
    return BUILTIN.open(evolve(site, fs=cast("FileSystem", NoDirectorySyncOnceMade(site.fs))))


for _factory in (forgetful_recovery, unsynced_names):
    _factory.capabilities = BUILTIN.capabilities  # type: ignore[attr-defined]
