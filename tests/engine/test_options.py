"""Options: bad ones are refused by name; whichever wrote a store, any others open it."""

import math

import pytest
from attrs import fields
from engine_site import EngineSite
from engine_twin import ANY_OPTIONS, STEPS, Step, Twin
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import FileStorageOptions, StorageFeatureFlags
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

FLAGS = [attribute.name for attribute in fields(StorageFeatureFlags)]
OPTIONS = [attribute.name for attribute in fields(FileStorageOptions)]
OUT_OF_RANGE: dict[str, list[object]] = {
    "retained_log_size": [-1, 2**63 + 1],
    "chunk_size": [0, 511, (1 << 30) + 1],
    "lock_timeout": [0, -1.0, math.inf, math.nan],
    "truncation_timeout": [0, -0.5, math.inf, math.nan],
    "max_entry_size": [0, 1 << 31],
    "preallocate": [-1, (1 << 30) + 1],
    "recovery_mode": ["brave"],
}


def test_every_flag_is_on_by_default() -> None:
    assert all(getattr(StorageFeatureFlags(), name) is True for name in FLAGS)
    assert set(FLAGS) == {
        "binary_format",
        "index_map",
        "async_truncation",
        "chunked_io",
        "atomic_writes",
        "lock_timeout",
        "metrics",
    }


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_a_flag_that_is_no_boolean_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=rf"StorageFeatureFlags\.{name}: expected bool"):
        StorageFeatureFlags(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_of_another_type_is_refused_by_name(name: str) -> None:
    with pytest.raises(TypeError, match=rf"FileStorageOptions\.{name}: expected"):
        FileStorageOptions(**{name: object()})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, found in OUT_OF_RANGE.items() for value in found]
)
def test_an_option_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"FileStorageOptions\.{name}: expected"):
        FileStorageOptions(**{name: value})  # type: ignore[arg-type]


def test_options_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        FileStorageOptions(StorageFeatureFlags())  # type: ignore[call-arg]


@examples(150)
@given(steps=STEPS, turns=st.lists(ANY_OPTIONS, min_size=1, max_size=5))
def test_any_options_go_on_where_any_others_stopped(
    steps: list[Step], turns: list[FileStorageOptions]
) -> None:
    twin = Twin(EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store"), turns)
    for step, number in steps:
        step(twin, number)
        twin.check()
