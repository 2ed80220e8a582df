"""What a recovery does to an image is recorded once for each image, and told where it cannot be."""

import shutil
from collections.abc import Iterator

import pytest
from traced.images import data_image

from wavetank.scenarios.traced import CheckCommand, RecoveryError, TracedRecoveries
from wavetank.sim import PROCESS_KILL, DiskImage, PendingOps, Sync
from wavetank.sim.traces import record

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="needs strace: apt-get install strace"
)

IMAGE = data_image(new=b"12", old=b"1")


def recoveries_by(command: str, limit_s: float) -> TracedRecoveries:
    return TracedRecoveries(
        CheckCommand.of(command, name="recovery"),
        "/data",
        recorder=record,
        located=record,
        limit_s=limit_s,
    )


@pytest.fixture
def recoveries() -> Iterator[TracedRecoveries]:
    command = """sh -c 'cd $1; test -e old || exit 3; test -e new || exit 0
        mv new old; sync old; touch done' - {dir}"""
    with recoveries_by(command, limit_s=60.0) as made:
        yield made


def after(image: DiskImage, recoveries: TracedRecoveries, *, first: int = 0) -> DiskImage:
    pending = PendingOps(image, PROCESS_KILL)
    pending.take_all(recoveries.on(image, first=first).log)
    return pending.full


def test_the_log_goes_on_from_the_image(recoveries: TracedRecoveries) -> None:
    assert after(IMAGE, recoveries).files() == {"/data/done": b"", "/data/old": b"12"}
    log = recoveries.on(IMAGE).log
    assert [type(each) for each in log].count(Sync) == 1


def test_equal_images_are_recovered_once_whatever_their_inodes(
    recoveries: TracedRecoveries,
) -> None:
    other = data_image(old=b"1", new=b"12")
    assert other.digest() == IMAGE.digest()
    assert after(other, recoveries, first=7).files() == after(IMAGE, recoveries).files()
    assert recoveries.runs == 1


def test_a_recovery_that_changes_nothing_has_an_empty_log(recoveries: TracedRecoveries) -> None:
    recovery = recoveries.on(data_image(old=b"1"))
    assert (recovery.log, recovery.failed) == ((), "")


def test_a_recovery_that_fails_is_told(recoveries: TracedRecoveries) -> None:
    image = data_image(new=b"12")
    assert recoveries.on(image).failed == "expected a normal end but it exited with 3"
    with pytest.raises(RecoveryError, match=r"without a crash but: .* exited with 3"):
        recoveries.try_out(image)


def test_once_three_had_to_be_stopped_none_is_run_any_more() -> None:
    with recoveries_by("sh -c 'exec sleep 60' - {dir}", limit_s=0.1) as recoveries:
        told = [recoveries.on(data_image(old=bytes([each]))).failed for each in range(5)]
        assert recoveries.runs == 3
    assert told[0] == "expected an end within 0.1 s but it goes on"
    assert told[3:] == ["3 recoveries had to be stopped, so that no more were recorded"] * 2
