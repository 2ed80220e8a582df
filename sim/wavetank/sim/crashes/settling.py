"""What is on disk after a log of which nothing is left pending, without following it op by op.

Most openings of a store end in syncs that make all they did durable. Which of them do depends on
the log and the profile alone, so it is found out once for each log; what is on disk then is the
image with every op applied.
"""

from __future__ import annotations

from wavetank.sim.crashes._apply import apply
from wavetank.sim.crashes.pending import PendingOps
from wavetank.sim.image import DiskImage
from wavetank.sim.ops import Mark, Record, Sync
from wavetank.sim.profiles.profile import Profile

__all__ = ["Settling"]


class Settling:
    """Knows logs of which nothing is left pending under a profile.

    Args:
        profile: what syncs cover; also an attribute.

    >>> from wavetank.sim import POSIX, ROOT_INODE, SimDisk, SyncKind
    >>> disk = SimDisk()
    >>> inode = disk.create(ROOT_INODE, "f", path="/f")
    >>> before = tuple(disk.log)
    >>> disk.sync(SyncKind.DIRECTORY, ROOT_INODE, path="/")
    >>> settling = Settling(POSIX)
    >>> settling.image_after(disk.image, before) is None
    True
    >>> settling.image_after(disk.image, tuple(disk.log)).files()
    {'/f': b''}
    """

    __slots__ = ("_settles", "profile")

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._settles: dict[tuple[Record, ...], bool] = {}

    def image_after(self, image: DiskImage, log: tuple[Record, ...]) -> DiskImage | None:
        """Return what is durable once `log` has run on a disk where nothing was pending before.

        Args:
            image: the disk before.
            log: what is done to it.

        Returns:
            None if something is left pending, or if a write has failed.
        """
        settles = self._settles.get(log)
        if settles is None:
            settles = self._settles[log] = self._leaves_nothing_pending(log)
        if not settles:
            return None
        return apply(image, [record for record in log if not isinstance(record, (Sync, Mark))])

    def _leaves_nothing_pending(self, log: tuple[Record, ...]) -> bool:
        if any(isinstance(record, Sync) and record.dropped for record in log):
            return False
        # On an empty disk no op writes what is there already, so none is left out.
        pending = PendingOps(DiskImage.empty(), self.profile)
        pending.take_all(log)
        return pending.whole and not pending.everything
