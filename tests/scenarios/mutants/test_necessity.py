"""Which syncs of any store are needed: each is left out, and what is lost then can be replayed."""

from wavetank.scenarios import find_store, judge_again
from wavetank.scenarios.mutants import Necessity, SyncsResult, Trial, run_syncs
from wavetank.scenarios.mutants.bug_families.small_steps import append, workload

CONTROL = find_store("raftlock-published")
APPENDS = (Trial(workload=workload("appends", append(1), append(2))),)


def result() -> SyncsResult:
    return run_syncs(CONTROL, APPENDS)


def test_a_sync_of_a_store_that_is_wrong_already_is_needed_for_what_it_keeps_besides() -> None:
    found = result()

    assert found.wrong_already
    [sync] = found.syncs
    assert (sync.site.operation, sync.site.target) == ("append_log_entries", "log.dat")
    assert sync.necessity is Necessity.NECESSARY
    assert sync.kill is not None
    assert (sync.kill.invariant, sync.profiles) == ("O2", ("sequential",))


def test_what_is_lost_without_a_sync_is_a_case_like_any_other() -> None:
    [sync] = result().syncs
    assert sync.image is not None
    [problem] = judge_again(sync.image.case)
    assert (problem.invariant, problem.kind) == ("O2", "acknowledged entry lost")
    again = find_store(sync.image.case.store)
    assert again.summary == f"{CONTROL.name} without the sync of log.dat in {sync.site.function}"
