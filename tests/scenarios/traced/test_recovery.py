"""What a check does to an image is recorded as a log that goes on from it."""

import shutil

import pytest
from traced.images import data_image

from wavetank.scenarios.traced import CheckCommand, recording_of, recovery_trace
from wavetank.scenarios.traced.benches import Benches
from wavetank.sim import Sync
from wavetank.sim.traces import Trace, record

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


def recovered(command: str) -> Trace | None:
    image = data_image(new=b"12", old=b"1")
    with Benches("/data", 1) as benches:
        check = CheckCommand.of(command)
        return recovery_trace(image, check, record, benches.all[0], limit_s=60.0)


@needs_strace
def test_the_log_continues_the_image_to_what_the_check_left() -> None:
    trace = recovered('sh -c \'mv "$1/new" "$1/old"; sync "$1"; test $2 = 0\' - {dir} {count}')
    assert trace is not None
    assert trace.image.files() == {"/data/new": b"12", "/data/old": b"1"}
    assert len(trace.sites) == 2
    assert [type(each) for each in trace.log].count(Sync) == 1
    assert recording_of(trace).finished.files() == {"/data/old": b"12"}


@needs_strace
@pytest.mark.parametrize(
    "command", ["cat {dir}/new {dir}/old", "sh -c 'rm $1/new; exit 1' - {dir}"]
)
def test_a_check_that_changes_nothing_or_fails_has_no_trace(command: str) -> None:
    assert recovered(command) is None
