"""The examples in the docstrings run, in every package.

Those of the engine may use `store`, a new store that is open, and `directory`, an empty directory
of the machine.
"""

import doctest
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

from wavetank.engine import FileStorage, StorageConfig
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

PACKAGES = ("engine", "sim", "faults", "scenarios", "reports")


def examples() -> Iterator[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    for portion in PACKAGES:
        package = import_module(f"wavetank.{portion}")
        names = [module.name for module in walk_packages(package.__path__, f"{package.__name__}.")]
        for name in [package.__name__, *sorted(names)]:
            yield from finder.find(import_module(name), name)


EXAMPLES = [example for example in examples() if example.examples]


DRAWN = "wavetank.scenarios.fuzzing."
"""Whose examples draw their faults at random."""


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(each, marks=[pytest.mark.idle_faults] * each.name.startswith(DRAWN))
        for each in EXAMPLES
    ],
    ids=lambda example: example.name,
)
def test_an_example_does_what_it_shows(example: doctest.DocTest, tmp_path: Path) -> None:
    if example.name.startswith("wavetank.engine."):
        config = StorageConfig(directory="/store")
        filesystem = SimFileSystem(SimDisk())
        example.globs["directory"] = str(tmp_path)
        example.globs["store"] = FileStorage(config, fs=filesystem, runtime=SerialRuntime())
    told: list[str] = []
    failed, tried = doctest.DocTestRunner().run(example, out=told.append)
    assert not failed, "".join(told)
    assert tried


def test_every_package_has_examples() -> None:
    assert {example.name.split(".")[1] for example in EXAMPLES} == set(PACKAGES)
