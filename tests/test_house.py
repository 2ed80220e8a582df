"""The rules of the house that no type checker or linter sees."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("engine", "sim", "faults", "scenarios", "reports")
BELOW_REPORTS: Final = PACKAGES[:-1]

WORLD: Final = frozenset(
    {
        *("os", "time", "datetime", "threading", "random", "uuid", "secrets", "signal"),
        *("socket", "subprocess", "multiprocessing", "tempfile", "shutil", "pathlib", "mmap"),
    }
)
"""Standard modules through which the machine, its clock or chance could come in."""

WORLDLY_BUILTINS: Final = frozenset({"open", "print", "input", "id", "hash"})

TEXT_SUFFIXES: Final = frozenset({".py", ".md", ".toml", ".json", ".cfg", ".txt", ""})

# In two parts each, so that this file does not hold what it forbids.
REGISTRY_HOSTS: Final = (
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "--index" + "-url",
    "file" + "://",
)
MACHINE_PATH: Final = re.compile("/(tmp|work|root|home|Users)" + "/[a-zA-Z]")


def sources(package: str) -> Iterator[Path]:
    return (path for path in sorted((ROOT / package / "wavetank" / package).rglob("*.py")))


def imported(path: Path) -> set[str]:
    """Return what a source imports, as far as names tell: ``random.Random``, ``os``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def from_the_world(path: Path) -> set[str]:
    return {name for name in imported(path) if name.partition(".")[0] in WORLD}


def builtins_called(path: Path) -> set[str]:
    calls = (
        node.func
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    )
    return {function.id for function in calls if isinstance(function, ast.Name)}


def texts() -> Iterator[Path]:
    """Yield every text file of the project, but not what tools and runs leave behind."""
    yield from (path for path in sorted(ROOT.iterdir()) if path.is_file())
    for folder in (*PACKAGES, "tests", "docs", ".ci"):
        yield from (path for path in sorted((ROOT / folder).rglob("*")) if path.is_file())


@pytest.mark.parametrize("package", PACKAGES)
def test_the_namespace_package_stays_one(package: str) -> None:
    """With an ``__init__`` here, one package would hide the others from static checkers."""
    assert not (ROOT / package / "wavetank" / "__init__.py").exists()


@pytest.mark.parametrize("package", PACKAGES)
def test_each_room_is_typed_and_says_what_it_is_for(package: str) -> None:
    assert (ROOT / package / "wavetank" / package / "py.typed").is_file()
    docstring = import_module(f"wavetank.{package}").__doc__
    assert docstring is not None
    assert docstring.split()


def test_nothing_but_portions_and_the_entry_point_stands_beside_a_room() -> None:
    beside = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).glob("wavetank/*")
        if path.name not in (package, "__pycache__")
    }
    assert beside == {"reports/wavetank/__main__.py", "sim/wavetank/serving"}


def test_a_persistent_checker_brings_the_standard_library_alone() -> None:
    script = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import wavetank.serving\n"
        "names = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(names - sys.stdlib_module_names))\n"
        "print(*sorted(name for name in sys.modules if name.startswith('wavetank')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "wavetank",
        "wavetank wavetank.serving wavetank.serving.leftovers wavetank.serving.serving",
    ]


