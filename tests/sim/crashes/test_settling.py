"""`Settling` knows what is durable after a log; `PendingOps` finds it out op by op."""

from disk_programs import Program, run
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.sim import PROFILES, DiskImage, PendingOps, Profile, SimDisk, Sync, SyncKind
from wavetank.sim.crashes.settling import Settling

calls = st.tuples(st.integers(0, 10), st.integers(0, 2), st.integers(0, 2))
programs = st.lists(calls, max_size=8)


@examples(200)
@given(
    before=programs,
    program=programs,
    profile=st.sampled_from(PROFILES),
    syncs=st.booleans(),
    fails=st.booleans(),
)
def test_settling_agrees_with_the_ops_read_one_by_one(
    before: Program, program: Program, profile: Profile, *, syncs: bool, fails: bool
) -> None:
    image = _full(run(before), profile)
    disk = run(program, SimDisk(image))
    log = list(disk.log)
    if syncs:
        dropped = (0,) if fails else ()
        log.append(Sync(kind=SyncKind.EVERYTHING, call=0, inode=0, dropped=dropped))
    pending = PendingOps(image, profile)
    pending.take_all(log)
    found = Settling(profile).image_after(image, tuple(log))
    if pending.everything or not pending.whole or (syncs and fails):
        assert found is None
    else:
        assert found is not None
        assert found.digest() == pending.durable.digest()


@examples(50)
@given(before=programs, other=programs, program=programs, profile=st.sampled_from(PROFILES))
def test_an_answer_for_one_disk_holds_for_the_log_on_any_other(
    before: Program, other: Program, program: Program, profile: Profile
) -> None:
    settling = Settling(profile)
    image = _full(run(before), profile)
    log = (*run(program, SimDisk(image)).log, Sync(kind=SyncKind.EVERYTHING, call=0, inode=0))
    for each in (image, _full(run(other), profile)):
        pending = PendingOps(each, profile)
        pending.take_all(log)
        found = settling.image_after(each, log)
        assert (found is None) is bool(pending.everything)
        if found is not None:
            assert found.digest() == pending.durable.digest()


def _full(disk: SimDisk, profile: Profile) -> DiskImage:
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    return pending.full
