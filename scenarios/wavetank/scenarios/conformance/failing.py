"""Checks of failing operations: each of one kind fails in turn, and the store copes.

Each runs a short workload once for every operation of its kind (workload_sweep.py says what is
asked then).
"""

from __future__ import annotations

from typing import Final

from wavetank.faults import parse_fault
from wavetank.scenarios.conformance.assertions import CheckFailure, CheckSkipped
from wavetank.scenarios.conformance.check import group_of
from wavetank.scenarios.conformance.store_harness import Bench
from wavetank.scenarios.conformance.workloads import short_workload
from wavetank.scenarios.fault_sweep.workload_sweep import sweep_operations
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["FAILING"]


def write_error_then_reopen(bench: Bench) -> None:
    """A write that fails, before or after some of its bytes, is told and leaves old or new."""
    _sweep(bench, "write: fail EIO", "write: fail EIO after 7 bytes", "truncate: fail EIO")


def fsync_error_poisons(bench: Bench) -> None:
    """What a failed sync was for is never acknowledged, whatever comes after it."""
    _sweep(bench, "fsync: fail EIO", "fsync_dir: fail EIO", "fsync: fail EIO from now on")


def enospc(bench: Bench) -> None:
    """On a full disk the store says so, and holds what it had acknowledged."""
    _sweep(bench, "any: fail ENOSPC", "write: fail ENOSPC from now on")


def rename_error(bench: Bench) -> None:
    """A rename that fails, before or after it was done, leaves old or new."""
    _sweep(bench, "rename: fail EIO", "rename: fail EIO after effect")


def open_list_unlink_errors(bench: Bench) -> None:
    """Files that cannot be opened, listed or removed for once are told of, and nothing is lost."""
    _sweep(bench, "open: fail EMFILE", "list: fail EIO", "unlink: fail EIO")


def preallocation_error(bench: Bench) -> None:
    """Room that cannot be reserved is told of, or done without."""
    _sweep(bench, "preallocate: fail ENOSPC")


def short_write(bench: Bench) -> None:
    """A write that takes fewer bytes than it was given is gone on with, and so is a read."""
    _sweep(bench, "write: short 7 bytes", "read: short 7 bytes")


def _sweep(bench: Bench, *lines: str) -> None:
    workload = short_workload(bench.plug.capabilities, bench.options)
    sweep = sweep_operations(
        workload,
        bench.plug,
        [parse_fault(line) for line in lines],
        names_cause=bench.plug.has(Capability.TYPED_ERRORS),
    )
    for problem in sweep.problems:
        others = len(sweep.problems) - 1
        raise CheckFailure(f"{problem}; {others} more" if others else str(problem))
    if not sweep.faults:
        raise CheckSkipped("the store does no such operation")


FAILING: Final = group_of(
    "faults",
    tuple(
        (run, (Capability.SITE_FILESYSTEM,))
        for run in (
            write_error_then_reopen,
            fsync_error_poisons,
            enospc,
            rename_error,
            open_list_unlink_errors,
            preallocation_error,
            short_write,
        )
    ),
)
"""Every check of this group."""
