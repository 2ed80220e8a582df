"""Every disk that a power cut inside an open may leave, and inside the open after that."""

from __future__ import annotations

from collections.abc import Iterator

from engine_site import EngineSite

from wavetank.engine import FileStorage, FileStorageOptions
from wavetank.scenarios import Limits
from wavetank.scenarios.exploration.recovery_graph import images_during
from wavetank.sim import (
    POSIX,
    DiskImage,
    PendingOps,
    Profile,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
)

__all__ = ["STORE", "image_of", "images_inside", "left_by_open", "opened"]

STORE = "/store"


def image_of(content: dict[str, bytes]) -> DiskImage:
    """Return a disk whose store directory holds these files, all of it durable."""
    disk = SimDisk()
    filesystem = SimFileSystem(disk)
    filesystem.mkdir(STORE)
    site = EngineSite(filesystem, SerialRuntime, STORE)
    for name, data in content.items():
        site.write(name, data)
    return _shown(SimDisk().image, disk)


def opened(image: DiskImage, options: FileStorageOptions) -> tuple[FileStorage, SimDisk]:
    """Open the store on a new machine with this disk."""
    disk = SimDisk(image)
    return EngineSite(SimFileSystem(disk), SerialRuntime, STORE).open(options), disk


def left_by_open(image: DiskImage, options: FileStorageOptions) -> DiskImage:
    """Return the disk as programs see it once the store is open."""
    _, disk = opened(image, options)
    return _shown(image, disk)


def images_inside(
    image: DiskImage, profile: Profile, options: FileStorageOptions, *, depth: int
) -> Iterator[DiskImage]:
    """Yield each image that a power cut during an open leaves, each once, down to this depth."""
    seen = {image.digest()}
    frontier = [image]
    for _ in range(depth):
        found: list[DiskImage] = []
        for start in frontier:
            for each in _during(start, profile, options):
                if each.digest() not in seen:
                    seen.add(each.digest())
                    found.append(each)
                    yield each
        frontier = found


def _during(image: DiskImage, profile: Profile, options: FileStorageOptions) -> Iterator[DiskImage]:
    _, disk = opened(image, options)
    found, choice = images_during(PendingOps(image, profile), tuple(disk.log), Limits())
    assert not choice.points
    return (each.image for each in found)


def _shown(image: DiskImage, disk: SimDisk) -> DiskImage:
    pending = PendingOps(image, POSIX)
    pending.take_all(disk.log)
    return pending.full
