"""Options by name: what they set, what is refused, and sets in which any two come together."""

from itertools import combinations

import pytest
from attrs import evolve

from wavetank.engine import FileStorageOptions, RecoveryMode
from wavetank.scenarios import (
    OPTION_CHOICES,
    SCENARIOS,
    Contract,
    OptionError,
    RunPlan,
    Verdict,
    pairwise,
    run,
    with_overrides,
    workload_of,
)

DEFAULTS = FileStorageOptions()


@pytest.mark.parametrize("name", OPTION_CHOICES)
def test_each_choice_turns_its_option_and_nothing_else(name: str) -> None:
    choice = OPTION_CHOICES[name]
    options = with_overrides(DEFAULTS, [name])
    assert options != DEFAULTS
    assert with_overrides(options, [f"{choice.option}={_default(choice.option)}"]) == DEFAULTS


def _default(option: str) -> str:
    value: object = DEFAULTS
    for part in option.split("."):
        value = getattr(value, part)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return value.value if isinstance(value, RecoveryMode) else str(value)


def test_any_option_takes_any_value_of_its_kind() -> None:
    options = with_overrides(
        DEFAULTS, ["chunk_size=1024", "features.metrics=off", "lock_timeout=0.5"]
    )
    assert (options.chunk_size, options.features.metrics, options.lock_timeout) == (
        1024,
        False,
        0.5,
    )


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (["jsn_log"], "got 'jsn_log'; nearest match: json_log"),
        (["features.binary_fromat=on"], "nearest match: features.binary_format"),
        (["read_only=on"], "expected an option out of"),
        (["chunk_size=3"], "FileStorageOptions.chunk_size: expected 512 <= value"),
        (["chunk_size=much"], "FileStorageOptions.chunk_size: expected int"),
        (["recovery_mode=bold"], "FileStorageOptions.recovery_mode: expected conservative"),
        (["json_log", "features.binary_format=on"], "features.binary_format is set twice"),
    ],
)
def test_what_is_no_option_is_refused_by_name(choices: list[str], message: str) -> None:
    with pytest.raises(OptionError) as refused:
        with_overrides(DEFAULTS, choices)
    assert message in str(refused.value)


def test_any_two_choices_and_defaults_come_together() -> None:
    sets = pairwise()
    options = {name: choice.option for name, choice in OPTION_CHOICES.items()}
    for one, other in combinations(OPTION_CHOICES, 2):
        if options[one] != options[other]:
            assert any(one in each and other in each for each in sets), (one, other)
    for name, option in options.items():
        for other in set(options.values()) - {option}:
            assert any(
                name in each and all(options[turned_name] != other for turned_name in each)
                for each in sets
            ), (name, other)
    assert all(with_overrides(DEFAULTS, each) for each in sets)
    assert len(sets) <= 12


@pytest.mark.parametrize(
    ("choices", "relaxed"),
    [
        ([], ()),
        (["json_log", "aggressive", "preallocate"], ()),
        (["no_sync_on_append"], ("appends_durable",)),
        (["in_place_writes"], ("opens_always",)),
        (["conservative"], ("opens_always",)),
        (["in_place_writes", "aggressive"], ("opens_always", "snapshots_kept")),
    ],
)
def test_options_give_up_single_clauses(choices: list[str], relaxed: tuple[str, ...]) -> None:
    assert Contract.of(with_overrides(DEFAULTS, choices)).relaxed == relaxed


def plan(
    *option_sets: tuple[str, ...], scenario: str = "restart-loop", profile: str = "posix"
) -> RunPlan:
    return RunPlan(
        scenarios=(scenario,),
        seeds=(0,),
        profiles=(profile,),
        backend="builtin",
        option_sets=option_sets,
    )


# The orderly disk is looked at whole in a second; posix leaves twenty times as many images.
@pytest.mark.parametrize(
    ("profile", "least"),
    [("sequential", 100), pytest.param("posix", 500, marks=pytest.mark.minutes)],
)
@pytest.mark.parametrize("name", OPTION_CHOICES)
@pytest.mark.slow
def test_the_engine_keeps_what_each_choice_leaves_of_its_contract(
    name: str, profile: str, least: int
) -> None:
    (result,) = run(plan((name,), profile=profile)).results
    assert (result.verdict, result.violations) == (Verdict.PASS, ())
    assert result.options == (name,)
    # Without syncs ops pile up, and posix then allows too many sets to look at all.
    assert result.complete or (profile, name) == ("posix", "no_sync_on_append")
    assert result.judged > least


@pytest.mark.minutes
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_engine_passes_with_any_two_choices(scenario: str) -> None:
    assert all(
        result.verdict is Verdict.PASS
        for result in run(plan(*pairwise(), scenario=scenario)).results
    )


@pytest.mark.minutes
def test_runs_with_other_options_have_other_digests() -> None:
    whole = run(plan((), ("json_log",)))
    assert [result.options for result in whole.results] == [(), ("json_log",)]
    assert whole.results[0].digest != whole.results[1].digest
    assert whole.digest != run(plan(())).digest


def test_a_plan_with_an_unknown_option_runs_nothing() -> None:
    with pytest.raises(OptionError):
        run(plan((), ("nonsense",)))


def test_a_workload_remembers_what_was_turned() -> None:
    workload = workload_of("mixed", 3, ("small_chunks",))
    assert (workload.options.chunk_size, workload.overrides) == (512, ("small_chunks",))
    assert workload.steps == SCENARIOS["mixed"].workload(3).steps


def test_without_its_index_the_published_store_trusts_stale_bounds_at_a_clean_restart() -> None:
    published = evolve(plan((), ("no_index_map",)), backend="raftlock-published")
    lost = {
        result.options: [
            violation.kind
            for violation in result.violations
            if violation.crash is None and violation.kind == "acknowledged entry lost"
        ]
        for result in run(evolve(published, profiles=("process-kill",))).results
    }
    assert lost == {(): [], ("no_index_map",): ["acknowledged entry lost"]}
