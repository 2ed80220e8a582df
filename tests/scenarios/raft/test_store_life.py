"""A store that lives through crashes one by one is held to the model all the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState
from wavetank.faults import FaultPlan, parse_plan
from wavetank.scenarios import (
    BUILTIN,
    Append,
    Loss,
    Reopen,
    SaveState,
    StoreLife,
    kept_after,
)
from wavetank.scenarios.mutants import BUGS
from wavetank.scenarios.strategies import losses, profiles
from wavetank.sim import POSIX, PROCESS_KILL, PendingOps, Profile, SimDisk

VOTE = SaveState(PersistentState(1, "node-a"))
EVERYTHING = Loss(newest=10_000)


def entry(index: int) -> Append:
    return Append((LogEntry(index, 1, b"command %d" % index),))


def life_of(bug: str | None = None, profile: Profile = POSIX) -> StoreLife:
    backend = BUILTIN if bug is None else BUGS[bug].backend
    return StoreLife(backend, FileStorageOptions(), profile)


def test_what_was_acknowledged_outlives_every_crash() -> None:
    life = life_of()
    for index in (1, 2, 3):
        assert life.take(entry(index)) == ()
        assert life.cut_power(EVERYTHING) == ()
    assert life.take(VOTE) == ()
    assert life.take(Reopen()) == ()
    assert life.kill_under(FaultPlan()) == ()
    assert [each.index for each in life.shown.entries] == [1, 2, 3]
    assert life.shown.state == VOTE.state
    assert not life.is_over


def test_a_step_of_which_nothing_was_written_has_not_happened() -> None:
    life = life_of()
    life.take(entry(1))
    assert life.cut_power(Loss(), written=0) == ()
    assert life.shown.entries == ()


def test_a_lost_vote_ends_the_life_and_is_told() -> None:
    life = life_of("S2")
    assert life.take(VOTE) == ()
    (first, *_) = life.cut_power(EVERYTHING)
    assert (first.invariant, first.kind) == ("O1", "term went back")
    assert life.is_over
    told = life.story()
    assert told.startswith("O1: expected term 1, vote 'node-a', but term 0, vote '' came back\n")
    assert "  step      1: save state: term 1, vote for node-a\n" in told
    assert "2: power cut under posix; lost: " in told
    with pytest.raises(ValueError, match="its life is over"):
        life.take(VOTE)


def test_without_the_power_cut_nothing_is_lost() -> None:
    life = life_of("S2", PROCESS_KILL)
    life.take(VOTE)
    assert life.cut_power(EVERYTHING) == ()
    assert life.kill_under(FaultPlan()) == ()
    assert life.shown.state == VOTE.state


def test_the_power_can_go_again_inside_the_recovery() -> None:
    kinds = set()
    for written in range(6):
        life = life_of("R3")
        life.take(entry(1))
        assert life.cut_power(Loss(), written=0) == ()
        kinds |= {each.kind for each in life.cut_power(Loss(), written=written)}
    assert kinds == {"does not open: CorruptedLogError"}


def test_a_failing_operation_is_survived_until_the_power_goes() -> None:
    life = life_of()
    assert life.kill_under(parse_plan("write log.dat: fail EIO")) == ()
    assert life.take(entry(1)) == ()
    assert life.cut_power(EVERYTHING) == ()
    assert [each.index for each in life.shown.entries] == [1]


def test_faults_that_damage_are_refused() -> None:
    with pytest.raises(ValueError, match=r"damage nothing but got 'write log\.dat: lost'"):
        life_of().kill_under(parse_plan("write log.dat: lost"))


def test_sizes_tell_what_a_step_would_do_and_change_nothing() -> None:
    life = life_of()
    first = life.sizes_after(entry(1))
    assert life.sizes_after(entry(1)) == first
    before, after = first["/store/log.dat"]
    assert after - before > len(b"command 1")
    assert life.shown.entries == ()


@given(loss=losses(), profile=profiles())
def test_a_loss_is_a_legal_set_on_any_disk(loss: Loss, profile: Profile) -> None:
    disk = SimDisk()
    for number in range(3):
        inode = disk.create(1, f"f{number}", path=f"/f{number}")
        disk.write(inode, 100, b"x" * 3000 * number, path=f"/f{number}")
        disk.rename((1, f"f{number}"), (1, "g"), source_path=f"/f{number}", target_path="/g")
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    assert pending.is_legal(kept_after(pending, loss))


@given(newest=st.integers(0, 20))
def test_a_larger_number_is_no_smaller_loss(newest: int) -> None:
    disk = SimDisk()
    inode = disk.create(1, "f", path="/f")
    disk.write(inode, 0, b"x" * 20_000, path="/f")
    pending = PendingOps(disk.image, POSIX)
    pending.take_all(disk.log)
    less, more = (set(kept_after(pending, Loss(newest=n)).numbers) for n in (newest, newest + 1))
    assert more <= less


def test_the_newest_write_can_be_torn() -> None:
    disk = SimDisk()
    inode = disk.create(1, "f", path="/f")
    disk.write(inode, 0, b"x" * 1024, path="/f")
    pending = PendingOps(disk.image, POSIX)
    pending.take_all(disk.log)
    (tear,) = kept_after(pending, Loss(torn_sectors=0b01)).tears
    assert tear.sectors == 0b10
    assert kept_after(pending, Loss(torn_sectors=0b100)).tears == ()


@pytest.mark.parametrize("arguments", [{"newest": -1}, {"also": (-1,)}, {"torn_sectors": -1}])
def test_a_negative_loss_is_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=">= 0"):
        Loss(**arguments)  # type: ignore[arg-type]
