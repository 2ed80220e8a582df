"""Planted bugs in the publication of snapshots: N2, N4."""

from __future__ import annotations

from typing import Final

from wavetank.engine import File, FileSystem, OpenFlag
from wavetank.scenarios.mutants.bug_families.small_steps import (
    NO_COMPACTION,
    append,
    snapshot,
    workload,
)
from wavetank.scenarios.mutants.mutant_run import Trial
from wavetank.scenarios.mutants.planted_bug import PlantedBug, by_deceit
from wavetank.scenarios.stores.adapter import Site
from wavetank.scenarios.stores.interposed_filesystem import Deceit, call_site

__all__ = ["SNAPSHOT_BUGS"]

_MARKER: Final = "/snapshot.marker"
_UNREAD_MARKER: Final = "/snapshot.commit"
_UNPUBLISHED: Final = "snapshot.dat.tmp"


def _unread_marker(site: Site) -> Deceit:
    """Let the marker be written under another name than the one that recovery looks for."""
    written = site.directory + _UNREAD_MARKER

    def open_file(fs: FileSystem, path: str, flags: OpenFlag) -> File:
        return fs.open(written if path.endswith(_MARKER) else path, flags)

    def unlink(fs: FileSystem, path: str) -> None:
        fs.unlink(written if path.endswith(_MARKER) else path)

    return Deceit(open=open_file, unlink=unlink)


def _without_commit_point(site: Site) -> Deceit:
    """Let the marker never be made, and the sync that makes it the commit point never come."""

    def open_file(fs: FileSystem, path: str, flags: OpenFlag) -> File:
        if path.endswith(_MARKER):
            return fs.open(f"{site.directory}/LOCK", OpenFlag.READ)
        return fs.open(path, flags)

    def unlink(fs: FileSystem, path: str) -> None:
        if not path.endswith(_MARKER):
            fs.unlink(path)

    def syncs(path: str) -> bool:
        commits = path == site.directory and call_site().operation == "save_snapshot"
        return not (commits and _UNPUBLISHED in site.fs.listdir(path))

    return Deceit(open=open_file, unlink=unlink, syncs=syncs)


_TWO_SNAPSHOTS: Final = Trial(
    workload=workload(
        "two-snapshots", append(1, 2), snapshot(1), snapshot(2), options=NO_COMPACTION
    ),
    from_step=1,
)

SNAPSHOT_BUGS: Final[tuple[PlantedBug, ...]] = (
    by_deceit(
        "N2",
        "the marker of a committed snapshot has another name than the one recovery looks for",
        "data of one snapshot under the metadata of another",
        _unread_marker,
        _TWO_SNAPSHOTS,
    ),
    by_deceit(
        "N4",
        "data and metadata of a snapshot are published by two renames without a commit point",
        "mixed generations",
        _without_commit_point,
        _TWO_SNAPSHOTS,
    ),
)
"""In the order of the list of planted bugs."""
