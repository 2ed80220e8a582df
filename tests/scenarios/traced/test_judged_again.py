"""A finding is fixed only if something was judged, and accepted."""

from collections.abc import Sequence

from wavetank.scenarios.code.asking.judging import Complaint, Demand
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.scenarios.code.recoveries import CodeRecovery
from wavetank.scenarios.code.report import Restart
from wavetank.scenarios.traced.judged_again import recovery_judged_again
from wavetank.sim import EXT4, Cell, DiskImage, Record, SimDisk, SimFileSystem


class Content:
    """A judge that is content with every image, and would refuse an empty directory."""

    runs = 0
    width = 1

    def try_out(self) -> bool:
        return True

    def prepare(self, images: Sequence[DiskImage], demand: Demand) -> None: ...

    def complaint(self, image: DiskImage, demand: Demand) -> Complaint | None:
        del image, demand
        self.runs += 1
        return None

    def is_steady(self, image: DiskImage, demand: Demand) -> bool:
        del image, demand
        return True

    def differs(self, image: DiskImage, demand: Demand) -> tuple[str, ...]:
        del image, demand
        return ()

    def cells(self, image: DiskImage, demand: Demand) -> tuple[Cell, ...]:
        del image, demand
        return ()


class Recovering:
    """Recoveries that do the same to every image.

    Args:
        log: what.
    """

    runs = 0

    def __init__(self, *log: Record) -> None:
        self._log = log

    def on(self, image: DiskImage, *, first: int = 0, located: bool = False) -> CodeRecovery:
        del image, first, located
        return CodeRecovery(log=self._log)


def verdict(*recovery: Record, killed_at: int) -> str:
    """Return the verdict on a workload that makes a directory and syncs it, and its recovery."""
    disk = SimDisk()
    before = disk.image
    fs = SimFileSystem(disk)
    fs.mkdir("/data")
    fs.fsync_dir("/")
    log = tuple(disk.log)
    recording = CodeRecording(
        directory="/data",
        image=before,
        log=log,
        sites=(),
        tokens=(),
        moments=(0, len(log)),
        end_ns=0,
    )
    again = recovery_judged_again(
        recording,
        Content(),
        Restart(image=before, position=killed_at),
        Demand(acked=0, earliest=0, latest=1),
        recoveries=Recovering(*recovery),
        profile=EXT4,
    )
    return again.verdict.value


def changes() -> tuple[Record, ...]:
    disk = SimDisk()
    SimFileSystem(disk).mkdir("/more")
    return tuple(disk.log)


def test_a_recovery_whose_crashes_are_all_accepted_is_fixed() -> None:
    assert verdict(*changes(), killed_at=0) == "fixed"


def test_a_recovery_that_changes_nothing_after_a_kill_leaves_nothing_to_judge() -> None:
    assert verdict(killed_at=2) == "inconclusive"