def test_the_engine_brings_no_test_or_screen_library_along() -> None:
    script = (
        "import sys\n"
        "import wavetank.engine\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
        "print(*sorted(name for name in sys.modules if name.startswith('wavetank.')\n"
        "              and not name.startswith('wavetank.engine')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded, neighbours = done.stdout.split("\n")[:2]
    assert set(loaded.split()).isdisjoint({"hypothesis", "pytest", "_pytest", "rich", "click"})
    assert neighbours == ""


def test_the_engine_meets_the_machine_only_in_the_real_sides_of_its_seams() -> None:
    found = {path.name: names for path in sources("engine") if (names := from_the_world(path))}
    assert found == {
        "os_filesystem.py": {"os"},
        "thread_runtime.py": {"os", "secrets", "threading", "time"},
    }


SUITE = ROOT / "scenarios" / "wavetank" / "scenarios" / "conformance"
REAL_PROGRAMS = {"python_files", "traces", "traced", "command"}
"""Folders in which somebody else's code runs on the real machine, or instead of it."""
KEEPERS = (SUITE / "isolation.py", SUITE / "machines.py", SUITE / "thread_checks.py")


@pytest.mark.parametrize("package", ["sim", "faults", "scenarios"])
def test_what_is_simulated_takes_only_seeded_randomness_from_the_machine(
    package: str,
) -> None:
    found = {
        name
        for path in sources(package)
        if not REAL_PROGRAMS & set(path.parts) and path not in KEEPERS
        for name in from_the_world(path)
    }
    words = {f"os.{name}" for name in ("O_CREAT", "O_RDWR", "O_WRONLY", "PathLike", "fsdecode")}
    paths = {"pathlib.Path", "pathlib.PurePath", "pathlib.PurePosixPath"}  # of users and sources
    assert found <= {"random.Random", "os.strerror"} | words | paths


def test_only_what_keeps_a_strange_store_in_check_knows_the_process() -> None:
    found = {
        path.name: {name.partition(".")[0] for name in from_the_world(path)} for path in KEEPERS
    }
    assert found == {
        "isolation.py": {"os", "multiprocessing", "signal", "tempfile", "threading"},
        "machines.py": {"pathlib", "tempfile"},
        "thread_checks.py": {"tempfile"},
    }


def test_only_what_stands_before_pythons_own_files_knows_pythons_modules() -> None:
    """The simulation of `os` and its like is made of what it replaces, and of nothing else."""
    folder = ROOT / "sim" / "wavetank" / "sim" / "python_files"
    found = {
        name.partition(".")[0] for path in folder.glob("*.py") for name in from_the_world(path)
    }
    assert found == {
        *("os", "time", "threading", "random", "signal", "tempfile", "mmap", "pathlib"),
    }


def test_only_the_recorders_know_the_machine_that_programs_run_on() -> None:
    folder = ROOT / "sim" / "wavetank" / "sim" / "traces"
    found = {
        str(path.relative_to(folder)): {name.partition(".")[0] for name in names}
        for path in folder.rglob("*.py")
        if (names := from_the_world(path)) and names != {"pathlib.Path"}
    }
    assert found == {
        "directories.py": {"os"},
        "images.py": {"os", "pathlib", "shutil"},
        "fuse/filesystem.py": {"os", "time"},
        "fuse/mount.py": {"os", "shutil", "socket", "subprocess"},
        "fuse/recorder.py": {"os", "pathlib", "shutil", "signal", "tempfile", "time"},
        "fuse/server.py": {"os", "signal"},
        "strace/source_lines.py": {"pathlib", "shutil", "subprocess"},
        "strace/recorder.py": {
            *("os", "pathlib", "shutil", "signal", "subprocess", "tempfile", "time"),
        },
    }


def test_only_what_checks_images_in_real_directories_knows_the_machine_they_stand_on() -> None:
    folder = ROOT / "scenarios" / "wavetank" / "scenarios" / "traced"
    found = {
        path.name: {name.partition(".")[0] for name in names}
        for path in folder.glob("*.py")
        if (names := from_the_world(path)) and names != {"pathlib.Path"}
    }
    assert found == {
        "benches.py": {"pathlib", "tempfile"},
        "check_command.py": {"os", "shutil", "signal", "subprocess", "tempfile"},
        "crash_functions.py": {"pathlib", "tempfile"},
        "persistent_check.py": {"os", "subprocess", "tempfile", "time"},
    }


@pytest.mark.parametrize("package", BELOW_REPORTS)
def test_below_reports_nothing_prints_opens_or_depends_on_addresses(package: str) -> None:
    found = {path.name: builtins_called(path) & WORLDLY_BUILTINS for path in sources(package)}
    assert {name: calls for name, calls in found.items() if calls} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_of_a_portion_exists_and_is_described(package: str) -> None:
    portion: ModuleType = import_module(f"wavetank.{package}")
    public: list[str] = portion.__all__
    assert len(set(public)) == len(public)
    assert [name for name in public if name.startswith("_")] == []
    for each in public:
        value: object = getattr(portion, each)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, each


def test_no_file_names_a_registry_or_a_place_on_somebodys_machine() -> None:
    looked_at = 0
    for path in texts():
        if path.suffix not in TEXT_SUFFIXES or "__pycache__" in path.parts:
            continue
        looked_at += 1
        text = path.read_text(encoding="utf-8")
        found = [host for host in REGISTRY_HOSTS if host in text]
        found += [match.group() for match in MACHINE_PATH.finditer(text)]
        assert found == [], path
    assert looked_at > len([path for package in PACKAGES for path in sources(package)])
