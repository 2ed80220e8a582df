"""Planted bugs in recovery itself: R3."""

from __future__ import annotations

from typing import Final

from wavetank.engine import Buffer
from wavetank.scenarios.mutants.bug_families.small_steps import append, workload
from wavetank.scenarios.mutants.mutant_run import Trial
from wavetank.scenarios.mutants.planted_bug import PlantedBug, by_deceit
from wavetank.scenarios.stores.adapter import Site
from wavetank.scenarios.stores.interposed_filesystem import Deceit, MisledFile, call_site

__all__ = ["RECOVERY_BUGS"]

_LOG: Final = "/log.dat"


def _repairs_in_place(site: Site) -> Deceit:  # noqa: ARG001 - a maker of deceits
    def write(file: MisledFile, data: Buffer, offset: int) -> int:
        if file.path.endswith(_LOG) and call_site().function == "repair_log":
            kept = file.inner.pread(file.inner.size(), 0)
            file.inner.truncate(0)
            file.inner.pwrite(kept, 0)
        return file.inner.pwrite(data, offset)

    return Deceit(write=write)


RECOVERY_BUGS: Final[tuple[PlantedBug, ...]] = (
    by_deceit(
        "R3",
        "recovery empties the log and writes it anew: it is not idempotent",
        "acknowledged entries lost by a second crash, inside recovery",
        _repairs_in_place,
        Trial(workload=workload("one-entry", append(1)), depth=1, from_step=1),
    ),
)
"""In the order of the list of planted bugs."""
