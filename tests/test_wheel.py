"""Sdist and wheel: what is in them, and that they get along with other people's packages."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("engine", "sim", "faults", "scenarios", "reports")

STRANGERS_TEST: Final = """
from pathlib import Path

import engine
import wavetank.engine
import wavetank.reports.cli


def test_both_engines_are_there(wavetank_seed):
    assert engine.HORSEPOWER == 90
    assert Path(wavetank.engine.__file__).is_relative_to(INSTALLED)
    assert wavetank.engine.LogEntry(1, 1, b"x").index == 1
"""


def python(*arguments: str, directory: Path, path: str = "") -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of this tree, and a wheel built from that sdist."""
    directory = tmp_path_factory.mktemp("distributions")
    python(
        *("-m", "build", "--no-isolation", "--outdir", str(directory), str(ROOT)),
        directory=directory,
    )
    return directory


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    (built,) = distributions.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where that wheel has been installed."""
    directory = tmp_path_factory.mktemp("installed")
    python(
        *("-m", "pip", "install", "--no-deps", "--no-index", "--quiet"),
        *("--target", str(directory), str(wheel)),
        directory=directory,
    )
    return directory


@pytest.mark.slow
def test_the_sdist_holds_all_that_is_needed_to_build_test_and_read_it(distributions: Path) -> None:
    (built,) = distributions.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    papers = {path.name for path in ROOT.glob("*.md")}
    assert {"README.md", "SECURITY.md", "CHANGELOG.md"} <= papers
    files = {"pyproject.toml", "LICENSE", ".ci/run", "docs/cli.md", "tests/conftest.py"}
    assert files | papers <= names
    assert not {name for name in names if ".wavetank/" in name or "__pycache__" in name}


def test_the_version_heads_the_changelog(wheel: Path) -> None:
    version = wheel.name.split("-")[1]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[([^]]+)\]", changes, re.MULTILINE)[:2] == ["Unreleased", version]


def test_it_holds_one_package_with_types_and_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    (information,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {"wavetank", "_wavetank_pytest.py", information}

    sources = {
        path.relative_to(ROOT / package).as_posix()
        for package in PACKAGES
        for path in (ROOT / package / "wavetank").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {name for name in names if name.startswith("wavetank/")} == sources
    assert {f"wavetank/{package}/py.typed" for package in PACKAGES} <= sources
    assert "wavetank/reports/schemas/run.schema.json" in sources
    assert "wavetank/scenarios/catalogue/lives/mixed.toml" in sources


@pytest.mark.slow
def test_it_works_beside_a_package_of_the_same_name_as_a_room(
    wheel: Path, installed: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    (project / "engine").mkdir(parents=True)
    (project / "engine" / "__init__.py").write_text("HORSEPOWER = 90\n")
    test = STRANGERS_TEST.replace("INSTALLED", repr(str(installed)))
    (project / "test_strangers.py").write_text(test)

    path = str(installed)
    # The plugin comes along, and not even under -W error does it stand in anybody's way.
    strictly = ("-W", "error", "-m", "pytest", "-W", "error", "-q", "-p", "no:cacheprovider")
    printed = python(*strictly, directory=project, path=path)
    assert printed.splitlines()[-1].startswith("1 passed")
    version = python("-m", "wavetank", "--version", directory=project, path=path)
    assert version == f"wavetank {wheel.name.split('-')[1]}\n"
    # The scenarios that ship are files beside the package, not beside this tree.
    where = "from importlib.resources import files; print(files('wavetank.scenarios.catalogue'))"
    assert python("-c", where, directory=project, path=path).startswith(path)
    shown = python("-m", "wavetank", "list", "scenarios", "mixed", directory=project, path=path)
    assert shown.startswith('name = "mixed"\n')


@pytest.mark.slow
def test_the_zoo_patches_the_engine_that_is_installed(installed: Path, tmp_path: Path) -> None:
    where = "import wavetank.scenarios as s, wavetank.engine as e; print(s.__file__, e.__file__)"
    found = python("-c", where, directory=tmp_path, path=str(installed)).split()
    assert all(Path(each).is_relative_to(installed) for each in found)
    printed = python(
        *("-m", "wavetank", "zoo", "B01", "--workers", "1"),
        directory=tmp_path,
        path=str(installed),
    )
    assert printed.splitlines()[-1] == "PASS: 1 of 1 bugs killed, 0 false alarms"
