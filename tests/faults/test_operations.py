"""Every method of the filesystem seam is an operation that faults can reach."""

import pytest

from wavetank.engine import File, FileSystem
from wavetank.faults import (
    FAULT_CLASSES,
    OPERATIONS,
    VOCABULARY,
    FaultyFile,
    FaultyFileSystem,
    OperationKind,
    parse_fault,
)


def methods(*classes: type) -> list[str]:
    return [name for each in classes for name in vars(each) if not name.startswith("_")]


def test_every_method_of_the_seam_has_one_kind() -> None:
    assert sorted(each.method for each in OPERATIONS) == sorted(methods(File, FileSystem))


def test_every_kind_has_a_method_and_a_class() -> None:
    assert {each.kind for each in OPERATIONS} == set(OperationKind)
    assert set(FAULT_CLASSES) == set(OperationKind)


@pytest.mark.parametrize(("seam", "wrapper"), [(File, FaultyFile), (FileSystem, FaultyFileSystem)])
def test_the_wrappers_have_every_method_and_no_other(seam: type, wrapper: type) -> None:
    assert sorted(methods(wrapper)) == sorted(methods(seam))


def test_every_effect_applies_to_known_kinds() -> None:
    for words in VOCABULARY:
        kinds = parse_fault(words.example).what.kinds
        assert kinds is None or (kinds and set(kinds) <= set(OperationKind))
