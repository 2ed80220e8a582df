"""What a choice of images misses where all are known; the figures stand in docs/disk-model.md."""

import pytest
from representative_choice import Missed, measure, missed, zoo_recordings

from wavetank.scenarios.mutants import SYNC_TRIALS, sync_sites, without
from wavetank.scenarios.mutants.mutant_run import record_trial
from wavetank.sim import POSIX


@pytest.mark.slow
def test_a_choice_by_groups_finds_what_single_ops_do_not() -> None:
    """The creation of a store without the sync of its directory."""
    site, trials = next(
        (site, trials)
        for site, trials in sync_sites().items()
        if (site.operation, site.function, site.target) == ("creation", "Repair.run", ".")
    )
    recording = record_trial(SYNC_TRIALS[trials[0]], without(site))
    points = measure(recording, POSIX, [16])
    grouped = missed(points, lambda point: point.chosen[16])
    single = missed(points, lambda point: point.catalogue[16])
    assert (grouped.kinds, grouped.ops, grouped.images) == (0, 0, 188)
    assert (single.kinds, single.ops, single.images) == (1, 4, 184)
    assert (single.all_kinds, single.all_ops, single.all_images) == (2, 6, 827)


@pytest.mark.minutes
def test_over_all_missing_syncs() -> None:
    grouped, single = {8: Missed(), 32: Missed()}, {8: Missed(), 32: Missed()}
    for recording in zoo_recordings():
        points = measure(recording, POSIX, [8, 32])
        for bound in (8, 32):
            grouped[bound] += missed(points, lambda point: point.chosen[bound])  # noqa: B023 - called at once
            single[bound] += missed(points, lambda point: point.catalogue[bound])  # noqa: B023 - called at once
    assert [(each.kinds, each.ops) for each in grouped.values()] == [(1, 9), (0, 0)]
    assert [(each.kinds, each.ops) for each in single.values()] == [(2, 9), (0, 0)]
