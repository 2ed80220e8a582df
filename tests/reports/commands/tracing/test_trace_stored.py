"""Findings of `wavetank trace` are stored, shown, and judged again."""

import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
from console import wavetank

from wavetank.reports.documents import schema

PROGRAMS = Path(__file__).parents[3] / "support" / "traced"
STORED = Path(".wavetank") / "failures" / "traces"
REFUSES = """
last=$(tail -n 1 $2)
test -z "$last" && exit 0
test "$(cat $1/config)" -ge "$last" && exit 0
echo "the number $last is gone"
exit 1
"""
MENDED = REFUSES.replace("cat $1/config", "cat $1/config.new || cat $1/config")
"""A check that first does what a better recovery would: it takes the number from both names."""

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None or shutil.which("cc") is None,
    reason="needs strace and a C compiler: apt-get install strace gcc",
)


def compiled(name: str, folder: Path) -> Path:
    program = folder / name
    subprocess.run(["cc", "-g", "-O1", "-o", program, PROGRAMS / f"{name}.c"], check=True)
    return program


@pytest.fixture(scope="module")
def first_found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the rename of a saver was found lost; see `found`."""
    folder = tmp_path_factory.mktemp("found")
    program = compiled("saver", folder)
    (folder / "data").mkdir()
    (folder / "check.sh").write_text(REFUSES)
    words = ["--profile", "posix", "--ack", "acks", "--check", "sh check.sh {dir} {acked}"]
    program_words = [str(program), "data", "acks", "file"]
    done = wavetank("trace", *words, "--dir", "data", "--", *program_words, cwd=folder)
    assert done.returncode == 1
    return folder


@pytest.fixture
def found(first_found: Path, tmp_path: Path) -> tuple[Path, str]:
    """A folder of one's own with that finding, and the finding's id."""
    folder = tmp_path / "own"
    shutil.copytree(first_found, folder)
    [stored] = (folder / STORED).glob("*.json")
    return folder, stored.stem


def test_the_same_image_is_refused_again(found: tuple[Path, str]) -> None:
    folder, ident = found
    done = wavetank("replay", ident, cwd=folder)
    assert done.returncode == 1
    assert f"FAILED {ident}: the check refuses the same image: the number 1 is gone" in done.stdout
    done = wavetank("replay", ident, "--format", "json", cwd=folder)
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("replay"))
    assert document["verdict"] == "failed"


def test_it_can_be_named_by_its_file_wherever_that_was_copied(found: tuple[Path, str]) -> None:
    folder, ident = found
    (folder / STORED).rename(folder / "copied")
    done = wavetank("replay", f"copied/{ident}.json", cwd=folder)
    assert done.returncode == 1
    assert "the check refuses the same image: the number 1 is gone" in done.stdout
    assert wavetank("show", f"copied/{ident}.json", cwd=folder).returncode == 0


@pytest.mark.parametrize("command", ["show", "explain"])
def test_it_is_shown_and_explained(found: tuple[Path, str], command: str) -> None:
    folder, ident = found
    done = wavetank(command, ident, cwd=folder)
    assert done.returncode == 0
    assert "LOST: the number 1 is gone" in done.stdout
    assert "why      '1' was acknowledged, but the rename of " in done.stdout
    assert "cure     fsync of the directory /data after the renameat at saver.c:" in done.stdout
    assert f"Reproduce: wavetank replay {ident}" in done.stdout


def test_it_is_fixed_once_the_check_accepts_the_image(found: tuple[Path, str]) -> None:
    folder, ident = found
    (folder / "check.sh").write_text(MENDED)
    done = wavetank("replay", ident, cwd=folder)
    assert (done.returncode, done.stdout.partition(" ")[0]) == (0, "FIXED")


@pytest.mark.parametrize(
    ("check", "verdict", "code", "told"),
    [
        ("exit 0", "ERROR", 3, "expected a complaint about the directory as it was before"),
        ("echo broken; exit 1", "ERROR", 3, "expected None for what the workload left"),
        ("exit 127", "ERROR", 3, "expected a program that runs"),
        (None, "ERROR", 3, "expected None for what the workload left"),
    ],
)
def test_it_is_never_fixed_if_nothing_was_checked(
    found: tuple[Path, str], check: str | None, verdict: str, code: int, told: str
) -> None:
    folder, ident = found
    if check is None:
        (folder / "check.sh").unlink()
    else:
        (folder / "check.sh").write_text(check)
    done = wavetank("replay", ident, cwd=folder)
    assert done.returncode == code
    assert done.stdout.startswith(f"{verdict} {ident}: ")
    assert told in done.stdout


def test_a_check_that_takes_too_long_says_nothing(found: tuple[Path, str]) -> None:
    folder, ident = found
    (folder / "check.sh").write_text("exec sleep 60")
    path = folder / STORED / f"{ident}.json"
    document = json.loads(path.read_text())
    document["check"]["limit_s"] = 0.1
    path.write_text(json.dumps(document))
    done = wavetank("replay", ident, cwd=folder)
    assert done.stdout.startswith(f"INCONCLUSIVE {ident}: the check did not end in time")


@pytest.mark.parametrize("kind", ["trace", "image"])
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_file_that_is_missing_or_damaged_is_told(
    found: tuple[Path, str], kind: str, damage: str
) -> None:
    folder, ident = found
    [path] = (folder / STORED).glob(f"*.{kind}")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    done = wavetank("replay", ident, cwd=folder)
    assert done.returncode == 3
    assert done.stdout.startswith(f"ERROR {ident}: expected the file that {ident} needs but")
    assert path.name in done.stdout
    assert wavetank("show", ident, cwd=folder).returncode == 0


def test_a_finding_that_is_damaged_is_told(found: tuple[Path, str]) -> None:
    folder, ident = found
    path = folder / STORED / f"{ident}.json"
    document = json.loads(path.read_text())
    document["acked"] = "many"
    path.write_text(json.dumps(document))
    for command, code in (("replay", 3), ("show", 2), ("explain", 2)):
        done = wavetank(command, ident, cwd=folder)
        assert done.returncode == code
        assert f"{ident}.json cannot be read and is kept" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "words", [["show", "--as", "pytest"], ["explain", "--format", "json"], ["shrink"]]
)
def test_what_there_is_not_of_it_is_told(found: tuple[Path, str], words: list[str]) -> None:
    folder, ident = found
    done = wavetank(words[0], ident, *words[1:], cwd=folder)
    assert done.returncode == 2
    assert "was found by `wavetank trace`" in done.stderr


@pytest.mark.slow
def test_a_recovery_that_was_mended_is_crashed_again(tmp_path: Path) -> None:
    store, check = (compiled(each, tmp_path) for each in ("journaled", "check_journaled"))
    (tmp_path / "data").mkdir()
    recovery = tmp_path / "recover.sh"
    recovery.write_text(f"exec {store} recover $1 journal")
    words = ["--depth", "1", "--no-stacks", "--profile", "ext4", "--ack", "acks"]
    words += ["--check", f"{check} {{dir}} {{count}}", "--recover", f"sh {recovery} {{dir}}"]
    program = [str(store), "save", "data", "acks"]
    done = wavetank("trace", *words, "--dir", "data", "--", *program, cwd=tmp_path)
    assert done.returncode == 1
    [path] = (tmp_path / STORED).glob("*.json")
    again = wavetank("replay", path.stem, cwd=tmp_path)
    assert again.returncode == 1
    assert "the recovery was run again and crashed everywhere" in again.stdout
    recovery.write_text(f"exec {store} recover $1 journal data")
    again = wavetank("replay", path.stem, cwd=tmp_path)
    assert again.returncode == 0
    assert again.stdout.startswith(f"FIXED {path.stem}: the check accepts all ")
    recovery.write_text("exit 1")
    again = wavetank("replay", path.stem, cwd=tmp_path)
    assert again.returncode == 3
    assert "recovery: expected a normal end but it exited with 1" in again.stdout
