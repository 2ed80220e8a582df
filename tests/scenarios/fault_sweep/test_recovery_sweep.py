"""Every operation of every recovery fails in every way; and stores that recover wrongly then."""

import errno
from collections.abc import Callable
from contextlib import suppress

import pytest
from attrs import evolve

from wavetank.engine import OpenFlag, Storage, StorageError
from wavetank.faults import parse_fault
from wavetank.scenarios import (
    BUILTIN,
    SCENARIOS,
    STORE_DIRECTORY,
    Site,
    StoreAdapter,
    Workload,
    shorten,
    sweep_recoveries,
)

# A sweep ends with a fault behind the last operation.
pytestmark = pytest.mark.idle_faults

ENGINE = BUILTIN
FAIL_ONCE = parse_fault("any: fail EIO")


def short(name: str, operations: int) -> Workload:
    return shorten(SCENARIOS[name].workload(seed=1), ENGINE, operations)


def test_the_engine_recovers_with_each_fault_at_each_operation() -> None:
    sweep = sweep_recoveries(short("mixed", 36), ENGINE)
    assert sweep.problems == ()
    # Each recovery has more than 20 operations, struck in eight ways that strike any.
    assert sweep.faults > sweep.images * 20 * 8
    assert sweep.refused > sweep.images * 20 * 7
    refused = {kind: counts.refused for kind, counts in sweep.kinds.items()}
    assert [kind for kind, count in refused.items() if not count] == [
        "write: short 7 bytes",
        "write: short 7 bytes from now on",
        "read: short 7 bytes",
        "read: short 7 bytes from now on",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["snapshot-compaction", "install-snapshot"])
def test_recoveries_from_snapshots_half_replaced_fail_at_each_operation(name: str) -> None:
    workload = short(name, 100)
    assert "SaveSnapshot" in workload.kinds()
    sweep = sweep_recoveries(workload, ENGINE, [FAIL_ONCE])
    assert sweep.problems == ()
    assert sweep.images > 50


@pytest.mark.minutes
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_engine_recovers_from_each_point_of_150_operations(name: str) -> None:
    assert sweep_recoveries(short(name, 150), ENGINE).problems == ()


def backend_of(opener: Callable[[Site], Storage]) -> StoreAdapter:
    return evolve(BUILTIN, name="wrong", summary="", factory=opener)


def problems_of(opener: Callable[[Site], Storage], operations: int = 36) -> str:
    sweep = sweep_recoveries(short("mixed", operations), backend_of(opener), [FAIL_ONCE])
    return "\n".join(map(str, sweep.problems))


@pytest.mark.slow
def test_a_recovery_that_begins_anew_where_it_cannot_read_is_found_out() -> None:
    def opened(site: Site) -> Storage:
        try:
            return ENGINE.open(site)
        except StorageError:
            for name in site.fs.listdir(STORE_DIRECTORY):
                site.fs.unlink(f"{STORE_DIRECTORY}/{name}")
            return ENGINE.open(site)

    assert ": O2: acknowledged entry lost: index 1" in problems_of(opened, 60)


def test_a_recovery_that_damages_what_it_cannot_repair_is_found_out() -> None:
    def opened(site: Site) -> Storage:
        try:
            return ENGINE.open(site)
        except StorageError:
            with suppress(OSError):
                site.fs.unlink(f"{STORE_DIRECTORY}/log.dat")
            raise

    found = problems_of(opened)
    assert "opened again: O7: the store does not open: CorruptedLogError" in found
    assert "in the recovery from a power cut at record " in found


def test_a_failed_recovery_whose_error_names_no_cause_is_found_out() -> None:
    def opened(site: Site) -> Storage:
        try:
            return ENGINE.open(site)
        except OSError as error:
            raise OSError(errno.EIO, "something went wrong") from error

    assert "an untyped error, OSError" in problems_of(opened)


def test_a_failed_recovery_that_keeps_its_lock_is_found_out() -> None:
    def opened(site: Site) -> Storage:
        try:
            return ENGINE.open(site)
        except StorageError:
            with suppress(OSError):
                site.fs.open(f"{STORE_DIRECTORY}/LOCK", OpenFlag.READ | OpenFlag.WRITE).lock()
            raise

    assert "O16: after a failed open, /store/LOCK is still open and a lock is still held" in (
        problems_of(opened)
    )
