"""What runs reach, and which inputs are worth changing."""

from random import Random

from wavetank.engine import FileStorageOptions
from wavetank.faults import fault_plan
from wavetank.scenarios import BUILTIN, Case, Coverage, Feature, OpenStore, Workload, record
from wavetank.scenarios.fuzzing.corpus import Corpus
from wavetank.scenarios.fuzzing.coverage import branch_of, features
from wavetank.scenarios.raft.steps import KillProcess
from wavetank.sim import POSIX, DiskImage

PLAIN = Feature("Append", "none", "no crash", "defaults")
OTHER = Feature("Append", "none", "no crash", "json_log")


def case(seed: int) -> Case:
    workload = Workload(name="fuzz", seed=seed, steps=(OpenStore(),), options=FileStorageOptions())
    return Case(workload=workload, store="builtin", profile=POSIX)


def test_coverage_merges() -> None:
    both = Coverage({PLAIN: 2}) + Coverage({PLAIN: 1, OTHER: 1})
    assert both.runs == {PLAIN: 3, OTHER: 1}
    assert both.by(lambda feature: feature.option) == {"defaults": 1, "json_log": 1}
    # Six pairs of parts each, three of which both features have.
    assert both.pairs() == 9


def test_features_tell_operation_fault_branch_and_option() -> None:
    workload = Workload(
        name="fuzz",
        seed=0,
        steps=(OpenStore(), KillProcess()),
        options=FileStorageOptions(),
        overrides=("json_log",),
        faults=fault_plan(["fsync log.dat #3: fail EIO", "any: evict"]),
    )
    assert features(workload, (0,), ("fsync log.dat #3: fail EIO",), {1: ("nothing written",)}) == {
        Feature("OpenStore", "fsync: fail EIO", "no crash", "json_log"),
        Feature("KillProcess", "fsync: fail EIO", "nothing written", "json_log"),
    }
    assert {each.fault for each in features(workload, (0,), (), {})} == {"none"}


def test_a_branch_is_what_recovery_does_to_the_disk() -> None:
    recording = record(case(0).workload, BUILTIN)
    made = branch_of(recording.subject().recover(DiskImage.empty()))
    assert "make log.dat.tmp" in made
    assert "replace" not in made


def test_only_inputs_that_reach_something_new_are_kept() -> None:
    corpus = Corpus()
    assert corpus.choose(Random(0)) is None
    assert corpus.take(case(1), frozenset({PLAIN})) == 1
    assert corpus.take(case(2), frozenset({PLAIN})) == 0
    assert corpus.take(case(3), frozenset({PLAIN, OTHER})) == 1
    assert [each.workload.seed for each in corpus.cases] == [1, 3]
    assert corpus.coverage.runs == {PLAIN: 3, OTHER: 1}
    chosen = [corpus.choose(Random(number)) for number in range(20)]
    # The rarest is preferred whenever it is asked.
    assert sum(each == case(3) for each in chosen) > 15
