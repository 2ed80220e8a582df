"""A store is found by its name, and whoever takes a store takes any that was found."""

from pathlib import Path

import pytest
from suite_stores import SIMPLE, SimpleStore

from wavetank.scenarios import (
    BUILTIN,
    RunPlan,
    StoreAdapter,
    StoreNotFoundError,
    adapter_of,
    find_store,
    run,
    shipped_names,
)
from wavetank.scenarios.conformance import LOG_STORE


def test_stores_are_found_by_name_and_by_import() -> None:
    assert find_store("builtin") is BUILTIN
    assert find_store("suite_stores:simple").name == "suite_stores:simple"
    with pytest.raises(StoreNotFoundError, match="nearest match: builtin"):
        find_store("bultin")
    with pytest.raises(StoreNotFoundError, match="No module named 'no_such_module'"):
        find_store("no_such_module:factory")
    with pytest.raises(TypeError, match="factory: expected"):
        find_store("suite_stores:leaked")


def test_a_store_that_an_installed_package_names_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "installed_stores-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: installed-stores\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[wavetank.backends]\nmine = suite_stores:simple\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_store("mine").name == "mine"
    with pytest.raises(StoreNotFoundError, match="nearest match: mine"):
        find_store("mime")


def test_what_is_no_factory_or_capability_is_refused() -> None:
    with pytest.raises(TypeError, match="factory: expected something to call"):
        adapter_of(42)
    with pytest.raises(TypeError, match="capabilities: expected Capability but got 'votes'"):
        adapter_of(SimpleStore, capabilities=["votes"])  # type: ignore[list-item]
    assert adapter_of(SimpleStore).capabilities == LOG_STORE


def test_an_adapter_takes_another_name_and_other_capabilities_and_keeps_the_rest() -> None:
    adapter = adapter_of(SimpleStore, name="mine", capabilities=SIMPLE)
    assert adapter == StoreAdapter(name="mine", factory=SimpleStore, capabilities=SIMPLE)
    assert adapter_of(adapter) is adapter
    fewer = adapter_of(adapter, capabilities=LOG_STORE)
    assert (fewer.name, fewer.factory, fewer.capabilities) == ("mine", SimpleStore, LOG_STORE)
    assert fewer.held_to == LOG_STORE


def test_every_name_that_ships_is_the_name_of_its_store() -> None:
    assert [find_store(name).name for name in shipped_names()] == list(shipped_names())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("store", "invariants"),
    [
        ("plain_stores:PLAIN_STORE", set()),
        ("plain_stores:PLAIN_WITHOUT_DIRECTORY_SYNC", {"O2", "O3", "O8"}),
        ("suite_stores:SIMPLE_STORE", set()),
    ],
)
def test_a_run_takes_anybodys_store_and_holds_it_to_what_it_declares(
    store: str, invariants: set[str]
) -> None:
    plan = RunPlan(
        scenarios=("log-conflict",),
        seeds=(0,),
        profiles=("sequential",),
        backend=store,
        max_images=60,
    )
    (result,) = run(plan).results
    assert {each.invariant for each in result.violations} == invariants
    assert result.backend == store
    assert result.judged > 1
